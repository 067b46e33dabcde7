//! The jobs that are not settled yet, in memory: the one place where a fact meets a status.
//!
//! Facts about one job are taken in one after another, and handed to the store in that order, under the lock of the
//! job's shard; nobody waits for a disk under a lock. A job stays here while something is left to be done for it or
//! on its way to the disk; any other job is read from the store when something new is learned of it.
//!
//! A write that fails leaves a job *unwritten*: what was learned stays in memory and is written again, whole, as soon
//! as the store takes writes. Nothing is ever called durable before it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

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
}

struct Entry {
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
            let mut entry = Entry::on_record(job);
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
            let entry = Entry::on_record(job);
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
        let entry = Entry { on_the_way: 1, recorded: recorded.clone(), ..Entry::on_record(job) };
        shard.insert(id.clone(), entry);
        drop(shard);
        let ledger = self.clone();
        tokio::spawn(async move {
            let state = match ack.await {
                Ok(_) => Recorded::Durable,
                Err(error) => Recorded::Failed(error),
            };
            ledger.arrived(&id, matches!(state, Recorded::Failed(_)));
            tell.send_replace(state);
        });
        recorded
    }

    /// An intent has reached the disk, or could not: then there is no such job.
    fn arrived(&self, id: &JobId, failed: bool) {
        let mut shard = self.shard(id);
        if failed {
            shard.remove(id);
        } else if let Some(entry) = shard.get_mut(id) {
            entry.on_the_way -= 1;
        }
    }

    /// Takes a fact in. What is returned beside resolves when it is durable; dropping that changes nothing.
    pub(super) fn learn(self: &Arc<Self>, id: &JobId, fact: Fact) -> Result<(Learned, Written), super::ServiceError> {
        self.take(id, Some(fact), None)
    }

    /// Takes the tail of a job's log in, and a fact with it.
    pub(super) fn keep_log(
        self: &Arc<Self>,
        id: &JobId,
        log: &LogTail,
        fact: Option<Fact>,
    ) -> Result<Written, super::ServiceError> {
        self.take(id, fact, Some(log)).map(|(_, written)| written)
    }

    fn take(
        self: &Arc<Self>,
        id: &JobId,
        fact: Option<Fact>,
        log: Option<&LogTail>,
    ) -> Result<(Learned, Written), super::ServiceError> {
        let mut shard = self.shard(id);
        let entry = match shard.entry(id.clone()) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(place) => match self.store.job(id)? {
                Some(job) => place.insert(Entry::on_record(job)),
                None => return Err(super::ServiceError::UnknownJob(id.clone())),
            },
        };
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
            return Ok((outcome(job), Written(None)));
        }
        crash::reached(Point::FactLearned);
        let mut job = Job { intent: before.intent.clone(), status };
        let first_seen = before.status.object.is_none() && job.status.object.is_some();
        let wiped = first_seen && wipe_secrets(&mut job.intent);
        let mut events = entry.unwritten.take().unwrap_or_default();
        events.extend(learned.events.clone());
        let mut change =
            if wiped { Change::rewrite(&job, events.clone()) } else { Change::update(&job, events.clone()) };
        if let Some(log) = log {
            change = change.with_log(log);
        }
        entry.job = Arc::new(job);
        entry.on_the_way += 1;
        let job = entry.job.clone();
        let ack = self.store.submit(change);
        drop(shard);
        crash::reached(Point::FactSubmitted);
        Ok((outcome(job), self.on_the_way(id, events, ack)))
    }

    /// Removes a job that has ended.
    pub(super) fn remove(&self, id: &JobId) -> Result<Ack, StoreError> {
        let mut shard = self.shard(id);
        shard.remove(id);
        Ok(self.store.submit(Change::delete(id.clone(), Timestamp::now(), Source::User)))
    }

    fn on_the_way(self: &Arc<Self>, id: &JobId, events: Vec<NewEvent>, ack: Ack) -> Written {
        Written(Some(OnTheWay { ledger: self.clone(), id: id.clone(), events, ack }))
    }

    fn written(&self, id: &JobId, events: Vec<NewEvent>, result: &Result<(), StoreError>) {
        if result.is_ok() {
            crash::reached(Point::FactDurable);
        }
        let mut shard = self.shard(id);
        let Some(entry) = shard.get_mut(id) else {
            return;
        };
        entry.on_the_way = entry.on_the_way.saturating_sub(1);
        if matches!(result, Err(StoreError::NotFound(_))) {
            // Its record was deleted meanwhile.
            shard.remove(id);
        } else if result.is_err() {
            entry.unwritten.get_or_insert_default().extend(events);
            self.unwritten.notify_one();
        } else if entry.is_settled() {
            shard.remove(id);
        } else {
            entry.let_go();
        }
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
        self.on_the_way(id, events, ack)
    }

    /// The jobs that have an object, and have not ended.
    pub(super) fn running(&self) -> Vec<(JobId, ObjectRef)> {
        let mut running = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, entry) in shard.iter() {
                let status = &entry.job.status;
                if let (Some(object), None) = (&status.object, status.ended) {
                    running.push((id.clone(), object.clone()));
                }
            }
        }
        running
    }
}

impl Entry {
    fn on_record(job: Job) -> Self {
        let (_, recorded) = watch::channel(Recorded::Durable);
        Self { job: Arc::new(job), slim: false, on_the_way: 0, unwritten: None, recorded }
    }

    /// Lets the manifest go once nothing needs it, and nothing that holds it is on its way to the disk: it is most of
    /// what a job takes in memory.
    fn let_go(&mut self) {
        if self.job.status.object.is_none() || self.slim || !self.is_idle() {
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

/// Puts the masked manifest in place of the real one, which is needed no more once the object is known. Returns
/// whether there was anything to mask.
fn wipe_secrets(intent: &mut Intent) -> bool {
    match intent.masked.take() {
        Some(masked) => {
            intent.manifest = masked;
            true
        }
        None => false,
    }
}

/// Resolves when what was learned is durable. It becomes so even if nobody waits for it.
#[must_use = "what was learned is durable only once this has resolved"]
pub(super) struct Written(Option<OnTheWay>);

struct OnTheWay {
    ledger: Arc<Ledger>,
    id: JobId,
    events: Vec<NewEvent>,
    ack: Ack,
}

impl Future for Written {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(change) = &mut self.0 else {
            return Poll::Ready(Ok(()));
        };
        let result = std::task::ready!(Pin::new(&mut change.ack).poll(cx)).map(drop);
        if let Some(change) = self.0.take() {
            change.ledger.written(&change.id, change.events, &result);
        }
        Poll::Ready(result)
    }
}

impl Drop for Written {
    /// A caller that went away must not keep a failed write from being noticed.
    fn drop(&mut self) {
        if let (Some(change), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let result = change.ack.await.map(drop);
                change.ledger.written(&change.id, change.events, &result);
            });
        }
    }
}
