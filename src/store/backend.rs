//! sled, held at arm's length: it panics on some damage and cannot go on after a failed write, and neither may take
//! the service down. Everything that is particular to it is here.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, SystemTime};

use super::{StoreError, folder};
use crate::crash::{self, Point};

/// One write: a key, and its value or none to remove it.
pub(super) type Op = (Vec<u8>, Option<Vec<u8>>);

/// How many operations go into one batch at most, but for a single change that has more: sled takes a multiple of a
/// batch's size in memory.
pub(super) const BATCH: usize = 100;

/// How large the parts of sled's log are, in bytes; a page of more than a quarter of that becomes a file of its own,
/// which no row is large enough for.
///
/// A part begins with a note of how far sled takes its log for safe, and after a power cut it takes that at its word.
/// What it takes for safe is only safe after a sync of ours. So no more than one part may begin between two syncs: the
/// parts are large, and [`WINDOW`] says when to sync.
const SEGMENT: usize = 4 << 20;

/// The parts' size in records from before it was chosen. They keep it until they are compacted.
const FORMER_SEGMENT: usize = 512 << 10;

/// How much may be written between two syncs at most, as [`weight`] counts it: a part less what one change may add.
pub(super) const WINDOW: usize = SEGMENT / 2;

/// What an operation comes to in the log, in bytes, roughly: sled writes a page anew after ten operations on it.
pub(super) fn weight(ops: &[Op]) -> usize {
    let rows = ops.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len));
    rows.sum::<usize>() * 3 + ops.len() * 2048
}

/// The records, in one tree.
#[derive(Debug)]
pub(super) struct Backend {
    path: PathBuf,
    cache: u64,
    /// None while it is closed after a failed write.
    db: RwLock<Option<sled::Db>>,
    synced: Mutex<Synced>,
}

/// What `sync` has to remember of the files.
#[derive(Debug, Default)]
struct Synced {
    db: Option<File>,
    /// The folder for large pages, as the last sync that looked into it found it.
    blobs: Option<Look>,
}

/// A look at a folder.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: SystemTime,
    /// When the folder had last changed by then.
    changed: SystemTime,
}

/// How long ago a change must be to be told from the next one: the times that the kernel notes go by its tick, which is
/// shorter than this anywhere.
const SETTLED: Duration = Duration::from_secs(1);

impl Look {
    /// Whether nothing can have come into the folder since, if it last changed at this time.
    fn still_holds(self, changed: SystemTime) -> bool {
        changed == self.changed && self.at.duration_since(changed).is_ok_and(|age| age > SETTLED)
    }
}

impl Backend {
    pub(super) fn open(path: &Path, cache: u64) -> Result<Self, StoreError> {
        let db = open_sled(path, cache)?;
        let backend = Self { path: path.to_owned(), cache, db: RwLock::new(Some(db)), synced: Mutex::default() };
        // Opening writes a snapshot file, and at first the other files too.
        folder::sync_all_files(path)?;
        Ok(backend)
    }

    /// Reads. A panic inside sled is damage, and is answered as such.
    pub(super) fn read<T>(&self, reader: impl FnOnce(&sled::Tree) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let tree = db.as_ref().ok_or_else(|| StoreError::Io("it is closed after a failed write".to_owned()))?;
        contained(|| reader(tree))
    }

    /// Applies operations atomically. They are durable after the next [`Backend::sync`].
    pub(super) fn apply(&self, ops: impl IntoIterator<Item = Op>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in ops {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.read(|tree| Ok(tree.apply_batch(batch)?))?;
        crash::reached(Point::BackendApplied);
        Ok(())
    }

    /// Makes all that was applied durable. sled's own flush only starts the writing.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.read(|tree| Ok(tree.flush()?))?;
        crash::reached(Point::BackendFlushed);
        let mut synced = lock(&self.synced);
        self.sync_blobs(&mut synced)?;
        crash::reached(Point::BackendHalfSynced);
        let file = match &mut synced.db {
            Some(file) => file,
            none => none.insert(File::open(self.path.join("db"))?),
        };
        file.sync_all()?;
        crash::reached(Point::BackendSynced);
        Ok(())
    }

    /// Pages that are too large for the log are files of their own.
    fn sync_blobs(&self, synced: &mut Synced) -> Result<(), StoreError> {
        let folder = self.path.join("blobs");
        let at = SystemTime::now();
        let changed = fs::metadata(&folder)?.modified()?;
        // Where the clock was set back, times tell nothing.
        let last = synced.blobs.filter(|last| last.at <= at);
        if last.is_some_and(|last| last.still_holds(changed)) {
            return Ok(());
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let modified = || entry.metadata().and_then(|found| found.modified());
            let old = last.is_some_and(|last| modified().is_ok_and(|modified| modified < last.changed));
            if !old {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_all()?,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        folder::sync_folder(&folder)?;
        synced.blobs = Some(Look { at, changed });
        Ok(())
    }

    /// Opens the files again after a failed write, from what is durable. Until that succeeds nothing is read either.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        *lock(&self.synced) = Synced::default();
        close(db.take());
        *db = Some(open_sled(&self.path, self.cache)?);
        Ok(())
    }

    /// Closes the files. sled gives them up only when its threads have ended.
    pub(super) fn close(&self) {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        close(db.take());
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.close();
    }
}

fn close(db: Option<sled::Db>) {
    let closed = contained(|| {
        drop(db);
        Ok(())
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "the store did not close cleanly");
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const QUIET: &str = "store-open";

/// Opens sled in a thread whose panics are not printed: they come back as an error, in one line.
fn open_sled(path: &Path, cache: u64) -> Result<sled::Db, StoreError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if thread::current().name() != Some(QUIET) {
                before(info);
            }
        }));
    });
    remove_unfinished_snapshots(path)?;
    // Its own thread would write, and take it for safe, between two syncs of ours.
    let config = sled::Config::new().path(path).cache_capacity(cache).flush_every_ms(None).segment_size(SEGMENT);
    let opening = thread::Builder::new().name(QUIET.to_owned()).spawn(move || {
        contained(|| {
            // A handle that was dropped just now gives its lock up a moment later.
            let mut patience = 100;
            let mut config = config;
            loop {
                match config.open() {
                    Err(sled::Error::Io(error)) if patience > 0 && error.to_string().contains("acquire lock") => {
                        patience -= 1;
                        #[expect(clippy::disallowed_methods, reason = "a file lock tells nobody when it is free")]
                        thread::sleep(Duration::from_millis(20));
                    }
                    Err(sled::Error::Unsupported(text))
                        if config.segment_size == SEGMENT && text.contains("io buffer size") =>
                    {
                        config = config.segment_size(FORMER_SEGMENT);
                    }
                    other => return Ok(other?),
                }
            }
        })
    })?;
    opening.join().unwrap_or_else(|_| Err(StoreError::corrupt("its files cannot be opened")))
}

/// Removes what is left of a snapshot that a crash has interrupted: sled takes the half of one for the newest, and gives
/// up. It does without a snapshot, which only saves it reading its log.
fn remove_unfinished_snapshots(path: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn contained<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        let line = text.lines().next().unwrap_or_default();
        Err(StoreError::corrupt(format!("its files do not hold together ({line})")))
    })
}
