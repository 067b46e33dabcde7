//! A job's log: from its object while that is there, else from the record.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::{Service, ServiceError};
use crate::executor::{ExecutorError, LogLine, LogOptions};
use crate::job::{Job, JobId};

/// The lines of a log, oldest first.
pub type LogStream = BoxStream<'static, Result<LogLine, ExecutorError>>;

impl Service {
    /// The log of a job. With `follow`, lines come until its containers have ended; a job that has no object yet is
    /// waited for.
    ///
    /// # Errors
    /// If there is no such job, it has no log, or neither executor nor record can be read.
    pub async fn logs(&self, id: &JobId, options: LogOptions) -> Result<LogStream, ServiceError> {
        let mut job = self.job(id)?;
        if options.follow && job.status.object.is_none() && job.status.ended.is_none() {
            job = self.until_created(id).await?;
        }
        if let Some(object) = job.status.object.as_ref().filter(|_| !job.status.object_deleted) {
            match self.0.executor.logs(object, options.clone()).await {
                Err(ExecutorError::NotFound(_)) => {}
                answer => return Ok(answer?),
            }
        }
        self.kept_log(&job, &options)
    }

    fn kept_log(&self, job: &Job, options: &LogOptions) -> Result<LogStream, ServiceError> {
        let Some(tail) = self.store().log(job.id())? else {
            return Err(ServiceError::NoLog(job.id().clone()));
        };
        let mut lines = tail.lines;
        if let Some(since) = options.since {
            lines.retain(|line| line.at >= since);
        }
        if let Some(wanted) = options.tail {
            lines.drain(..lines.len().saturating_sub(wanted));
        }
        Ok(stream::iter(lines).map(Ok).boxed())
    }

    /// Waits until a job has an object, or has ended without one.
    async fn until_created(&self, id: &JobId) -> Result<std::sync::Arc<Job>, ServiceError> {
        let mut changes = self.store().subscribe();
        loop {
            let job = self.job(id)?;
            if job.status.object.is_some() || job.status.ended.is_some() {
                return Ok(job);
            }
            tokio::select! {
                // Whatever changed, and whatever was missed: the record is looked at again.
                change = changes.recv() => drop(change),
                () = self.0.stop.cancelled() => return Err(ServiceError::ShuttingDown),
            }
        }
    }
}
