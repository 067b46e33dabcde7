//! After a job's end: at its time to live its object goes away, and at the store's retention its record does. Never
//! before the log is on record.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Service, ServiceError};
use crate::crash::{self, Point};
use crate::job::{Fact, JobId, ObjectRef};
use crate::store::StoreError;

/// The pauses between attempts when the executor does not answer.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// until they are deleted.
    pub(super) async fn delete_at_ttl(&self, id: &JobId) {
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
                // Woken early where the clock was set, it finds out in the next turn.
                tokio::time::sleep(left.max(Duration::from_millis(1))).await;
                continue;
            }
            crash::reached(Point::TtlDue);
            match self.destroy(id, object).await {
                Ok(()) => {
                    crash::reached(Point::TtlDeleted);
                    self.note(id, Fact::ObjectDeleted { at: Timestamp::now() });
                    return crash::reached(Point::TtlNoted);
                }
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not delete the object of an ended job; trying again");
                    tokio::time::sleep(PAUSE).await;
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
        let now = Timestamp::now();
        let mut without_object = Vec::new();
        for id in self.store().expired(now)? {
            match self.let_object_go(&id).await {
                Ok(true) => without_object.push(id),
                // It is not all on record yet, and may be when its turn comes again.
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not delete the object of an old job; its record stays for now");
                    break;
                }
            }
        }
        self.store().forget(without_object, now).await
    }

    /// Deletes the object of an ended job whose record is to go: a later job of that ID would take it for its own, and
    /// nobody else would ever delete it. Says whether the job is without one.
    async fn let_object_go(&self, id: &JobId) -> Result<bool, ServiceError> {
        let Some(job) = self.0.ledger.job(id)? else {
            return Ok(false);
        };
        let Some(object) = job.status.object.as_ref().filter(|_| !job.status.object_deleted) else {
            return Ok(true);
        };
        if !job.status.log_kept {
            return Ok(false);
        }
        self.destroy(id, object).await?;
        self.note(id, Fact::ObjectDeleted { at: Timestamp::now() });
        Ok(true)
    }

    /// Deletes the object of a job that has ended. Without it nothing could tell again how that was, so that it is on
    /// record first.
    pub(super) async fn destroy(&self, id: &JobId, object: &ObjectRef) -> Result<(), ServiceError> {
        self.0.ledger.settle_one(id).await?;
        Ok(self.0.executor.delete(object).await?)
    }
}
