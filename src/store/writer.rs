//! The one writer. It drains the queue, applies what it finds in batches, makes all of it durable with one sync, and
//! only then answers and publishes: many callers share the price of one sync.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::backend::{BATCH, Op, WINDOW, weight};
use super::basics::rebuild_due;
use super::change::{Action, Change, Committed};
use super::codec::Blob;
use super::rows::{Counters, Head};
use super::{Shared, StoreError, keys, plan, read};
use crate::crash::{self, Point};
use crate::job::JobId;

/// How many changes share one sync at most, so that the first of them does not wait for too many others.
const ROUND: usize = 1024;
/// How many deletion events are kept for those who follow: older ones make room.
const DELETIONS: u64 = 10_000;
/// How long to wait before files that failed are opened again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who waits for a change.
pub(super) type Caller = oneshot::Sender<Result<Arc<Committed>, StoreError>>;

/// What is asked of the writer.
pub(super) enum Request {
    /// A change is to be made durable.
    Write(Box<Change>, Caller),
    /// It is to be on record whether records may be missing.
    Rebuild(bool, oneshot::Sender<Result<(), StoreError>>),
    /// Somebody has noted a fault while reading.
    Mend,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// The heads of open jobs, which change most, and of those that changed in this round.
    heads: HashMap<JobId, Head>,
    counters: Counters,
    ops: Vec<Op>,
    /// The weight of what was applied since the last sync.
    unsynced: usize,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let counters = shared.counters();
        Self { shared, heads: HashMap::new(), counters, ops: Vec::new(), unsynced: 0 }
    }

    /// Works until nobody can send any more and all that was sent is answered.
    pub(super) fn run(mut self, queue: &Receiver<Request>) {
        loop {
            let first = match self.shared.fault() {
                None => queue.recv().map_err(RecvTimeoutError::from),
                Some(_) => queue.recv_timeout(PATIENCE),
            };
            let mut round = Vec::new();
            match first {
                Ok(request) => round.push(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            round.extend(queue.try_iter().take(ROUND));
            let mut marks = Vec::new();
            let changes = round.into_iter().filter_map(|request| match request {
                Request::Write(change, caller) => Some((*change, caller)),
                Request::Rebuild(due, caller) => {
                    marks.push((due, caller));
                    None
                }
                Request::Mend => None,
            });
            let round = changes.collect();
            self.round(round);
            for (due, caller) in marks {
                let _gone = caller.send(self.mark(due));
            }
        }
    }

    /// Puts on record whether records may be missing, durably.
    fn mark(&mut self, due: bool) -> Result<(), StoreError> {
        self.recover()?;
        self.ops.push(rebuild_due(due));
        let outcome = self.apply().and_then(|()| self.shared.backend.sync());
        match &outcome {
            Ok(()) => self.shared.set_counters(self.counters.clone()),
            Err(error) => self.give_up(error),
        }
        outcome
    }

    fn round(&mut self, round: Vec<(Change, Caller)>) {
        if let Err(error) = self.recover() {
            for (_, caller) in round {
                let _gone = caller.send(Err(error.clone()));
            }
            return;
        }
        if !round.is_empty() {
            crash::reached(Point::WriterTook);
        }
        let mut answers = Vec::with_capacity(round.len());
        let mut outcome = Ok(());
        for (change, caller) in round {
            let planned = match &outcome {
                Ok(()) => self.write(change),
                Err(error) => Err(StoreError::clone(error)),
            };
            if let Err(error) = &planned
                && error.is_storage()
            {
                outcome = Err(error.clone());
            }
            answers.push((planned, caller));
        }
        if !answers.is_empty() {
            crash::reached(Point::WriterPlanned);
        }
        let outcome = outcome.and_then(|()| self.apply()).and_then(|()| self.sync());
        match outcome {
            Ok(()) => self.shared.set_counters(self.counters.clone()),
            Err(error) => {
                self.give_up(&error);
                for (planned, _) in &mut answers {
                    if planned.is_ok() {
                        *planned = Err(error.clone());
                    }
                }
            }
        }
        for (planned, caller) in answers {
            let answer = planned.map(Arc::new);
            let committed = answer.as_ref().ok().cloned();
            let _gone = caller.send(answer);
            crash::reached(Point::WriterAnswered);
            if let Some(committed) = committed {
                let _nobody_listens = self.shared.subscribers.send(committed);
                crash::reached(Point::WriterPublished);
            }
        }
        self.heads.retain(|_, head| head.open);
    }

    /// Plans one change and applies it, together with others where there is room in the batch.
    pub(super) fn write(&mut self, change: Change) -> Result<Committed, StoreError> {
        let old = match self.heads.get(&change.id) {
            Some(head) => Some(head.clone()),
            None => self.shared.backend.read(|tree| read::head(tree, &change.id))?,
        };
        let id = change.id.clone();
        let deletes = matches!(change.action, Action::Delete);
        let mut counters = self.counters.clone();
        let planned = plan::plan(change, old.as_ref(), &mut counters)?;
        if self.ops.len() + planned.ops.len() > BATCH {
            // What is applied now must not count this change, which is not among it.
            self.apply()?;
        }
        self.counters = Counters { commit: self.counters.commit, ..counters };
        self.ops.extend(planned.ops);
        match planned.head {
            Some(head) => self.heads.insert(id.clone(), head),
            None => self.heads.remove(&id),
        };
        if deletes {
            // Later changes, one that uses the ID again among them, must find no leftovers.
            self.apply()?;
            crash::reached(Point::SweepBegun);
            self.sweep(&id)?;
            crash::reached(Point::SweepDone);
        } else if self.ops.len() >= BATCH {
            self.apply()?;
        }
        Ok(planned.committed)
    }

    /// Applies what was gathered, with the counters as they are after it.
    fn apply(&mut self) -> Result<(), StoreError> {
        if self.ops.is_empty() {
            return Ok(());
        }
        self.counters.commit += 1;
        let counters = Blob::of(&self.counters).into_row();
        let mut ops = mem::take(&mut self.ops);
        ops.push((keys::COUNTERS.to_vec(), Some(counters)));
        let weight = weight(&ops);
        if self.unsynced > 0 && self.unsynced + weight > WINDOW {
            self.sync()?;
        }
        self.unsynced += weight;
        self.shared.backend.apply(ops)
    }

    /// Makes all that was applied durable.
    fn sync(&mut self) -> Result<(), StoreError> {
        self.shared.backend.sync()?;
        self.unsynced = 0;
        Ok(())
    }

    /// Removes what is left of deleted jobs that a crash interrupted.
    pub(super) fn sweep_all(&mut self) -> Result<(), StoreError> {
        let left: Vec<JobId> = self.shared.backend.read(|tree| read::ids(tree, keys::GARBAGE).collect())?;
        for id in &left {
            self.sweep(id)?;
        }
        if !left.is_empty() {
            crash::reached(Point::SweptAtStart);
            self.sync()?;
            self.shared.set_counters(self.counters.clone());
        }
        Ok(())
    }

    /// Removes the history of a deleted job in steps, since it may be long, and the oldest deletion event if there are
    /// too many by now.
    fn sweep(&mut self, id: &JobId) -> Result<(), StoreError> {
        loop {
            let rows: Vec<sled::IVec> = self.shared.backend.read(|tree| {
                let prefix = keys::rows_of_job(keys::HISTORY, id);
                let rows = tree.scan_prefix(prefix).keys().take(BATCH / 2 - 1);
                Ok(rows.collect::<Result<_, _>>()?)
            })?;
            let done = rows.len() < BATCH / 2 - 1;
            for key in rows {
                if let Some(sequence) = keys::last_number(&key) {
                    self.ops.push((keys::numbered(keys::EVENT, sequence), None));
                }
                self.ops.push((key.to_vec(), None));
            }
            if done {
                self.ops.push((keys::of_job(keys::GARBAGE, id), None));
                break;
            }
            self.apply()?;
            crash::reached(Point::SweepHalfDone);
        }
        self.apply()?;
        if self.counters.deletions > DELETIONS {
            let oldest =
                self.shared.backend.read(|tree| Ok(tree.scan_prefix([keys::DELETED]).keys().next().transpose()?))?;
            if let Some(sequence) = oldest.and_then(|key| keys::last_number(&key)) {
                self.ops.push((keys::numbered(keys::DELETED, sequence), None));
                self.ops.push((keys::numbered(keys::EVENT, sequence), None));
                self.counters.deletions -= 1;
            }
        }
        self.apply()
    }

    /// Makes sure that writing can go on: there is space, and the files are open.
    fn recover(&mut self) -> Result<(), StoreError> {
        self.shared.check_space()?;
        if self.shared.fault().is_none() {
            return Ok(());
        }
        let recovered = self.shared.backend.reopen().and_then(|()| {
            self.shared.backend.read(read::counters)?.ok_or_else(|| StoreError::corrupt("the counters are missing"))
        });
        match recovered {
            Ok(counters) => {
                self.counters = counters.clone();
                self.shared.set_counters(counters);
                self.sweep_all()?;
                self.shared.set_fault(None);
                tracing::info!("the store is open again");
                Ok(())
            }
            Err(error) => {
                self.shared.set_fault(Some(error.clone()));
                Err(error)
            }
        }
    }

    /// After a failed write nothing in memory can be trusted: it is read again from what is durable.
    fn give_up(&mut self, error: &StoreError) {
        tracing::error!(%error, "the store cannot write");
        self.heads.clear();
        self.ops.clear();
        self.unsynced = 0;
        self.shared.set_fault(Some(error.clone()));
    }
}
