//! The record of a job.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Evidence, Fingerprint, JobId, JobName, ObjectRef, Phase, Report, Reports, Snapshot};

/// One launch and all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What was to be launched: written once, before anything is created.
    pub intent: Intent,
    /// What was learned since.
    pub status: Status,
}

impl Job {
    /// The job's ID.
    pub fn id(&self) -> &JobId {
        &self.intent.id
    }
}

/// What is to be launched, and by which request. It never changes, but for the secrets in its manifest, which are
/// masked as soon as the object's UID is on record and they are needed no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The job's ID.
    pub id: JobId,
    /// Free text for people.
    #[serde(default)]
    pub name: Option<JobName>,
    /// The template's name.
    pub template: String,
    /// The parameters with their defaults, secret ones masked. None where nobody knows them: the record was lost and
    /// rebuilt from its object, which holds none.
    pub parameters: Option<Map<String, Value>>,
    /// Which of the parameters are secret and were given: a rerun needs them again.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Which of the parameters are secret and have their default: a rerun takes the default again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_secrets: Vec<String>,
    /// Tells this request from another one under the same ID. None where that cannot be told any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// The name of the object that carries it.
    pub object_name: String,
    /// The namespace of that object.
    pub namespace: String,
    /// The manifest as it is sent; `null` where the record was rebuilt.
    pub manifest: Value,
    /// The manifest with secrets masked, where it has any; else the manifest may be shown as it is.
    #[serde(default)]
    pub masked: Option<Value>,
    /// Digest over template, partials and settings: `sha256:…`, or [`Intent::UNKNOWN_DIGEST`].
    pub digest: String,
    /// The commit of the templates' folder, where it is in git; ends in `-dirty` if it had changes.
    #[serde(default)]
    pub commit: Option<String>,
    /// When to delete the object: this many seconds after its end. The template's `ttlSecondsAfterFinished`.
    #[serde(default)]
    pub ttl_seconds: Option<u32>,
    /// The job that this one repeats.
    #[serde(default)]
    pub rerun_of: Option<JobId>,
    /// When the request was accepted.
    pub created: Timestamp,
    /// When the record was rebuilt from the job's object, if it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Timestamp>,
}

impl Intent {
    /// Stands for the digest where a rebuilt record's object does not tell it.
    pub const UNKNOWN_DIGEST: &str = "unknown";

    /// The manifest that people may see, if it is known.
    pub fn shown_manifest(&self) -> Option<&Value> {
        Some(self.masked.as_ref().unwrap_or(&self.manifest)).filter(|manifest| !manifest.is_null())
    }
}

/// All that was learned of a job since its intent. A set of facts, kept joined: see [`crate::job::verdict`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The object that carries the job, once its UID is known. From then on nothing is ever created for this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// What the executor warned of when it took the manifest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub warnings: BTreeSet<String>,
    /// What was seen of it, joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Snapshot>,
    /// That it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
    /// That the executor refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// When it was given up before anything of it was sent to the executor, because it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Timestamp>,
    /// That somebody asked to cancel it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
    /// What the worker said.
    #[serde(default)]
    pub reports: Reports,
    /// The terminal phase that was reached, and when: it absorbs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(Phase, Timestamp)>,
    /// Whether the tail of its log is on record for good.
    #[serde(default)]
    pub log_kept: bool,
    /// Whether its object was deleted by us, at its time to live or on request.
    #[serde(default)]
    pub object_deleted: bool,
}

/// That an object is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// When that was noticed.
    pub at: Timestamp,
    /// Whether its deletion was seen to happen.
    pub witnessed: bool,
}

/// Why an executor refused to create an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// One word: `Forbidden`, `Invalid`, `Unsupported`, `NameTaken`, …
    pub reason: String,
    /// The executor's own message.
    pub message: String,
}

/// That somebody asked to cancel a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cancellation {
    /// When it was asked for first.
    pub at: Timestamp,
    /// Who asked, where that is known.
    pub by: Option<String>,
}

/// Something that can be learned of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact {
    /// Its executor has created (or adopted) this object for it.
    Created {
        /// The object.
        object: ObjectRef,
        /// What the executor warned of when it took the manifest.
        #[serde(default)]
        warnings: Vec<String>,
        /// When that was learned.
        at: Timestamp,
    },
    /// Its executor refused it, and no object exists.
    Refused(Refusal),
    /// Its executor shows something of its object.
    Evidence(Evidence),
    /// Its worker said something.
    Report(Report),
    /// Somebody asked to cancel it.
    CancelRequested(Cancellation),
    /// It was cancelled before anything of it was sent to the executor, and nothing will be.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
    /// The tail of its log is on record.
    LogKept {
        /// When.
        at: Timestamp,
    },
    /// Its object was deleted by us, after its end.
    ObjectDeleted {
        /// When.
        at: Timestamp,
    },
}
