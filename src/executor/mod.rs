//! Where jobs run. Every executor gives the same evidence ([`crate::job::evidence`]); the rest of the program cannot
//! tell them apart.

#[cfg(test)]
pub(crate) mod fake;

pub mod kubernetes;
pub mod process;
pub mod review;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use serde::Serialize;

use crate::job::labels::{INSTALLATION, JOBWRIGHT, MANAGED_BY};
use crate::job::{Evidence, Intent, JobId, ObjectRef, Refusal};

pub use crate::job::{LogLine, LogRun};

/// An executor that is shared by the tasks of a service.
pub type SharedExecutor = Arc<dyn Executor>;

/// A place where jobs run.
///
/// Implementations own no decision about a job's record: they create, show and remove objects. Each of them must keep
/// these promises:
///
/// - An object carries the job ID it was created for, and [`Executor::watch`] names it with every piece of evidence.
/// - `create` twice under one name gives at most one object.
/// - Evidence of one object may come twice and out of order, but shows one end at most.
pub trait Executor: Send + Sync + 'static {
    /// `process` or `kubernetes`, as on the command line.
    fn kind(&self) -> &'static str;

    /// The namespace that objects are created in.
    fn namespace(&self) -> &str;

    /// Refuses a manifest that this executor could not honour in full, before anything is recorded. The answer lists
    /// every fault.
    fn check(&self, manifest: &serde_json::Value) -> Result<(), Unsupported>;

    /// Creates the object of an intent. The outcome tells what is known to have happened, which a plain error could
    /// not.
    fn create<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, CreateOutcome>;

    /// Whether there is such a thing as a dry run here.
    fn can_dry_run(&self) -> bool;

    /// Asks whether a manifest would be taken, with nothing created.
    fn dry_run<'a>(&'a self, manifest: &'a serde_json::Value) -> BoxFuture<'a, Result<DryRun, DryRunError>>;

    /// Looks an object up by its name.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Found>, ExecutorError>>;

    /// Stops what runs, and sees to it that evidence of that end comes. Stopping what has ended already changes
    /// nothing.
    fn cancel<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>>;

    /// Deletes an object with all that belongs to it, logs included. Deleting what is gone changes nothing.
    fn delete<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>>;

    /// Everything that carries Jobwright's marks here, of whichever installation: what a lost record is rebuilt from.
    fn survey(&self) -> BoxFuture<'_, Result<Vec<Marked>, ExecutorError>>;

    /// All that this executor shows of its installation's objects from now on: first a complete [`Observation::Listed`],
    /// then every change, and a fresh list after each gap. The stream does not end while the executor lives.
    fn watch(&self) -> BoxStream<'static, Observation>;

    /// The log of an object's containers, oldest line first. With `follow` the stream ends when every container has
    /// ended and all their lines were given.
    fn logs<'a>(
        &'a self,
        object: &'a ObjectRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, ExecutorError>>, ExecutorError>>;

    /// Whether objects could be created now. The text says what is wrong.
    fn ready(&self) -> BoxFuture<'_, Result<(), ExecutorError>>;
}

/// What came of an attempt to create an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It exists and is ours: made just now, or by an earlier attempt for the same job.
    Created {
        /// The object.
        object: ObjectRef,
        /// What the executor warned of when it took the manifest.
        warnings: Vec<String>,
    },
    /// Its name was taken, and when the one that had taken it was to be looked at, it was gone. If an earlier attempt
    /// for this job may have been its maker, then the job has lost it.
    Vanished,
    /// Its name is taken by this job's own object, which is being deleted. If an earlier attempt for this job may have
    /// been its maker, then the job is about to lose it; else it is left over from an earlier job of that ID.
    Leaving {
        /// The object.
        object: ObjectRef,
    },
    /// An earlier attempt had made it, and it was deleted since.
    Gone {
        /// The object.
        object: ObjectRef,
    },
    /// It was refused for good; nothing was created.
    Refused(Refusal),
    /// Nothing was sent, so that nothing was made by this attempt: it is to be made again.
    Unsent {
        /// What went wrong.
        message: String,
    },
    /// It may or may not exist: the same create is to be sent again, after this long at least.
    Unknown {
        /// What went wrong.
        message: String,
        /// How long the executor wants to be left alone.
        retry_after: Option<std::time::Duration>,
    },
}

/// What an executor makes of a manifest that it would take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DryRun {
    /// What it warns of.
    pub warnings: Vec<String>,
}

/// Why a dry run gave no consent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DryRunError {
    /// The executor would not take the manifest.
    #[error("{message}")]
    Refused {
        /// One word: `Invalid`, `Forbidden`, …
        reason: String,
        /// The executor's own message.
        message: String,
        /// The single faults, where the executor tells them apart.
        causes: Vec<Cause>,
    },
    /// The executor did not say.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
}

/// One fault that an executor finds in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Cause {
    /// The field, as the executor writes it: `spec.template.spec.containers[0].image`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The job that it was created for, if it is an object of this installation.
    pub job: Option<JobId>,
    /// What there is to see of it.
    pub evidence: Evidence,
}

/// What an object says of the job that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The object.
    pub object: ObjectRef,
    /// When it came to be.
    pub created: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Marked {
    /// The installation that it belongs to, by its own word.
    pub fn installation(&self) -> Option<&str> {
        let ours = self.labels.get(MANAGED_BY).map(String::as_str) == Some(JOBWRIGHT);
        self.labels.get(INSTALLATION).filter(|_| ours).map(String::as_str)
    }
}

/// One message of [`Executor::watch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// Every object of this installation, as of some moment while they were read. What is shown next came after it.
    Listed(Vec<(JobId, Evidence)>),
    /// Something changed.
    Changed(JobId, Evidence),
    /// The executor cannot be reached; the text says why. What it shows next is a list.
    Unreachable(String),
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Whether to go on until the containers have ended.
    pub follow: bool,
    /// Only lines from this moment on.
    pub since: Option<Timestamp>,
    /// Only this many last lines of what there is at the start.
    pub tail: Option<usize>,
    /// Only lines of this pod.
    pub pod: Option<String>,
    /// The runs that there are, where whoever asks knows them: an executor need not look for them then. Without effect
    /// on what is followed.
    pub runs: Option<Vec<LogRun>>,
}

/// A manifest asks for what an executor cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unsupported {
    /// Field path and what is wrong with it, for each fault.
    pub faults: Vec<(String, String)>,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (path, message)) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{path}: {message}")?;
        }
        Ok(())
    }
}

/// An executor could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// It cannot be reached, or does not answer.
    #[error("the executor cannot be reached: {0}")]
    Unreachable(String),
    /// It refuses.
    #[error("the executor refuses: {0}")]
    Refused(String),
    /// There is no such object, or nothing of its log is left.
    #[error("not found: {0}")]
    NotFound(String),
    /// Something that launches need is missing.
    #[error("{0}")]
    NotReady(String),
    /// This executor has no such thing.
    #[error("{0}")]
    NotOffered(String),
}
