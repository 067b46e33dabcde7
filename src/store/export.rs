//! Records as JSON lines: one header, then one line a job, in the order of their IDs. The same records give the same
//! bytes.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use sled::Tree;

use super::{StoreError, keys, read};
use crate::job::{Event, InstallationId, Intent, JobId, LogTail, Status};

/// What the header calls itself.
pub(super) const KIND: &str = "jobwright-export";
/// The version that this code writes, and the newest that it reads.
///
/// 2: as format 2 of the records. Every line of version 1 is one of version 2 too.
pub(super) const VERSION: u32 = 2;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) kind: String,
    pub(super) version: u32,
    pub(super) installation: InstallationId,
    /// How many lines follow.
    pub(super) jobs: u64,
    /// The number of the last event that there ever was.
    pub(super) sequence: u64,
    /// The installation's secret in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

/// Every other line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) intent: Intent,
    pub(super) status: Status,
    pub(super) events: Vec<Event>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<LogTail>,
}

/// Records that cannot be written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// They cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output takes no more.
    #[error("the export cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Writes the records out; returns how many jobs. `progress` is told how many there are so far.
pub(super) fn export(
    tree: &Tree,
    mut header: Header,
    with_secrets: bool,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, ExportError> {
    header.jobs = read::counters(tree)?.unwrap_or_default().jobs();
    write_line(out, &header)?;
    let mut written = 0;
    for id in read::ids(tree, keys::HEAD) {
        let Some(mut record) = record(tree, &id?)? else {
            continue;
        };
        if !with_secrets && let Some(masked) = &record.intent.masked {
            record.intent.manifest = masked.clone();
        }
        write_line(out, &record)?;
        written += 1;
        progress(written);
    }
    out.flush()?;
    Ok(written)
}

fn record(tree: &Tree, id: &JobId) -> Result<Option<Record>, StoreError> {
    let Some(job) = read::job(tree, id)? else {
        return Ok(None);
    };
    Ok(Some(Record {
        intent: job.intent,
        status: job.status,
        events: read::history(tree, id, 0, usize::MAX)?,
        log: read::log(tree, id)?,
    }))
}

fn write_line(out: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
