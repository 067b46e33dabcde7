//! After a job's end: at its time to live its object goes away, and at the store's retention its record does. Never
//! before the log is on record.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Service, ServiceError};
use crate::crash::{self, Point};
use crate::executor::ExecutorError;
use crate::job::{Fact, Job, JobId, ObjectRef, Source};
use crate::store::StoreError;

/// The pauses between attempts when the executor does not answer: the first one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Service {
    /// Removes old records, for as long as the service lives.
    pub(super) async fn keep_up(self) {
        let mut retention = tokio::time::interval(self.0.config.retention_every);
        loop {
            retention.tick().await;
            self.retain().await;
        }
    }

    /// Deletes the object of an ended job when its time to live is over. Jobs of templates without one keep theirs
    /// until they are deleted. `wake` tells that the job is another one, or none.
    pub(super) async fn delete_at_ttl(&self, id: &JobId, wake: &Notify) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(Some(job)) = self.0.ledger.job(id) else {
                return;
            };
            let (Some(object), Some(ttl), Some((_, ended))) =
                (&job.status.object, job.intent.ttl_seconds, job.status.ended)
            else {
                return;
            };
            if job.status.object_deleted || !job.status.log_kept {
                return;
            }
            let due = ended.saturating_add(SignedDuration::from_secs(i64::from(ttl)));
            let left = due.unwrap_or(Timestamp::MAX).duration_since(Timestamp::now());
            if let Ok(left) = Duration::try_from(left) {
                // Woken early, it finds out in the next turn.
                let _ = timeout(left.max(Duration::from_millis(1)), wake.notified()).await;
                continue;
            }
            let Ok(place) = self.0.deleting.acquire().await else {
                return;
            };
            crash::reached(Point::TtlDue);
            let destroyed = self.destroy(id, object).await;
            drop(place);
            match destroyed {
                Ok(()) => {
                    crash::reached(Point::TtlDeleted);
                    self.note_deleted(id, object);
                    return crash::reached(Point::TtlNoted);
                }
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not delete the object of an ended job; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Removes old records, where the store has a retention.
    async fn retain(&self) {
        let mut removed = 0;
        loop {
            match self.retain_some().await {
                Ok(0) => break,
                Ok(some) => removed += some,
                Err(error) => {
                    tracing::error!(%error, "could not remove the records of old jobs");
                    break;
                }
            }
        }
        if removed > 0 {
            tracing::info!(removed, "removed the records of old jobs");
        }
    }

    async fn retain_some(&self) -> Result<usize, StoreError> {
        let mut going = Vec::new();
        for id in self.store().expired(Timestamp::now())? {
            match self.let_object_go(&id).await {
                Ok(Some(job)) => going.push(self.0.ledger.remove(&job, Source::Service)),
                // It is not all on record yet, and may be when its turn comes again.
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not delete the object of an old job; its record stays for now");
                    if matches!(error, ServiceError::Executor(ExecutorError::Unreachable(_))) {
                        break;
                    }
                }
            }
        }
        if !going.is_empty() {
            crash::reached(Point::RetentionSubmitted);
        }
        let mut removed = 0;
        for record in going {
            match async { record?.await }.await {
                Ok(()) => removed += 1,
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            crash::reached(Point::RetentionDone);
        }
        Ok(removed)
    }

    /// Deletes the object of an ended job whose record is to go: a later job of that ID would take it for its own, and
    /// nobody else would ever delete it. Gives the job if it is without one.
    async fn let_object_go(&self, id: &JobId) -> Result<Option<Arc<Job>>, ServiceError> {
        let Some(job) = self.0.ledger.job(id)?.filter(|job| job.status.ended.is_some()) else {
            return Ok(None);
        };
        let Some(object) = job.status.object.as_ref().filter(|_| !job.status.object_deleted) else {
            return Ok(Some(job));
        };
        if !job.status.log_kept {
            return Ok(None);
        }
        self.destroy(id, object).await?;
        self.note_deleted(id, object);
        self.0.log_keeper.wake(id);
        Ok(Some(job))
    }

    /// Notes that an object was deleted, unless the job is a later one of that ID.
    fn note_deleted(&self, id: &JobId, object: &ObjectRef) {
        match self.0.ledger.learn_of(id, object, Fact::ObjectDeleted { at: Timestamp::now() }) {
            Ok((_, written)) => drop(written),
            Err(ServiceError::UnknownJob(_)) => {}
            Err(error) => tracing::error!(job = %id, %error, "a fact could not be taken in"),
        }
    }

    /// Deletes the object of a job that has ended. Without it nothing could tell again how that was, so that it is on
    /// record first.
    pub(super) async fn destroy(&self, id: &JobId, object: &ObjectRef) -> Result<(), ServiceError> {
        self.0.ledger.settle_one(id).await?;
        Ok(self.0.executor.delete(object).await?)
    }
}
