//! What the service and a guard say to each other: JSON, one message a line. The guard reads its instructions and
//! then orders from its standard input, and writes notices to its standard output.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The first line that a guard reads: what to run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instructions {
    /// The program.
    pub(crate) program: PathBuf,
    /// What it is called as, where that differs.
    pub(crate) arg0: Option<String>,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Its whole environment, but for `HOME` and `TMPDIR`, which are its working folder.
    pub(crate) env: Vec<(String, String)>,
    /// The container's folder; it must exist.
    pub(crate) folder: PathBuf,
    /// Which run of the container this is, from 0.
    pub(crate) run: u32,
    /// How long it has to end after SIGTERM, in milliseconds.
    pub(crate) grace_ms: u64,
}

/// What the service orders. The end of the pipe means that the service is gone, and is an order to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Order {
    /// End the container: SIGTERM, and after the grace SIGKILL.
    Stop,
    /// Say when the log is longer than this many bytes.
    Want(u64),
}

/// What the guard tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Notice {
    /// The program runs.
    Started {
        /// Since when.
        at: Timestamp,
        /// Its process, which leads its group.
        pid: i32,
    },
    /// The log has grown beyond what was asked for.
    Log,
    /// The program and all that it started have ended; log and exit file are durable. The last notice.
    Ended(Exit),
}

/// How one run of a container ended. This is also what the exit file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// When it started, if it did.
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished: Timestamp,
    /// Its exit code; 128 plus the signal's number where a signal ended it.
    pub(crate) exit_code: i32,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// `Completed`, `Error`, or `StartError` where the program could not be started.
    pub(crate) reason: String,
    /// A sentence more.
    pub(crate) message: Option<String>,
}

impl Exit {
    /// The exit code of a container that could not be started, as container runtimes give it.
    const NOT_STARTED: i32 = 128;

    /// A run that never was.
    pub(crate) fn start_error(at: Timestamp, message: String) -> Self {
        Self {
            started: None,
            finished: at,
            exit_code: Self::NOT_STARTED,
            signal: None,
            reason: "StartError".to_owned(),
            message: Some(message),
        }
    }
}
