//! The history of a job.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{JobId, ObjectRef, Phase, Report};

/// A change that is about to be recorded; the store numbers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// When it came to pass, or was learned.
    pub at: Timestamp,
    /// Who says so.
    pub source: Source,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// One entry of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Its number: unique and rising over all jobs of an installation.
    pub sequence: u64,
    /// Whose history it is in.
    #[schema(value_type = String)]
    pub job: JobId,
    /// When it came to pass, or was learned.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who says so.
    pub source: Source,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Who an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Jobwright itself.
    Service,
    /// The executor: this is evidence.
    Executor,
    /// The worker: these are its own words.
    Worker,
    /// A person or caller.
    User,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// The request was accepted and its intent recorded.
    Recorded,
    /// Its record was lost, and rebuilt from its object. The first event of such a job.
    Rebuilt,
    /// Its object exists.
    Created {
        /// The object.
        object: ObjectRef,
    },
    /// The executor took its manifest with a warning.
    Warning {
        /// The executor's own words.
        text: String,
    },
    /// Its phase, or the reason for it, changed.
    Phase {
        /// The phase before.
        from: Phase,
        /// The phase now.
        to: Phase,
        /// Why, in one word.
        reason: Option<String>,
        /// Why, in a sentence.
        message: Option<String>,
    },
    /// A container started.
    ContainerStarted {
        /// Its pod.
        pod: String,
        /// Its name.
        container: String,
    },
    /// A container ended.
    ContainerEnded {
        /// Its pod.
        pod: String,
        /// Its name.
        container: String,
        /// Its exit code.
        exit_code: i32,
        /// One word: `Completed`, `Error`, `OOMKilled`, …
        reason: String,
    },
    /// The worker reported.
    Report {
        /// What it said.
        report: Report,
        /// Whether the words were older than those already on record, and so are not shown as its status.
        late: bool,
        /// Whether the job had ended already.
        after_end: bool,
    },
    /// Somebody asked to cancel it.
    CancelRequested {
        /// Who, where that is known.
        by: Option<String>,
    },
    /// Words and evidence contradict each other (or no longer do).
    Disputed {
        /// Whether they do now.
        disputed: bool,
    },
    /// The tail of its log is on record.
    LogKept,
    /// Its object was deleted by Jobwright, after its end.
    ObjectDeleted,
    /// Its record was deleted. The last event of a job.
    Deleted,
}
