//! After a job's end: its log goes on record, then, at its time to live, its object goes away. In this order, so that
//! nothing is lost with the object.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::Service;
use crate::executor::{ExecutorError, LogOptions};
use crate::job::{Fact, Job, JobId};
use crate::store::LogTail;

/// Where ended jobs are handed in.
#[derive(Clone)]
pub(super) struct Queue(mpsc::UnboundedSender<JobId>);

impl Queue {
    /// Hands in a job that has ended.
    pub(super) fn ended(&self, id: JobId) {
        // The receiver is gone only when the service stops; the job is found again at the next start.
        let _ = self.0.send(id);
    }
}

pub(super) fn queue() -> (Queue, mpsc::UnboundedReceiver<JobId>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Queue(sender), receiver)
}

/// The pauses between attempts when the executor or the store does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// How many logs are read at once.
const READERS: usize = 8;

/// A log's tail, no longer than is kept.
fn shortened(log: LogTail) -> LogTail {
    let tail = LogTail::of(log.lines);
    LogTail { truncated: tail.truncated || log.truncated, ..tail }
}

impl Service {
    /// Sees to ended jobs, for as long as the service lives.
    pub(super) async fn keep_up(self, mut ended: mpsc::UnboundedReceiver<JobId>) {
        let readers = std::sync::Arc::new(tokio::sync::Semaphore::new(READERS));
        let mut retention = tokio::time::interval(self.0.config.retention_every);
        loop {
            tokio::select! {
                id = ended.recv() => {
                    let Some(id) = id else { return };
                    let Ok(reader) = readers.clone().acquire_owned().await else { return };
                    let service = self.clone();
                    self.spawn(async move {
                        service.keep_log(&id).await;
                        drop(reader);
                        service.delete_at_ttl(&id).await;
                    });
                }
                _ = retention.tick() => self.retain().await,
            }
        }
    }

    /// Puts the tail of a job's log on record.
    async fn keep_log(&self, id: &JobId) {
        loop {
            let Ok(Some(job)) = self.0.ledger.job(id) else {
                return;
            };
            if job.status.log_kept || job.status.object_deleted {
                return;
            }
            match self.read_log(&job).await {
                Ok(tail) => {
                    let fact = Fact::LogKept { at: Timestamp::now() };
                    match self.0.ledger.learn_with(id, fact, Some(&tail)) {
                        Ok((_, written)) => match written.await {
                            Ok(()) => return,
                            Err(error) => {
                                tracing::error!(job = %id, %error, "the log is not on record yet")
                            }
                        },
                        Err(error) => {
                            return tracing::debug!(job = %id, %error, "its record is gone");
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not read the log of an ended job")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn read_log(&self, job: &Job) -> Result<LogTail, ExecutorError> {
        let Some(object) = &job.status.object else {
            return Ok(LogTail::default());
        };
        let mut lines = match self.0.executor.logs(object, LogOptions::default()).await {
            Ok(lines) => lines,
            Err(ExecutorError::NotFound(_)) => return Ok(LogTail::default()),
            Err(error) => return Err(error),
        };
        let (mut kept, mut bytes) = (LogTail::default(), 0);
        while let Some(line) = lines.next().await {
            let line = line?;
            bytes += line.text.len();
            kept.lines.push(line);
            if bytes > 2 * LogTail::MAX_BYTES {
                kept = shortened(kept);
                bytes = LogTail::MAX_BYTES;
            }
        }
        Ok(shortened(kept))
    }

    /// Deletes the object of an ended job when its time to live is over. Jobs of templates without one keep theirs
    /// until they are deleted.
    async fn delete_at_ttl(&self, id: &JobId) {
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
            match self.0.executor.delete(object).await {
                Ok(()) => {
                    return self.note(id, Fact::ObjectDeleted { at: Timestamp::now() });
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
            match self.store().retain(Timestamp::now()).await {
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
}
