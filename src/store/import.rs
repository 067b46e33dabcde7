//! Reads an export back. Into a folder that never had a job it is taken over whole: installation, numbers of events and
//! all. Into any other, the jobs that are not on record yet are added.

use std::io::{self, BufRead, Read};
use std::path::Path;

use jiff::Timestamp;

use super::backend::{BATCH, Backend, Op};
use super::basics::{random_key, rebuild_due, write_basics};
use super::change::EncodedEvent;
use super::codec::Blob;
use super::export::{Header, KIND, Record, VERSION};
use super::folder::Folder;
use super::rows::Counters;
use super::{Change, OpenError, Options, Store, StoreError, keys, open_error, plan, read};
use crate::crash::{self, Point};
use crate::job::{Event, EventKind, Fact, Intent, Job, JobId, NewEvent, Refusal, Status};

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 64 << 20;
/// How many operations are put in order at once.
const SORTED: usize = 500_000;
/// How many jobs are on their way into an open store at once.
const IN_FLIGHT: usize = 256;
/// Why a job that was still to be launched was not, after an import.
const SECRETS_MISSING: &str = "SecretsMissing";

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many jobs were added.
    pub added: u64,
    /// How many were on record already, just so.
    pub same: u64,
    /// Those that are on record otherwise, and were left as they are.
    pub conflicts: Vec<JobId>,
    /// Those that were still to be launched and cannot be, since their secrets were not exported: they are recorded as
    /// rejected.
    pub without_secrets: Vec<JobId>,
}

/// An export that cannot be read in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The records cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The input cannot be read.
    #[error("the export cannot be read: {0}")]
    Input(#[from] io::Error),
    /// The input is no export.
    #[error("line {line} of the export: {problem}")]
    Line {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads an export into a data folder, which nothing else may use meanwhile. `now` is when. `progress` is told how
/// many jobs have been read.
///
/// Into a folder that never had a job the import is one step: if it fails, there is none in it either.
pub fn import(
    path: &Path,
    input: &mut dyn BufRead,
    now: Timestamp,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ImportError> {
    let mut lines = Lines { input, line: 0 };
    let header = lines.header()?;
    let store = Store::open(path, Options::default())?;
    if store.last_sequence() == 0 && store.counts().all(|(_, count)| count == 0) {
        let key = match &header.key {
            Some(text) => from_hex(text).ok_or_else(|| lines.fault("`key` is no key"))?,
            None => *store.key(),
        };
        // Kept from others all the time: what they recorded meanwhile would be lost.
        let folder = store.0.folder.clone();
        drop(store);
        take_over(folder, &header, &key, &mut lines, now, progress)
    } else {
        add_to(&store, &header, &mut lines, now, progress)
    }
}

/// Writes all records into a new folder beside the empty one, and puts it in its place when it is durable.
fn take_over(
    mut folder: Folder,
    header: &Header,
    key: &[u8; 32],
    lines: &mut Lines<'_>,
    now: Timestamp,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ImportError> {
    let made = folder.begin()?;
    let fault = |error| open_error(folder.path(), error);
    let backend = Backend::open(made.path(), Options::default().cache).map_err(fault)?;
    let mut bulk = Bulk {
        backend: &backend,
        ops: Vec::new(),
        counters: Counters { sequence: header.sequence, ..Counters::default() },
    };
    let mut imported = Imported::default();
    while let Some(record) = lines.record()? {
        let (record, news) = usable(record, now, &mut imported);
        bulk.add(record, news).map_err(|error| match error {
            StoreError::Corrupt(problem) => lines.fault(problem),
            StoreError::AlreadyExists(id) => lines.fault(format!("job {id} is there twice")),
            other => other.into(),
        })?;
        imported.added += 1;
        progress(imported.added);
    }
    lines.expect_all(header, imported.added)?;
    bulk.apply()?;
    let counters = bulk.counters;
    write_basics(&backend, &header.installation, key, &counters)?;
    // What was launched after the export was made is found when the service starts.
    backend.apply([rebuild_due(true)])?;
    backend.sync()?;
    backend.close();
    drop(backend);
    folder.adopt(made, header.installation.clone())?;
    Ok(imported)
}

/// Adds to records that there are. Events get new numbers.
fn add_to(
    store: &Store,
    header: &Header,
    lines: &mut Lines<'_>,
    now: Timestamp,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut waiting = std::collections::VecDeque::new();
    let mut seen = 0;
    while let Some(record) = lines.record()? {
        seen += 1;
        progress(seen);
        let id = record.intent.id.clone();
        if let Some(known) = store.job(&id)? {
            if is_same(&known, &record) {
                imported.same += 1;
            } else {
                imported.conflicts.push(id);
            }
            continue;
        }
        let (record, news) = usable(record, now, &mut imported);
        let events = record.events.into_iter().map(unnumbered).chain(news);
        let job = Job { intent: record.intent, status: record.status };
        let mut change = Change::insert(&job, events.collect());
        if let Some(log) = &record.log {
            change = change.with_log(log);
        }
        waiting.push_back(store.submit(change));
        crash::reached(Point::ImportSubmitted);
        if waiting.len() >= IN_FLIGHT
            && let Some(ack) = waiting.pop_front()
        {
            settle(ack, lines, &mut imported)?;
        }
    }
    for ack in waiting {
        settle(ack, lines, &mut imported)?;
    }
    lines.expect_all(header, seen)?;
    Ok(imported)
}

/// Whether a record is what an export of this job gives, with secrets or without; or what this job was imported from.
fn is_same(known: &Job, record: &Record) -> bool {
    let shown = || known.intent.masked.clone().unwrap_or_else(|| known.intent.manifest.clone());
    let masked = || Intent { manifest: shown(), ..known.intent.clone() };
    let same_status = known.status == record.status || is_refused_by_import(&known.status, record);
    same_status && (known.intent == record.intent || masked() == record.intent)
}

/// Whether a status is what an import made of a record that came without the secrets that its launch needs.
fn is_refused_by_import(known: &Status, record: &Record) -> bool {
    known.refusal.as_ref().is_some_and(|refusal| {
        let mut status = record.status.clone();
        let _known_events = status.learn(Fact::Refused(refusal.clone()));
        refusal.reason == SECRETS_MISSING && lacks_secrets(record) && status == *known
    })
}

fn settle(ack: super::Ack, lines: &Lines<'_>, imported: &mut Imported) -> Result<(), ImportError> {
    match ack.wait() {
        Ok(_) => {
            crash::reached(Point::ImportSettled);
            imported.added += 1;
        }
        Err(StoreError::AlreadyExists(id)) => {
            return Err(lines.fault(format!("job {id} is there twice")));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn unnumbered(event: Event) -> NewEvent {
    NewEvent { at: event.at, source: event.source, kind: event.kind }
}

/// Whether a job was still to be launched, and its manifest came without its secrets.
fn lacks_secrets(record: &Record) -> bool {
    let masked = record.intent.masked.as_ref() == Some(&record.intent.manifest);
    masked && record.status.object.is_none() && !record.status.verdict().phase.is_terminal()
}

/// A job that lacks its secrets must never be launched like that.
fn usable(mut record: Record, now: Timestamp, imported: &mut Imported) -> (Record, Vec<NewEvent>) {
    if !lacks_secrets(&record) {
        return (record, Vec::new());
    }
    imported.without_secrets.push(record.intent.id.clone());
    let learned = record.status.learn(Fact::Refused(Refusal {
        at: now,
        reason: SECRETS_MISSING.to_owned(),
        message: "the record was imported without the secrets that its launch needs".to_owned(),
    }));
    (record, learned.events)
}

/// Writes into records that nobody else uses, without a sync for each job.
struct Bulk<'a> {
    backend: &'a Backend,
    ops: Vec<Op>,
    counters: Counters,
}

impl Bulk<'_> {
    fn add(&mut self, record: Record, news: Vec<NewEvent>) -> Result<(), StoreError> {
        let id = record.intent.id.clone();
        let last = self.counters.sequence;
        for event in &record.events {
            let problem = if event.job != id {
                format!("event {} is of another job than {id}", event.sequence)
            } else if event.sequence > last || event.sequence == 0 {
                format!("event {} is beyond the last one, {last}", event.sequence)
            } else if matches!(event.kind, EventKind::Deleted) {
                format!("event {} says that the job is deleted", event.sequence)
            } else {
                continue;
            };
            return Err(StoreError::Corrupt(problem));
        }
        let job = Job { intent: record.intent, status: record.status };
        let mut change = Change::insert(&job, news);
        if let Some(log) = &record.log {
            change = change.with_log(log);
        }
        // A job that is still in `ops` cannot be found in the tree.
        self.apply_beyond(0)?;
        let known = self.backend.read(|tree| {
            for event in &record.events {
                if tree.contains_key(keys::numbered(keys::EVENT, event.sequence))? {
                    let problem = format!("event {} is there twice", event.sequence);
                    return Err(StoreError::Corrupt(problem));
                }
            }
            read::head(tree, &id)
        })?;
        let planned = plan::plan(change, known.as_ref(), &mut self.counters)?;
        self.ops.extend(planned.ops);
        for event in record.events {
            let sequence = event.sequence;
            let row = EncodedEvent::of(&id, unnumbered(event)).row;
            plan::put_event(&mut self.ops, &id, sequence, row, false);
        }
        Ok(())
    }

    fn apply_beyond(&mut self, most: usize) -> Result<(), StoreError> {
        if self.ops.len() > most {
            let ops = std::mem::take(&mut self.ops);
            for batch in Batches(ops.into_iter().peekable()) {
                self.backend.apply(batch)?;
                crash::reached(Point::ImportApplied);
            }
        }
        Ok(())
    }

    /// Applies in the order of the keys, so that sled writes each page once.
    fn apply_in_order(&mut self) -> Result<(), StoreError> {
        self.ops.sort_unstable();
        self.apply()
    }

    fn apply(&mut self) -> Result<(), StoreError> {
        self.apply_beyond(0)
    }
}

/// Operations in portions of a batch each. They need not be atomic: what they fill does not count yet.
struct Batches<I: Iterator>(std::iter::Peekable<I>);

impl<I: Iterator> Iterator for Batches<I> {
    type Item = Vec<I::Item>;

    fn next(&mut self) -> Option<Vec<I::Item>> {
        self.0.peek()?;
        Some(self.0.by_ref().take(BATCH).collect())
    }
}

/// The lines of an export, counted.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    line: u64,
}

impl Lines<'_> {
    fn fault(&self, problem: impl Into<String>) -> ImportError {
        ImportError::Line { line: self.line, problem: problem.into() }
    }

    fn next<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, ImportError> {
        let mut bytes = Vec::new();
        (&mut *self.input).take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        if bytes.len() as u64 == LONGEST_LINE {
            return Err(self.fault(format!("it is longer than {} MiB", LONGEST_LINE >> 20)));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| self.fault(error.to_string()))
    }

    fn header(&mut self) -> Result<Header, ImportError> {
        #[derive(serde::Deserialize)]
        struct Any {
            #[serde(default)]
            kind: Option<String>,
            #[serde(default)]
            version: u32,
            #[serde(flatten)]
            rest: serde_json::Map<String, serde_json::Value>,
        }
        let any: Any =
            self.next()?.ok_or_else(|| ImportError::Line { line: 1, problem: "there is nothing".to_owned() })?;
        if any.kind.as_deref() != Some(KIND) {
            return Err(self.fault(format!("expected a header with kind {KIND:?}")));
        }
        if any.version > VERSION {
            return Err(self.fault(format!(
                "the export has version {}, and this jobwright knows versions up to {VERSION}; use a newer jobwright",
                any.version
            )));
        }
        if any.version == 0 {
            return Err(self.fault("expected the export's `version`, from 1 on"));
        }
        let mut whole = any.rest;
        whole.insert("kind".to_owned(), KIND.into());
        whole.insert("version".to_owned(), any.version.into());
        serde_json::from_value(whole.into()).map_err(|error| self.fault(error.to_string()))
    }

    fn record(&mut self) -> Result<Option<Record>, ImportError> {
        self.next()
    }

    /// An export that was cut off between two lines is told by its header.
    fn expect_all(&self, header: &Header, found: u64) -> Result<(), ImportError> {
        if found == header.jobs {
            return Ok(());
        }
        Err(self.fault(format!("the export ends after {found} jobs; its header says that there are {}", header.jobs)))
    }
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a key: 64 hexadecimal digits.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Fills folders quickly, for tests and benchmarks: `record` gives the jobs with their events.
#[doc(hidden)]
pub fn fill(path: &Path, jobs: impl IntoIterator<Item = (Job, Vec<NewEvent>)>) -> Result<(), ImportError> {
    drop(Store::open(path, Options::default())?);
    let mut folder = Folder::take(path, true)?;
    let Some(manifest) = folder.manifest().cloned() else {
        return Err(OpenError::Missing(path.to_owned()).into());
    };
    let made = folder.begin()?;
    let backend = Backend::open(made.path(), Options::default().cache).map_err(|error| open_error(path, error))?;
    let mut bulk = Bulk { backend: &backend, ops: Vec::new(), counters: Counters::default() };
    for (job, events) in jobs {
        let planned = plan::plan(Change::insert(&job, events), None, &mut bulk.counters)?;
        bulk.ops.extend(planned.ops);
        if bulk.ops.len() > SORTED {
            bulk.apply_in_order()?;
        }
    }
    bulk.apply_in_order()?;
    let key = random_key(path)?;
    let row = Blob::of(&bulk.counters).into_row();
    backend.apply([(keys::COUNTERS.to_vec(), Some(row))])?;
    write_basics(&backend, &manifest.installation, &key, &bulk.counters)?;
    backend.sync()?;
    backend.close();
    drop(backend);
    folder.adopt(made, manifest.installation)?;
    Ok(())
}
