//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::job::JobId;

/// A store that cannot be opened. Its records were not changed by the attempt.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the data folder {} is in use by another process; stop that one first, or choose another folder with --data",
        .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be written to.
    #[error(
        "the data folder {} cannot be written to ({source}); check its owner and permissions, or choose another folder with --data",
        path.display()
    )]
    ReadOnly {
        /// What could not be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no space left for it.
    #[error(
        "the disk of the data folder {} is full; make at least {} MiB of space there, or choose another folder with --data",
        .0.display(),
        super::folder::RESERVE >> 20
    )]
    Full(PathBuf),
    /// What is on disk is damaged.
    #[error(
        "the data folder {} is damaged: {problem}; keep a copy of it, then restore a backup, or `jobwright store import` an export into a new folder",
        path.display()
    )]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A newer Jobwright wrote it.
    #[error(
        "the data folder {} has format {found}, and this jobwright knows formats up to {known}; use the newer jobwright that wrote it",
        path.display()
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// Its records are another installation's than was said.
    #[error(
        "the records in {} are not the ones that --installation and --key-file name: {problem}; leave these out to go on with those records, or choose another folder with --data",
        path.display()
    )]
    OtherIdentity {
        /// The folder.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// The path leads to something that is no folder.
    #[error("{} is not a folder; give a folder for the data with --data", .0.display())]
    NotADirectory(PathBuf),
    /// There is no store where one was expected.
    #[error("there are no records in {}; give the data folder of a jobwright with --data", .0.display())]
    Missing(PathBuf),
    /// The system refuses something else.
    #[error("the data folder {} cannot be opened: {source}", path.display())]
    Io {
        /// The file or folder in question.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl OpenError {
    /// Names a system error by what it means for a store.
    pub(super) fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            _ if is_full(&source) => Self::Full(path),
            io::ErrorKind::NotADirectory => Self::NotADirectory(path),
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn corrupt(path: &Path, problem: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), problem: problem.into() }
    }
}

/// A read or write that could not be done.
///
/// After a failed write it is not known whether the change is on disk, unless the error is [`AlreadyExists`] or
/// [`NotFound`]: what was not acknowledged may still be found later, what was acknowledged is never lost. A caller
/// that keeps a job in memory reads it again before it goes on.
///
/// [`AlreadyExists`]: StoreError::AlreadyExists
/// [`NotFound`]: StoreError::NotFound
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A new job's ID is on record already; nothing was written.
    #[error("the job {0} is on record already")]
    AlreadyExists(JobId),
    /// A change is meant for a job that is not on record; nothing was written.
    #[error("the job {0} is not on record")]
    NotFound(JobId),
    /// There is no space left. It goes on by itself when there is.
    #[error("the disk of the data folder is full: nothing more is recorded until there is space")]
    Full,
    /// What was read is damaged.
    #[error("the records are damaged: {0}; stop the service and run `jobwright store check` for all faults")]
    Corrupt(String),
    /// The system refuses.
    #[error("the data folder cannot be used: {0}")]
    Io(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the error is about the storage itself, so that the service cannot go on, and not about one request.
    pub fn is_storage(&self) -> bool {
        !matches!(self, Self::AlreadyExists(_) | Self::NotFound(_))
    }

    pub(super) fn corrupt(problem: impl Into<String>) -> Self {
        Self::Corrupt(problem.into())
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Io(error.to_string()) }
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

/// Whether the system says that there is no space, by any of its names for that.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
