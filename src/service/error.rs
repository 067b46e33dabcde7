//! What the service can refuse, and why.

use serde::Serialize;
use serde_json::Value;

use super::Objection;
use crate::executor::{ExecutorError, Unsupported};
use crate::job::{JobId, Phase};
use crate::store::StoreError;
use crate::template::{Fault, RenderError, UnknownTemplate};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is no such template.
    #[error("there is no template {name:?}{}", did_you_mean(.suggestion.as_deref()))]
    UnknownTemplate {
        /// What was asked for.
        name: String,
        /// A template whose name is near.
        suggestion: Option<String>,
    },
    /// The template fails to load, and no earlier version of it is known.
    #[error("the template {name:?} is broken: {error}")]
    BrokenTemplate {
        /// The template.
        name: String,
        /// What is wrong with it.
        error: String,
    },
    /// The parameters do not fit the template's schema.
    #[error("the parameters do not fit the template {template:?}: {}", listed(.faults))]
    InvalidParameters {
        /// The template.
        template: String,
        /// Everything that is wrong with them.
        faults: Vec<Fault>,
    },
    /// The template gives no valid manifest with these parameters.
    #[error("the template {template:?} gives no valid manifest: {error}")]
    Render {
        /// The template.
        template: String,
        /// What is wrong.
        error: Box<RenderError>,
    },
    /// The executor could not honour the manifest in full.
    #[error("the executor cannot run the manifest of {template:?}: {unsupported}")]
    Unsupported {
        /// The template.
        template: String,
        /// Everything that it cannot honour.
        unsupported: Unsupported,
    },
    /// The executor would not take the manifest.
    #[error("the executor refuses the manifest of {template:?} ({}): {objection}", .objection.reason)]
    Refused {
        /// The template.
        template: String,
        /// What it says.
        objection: Box<Objection>,
    },
    /// There is a job of this ID, and it is another one.
    #[error("job {id} exists already and differs in {}", fields(.differences))]
    Conflict {
        /// The ID.
        id: JobId,
        /// In what the two differ.
        differences: Vec<Difference>,
    },
    /// There is a job of this ID, and whether it is the one that is asked for cannot be told.
    #[error(
        "job {0} exists already; its record was lost and rebuilt from its object, so that nobody knows whether it was launched with these parameters: look at the job, and take another ID to launch one more"
    )]
    Incomparable(JobId),
    /// There is no such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// The records are new or from a backup, and what the executor has of this installation was not seen yet.
    #[error("the records are new or were restored, and the executor has not shown yet which jobs there are; try again")]
    Rebuilding,
    /// What was asked for can be done only once the job has ended.
    #[error("job {id} has not ended: it is {phase}; cancel it first")]
    NotEnded {
        /// The job.
        id: JobId,
        /// Where it stands.
        phase: Phase,
    },
    /// What was asked for can be done only until the job has ended.
    #[error("job {id} has ended already: it is {phase}")]
    Ended {
        /// The job.
        id: JobId,
        /// Where it stands.
        phase: Phase,
    },
    /// Secret parameters are not kept, so a rerun needs them again.
    #[error("secret parameters are not kept; give them again: {}", .names.join(", "))]
    SecretsNeeded {
        /// Which.
        names: Vec<String>,
    },
    /// The parameters of a rebuilt job are not known, so a rerun needs all of them.
    #[error(
        "the record of job {id} was lost and rebuilt from its object, which does not tell its parameters; give each of them, null for a default: {}",
        .names.join(", ")
    )]
    ParametersNeeded {
        /// The job.
        id: JobId,
        /// Which are missing.
        names: Vec<String>,
    },
    /// The manifest of a rebuilt job is not known.
    #[error("the record of job {0} was lost and rebuilt from its object: its manifest is not on record")]
    NoManifest(JobId),
    /// No line of the job's log was kept.
    #[error("there is no log of job {0}: it never started")]
    NoLog(JobId),
    /// The record cannot be read or written.
    #[error(transparent)]
    Store(StoreError),
    /// The executor cannot do it.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The service is about to stop.
    #[error("the service is shutting down; send the request again in a moment")]
    ShuttingDown,
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            // It was deleted meanwhile.
            StoreError::NotFound(id) => Self::UnknownJob(id),
            error => Self::Store(error),
        }
    }
}

impl From<UnknownTemplate> for ServiceError {
    fn from(unknown: UnknownTemplate) -> Self {
        let UnknownTemplate { name, suggestion, broken } = unknown;
        match broken {
            Some(error) => Self::BrokenTemplate { name, error: error.to_string() },
            None => Self::UnknownTemplate { name, suggestion },
        }
    }
}

/// One thing in which two requests under one job ID differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Difference {
    /// What differs: `template`, `name`, or `parameters.NAME`.
    pub field: String,
    /// What is on record.
    pub recorded: Value,
    /// What was asked for.
    pub requested: Value,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn fields(differences: &[Difference]) -> String {
    differences.iter().map(|it| it.field.as_str()).collect::<Vec<_>>().join(", ")
}
