//! Changes: what goes in, and what comes out when it is durable.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::StoreError;
use super::codec::{self, Blob};
use crate::job::{Event, EventKind, Intent, Job, JobId, JobView, LogTail, NewEvent, Phase, Source, Status};

/// One atomic step in one job's life: all of it becomes durable, or nothing.
///
/// It is encoded when it is made, in the caller's thread, so that the one writer has little left to do.
#[derive(Debug)]
pub struct Change {
    pub(super) id: JobId,
    pub(super) action: Action,
    pub(super) events: Vec<EncodedEvent>,
    pub(super) log: Option<Blob>,
    pub(super) view: Option<Arc<JobView>>,
}

#[derive(Debug)]
pub(super) enum Action {
    Insert(EncodedIntent, EncodedStatus),
    Update(Option<EncodedIntent>, EncodedStatus),
    Delete,
}

/// An event with its row; it has no number yet, which is in its key alone.
#[derive(Debug)]
pub(super) struct EncodedEvent {
    pub(super) event: NewEvent,
    pub(super) row: Vec<u8>,
}

/// What the row of an event holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredEvent<Id> {
    job: Id,
    #[serde(flatten)]
    event: NewEvent,
}

impl StoredEvent<JobId> {
    pub(super) fn numbered(self, sequence: u64) -> Event {
        let NewEvent { at, source, kind } = self.event;
        Event { sequence, job: self.job, at, source, kind }
    }
}

impl EncodedEvent {
    pub(super) fn of(job: &JobId, event: NewEvent) -> Self {
        let stored = StoredEvent { job, event };
        let row = Blob::of(&stored).into_row();
        Self { event: stored.event, row }
    }
}

/// What an intent comes to in the tree: the part that lists show apart from the manifest, which they do not.
#[derive(Debug)]
pub(super) struct EncodedIntent {
    pub(super) created: Timestamp,
    pub(super) template: String,
    pub(super) name: Option<String>,
    pub(super) intent: Blob,
    pub(super) manifest: Blob,
}

#[derive(Debug)]
pub(super) struct EncodedStatus {
    pub(super) phase: Phase,
    pub(super) open: bool,
    pub(super) status: Blob,
}

impl EncodedIntent {
    pub(super) fn of(intent: &Intent) -> Self {
        let (rest, manifest) = codec::split_intent(intent);
        Self {
            created: intent.created,
            template: intent.template.clone(),
            name: intent.name.as_ref().map(|name| name.as_str().to_owned()),
            intent: Blob::of(&rest),
            manifest: Blob::of(&manifest),
        }
    }
}

impl EncodedStatus {
    pub(super) fn of(intent: &Intent, status: &Status) -> Self {
        let phase = status.verdict().phase;
        Self { phase, open: is_open(intent, status, phase), status: Blob::of(status) }
    }
}

/// Whether something is left to be done for a job: it has not ended, or its object is still there and is to be
/// deleted, or its log is still to be kept. These jobs are found at start without reading all others.
pub(super) fn is_open(intent: &Intent, status: &Status, phase: Phase) -> bool {
    if !phase.is_terminal() {
        return true;
    }
    let object_is_gone = status.object.is_none() || status.object_deleted;
    !object_is_gone && (!status.log_kept || intent.ttl_seconds.is_some())
}

impl Change {
    /// Records a new job. Fails with [`StoreError::AlreadyExists`] if its ID is on record, and writes nothing then.
    pub fn insert(job: &Job, events: Vec<NewEvent>) -> Self {
        let action = Action::Insert(EncodedIntent::of(&job.intent), EncodedStatus::of(&job.intent, &job.status));
        Self::on(job, action, events)
    }

    /// Rewrites a job's status. Its intent stays as it is on record.
    pub fn update(job: &Job, events: Vec<NewEvent>) -> Self {
        let action = Action::Update(None, EncodedStatus::of(&job.intent, &job.status));
        Self::on(job, action, events)
    }

    /// Rewrites a job's status and its intent too, to wipe the secrets out of its manifest. Time of creation, template
    /// and name stay as they were recorded.
    pub fn rewrite(job: &Job, events: Vec<NewEvent>) -> Self {
        let action = Action::Update(Some(EncodedIntent::of(&job.intent)), EncodedStatus::of(&job.intent, &job.status));
        Self::on(job, action, events)
    }

    /// Deletes a job's record with its history and log. What stays is one event that says so, for those who follow.
    pub fn delete(id: JobId, at: Timestamp, source: Source) -> Self {
        let kind = EventKind::Deleted;
        let event = EncodedEvent::of(&id, NewEvent { at, source, kind });
        Self { id, action: Action::Delete, events: vec![event], log: None, view: None }
    }

    /// Puts the tail of the job's log on record with this change, in place of one that may be there.
    pub fn with_log(mut self, log: &LogTail) -> Self {
        self.log = Some(Blob::of(log));
        self
    }

    fn on(job: &Job, action: Action, events: Vec<NewEvent>) -> Self {
        Self {
            id: job.id().clone(),
            action,
            events: events.into_iter().map(|event| EncodedEvent::of(job.id(), event)).collect(),
            log: None,
            view: Some(Arc::new(JobView::from(job))),
        }
    }
}

/// A change that is durable, as every subscriber sees it.
#[derive(Debug)]
pub struct Committed {
    /// Whose record was changed.
    pub job: JobId,
    /// Its new events, with their numbers; rising over all changes. May be empty.
    pub events: Vec<Event>,
    /// The job as it is now; none if its record was deleted.
    pub view: Option<Arc<JobView>>,
    frame: OnceLock<Bytes>,
}

impl Committed {
    pub(super) fn new(job: JobId, events: Vec<Event>, view: Option<Arc<JobView>>) -> Self {
        Self { job, events, view, frame: OnceLock::new() }
    }

    /// The bytes that go out to every subscriber: made by the first one that asks, and shared by all others.
    pub fn frame(&self, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.frame.get_or_init(|| make(self)).clone()
    }
}

/// Resolves when a change is durable. The change takes its course if this is dropped.
#[derive(Debug)]
#[must_use = "a change is durable only once its acknowledgement has come"]
pub struct Ack(pub(super) oneshot::Receiver<Result<Arc<Committed>, StoreError>>);

impl Ack {
    /// Waits for the acknowledgement outside of any asynchronous task.
    pub fn wait(self) -> Result<Arc<Committed>, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl Future for Ack {
    type Output = Result<Arc<Committed>, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}
