//! What was asked, answered and seen over the life of one data folder. [`crate::judge`] says whether that keeps the
//! promises.

use std::collections::{BTreeMap, BTreeSet};

/// What a job's command does when it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The exit code that it ends with.
    pub code: i32,
    /// How long it takes; some take for ever.
    pub millis: u64,
}

/// How long a job takes that runs until it is stopped.
pub const FOR_EVER: u64 = 600_000;

impl Task {
    /// Whether it ends only when it is stopped.
    pub fn is_for_ever(self) -> bool {
        self.millis >= FOR_EVER
    }
}

/// What is asked of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Launch a job; `brief` if its object is to be deleted as soon as it has ended.
    Launch { id: String, task: Task, brief: bool },
    /// Launch a job again under a new ID.
    Rerun { of: String, id: String },
    /// A worker's report.
    Report { id: String, sequence: u64 },
    /// A worker's report without a sequence number; its words have one.
    Note { id: String, number: u64 },
    /// Cancel a job.
    Cancel { id: String },
    /// Delete a job that has ended.
    Delete { id: String },
}

impl Request {
    /// The job that it is about, or is to make.
    pub fn id(&self) -> &str {
        match self {
            Self::Launch { id, .. }
            | Self::Rerun { id, .. }
            | Self::Report { id, .. }
            | Self::Note { id, .. }
            | Self::Cancel { id }
            | Self::Delete { id } => id,
        }
    }
}

/// A job as the service shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub phase: String,
    pub exit_code: Option<i32>,
    pub cancel_requested: bool,
    pub uid: Option<String>,
    pub rerun_of: Option<String>,
    /// The sequence number of the report that is shown.
    pub report: Option<u64>,
    /// The number of the note that is shown in the place of a report.
    pub note: Option<u64>,
    /// Those of all reports in its history, where that was asked for.
    pub reports: Option<BTreeSet<u64>>,
    /// Those of all notes.
    pub notes: Option<BTreeSet<u64>>,
    /// The lines of its log, where that was asked for.
    pub log: Option<Vec<String>>,
}

/// What a job's command writes, before it does anything else.
pub fn words_of(id: &str) -> String {
    format!("{id} begins")
}

impl Shown {
    /// Whether its command ended, and it is not said how.
    pub fn misses_its_exit_code(&self) -> bool {
        ["Succeeded", "Failed"].contains(&self.phase.as_str()) && self.exit_code.is_none()
    }

    /// Whether how it ended is still to be seen. Where it was cancelled, there may be nothing left to see.
    pub fn waits_for_its_exit_code(&self) -> bool {
        self.misses_its_exit_code() && !self.cancel_requested
    }
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The service forgets the oldest ended jobs while there are more than this.
    Retention(usize),
    /// A request was sent.
    Sent(usize, Request),
    /// It was answered with this status.
    Answered(usize, u16),
    /// It was answered with 503, and a problem of this type.
    Unavailable(usize, String),
    /// Jobs that ended elsewhere are being imported: ID and phase.
    Importing(Vec<(String, String)>),
    /// That was acknowledged.
    Imported,
    /// The service was killed, or stopped.
    Down(String),
    /// A guard of the process executor was killed, and no one knows whose.
    GuardKilled,
    /// The executor has an object of this job, or had.
    Object { id: String, uid: String },
    /// All runs that a job's command left a mark of, each by its object's UID.
    Ran { id: String, uids: Vec<String> },
    /// When the service went down, an attempt of this job was under way whose end nobody can tell.
    MayBeLost(String),
    /// All jobs that the service shows.
    Shown(BTreeMap<String, Shown>),
    /// The same, when nothing is left to be done; and the jobs that still have an object.
    Settled { jobs: BTreeMap<String, Shown>, objects: BTreeSet<String> },
    /// What `jobwright store check` said.
    Checked(Result<(), String>),
}

/// Where histories come from, as far as it matters to what they may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether every run of a command leaves a mark.
    pub marks: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { marks: true }
    }
}

pub fn is_terminal(phase: &str) -> bool {
    ["Succeeded", "Failed", "Cancelled", "Rejected", "Lost"].contains(&phase)
}
