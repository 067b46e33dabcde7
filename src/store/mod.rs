//! Durable records: jobs with their intents, statuses, events and log tails.
//!
//! [`Store::submit`] takes a [`Change`] to one job and answers when it is durable, in the order of the calls.
//! Everything else reads. What is read may be a moment ahead of what is durable; what is acknowledged, counted
//! ([`Store::counts`], [`Store::last_sequence`]) or published ([`Store::subscribe`]) is durable.
//!
//! One process at a time has a data folder open, and one thread in it writes. sled keeps the rows, all in one tree so
//! that a batch is atomic over all tables; nothing outside this module knows it.

mod backend;
mod basics;
mod change;
mod check;
mod codec;
mod compact;
mod error;
mod export;
mod folder;
mod import;
mod keys;
mod plan;
mod query;
mod read;
mod rows;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, oneshot};

use backend::{Backend, lock};
use basics::{META_REBUILD, create, read_basics};
use folder::{Folder, RESERVE};
use rows::Counters;
use writer::{Request, Writer};

pub use basics::Identity;
pub use change::{Ack, Change, Committed};
pub use check::Checked;
pub use compact::{Compacted, compact};
pub use error::{OpenError, StoreError};
pub use export::ExportError;
#[doc(hidden)]
pub use import::fill;
pub use import::{ImportError, Imported, from_hex as key_from_hex, import};
pub use query::{Cursor, InvalidCursor, Listed, Page, Query};

use crate::crash::{self, Point};
use crate::job::{Event, InstallationId, Intent, Job, JobId, JobView, LogTail, Phase, Status};

/// How many changes a slow subscriber may be behind before it is told that it missed some.
const SUBSCRIBER_LAG: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How much memory sled may use for pages, in bytes.
    pub cache: u64,
    /// Which ended jobs are forgotten.
    pub retention: Retention,
    /// Whose records these are, where that is not left to the store.
    pub identity: Identity,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: 32 << 20, retention: Retention::default(), identity: Identity::default() }
    }
}

/// Which ended jobs are forgotten, by [`Store::expired`]. None, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those created longer ago than this.
    pub max_age: Option<SignedDuration>,
    /// The oldest ones, while there are more jobs than this.
    pub max_jobs: Option<u64>,
}

/// The records of one installation. Clones share it; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    installation: InstallationId,
    key: [u8; 32],
    retention: Retention,
    queue: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    /// Held until everything else is closed.
    folder: Folder,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without its queue the writer ends, after it has answered everybody.
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _it_panicked = writer.join();
        }
        crash::reached(Point::StoreClosing);
        self.shared.backend.close();
        if self.shared.fault().is_none()
            && let Err(error) = self.folder.note_committed(self.shared.counters().commit)
        {
            tracing::warn!(%error, "it could not be noted how far the records go");
        }
    }
}

/// What writer and readers share.
#[derive(Debug)]
struct Shared {
    backend: Backend,
    folder: std::path::PathBuf,
    /// As of what is durable.
    counters: Mutex<Counters>,
    fault: Mutex<Option<StoreError>>,
    subscribers: broadcast::Sender<Arc<Committed>>,
}

impl Shared {
    fn counters(&self) -> Counters {
        lock(&self.counters).clone()
    }

    fn set_counters(&self, counters: Counters) {
        *lock(&self.counters) = counters;
    }

    fn fault(&self) -> Option<StoreError> {
        lock(&self.fault).clone()
    }

    fn set_fault(&self, fault: Option<StoreError>) {
        *lock(&self.fault) = fault;
    }

    fn check_space(&self) -> Result<(), StoreError> {
        match folder::free_space(&self.folder)? {
            free if free < RESERVE => Err(StoreError::Full),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// Opens the records in a folder, and makes both if they are not there.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let mut folder = Folder::take(path, true)?;
        if folder.manifest().is_none() {
            create(&mut folder, &options.identity)?;
        }
        Self::start(folder, options)
    }

    /// Opens the records in a folder, if there are any.
    pub fn open_existing(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::start(Folder::take(path, false)?, options)
    }

    fn start(mut folder: Folder, options: Options) -> Result<Self, OpenError> {
        let path = &folder.path().to_owned();
        let Some(manifest) = folder.manifest().cloned() else {
            return Err(OpenError::Missing(path.to_owned()));
        };
        let fault = |error| open_error(path, error);
        let backend = Backend::open(&folder.records(manifest.records), options.cache).map_err(fault)?;
        crash::reached(Point::StoreOpened);
        let (key, counters) = read_basics(&backend, &manifest.installation).map_err(fault)?;
        if let Some(problem) = options.identity.differs(&manifest.installation, &key) {
            if counters.sequence > 0 {
                return Err(OpenError::OtherIdentity { path: path.to_owned(), problem });
            }
            // Nothing was ever recorded here, so that it is nobody's yet.
            backend.close();
            drop(backend);
            let Identity { installation, key: given } = &options.identity;
            let identity = Identity {
                installation: Some(installation.clone().unwrap_or(manifest.installation)),
                key: Some(given.unwrap_or(key)),
            };
            create(&mut folder, &identity)?;
            return Self::start(folder, Options { identity, ..options });
        }
        match folder.committed() {
            Some(noted) if counters.commit < noted => {
                let problem = format!("{} batches of changes were on record once, and {} are", noted, counters.commit);
                return Err(OpenError::corrupt(path, problem));
            }
            _ => folder.note_committed(counters.commit).map_err(|error| OpenError::of(path, error))?,
        }
        let shared = Arc::new(Shared {
            backend,
            folder: path.to_owned(),
            counters: Mutex::new(counters),
            fault: Mutex::new(None),
            subscribers: broadcast::Sender::new(SUBSCRIBER_LAG),
        });
        let mut writer = Writer::new(Arc::clone(&shared));
        writer.sweep_all().map_err(fault)?;
        let (queue, requests) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&requests))
            .map_err(|error| OpenError::of(path, error))?;
        Ok(Self(Arc::new(Inner {
            shared,
            installation: manifest.installation,
            key,
            retention: options.retention,
            queue: Some(queue),
            writer: Some(writer),
            folder,
        })))
    }

    /// Which installation's records these are: made when the store was.
    pub fn installation(&self) -> &InstallationId {
        &self.0.installation
    }

    /// The secret that this installation signs with: made when the store was, and exported only on demand.
    pub fn key(&self) -> &[u8; 32] {
        &self.0.key
    }

    /// Whether these records may lack jobs whose objects are there: the store is new, or was restored from a backup. It
    /// stays so until [`Store::set_rebuild_due`] says otherwise.
    pub fn is_rebuild_due(&self) -> Result<bool, StoreError> {
        self.read(|tree| Ok(tree.contains_key(keys::meta(META_REBUILD))?))
    }

    /// Says whether these records may lack jobs whose objects are there, durably.
    pub async fn set_rebuild_due(&self, due: bool) -> Result<(), StoreError> {
        let (caller, answer) = oneshot::channel();
        if let Some(queue) = &self.0.queue {
            let _closed = queue.send(Request::Rebuild(due, caller));
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Puts a change in line, at once and in the order of the calls. The answer comes when it is durable.
    pub fn submit(&self, change: Change) -> Ack {
        let (caller, answer) = oneshot::channel();
        if let Some(queue) = &self.0.queue {
            // If the writer is gone, so is the sender, and the answer is `Closed`.
            let _closed = queue.send(Request::Write(Box::new(change), caller));
        }
        Ack(answer)
    }

    /// One job, whole.
    pub fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.read(|tree| read::job(tree, id))
    }

    /// One job as everybody outside sees it, without reading its manifest.
    pub fn view(&self, id: &JobId) -> Result<Option<JobView>, StoreError> {
        self.read(|tree| read::view(tree, id))
    }

    /// What was to be launched.
    pub fn intent(&self, id: &JobId) -> Result<Option<Intent>, StoreError> {
        self.read(|tree| read::intent(tree, id))
    }

    /// What was learned since.
    pub fn status(&self, id: &JobId) -> Result<Option<Status>, StoreError> {
        self.read(|tree| read::status(tree, id))
    }

    /// One page of a list of jobs, newest first.
    pub fn page(&self, query: &Query) -> Result<Page, StoreError> {
        let counters = self.0.shared.counters();
        self.read(|tree| query::page(tree, &counters, query))
    }

    /// The newest jobs of a template, newest first, as its index knows them: no record is read.
    pub fn newest(&self, template: &str, limit: usize) -> Result<Vec<Listed>, StoreError> {
        self.read(|tree| query::newest(tree, template, limit))
    }

    /// How many jobs are in each phase.
    pub fn counts(&self) -> impl Iterator<Item = (Phase, u64)> + use<> {
        let counters = self.0.shared.counters();
        Phase::ALL.into_iter().zip(counters.phases)
    }

    /// Every job for which something is left to be done: it has not ended, its log is not kept, or its object is still
    /// to be deleted. Found without reading the others.
    pub fn active(&self) -> Result<Vec<Job>, StoreError> {
        self.read(|tree| {
            let ids = read::ids(tree, keys::OPEN);
            ids.filter_map(|id| id.and_then(|id| read::job(tree, &id)).transpose()).collect()
        })
    }

    /// The number of the last event that is durable.
    pub fn last_sequence(&self) -> u64 {
        self.0.shared.counters().sequence
    }

    /// Durable events of all jobs after a number, oldest first. Numbers may be missing: those of deleted jobs.
    ///
    /// To follow without a gap: subscribe first, read these up to [`Store::last_sequence`], then skip in the
    /// subscription what has a number up to that.
    pub fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let last = self.last_sequence();
        self.read(|tree| read::events(tree, sequence, last, limit))
    }

    /// The history of one job after a number, oldest first.
    pub fn job_events(&self, id: &JobId, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.read(|tree| read::history(tree, id, after, limit))
    }

    /// The tail of a job's log, if it is on record.
    pub fn log(&self, id: &JobId) -> Result<Option<LogTail>, StoreError> {
        self.read(|tree| read::log(tree, id))
    }

    /// All changes from now on, in the order in which they became durable. A subscriber that falls too far behind is
    /// told so, and can catch up with [`Store::events_after`].
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.0.shared.subscribers.subscribe()
    }

    /// Whether changes can be recorded now.
    pub fn health(&self) -> Result<(), StoreError> {
        let writer = self.0.writer.as_ref();
        match self.0.shared.fault() {
            Some(fault) => Err(fault),
            None if writer.is_none_or(JoinHandle::is_finished) => Err(StoreError::Closed),
            None => self.0.shared.check_space(),
        }
    }

    /// The ended jobs that are to be forgotten as [`Options::retention`] says, oldest first, a hundred at most.
    pub fn expired(&self, now: Timestamp) -> Result<Vec<JobId>, StoreError> {
        let retention = &self.0.retention;
        let counters = self.0.shared.counters();
        let oldest = retention.max_age.and_then(|age| now.checked_sub(age).ok()).map(keys::Age::of);
        let surplus = retention.max_jobs.map_or(0, |most| counters.jobs().saturating_sub(most));
        if oldest.is_none() && surplus == 0 {
            return Ok(Vec::new());
        }
        self.read(|tree| query::expired(tree, oldest, surplus))
    }

    /// Verifies every row. Nothing may be submitted meanwhile. `progress` is told how many rows have been read.
    pub fn check(&self, progress: &mut dyn FnMut(u64)) -> Result<Checked, StoreError> {
        self.read(|tree| Ok(check::check(tree, progress)))
    }

    /// Writes all records out as JSON lines; returns how many jobs. Secrets are left out unless they are asked for: the
    /// installation's key, and what is masked in manifests of jobs that are still to be launched. `progress` is told
    /// how many jobs have been written.
    pub fn export(
        &self,
        out: &mut dyn Write,
        with_secrets: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, ExportError> {
        let header = export::Header {
            kind: export::KIND.to_owned(),
            version: export::VERSION,
            installation: self.installation().clone(),
            jobs: 0,
            sequence: self.last_sequence(),
            key: with_secrets.then(|| import::to_hex(self.key())),
        };
        // An error of the output must not be taken for one of the store, so it goes around the reader.
        let mut outcome = Ok(0);
        self.read(|tree| {
            outcome = export::export(tree, header, with_secrets, out, progress);
            Ok(())
        })?;
        outcome
    }

    fn read<T>(&self, reader: impl FnOnce(&sled::Tree) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = self.0.shared.backend.read(reader);
        if let Err(error @ (StoreError::Full | StoreError::Io(_))) = &outcome
            && self.0.shared.fault().is_none()
            && let Some(queue) = &self.0.queue
        {
            // sled stays unusable after an error of the disk: the writer opens it again.
            self.0.shared.set_fault(Some(error.clone()));
            let _closed = queue.send(Request::Mend);
        }
        outcome
    }
}

fn open_error(path: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Full => OpenError::Full(path.to_owned()),
        StoreError::Io(text) => OpenError::Io { path: path.to_owned(), source: std::io::Error::other(text) },
        StoreError::Corrupt(problem) => OpenError::corrupt(path, problem),
        other => OpenError::corrupt(path, other.to_string()),
    }
}
