//! What an executor itself shows of a job's object. Every executor speaks in these types, so that nothing beyond it
//! can tell which one is at work.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Names the object that carries a job, for good: a name can be used again, a UID cannot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObjectRef {
    /// The object's name, [`crate::job::object_name`].
    pub name: String,
    /// Its namespace; `local` on the process executor.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
}

impl ObjectRef {
    /// Stands for the UID of an object that was gone before its UID was seen.
    pub const UNKNOWN_UID: &str = "unknown";
}

/// One thing that an executor shows of a job's object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Evidence {
    /// The object exists; this is what there is to see of it.
    Seen(Box<Snapshot>),
    /// The object is gone.
    Gone {
        /// Whose object it was.
        object: ObjectRef,
        /// When that was noticed.
        at: Timestamp,
        /// Whether its deletion was seen to happen. If not, it was found missing, and might have ended in any way.
        witnessed: bool,
    },
}

/// All that can be seen of an object at one moment. Later snapshots have greater revisions; containers that ended in
/// one stay on record even if a later one no longer shows their pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The object.
    pub object: ObjectRef,
    /// Orders the snapshots of one object: greater is later.
    pub revision: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// Whether the object is suspended.
    #[serde(default)]
    pub suspended: bool,
    /// Whether the object is being deleted in such a way that its pods are left behind and run on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub orphaning: bool,
    /// How many attempts may fail before the object does, where nothing but their number decides that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<u32>,
    /// How the object ended, if it has.
    #[serde(default)]
    pub conclusion: Option<Conclusion>,
    /// Why no pod can come, if the executor says so (quota, admission): reason and message.
    #[serde(default)]
    pub blocked: Option<(String, String)>,
    /// Which completion indexes succeeded, for an Indexed Job: `0,2-4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_indexes: Option<String>,
    /// Which completion indexes failed for good, for an Indexed Job that limits the attempts of each: `1,5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_indexes: Option<String>,
    /// Its pods by name; an attempt of the process executor counts as one. Pods of earlier snapshots stay on record when
    /// they are joined: see [`Snapshot::is_gone`].
    #[serde(default)]
    pub pods: BTreeMap<String, PodStatus>,
}

/// How an object ended, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Conclusion {
    /// Everything that had to succeed did.
    Complete {
        /// When.
        at: Timestamp,
    },
    /// It failed.
    Failed {
        /// When.
        at: Timestamp,
        /// One word, as Kubernetes gives it: `BackoffLimitExceeded`, `DeadlineExceeded`, …
        reason: String,
        /// A sentence for people.
        message: String,
    },
    /// It was stopped because that was asked for.
    Stopped {
        /// When.
        at: Timestamp,
    },
}

impl Conclusion {
    /// When the object ended.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Complete { at } | Self::Failed { at, .. } | Self::Stopped { at } => *at,
        }
    }
}

/// What is seen of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PodStatus {
    /// Orders what is seen of this pod: greater is later.
    pub revision: u64,
    /// The revision of the latest snapshot that showed it; [`PodStatus::KEPT`] where pods never go away by themselves.
    #[serde(default = "PodStatus::kept", skip_serializing_if = "PodStatus::is_kept")]
    #[schema(ignore)]
    pub shown: u64,
    /// Whether it is being deleted: its containers were told to stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// Whether that came before its containers had ended by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The node it runs on, once that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its completion index, for an Indexed Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// When it came to be.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// Why it does not run, in one word (`Unschedulable`), or why it was ended (`Evicted`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The sentence that goes with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its containers by name, init containers among them.
    #[serde(default)]
    pub containers: BTreeMap<String, ContainerStatus>,
}

/// What is seen of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ContainerStatus {
    /// Whether it is an init container, whose end is not the pod's end.
    #[serde(default)]
    pub init: bool,
    /// How often it was started again. One that waits to be started again counts that start already.
    #[serde(default)]
    pub restarts: u32,
    /// How its run before this one ended, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExit>,
    /// What it does now.
    #[serde(flatten)]
    pub state: ContainerState,
}

/// How a run of a container ended that was not its last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastExit {
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub finished: Timestamp,
    /// Its exit code.
    pub exit_code: i32,
    /// One word: `Error`, `OOMKilled`, …
    pub reason: String,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum ContainerState {
    /// It does not run yet.
    Waiting {
        /// Why, in one word: `ImagePullBackOff`, `CreateContainerConfigError`, …
        reason: Option<String>,
        /// The sentence that goes with it.
        message: Option<String>,
    },
    /// It runs.
    Running {
        /// Since when.
        #[schema(value_type = String, format = DateTime)]
        started: Timestamp,
    },
    /// It ended.
    Terminated {
        /// Its exit code; 128 plus the signal's number where a signal ended it.
        exit_code: i32,
        /// The signal that ended it, where that is known.
        signal: Option<i32>,
        /// One word: `Completed`, `Error`, `OOMKilled`, …
        reason: String,
        /// What the container left as its termination message, or what the executor says.
        message: Option<String>,
        /// When it started, if it did.
        #[schema(value_type = Option<String>, format = DateTime)]
        started: Option<Timestamp>,
        /// When it ended.
        #[schema(value_type = String, format = DateTime)]
        finished: Timestamp,
    },
}

impl Snapshot {
    /// A snapshot that shows no more than that the object exists.
    pub fn new(object: ObjectRef, revision: u64, at: Timestamp) -> Self {
        Self {
            object,
            revision,
            at,
            suspended: false,
            orphaning: false,
            backoff_limit: None,
            conclusion: None,
            blocked: None,
            completed_indexes: None,
            failed_indexes: None,
            pods: BTreeMap::new(),
        }
    }

    /// Joins what this snapshot shows with what another one of the same object shows. The join is commutative,
    /// associative and idempotent, so that neither order nor repetition of snapshots matters: the greater revision
    /// wins, a conclusion once seen stays, and a container once terminated stays so within its run.
    pub fn join(self, other: Self) -> Self {
        let (mut later, earlier) = if other.order() > self.order() { (other, self) } else { (self, other) };
        later.conclusion = join_conclusions(later.conclusion, earlier.conclusion);
        later.backoff_limit = later.backoff_limit.or(earlier.backoff_limit);
        // Indexes only ever become more.
        later.completed_indexes = later.completed_indexes.or(earlier.completed_indexes);
        later.failed_indexes = later.failed_indexes.or(earlier.failed_indexes);
        for (name, pod) in earlier.pods {
            match later.pods.remove(&name) {
                None => later.pods.insert(name, pod),
                Some(known) => later.pods.insert(name, known.join(pod)),
            };
        }
        later
    }

    /// Whether a pod is gone: a later snapshot did not show it any more.
    pub fn is_gone(&self, pod: &PodStatus) -> bool {
        pod.shown < self.revision
    }

    /// A total order over snapshots of one object: by revision, then by content so that the join stays commutative
    /// even if an executor numbers two different snapshots alike.
    fn order(&self) -> impl Ord + '_ {
        let indexes = (&self.completed_indexes, &self.failed_indexes);
        (self.revision, self.at, self.suspended, self.orphaning, self.backoff_limit, &self.blocked, indexes)
    }
}

/// One object ends once. Should two ends ever be shown, the earlier one counts, whichever came to us first.
fn join_conclusions(a: Option<Conclusion>, b: Option<Conclusion>) -> Option<Conclusion> {
    fn order(conclusion: &Conclusion) -> (Timestamp, u8, &str, &str) {
        match conclusion {
            Conclusion::Complete { at } => (*at, 0, "", ""),
            Conclusion::Failed { at, reason, message } => (*at, 1, reason, message),
            Conclusion::Stopped { at } => (*at, 2, "", ""),
        }
    }
    match (a, b) {
        (Some(a), Some(b)) => Some(if order(&b) < order(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl PodStatus {
    /// What [`PodStatus::shown`] is where no snapshot has to show a pod again.
    pub const KEPT: u64 = u64::MAX;

    fn kept() -> u64 {
        Self::KEPT
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_kept(shown: &u64) -> bool {
        *shown == Self::KEPT
    }

    /// A pod of which nothing is known but when it came to be.
    pub fn new(revision: u64, created: Timestamp) -> Self {
        Self {
            revision,
            shown: Self::KEPT,
            deleting: false,
            interrupted: false,
            node: None,
            index: None,
            created,
            reason: None,
            message: None,
            containers: BTreeMap::new(),
        }
    }

    fn join(self, other: Self) -> Self {
        let (mut later, earlier) = if other.order() > self.order() { (other, self) } else { (self, other) };
        later.node = later.node.max(earlier.node);
        later.index = later.index.max(earlier.index);
        later.shown = later.shown.max(earlier.shown);
        later.deleting |= earlier.deleting;
        later.interrupted |= earlier.interrupted;
        for (name, container) in earlier.containers {
            match later.containers.get_mut(&name) {
                Some(known) if known.order() >= container.order() => {}
                _ => {
                    later.containers.insert(name, container);
                }
            }
        }
        later
    }

    fn order(&self) -> (u64, Timestamp, &Option<String>, &Option<String>) {
        (self.revision, self.created, &self.reason, &self.message)
    }
}

impl ContainerStatus {
    /// The first run of a container.
    pub fn new(init: bool, state: ContainerState) -> Self {
        Self { init, restarts: 0, last_exit: None, state }
    }

    /// Whether this showed that end already.
    pub fn showed(&self, last: &LastExit) -> bool {
        let now = matches!(&self.state, ContainerState::Terminated { finished, .. } if *finished == last.finished);
        now || self.last_exit.as_ref() == Some(last)
    }

    /// A container's life goes one way: runs follow each other, and within a run it waits, runs, ends.
    fn order(&self) -> impl Ord + use<> {
        let (step, at) = match &self.state {
            ContainerState::Waiting { .. } => (0, None),
            ContainerState::Running { started } => (1, Some(*started)),
            ContainerState::Terminated { finished, .. } => (2, Some(*finished)),
        };
        (self.restarts, step, at, format!("{:?}", self.state), self.last_exit.clone())
    }
}

impl Evidence {
    /// The object that it is about.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Seen(snapshot) => &snapshot.object,
            Self::Gone { object, .. } => object,
        }
    }
}
