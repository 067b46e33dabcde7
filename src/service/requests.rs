//! What callers ask for, and what they get.

use serde_json::{Map, Value};

use crate::job::{JobId, JobName, JobView};

/// A job to launch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaunchRequest {
    /// The template's name.
    pub template: String,
    /// The caller's ID for it, which makes the request safe to repeat; without one, a UUID of version 7 is made.
    pub id: Option<JobId>,
    /// Free text for people.
    pub name: Option<JobName>,
    /// The parameters, as strings or JSON.
    pub parameters: Map<String, Value>,
    /// Who asks, where that is known.
    pub by: Option<String>,
}

/// A job to launch again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rerun {
    /// The ID of the new job.
    pub id: Option<JobId>,
    /// Another name than the first job's.
    pub name: Option<JobName>,
    /// Parameters that replace those of the first job.
    pub parameters: Map<String, Value>,
    /// Who asks, where that is known.
    pub by: Option<String>,
}

/// A manifest to look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RenderRequest {
    /// The template's name.
    pub template: String,
    /// The job ID to render with; `example` if there is none.
    pub id: Option<JobId>,
    /// The job name to render with.
    pub name: Option<JobName>,
    /// The parameters, as strings or JSON.
    pub parameters: Map<String, Value>,
}

/// A launch that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Launched {
    /// The job.
    pub job: JobView,
    /// Whether this request made it; if not, the same request had been accepted before.
    pub created: bool,
}
