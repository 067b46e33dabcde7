//! One subscriber's stream of changes: first those on record, then those to come, without a gap and nothing twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::job::{Event, EventKind, JobId, JobView};
use crate::store::{Committed, Store, StoreError};

/// How long a stream may be silent before a comment is sent, so that both ends see that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many events are read from the record at once.
const BATCH: usize = 256;
/// How many changes at most go out in one piece.
const TOGETHER: usize = 64;
/// Sent first: it opens the stream, and tells browsers to come back after a second.
const GREETING: &[u8] = b"retry: 1000\n: following\n\n";
const COMMENT: &[u8] = b": keep-alive\n\n";

/// Where a subscriber is.
pub(super) struct Feed {
    store: Store,
    only: Option<JobId>,
    changes: Receiver<Arc<Committed>>,
    /// The number of the last event that was sent or passed over.
    last: u64,
    /// What is to be read from the record: up to this number.
    recorded: u64,
    greeted: bool,
    /// For how long it may be silent.
    silence: Duration,
    /// When it sends a comment, if it has nothing else to say until then.
    silent_until: Instant,
    shutdown: CancellationToken,
}

/// What comes next.
enum Step {
    Send(Bytes),
    Again,
    End,
}

impl Feed {
    /// Begins after the event of this number; without one, with what comes from now on.
    pub(super) fn new(store: Store, only: Option<JobId>, after: Option<u64>, shutdown: CancellationToken) -> Self {
        // In this order: what is published from here on has a greater number than what is on record now, or is passed
        // over by its number.
        let changes = store.subscribe();
        let recorded = store.last_sequence();
        Self {
            only,
            changes,
            // A number from the future can only be one of other records: there is nothing to catch up with.
            last: after.unwrap_or(recorded).min(recorded),
            recorded,
            store,
            greeted: false,
            silence: KEEP_ALIVE,
            silent_until: Instant::now() + KEEP_ALIVE,
            shutdown,
        }
    }

    /// The stream, which holds `guard` as long as it lives.
    pub(super) fn into_stream(self, guard: impl Send + 'static) -> impl Stream<Item = Result<Bytes, StoreError>> {
        stream::unfold(Some((self, guard)), async |state| {
            let (mut feed, guard) = state?;
            loop {
                match feed.step().await {
                    Ok(Step::Send(bytes)) => {
                        feed.silent_until = Instant::now() + feed.silence;
                        return Some((Ok(bytes), Some((feed, guard))));
                    }
                    Ok(Step::Again) => {}
                    Ok(Step::End) => return None,
                    Err(error) => return Some((Err(error), None)),
                }
            }
        })
    }

    async fn step(&mut self) -> Result<Step, StoreError> {
        if !self.greeted {
            self.greeted = true;
            return Ok(Step::Send(Bytes::from_static(GREETING)));
        }
        if self.last < self.recorded {
            return self.catch_up().await;
        }
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(Step::End),
            // Before the changes: where other jobs change all the time, those come without end and say nothing here.
            () = tokio::time::sleep_until(self.silent_until) => Ok(Step::Send(Bytes::from_static(COMMENT))),
            change = self.changes.recv() => Ok(self.pass_on(change)),
        }
    }

    /// Reads the next events that are on record.
    async fn catch_up(&mut self) -> Result<Step, StoreError> {
        if self.shutdown.is_cancelled() {
            return Ok(Step::End);
        }
        let (store, only) = (self.store.clone(), self.only.clone());
        let (last, recorded) = (self.last, self.recorded);
        let read = tokio::task::spawn_blocking(move || read(&store, only.as_ref(), last, recorded));
        let (bytes, last) = read.await.map_err(|error| StoreError::Io(error.to_string()))??;
        self.last = last.unwrap_or(recorded);
        Ok(match bytes {
            bytes if bytes.is_empty() => Step::Again,
            bytes => Step::Send(bytes),
        })
    }

    /// Passes on a change, together with those that have come meanwhile.
    fn pass_on(&mut self, change: Result<Arc<Committed>, RecvError>) -> Step {
        let mut next = match change {
            Ok(change) => change,
            // Too slow: the client is to come back for what it missed.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return Step::End,
        };
        let mut pieces = Vec::new();
        for room in (0..TOGETHER).rev() {
            pieces.extend(self.frame_of(&next));
            if room == 0 {
                break;
            }
            next = match self.changes.try_recv() {
                Ok(change) => change,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return Step::End,
            };
        }
        match pieces.len() {
            0 => Step::Again,
            1 => Step::Send(pieces.remove(0)),
            _ => Step::Send(pieces.concat().into()),
        }
    }

    /// What is new to this subscriber in a change.
    fn frame_of(&mut self, change: &Committed) -> Option<Bytes> {
        let first = change.events.first()?.sequence;
        let before = self.last;
        self.last = before.max(change.events.last()?.sequence);
        if self.only.as_ref().is_some_and(|only| *only != change.job) {
            return None;
        }
        if first > before {
            return Some(change.frame(|change| frames(&change.events, change.view.as_deref())));
        }
        let first_new = change.events.partition_point(|event| event.sequence <= before);
        let new = &change.events[first_new..];
        (!new.is_empty()).then(|| frames(new, change.view.as_deref()))
    }
}

/// Some events on record after one number and up to another, and how far they reach; nothing if they reach the end.
fn read(store: &Store, only: Option<&JobId>, after: u64, up_to: u64) -> Result<(Bytes, Option<u64>), StoreError> {
    let events = match only {
        Some(id) => store.job_events(id, after, BATCH)?,
        None => store.events_after(after, BATCH)?,
    };
    let full = events.len() == BATCH;
    let mut bytes = Vec::new();
    // Jobs that run at the same time have their events mixed.
    let mut views: HashMap<&JobId, Option<JobView>> = HashMap::new();
    let mut last = None;
    for event in &events {
        if event.sequence > up_to {
            return Ok((bytes.into(), None));
        }
        let view = match views.entry(&event.job) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(store.view(&event.job)?),
        };
        write(&mut bytes, event, view.as_ref());
        last = Some(event.sequence);
    }
    Ok((bytes.into(), last.filter(|_| full)))
}

fn frames(events: &[Event], job: Option<&JobView>) -> Bytes {
    let mut bytes = Vec::new();
    for event in events {
        write(&mut bytes, event, job);
    }
    bytes.into()
}

/// One event in the format of server-sent events. JSON has no line breaks of its own.
fn write(bytes: &mut Vec<u8>, event: &Event, job: Option<&JobView>) {
    #[derive(Serialize)]
    struct Data<'a> {
        event: &'a Event,
        job: Option<&'a JobView>,
    }
    let kind = kind_name(&event.kind);
    // Neither writing to a vector nor these types, whose keys are strings, can fail.
    let _ = write!(bytes, "id: {}\nevent: {kind}\ndata: ", event.sequence);
    let _ = serde_json::to_writer(&mut *bytes, &Data { event, job });
    bytes.extend_from_slice(b"\n\n");
}

/// The `type` that an event has in JSON.
fn kind_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Recorded => "recorded",
        EventKind::Rebuilt => "rebuilt",
        EventKind::Created { .. } => "created",
        EventKind::Warning { .. } => "warning",
        EventKind::Phase { .. } => "phase",
        EventKind::ContainerStarted { .. } => "containerStarted",
        EventKind::ContainerEnded { .. } => "containerEnded",
        EventKind::Report { .. } => "report",
        EventKind::CancelRequested { .. } => "cancelRequested",
        EventKind::Disputed { .. } => "disputed",
        EventKind::LogKept => "logKept",
        EventKind::ObjectDeleted => "objectDeleted",
        EventKind::Deleted => "deleted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Fact, Report};
    use crate::store::Change;
    use crate::store::tests::{job, open, recorded};

    #[tokio::test]
    async fn a_quiet_stream_gets_its_comments_while_other_jobs_change_all_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut busy = job("busy", 0);
        store.submit(recorded(&busy)).await.unwrap();
        let mut feed = Feed::new(store.clone(), Some("quiet".parse().unwrap()), None, CancellationToken::new());
        assert!(matches!(feed.step().await.unwrap(), Step::Send(bytes) if bytes == GREETING));
        feed.silence = Duration::from_millis(20);
        feed.silent_until = Instant::now() + feed.silence;
        // A change of another job is there whenever the feed looks.
        for sequence in 0..10_000 {
            let report = Report::new(busy.intent.created, Some(sequence), "busy".into(), None, None).unwrap();
            let learned = busy.status.learn(Fact::Report(report));
            store.submit(Change::update(&busy, learned.events)).await.unwrap();
            if matches!(feed.step().await.unwrap(), Step::Send(bytes) if bytes == COMMENT) {
                return;
            }
        }
        panic!("not one comment among all those changes");
    }
}
