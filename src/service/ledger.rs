//! The jobs that are not settled yet, in memory: the one place where a fact meets a status.
//!
//! Facts about one job are taken in one after another, and handed to the store in that order, under the lock of the
//! job's shard; nobody waits for a disk under a lock. A job stays here while something is left to be done for it or
//! on its way to the disk; any other job is read from the store when something new is learned of it.
//!
//! A write that fails leaves a job *unwritten*: what was learned stays in memory and is written again, whole, as soon
//! as the store takes writes. Nothing is ever called durable before it is.

mod written;

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

pub(super) use self::written::Written;
use self::written::{OnTheWay, Sent};
use crate::crash::{self, Point};
use crate::job::{Fact, Intent, Job, JobId, LogMark, LogTail, NewEvent, ObjectRef, Source, Status};
use crate::store::{Ack, Change, Store, StoreError};

const SHARDS: usize = 64;

pub(super) struct Ledger {
    store: Store,
    hasher: RandomState,
    shards: Box<[Mutex<HashMap<JobId, Entry>>]>,
    /// Wakes whoever writes again what could not be written.
    unwritten: Arc<Notify>,
    /// Numbers the entries.
    serials: AtomicU64,
}

struct Entry {
    /// Tells it from any other entry that its ID had before, or will have.
    serial: u64,
    job: Arc<Job>,
    /// Whether the manifest was let go, which is needed only until the object is known. It is on record.
    slim: bool,
    /// Changes that are on their way to the disk.
    on_the_way: usize,
    /// Events of changes that could not be written.
    unwritten: Option<Vec<NewEvent>>,
    /// Whether the intent is durable, for those who ask for the same job meanwhile.
    recorded: watch::Receiver<Recorded>,
}

/// Whether the intent of a new job is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recorded {
    NotYet,
    Durable,
    Failed(StoreError),
}

/// What came of learning a fact.
pub(super) struct Learned {
    pub(super) job: Arc<Job>,
    /// Whether the job had ended before.
    pub(super) was_ended: bool,
    /// Whether it ended by this very fact.
    pub(super) ends: bool,
    /// Whether there is more of its log to be put on record now.
    pub(super) log_due: bool,
}

/// What came of recording an intent.
pub(super) enum Inserted {
    /// It is a new job.
    New(watch::Receiver<Recorded>),
    /// There is a job of that ID; the receiver tells when it is durable.
    Existing(Arc<Job>, watch::Receiver<Recorded>),
    /// There is a job of that ID on record which was not known here: the caller takes it up. Its intent reached the
    /// disk although the store had said that it might not.
    Forgotten(Arc<Job>),
}

/// What came of recording a job whose record was lost.
pub(super) enum Restored {
    /// It was not on record; the receiver tells when it is.
    New(watch::Receiver<Recorded>),
    /// It was on record.
    Known(Arc<Job>),
}

/// Waits until an intent is durable.
pub(super) async fn durable(mut recorded: watch::Receiver<Recorded>) -> Result<(), StoreError> {
    match recorded.wait_for(|state| *state != Recorded::NotYet).await.as_deref() {
        Ok(Recorded::Failed(error)) => Err(error.clone()),
        Ok(_) => Ok(()),
        Err(_) => Err(StoreError::Closed),
    }
}

impl Ledger {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            unwritten: Arc::new(Notify::new()),
            serials: AtomicU64::new(0),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    fn shard(&self, id: &JobId) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        let hash = self.hasher.hash_one(id);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        // No code under these locks panics half-way through a change.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads every job that is not settled from the store, and says which they are.
    pub(super) fn recover(&self) -> Result<Vec<JobId>, StoreError> {
        let mut ids = Vec::new();
        for job in self.store.active()? {
            let id = job.id().clone();
            let mut entry = self.on_record(job);
            entry.let_go();
            self.shard(&id).insert(id.clone(), entry);
            ids.push(id);
        }
        Ok(ids)
    }

    /// A job as it is known now.
    pub(super) fn job(&self, id: &JobId) -> Result<Option<Arc<Job>>, StoreError> {
        if let Some(entry) = self.shard(id).get(id) {
            return Ok(Some(entry.job.clone()));
        }
        Ok(self.store.job(id)?.map(Arc::new))
    }

    /// Records a job whose record was lost, unless there is a job of its ID.
    pub(super) fn restore(self: &Arc<Self>, events: Vec<NewEvent>, job: Job) -> Result<Restored, StoreError> {
        let shard = self.shard(job.id());
        if let Some(entry) = shard.get(job.id()) {
            return Ok(Restored::Known(entry.job.clone()));
        }
        match self.store.job(job.id())? {
            Some(known) => Ok(Restored::Known(Arc::new(known))),
            None => Ok(Restored::New(self.put(shard, job, events))),
        }
    }

    /// Records the intent of a new job, unless there is a job of its ID.
    pub(super) fn insert(self: &Arc<Self>, intent: Intent, event: NewEvent) -> Result<Inserted, StoreError> {
        let id = intent.id.clone();
        let mut shard = self.shard(&id);
        if let Some(entry) = shard.get(&id) {
            return Ok(Inserted::Existing(entry.job.clone(), entry.recorded.clone()));
        }
        if let Some(job) = self.store.job(&id)? {
            let entry = self.on_record(job);
            let job = entry.job.clone();
            if entry.is_settled() {
                return Ok(Inserted::Existing(job, entry.recorded));
            }
            shard.insert(id, entry);
            return Ok(Inserted::Forgotten(job));
        }
        let job = Job { intent, status: Status::default() };
        Ok(Inserted::New(self.put(shard, job, vec![event])))
    }

    /// Puts a job on record of which there is none.
    fn put(
        self: &Arc<Self>,
        mut shard: MutexGuard<'_, HashMap<JobId, Entry>>,
        job: Job,
        events: Vec<NewEvent>,
    ) -> watch::Receiver<Recorded> {
        let id = job.id().clone();
        let ack = self.store.submit(Change::insert(&job, events));
        let (tell, recorded) = watch::channel(Recorded::NotYet);
        let entry = Entry { on_the_way: 1, recorded: recorded.clone(), ..self.on_record(job) };
        let serial = entry.serial;
        shard.insert(id.clone(), entry);
        drop(shard);
        let ledger = self.clone();
        tokio::spawn(async move {
            let state = match ack.await {
                Ok(_) => Recorded::Durable,
                Err(error) => Recorded::Failed(error),
            };
            ledger.arrived(&id, serial, matches!(state, Recorded::Failed(_)));
            tell.send_replace(state);
        });
        recorded
    }

    /// An intent has reached the disk, or could not: then there is no such job.
    fn arrived(&self, id: &JobId, serial: u64, failed: bool) {
        let mut shard = self.shard(id);
        match shard.get_mut(id).filter(|entry| entry.serial == serial) {
            Some(_) if failed => drop(shard.remove(id)),
            Some(entry) => entry.on_the_way = entry.on_the_way.saturating_sub(1),
            None => {}
        }
    }

    fn on_record(&self, job: Job) -> Entry {
        let (_, recorded) = watch::channel(Recorded::Durable);
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        Entry { serial, job: Arc::new(job), slim: false, on_the_way: 0, unwritten: None, recorded }
    }

    /// Takes a fact in. What is returned beside resolves when it is durable; dropping that changes nothing.
    pub(super) fn learn(self: &Arc<Self>, id: &JobId, fact: Fact) -> Result<(Learned, Written), super::ServiceError> {
        self.take(id, None, Some(fact), None)
    }

    /// The same, unless the job has another object by now: then it is a later one of that ID.
    pub(super) fn learn_of(
        self: &Arc<Self>,
        id: &JobId,
        object: &ObjectRef,
        fact: Fact,
    ) -> Result<(Learned, Written), super::ServiceError> {
        self.take(id, Some(object), Some(fact), None)
    }

    /// Takes the tail of a job's log in. Unlike a fact it is not held in memory until it is durable: if it cannot be
    /// written, it has to be read again. So the fact that it was kept may be learned only after that.
    pub(super) fn keep_log(
        self: &Arc<Self>,
        id: &JobId,
        object: &ObjectRef,
        log: &LogTail,
    ) -> Result<Written, super::ServiceError> {
        self.take(id, Some(object), None, Some(log)).map(|(_, written)| written)
    }

    fn take(
        self: &Arc<Self>,
        id: &JobId,
        of: Option<&ObjectRef>,
        fact: Option<Fact>,
        log: Option<&LogTail>,
    ) -> Result<(Learned, Written), super::ServiceError> {
        let mut shard = self.shard(id);
        let entry = match shard.entry(id.clone()) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(place) => match self.store.job(id)? {
                Some(job) => place.insert(self.on_record(job)),
                None => return Err(super::ServiceError::UnknownJob(id.clone())),
            },
        };
        if of.is_some_and(|of| entry.job.status.object.as_ref().is_none_or(|object| object.uid != of.uid)) {
            if entry.is_settled() {
                shard.remove(id);
            }
            return Err(super::ServiceError::UnknownJob(id.clone()));
        }
        let fact = fact.filter(|fact| is_of(fact, &entry.job.intent));
        let before = entry.job.clone();
        let mut status = before.status.clone();
        let learned = fact.map(|fact| status.learn(fact)).unwrap_or_default();
        let outcome = |job: Arc<Job>| Learned {
            was_ended: before.status.ended.is_some(),
            ends: before.status.ended.is_none() && job.status.ended.is_some(),
            log_due: learned.changed && mark(&job).is_news_after(&mark(&before)),
            job,
        };
        let nothing_new = !learned.changed && learned.events.is_empty() && log.is_none();
        if nothing_new && entry.on_the_way == 0 && entry.unwritten.is_none() {
            let job = entry.job.clone();
            if entry.is_settled() {
                shard.remove(id);
            }
            return Ok((outcome(job), Written::nothing()));
        }
        crash::reached(Point::FactLearned);
        let mut job = Job { intent: before.intent.clone(), status };
        let wiped = !needs_manifest(&job.status) && wipe_secrets(&mut job.intent);
        let owed = entry.unwritten.take();
        // What could not be written may have been the manifest without its secrets.
        let whole = wiped || (owed.is_some() && !entry.slim);
        let mut events = owed.unwrap_or_default();
        events.extend(learned.events.clone());
        let mut change = if whole { Change::rewrite } else { Change::update }(&job, events.clone());
        if let Some(log) = log {
            change = change.with_log(log);
        }
        entry.job = Arc::new(job);
        entry.on_the_way += 1;
        let job = entry.job.clone();
        let written = self.on_the_way(id, entry.serial, Sent::Status(events), self.store.submit(change));
        drop(shard);
        crash::reached(Point::FactSubmitted);
        Ok((outcome(job), written))
    }

    /// Removes the record of a job that has ended: of this very one, not of another that has its ID by now. Until that
    /// is durable, the job is there.
    pub(super) fn remove(self: &Arc<Self>, known: &Job, source: Source) -> Result<Written, StoreError> {
        let id = known.id();
        let mut shard = self.shard(id);
        let there = match shard.get(id) {
            Some(entry) => Some(entry.job.clone()),
            None => self.store.job(id)?.map(Arc::new),
        };
        let is_it = |there: &Arc<Job>| there.intent.created == known.intent.created && there.status.ended.is_some();
        let Some(there) = there.filter(is_it) else {
            return Err(StoreError::NotFound(id.clone()));
        };
        let entry = shard.entry(id.clone()).or_insert_with(|| self.on_record(Job::clone(&there)));
        entry.on_the_way += 1;
        let ack = self.store.submit(Change::delete(id.clone(), Timestamp::now(), source));
        Ok(self.on_the_way(id, entry.serial, Sent::Removal, ack))
    }

    fn on_the_way(self: &Arc<Self>, id: &JobId, serial: u64, change: Sent, ack: Ack) -> Written {
        Written::after(OnTheWay { ledger: self.clone(), id: id.clone(), serial, change, ack })
    }

    /// Resolves when something could not be written.
    pub(super) async fn something_unwritten(&self) {
        self.unwritten.notified().await;
    }

    /// Writes again whatever could not be written. The first error ends the attempt.
    pub(super) async fn write_again(self: &Arc<Self>) -> Result<(), StoreError> {
        self.write_where(|entry| entry.unwritten.is_some()).await
    }

    /// Waits until all that was learned is durable. Changes are written in the order they were submitted in, so that
    /// one more of each job tells that those before it have arrived.
    pub(super) async fn settle(self: &Arc<Self>) -> Result<(), StoreError> {
        self.write_where(|entry| !entry.is_idle()).await
    }

    async fn write_where(self: &Arc<Self>, wanted: impl Fn(&Entry) -> bool) -> Result<(), StoreError> {
        for shard in &self.shards {
            let mut submitted = Vec::new();
            for (id, entry) in shard.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                if wanted(entry) {
                    submitted.push(self.write_entry(id, entry));
                }
            }
            for written in submitted {
                written.await?;
            }
        }
        Ok(())
    }

    /// Waits until all that is known of one job is durable. To be done before anything is destroyed that it could be
    /// learned from again.
    pub(super) async fn settle_one(self: &Arc<Self>, id: &JobId) -> Result<(), StoreError> {
        let submitted = self.shard(id).get_mut(id).filter(|entry| !entry.is_idle()).map(|it| self.write_entry(id, it));
        match submitted {
            Some(written) => written.await,
            None => Ok(()),
        }
    }

    fn write_entry(self: &Arc<Self>, id: &JobId, entry: &mut Entry) -> Written {
        let events = entry.unwritten.take().unwrap_or_default();
        // Whether its secrets were wiped before a failure is not known here: the intent is written too.
        let change = if entry.slim { Change::update } else { Change::rewrite };
        let ack = self.store.submit(change(&entry.job, events.clone()));
        entry.on_the_way += 1;
        self.on_the_way(id, entry.serial, Sent::Status(events), ack)
    }

    /// The jobs that have an object, and have not ended, each with whether it was cancelled.
    pub(super) fn running(&self) -> Vec<(JobId, ObjectRef, bool)> {
        let mut running = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, entry) in shard.iter() {
                let status = &entry.job.status;
                if let (Some(object), None) = (&status.object, status.ended) {
                    running.push((id.clone(), object.clone(), status.cancellation.is_some()));
                }
            }
        }
        running
    }
}

impl Entry {
    /// Lets the manifest go once nothing needs it, and nothing that holds it is on its way to the disk: it is most of
    /// what a job takes in memory.
    fn let_go(&mut self) {
        // Secrets that are still in it have to be wiped on record first.
        let full = self.job.intent.masked.is_some();
        if self.job.status.object.is_none() || self.slim || full || !self.is_idle() {
            return;
        }
        let intent = &mut Arc::make_mut(&mut self.job).intent;
        (intent.manifest, intent.masked) = (serde_json::Value::Null, None);
        self.slim = true;
    }

    /// Whether nothing is left to be done for the job, and nothing of it is on its way to the disk.
    fn is_settled(&self) -> bool {
        let status = &self.job.status;
        let gone = status.object.is_none() || status.object_deleted;
        let kept = gone || (status.log_kept && self.job.intent.ttl_seconds.is_none());
        status.ended.is_some() && kept && self.is_idle()
    }

    /// Whether all that is known of the job is durable.
    fn is_idle(&self) -> bool {
        self.on_the_way == 0 && self.unwritten.is_none()
    }
}

fn mark(job: &Job) -> LogMark {
    LogMark::of(job.status.seen.as_ref())
}

/// Whether a fact may be of the job that has this intent. A copy that somebody made of its object has another name.
fn is_of(fact: &Fact, intent: &Intent) -> bool {
    match fact {
        Fact::Evidence(evidence) => evidence.object().name == intent.object_name,
        _ => true,
    }
}

/// Whether an object may have to be made yet.
fn needs_manifest(status: &Status) -> bool {
    status.object.is_none() && status.ended.is_none()
}

/// Puts the masked manifest in place of the real one, which is needed no more. Returns whether there was anything to
/// mask.
fn wipe_secrets(intent: &mut Intent) -> bool {
    match intent.masked.take() {
        Some(masked) => {
            intent.manifest = masked;
            true
        }
        None => false,
    }
}
