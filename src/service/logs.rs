//! A job's log: from its object while that is there, and from the record what the object does not show any more.

use std::collections::{HashSet, VecDeque};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;

use super::{Service, ServiceError};
use crate::executor::{ExecutorError, LogLine, LogOptions};
use crate::job::{Job, JobId, ObjectRef};

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
        let kept = self.store().log(job.id())?;
        let kept_lines = |options: &LogOptions| {
            let lines = kept.clone().map(|tail| tail.lines).unwrap_or_default();
            wanted(lines, options)
        };
        if let Some(object) = job.status.object.as_ref().filter(|_| !job.status.object_deleted) {
            match self.0.executor.logs(object, options.clone()).await {
                Ok(live) => {
                    let kept = kept_lines(&options);
                    return match options.tail.filter(|_| options.follow && !kept.is_empty()) {
                        Some(count) => Ok(self
                            .before_last(object, kept, &gone_pods(&job), count, &options)
                            .await?
                            .chain(live)
                            .boxed()),
                        None => Ok(joined(kept, live, &gone_pods(&job), &options)),
                    };
                }
                Err(ExecutorError::NotFound(_)) => {}
                // Who has ended says nothing new: the record is as good.
                Err(_) if job.status.log_kept => {}
                Err(error) => return Err(error.into()),
            }
        }
        if kept.is_none() {
            return Err(ServiceError::NoLog(job.id().clone()));
        }
        let lines = last(kept_lines(&options), options.tail);
        Ok(stream::iter(lines).map(Ok).boxed())
    }

    /// The lines of pods that are gone, as many as the last ones that are there leave room for.
    async fn before_last(
        &self,
        object: &ObjectRef,
        mut kept: Vec<LogLine>,
        gone: &HashSet<String>,
        count: usize,
        options: &LogOptions,
    ) -> Result<LogStream, ServiceError> {
        kept.retain(|line| gone.contains(&line.pod));
        if kept.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let there = LogOptions { follow: false, ..options.clone() };
        let there = match self.0.executor.logs(object, there).await {
            Ok(lines) => lines.count().await,
            Err(ExecutorError::NotFound(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        let earlier = last(kept, Some(count.saturating_sub(there)));
        Ok(stream::iter(earlier).map(Ok).boxed())
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

/// The pods that were seen, and are gone with their logs.
fn gone_pods(job: &Job) -> HashSet<String> {
    let seen = job.status.seen.iter();
    let gone = seen.flat_map(|seen| seen.pods.iter().filter(|(_, pod)| seen.is_gone(pod)));
    gone.map(|(name, _)| name.clone()).collect()
}

/// The lines that are asked for, but for how many of them.
fn wanted(mut lines: Vec<LogLine>, options: &LogOptions) -> Vec<LogLine> {
    lines.retain(|line| {
        let late_enough = options.since.is_none_or(|since| line.at >= since);
        late_enough && options.pod.as_ref().is_none_or(|pod| *pod == line.pod)
    });
    lines
}

fn last(mut lines: Vec<LogLine>, count: Option<usize>) -> Vec<LogLine> {
    if let Some(count) = count {
        lines.drain(..lines.len().saturating_sub(count));
    }
    lines
}

/// What the object shows, after what it does not show any more: the logs of pods that are gone, and of runs that began
/// before the first line that is there.
fn joined(kept: Vec<LogLine>, live: LogStream, gone: &HashSet<String>, options: &LogOptions) -> LogStream {
    if kept.is_empty() {
        return live;
    }
    let (of_gone, earlier): (Vec<_>, Vec<_>) = kept.into_iter().partition(|line| gone.contains(&line.pod));
    let all = stream::iter(of_gone).map(Ok).chain(after_earlier(earlier, live));
    match options.tail {
        None => all.boxed(),
        Some(count) => stream::once(last_of(all.boxed(), count)).flat_map(stream::iter).boxed(),
    }
}

/// Gives the lines that are older than the first one of a stream, then the stream.
fn after_earlier(earlier: Vec<LogLine>, mut live: LogStream) -> LogStream {
    let first = async move {
        let first = live.next().await;
        let from = match &first {
            Some(Ok(line)) => line.at,
            _ => Timestamp::MAX,
        };
        let earlier = earlier.into_iter().filter(move |line| line.at < from);
        stream::iter(earlier.map(Ok).chain(first)).chain(live)
    };
    stream::once(first).flatten().boxed()
}

/// The last lines of a stream, or the error that it ended with.
async fn last_of(mut lines: LogStream, count: usize) -> Vec<Result<LogLine, ExecutorError>> {
    let mut kept = VecDeque::new();
    while let Some(line) = lines.next().await {
        let failed = line.is_err();
        kept.push_back(line);
        if kept.len() > count {
            kept.pop_front();
        }
        if failed {
            break;
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: i64, pod: &str, text: &str) -> LogLine {
        let at = Timestamp::from_second(second).unwrap();
        LogLine { at, pod: pod.into(), container: "main".into(), text: text.into() }
    }

    async fn shown(tail: Option<usize>) -> Vec<String> {
        let kept =
            vec![line(1, "gone", "one"), line(2, "there", "two"), line(5, "gone", "five"), line(7, "there", "7")];
        // The run that wrote `two` is forgotten; `7` is there to be read still.
        let live = stream::iter([line(7, "there", "7"), line(8, "there", "8")]).map(Ok).boxed();
        let gone = HashSet::from(["gone".to_owned()]);
        let lines = joined(kept, live, &gone, &LogOptions { tail, ..LogOptions::default() });
        lines.map(|line| line.unwrap().text).collect().await
    }

    #[tokio::test]
    async fn what_is_not_there_any_more_comes_first_and_nothing_twice() {
        assert_eq!(shown(None).await, ["one", "five", "two", "7", "8"]);
        assert_eq!(shown(Some(3)).await, ["two", "7", "8"]);
        assert_eq!(shown(Some(0)).await, [""; 0]);
    }
}
