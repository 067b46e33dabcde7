//! The log goes on record as soon as there is something that could be lost: when a container ends, when a pod is told to
//! stop, and at last when the job has ended. In a cluster a log goes with its pod, whoever deletes that.
//!
//! One task at a time sees to one job. What is read is merged with what is on record, so that reading once more never
//! loses or doubles a line. A log that cannot be read is tried again for as long as its pod may be there: a node that is
//! away may come back with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::{LogStream, Service, ServiceError};
use crate::crash::{self, Point};
use crate::executor::{ExecutorError, LogOptions, LogRun};
use crate::job::{Fact, Job, JobId, LogMark, LogTail, ObjectRef, TailBuffer};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two attempts at a log that cannot be read. New evidence ends it early.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How many logs are read at once.
const READERS: usize = 32;
/// How many of those that could not be read before: a node that hangs must not keep the logs of others waiting.
const RETRIES: usize = 4;
/// For how long the place of such an attempt stays taken when it fails again: where a node is away, thousands of attempts
/// that are refused at once come to twenty a second.
const REST: Duration = Duration::from_millis(200);
/// How many pods that stop are followed at once.
const FOLLOWERS: usize = 128;
/// After how long what was followed goes on record, even if there is more to come.
const FOLLOWED_AT_ONCE: Duration = Duration::from_secs(30);
/// For how long the containers of an object that is gone are followed: they may have been left to run for ever.
const FOLLOWED_AFTER_END: SignedDuration = SignedDuration::from_hours(1);

/// Knows which jobs' logs are being seen to.
pub(super) struct LogKeeper {
    jobs: Mutex<HashMap<JobId, Keeping>>,
    readers: Semaphore,
    retries: Semaphore,
    followers: Semaphore,
}

/// A job whose log was read or is being read.
#[derive(Default)]
struct Keeping {
    /// Whether a task is at it.
    at_work: bool,
    /// Whether there is more to be done when that task is through.
    again: bool,
    /// Ends a pause of that task.
    wake: Arc<Notify>,
    /// What was there to be read when all of it was read, of the object with this UID.
    kept: Option<(String, LogMark)>,
    /// The log of the whole object with this UID, followed since before it was told to stop.
    opened: Option<(String, LogStream)>,
}

/// What came of one attempt.
enum Kept {
    /// All that there is, for good.
    Final,
    /// All that there was.
    SoFar,
    /// A pod is on its way to its end, and writes.
    More,
}

impl LogKeeper {
    pub(super) fn new() -> Self {
        Self {
            jobs: Mutex::default(),
            readers: Semaphore::new(READERS),
            retries: Semaphore::new(RETRIES),
            followers: Semaphore::new(FOLLOWERS),
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, Keeping>> {
        // No code under this lock panics.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that there is something to be done for a job. Says whether the caller has to do it: else whoever is at it
    /// already will.
    fn begin(&self, id: &JobId) -> Option<Arc<Notify>> {
        let mut jobs = self.jobs();
        let keeping = jobs.entry(id.clone()).or_default();
        if keeping.at_work {
            keeping.again = true;
            keeping.wake.notify_one();
            return None;
        }
        keeping.at_work = true;
        Some(keeping.wake.clone())
    }

    /// Lets whoever is at a job, or waits for its time to come, look at it again.
    pub(super) fn wake(&self, id: &JobId) {
        if let Some(keeping) = self.jobs().get(id) {
            keeping.wake.notify_one();
        }
    }

    /// Ends the work for a job, unless more came up meanwhile.
    fn finish(&self, id: &JobId, over: bool) -> bool {
        let mut jobs = self.jobs();
        let Some(keeping) = jobs.get_mut(id) else {
            return true;
        };
        // What came up may be of a later job of that ID, even if all is over.
        if std::mem::take(&mut keeping.again) {
            return false;
        }
        keeping.at_work = false;
        if over {
            jobs.remove(id);
        }
        true
    }

    fn note_kept(&self, id: &JobId, object: &ObjectRef, mark: LogMark) {
        if let Some(keeping) = self.jobs().get_mut(id) {
            keeping.kept = Some((object.uid.clone(), mark));
        }
    }

    fn has_kept(&self, id: &JobId, object: &ObjectRef, mark: &LogMark) -> bool {
        let jobs = self.jobs();
        let kept = jobs.get(id).and_then(|keeping| keeping.kept.as_ref());
        kept.is_some_and(|(uid, kept)| *uid == object.uid && kept == mark)
    }
}

impl Service {
    /// Sees to a job's log and, if the job has ended, to what comes after that.
    pub(super) fn see_to_log(&self, id: &JobId) {
        let Some(wake) = self.0.log_keeper.begin(id) else {
            return;
        };
        let (service, id) = (self.clone(), id.clone());
        self.spawn(async move {
            loop {
                let over = service.keep_log(&id, &wake).await;
                if over {
                    service.delete_at_ttl(&id, &wake).await;
                }
                if service.0.log_keeper.finish(&id, over) {
                    return;
                }
            }
        });
    }

    /// Puts on record what there is of a job's log. Says whether that was all there will ever be.
    async fn keep_log(&self, id: &JobId, wake: &Notify) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(Some(job)) = self.0.ledger.job(id) else {
                return true;
            };
            if job.status.log_kept || job.status.object_deleted {
                return job.status.ended.is_some();
            }
            let Some(object) = &job.status.object else {
                return job.status.ended.is_some();
            };
            let again = pause != FIRST_PAUSE;
            match self.keep_log_of(&job, object, again).await {
                Ok(Kept::Final) => return true,
                Ok(Kept::SoFar) => return false,
                Ok(Kept::More) => pause = FIRST_PAUSE,
                Err(ServiceError::UnknownJob(_)) => return true,
                Err(error) => {
                    if again {
                        tracing::debug!(job = %id, %error, "could not put the log on record yet; trying again");
                    } else {
                        tracing::warn!(job = %id, %error, "could not put the log on record yet; trying again");
                    }
                    if timeout(pause, wake.notified()).await.is_ok() {
                        pause = FIRST_PAUSE;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn keep_log_of(&self, job: &Job, object: &ObjectRef, again: bool) -> Result<Kept, ServiceError> {
        let id = job.id();
        let keeper = &self.0.log_keeper;
        let mark = LogMark::of(job.status.seen.as_ref());
        if job.status.ended.is_some() && !mark.is_writing() && keeper.has_kept(id, object, &mark) {
            // It was read when the last container had ended, and nothing came after that.
            return self.note_all_kept(id, object).await;
        }
        // What is about to go is followed from before the whole is read, which may take longer than it stays.
        let wanted = to_be_followed(job, &mark);
        // Not so where it could not be read before: it would keep a follower's place from others while it waits its turn.
        let early = if again || wanted.is_empty() { None } else { keeper.followers.try_acquire().ok() };
        let followed = match &early {
            Some(_) => self.open_all(id, object, &wanted).await?,
            None => Vec::new(),
        };
        let place = if again { &keeper.retries } else { &keeper.readers };
        let Ok(place) = place.acquire().await else {
            return Err(ServiceError::ShuttingDown);
        };
        let is_all = job.status.ended.is_some() && wanted.is_empty();
        // A job may be seen to end before the last of its pods is: for good, its executor is asked which there are.
        let runs = job.status.seen.as_ref().filter(|_| !is_all).map(LogRun::of);
        let read = self.read_log(object, runs).await;
        if again && read.is_err() {
            tokio::time::sleep(REST).await;
        }
        let read = read?;
        crash::reached(Point::LogRead);
        drop(place);
        if is_all && read.lines.is_empty() && job.status.verdict().started.is_none() {
            // What never ran has no log, which is not the same as an empty one.
            return self.note_all_kept(id, object).await;
        }
        self.put_log(id, object, read, is_all).await?;
        if is_all {
            return Ok(Kept::Final);
        }
        if wanted.is_empty() {
            if !mark.is_writing() {
                keeper.note_kept(id, object, mark);
            }
            return Ok(Kept::SoFar);
        }
        let (_place, followed) = match early {
            Some(place) => (Ok(place), followed),
            None => (keeper.followers.acquire().await, self.open_all(id, object, &wanted).await?),
        };
        let all_ended = self.put_followed(id, object, followed).await?;
        let ended = job.status.ended.is_some();
        Ok(if !all_ended {
            Kept::More
        } else if ended {
            // What was followed to its end is on record, and nothing writes any more.
            self.put_log(id, object, LogTail::default(), true).await?;
            Kept::Final
        } else {
            Kept::SoFar
        })
    }

    /// Opens a job's log before it is told to stop, so that its last words are heard.
    pub(super) async fn listen_to_the_end(&self, id: &JobId, object: &ObjectRef) {
        let whole = LogOptions { follow: true, ..LogOptions::default() };
        if let Ok(lines) = self.0.executor.logs(object, whole).await {
            let opened = Some((object.uid.clone(), lines));
            self.0.log_keeper.jobs().entry(id.clone()).or_default().opened = opened;
        }
        self.see_to_log(id);
    }

    async fn open_all(
        &self,
        id: &JobId,
        object: &ObjectRef,
        wanted: &[LogOptions],
    ) -> Result<Vec<LogStream>, ExecutorError> {
        let opened = self.0.log_keeper.jobs().get_mut(id).and_then(|keeping| keeping.opened.take());
        let opened = opened.filter(|(uid, _)| *uid == object.uid);
        let mut streams: Vec<_> = opened.into_iter().map(|(_, lines)| lines).collect();
        if !streams.is_empty() && wanted.iter().all(|options| options.pod.is_none()) {
            return Ok(streams);
        }
        for options in wanted {
            match self.0.executor.logs(object, options.clone()).await {
                Ok(lines) => streams.push(lines),
                Err(ExecutorError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(streams)
    }

    /// Puts on record what is followed: when it has ended, or after a while. Says whether all of it has ended.
    async fn put_followed(
        &self,
        id: &JobId,
        object: &ObjectRef,
        streams: Vec<LogStream>,
    ) -> Result<bool, ServiceError> {
        let mut all_ended = true;
        for followed in join_all(streams.into_iter().map(followed)).await {
            let (read, ended) = followed?;
            all_ended &= ended;
            self.put_log(id, object, read, false).await?;
        }
        Ok(all_ended)
    }

    /// Notes that what is on record of a log is all that there will ever be.
    async fn note_all_kept(&self, id: &JobId, object: &ObjectRef) -> Result<Kept, ServiceError> {
        self.0.ledger.learn_of(id, object, log_kept())?.1.await?;
        crash::reached(Point::LogKept);
        Ok(Kept::Final)
    }

    /// Merges what was read with what is on record.
    async fn put_log(&self, id: &JobId, object: &ObjectRef, read: LogTail, is_all: bool) -> Result<(), ServiceError> {
        let known = self.store().log(id)?.unwrap_or_default();
        if read.lines.is_empty() && !is_all {
            return Ok(());
        }
        let merged = known.merge(read);
        self.0.ledger.keep_log(id, object, &merged)?.await?;
        crash::reached(Point::LogPut);
        if is_all {
            self.note_all_kept(id, object).await?;
        }
        Ok(())
    }

    async fn read_log(&self, object: &ObjectRef, runs: Option<Vec<LogRun>>) -> Result<LogTail, ExecutorError> {
        let mut tail = TailBuffer::default();
        match self.0.executor.logs(object, LogOptions { runs, ..LogOptions::default() }).await {
            Ok(mut lines) => {
                while let Some(line) = lines.next().await {
                    tail.push(line?);
                }
            }
            Err(ExecutorError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(tail.into_tail())
    }
}

/// Follows a log to its end, or until some of it should go on record; says which.
async fn followed(mut lines: LogStream) -> Result<(LogTail, bool), ExecutorError> {
    let mut tail = TailBuffer::default();
    let following = async {
        while let Some(line) = lines.next().await {
            tail.push(line?);
        }
        Ok(())
    };
    let ended = match timeout(FOLLOWED_AT_ONCE, following).await {
        Ok(ended) => ended.map(|()| true),
        Err(_) => Ok(false),
    };
    ended.map(|ended| (tail.into_tail(), ended))
}

/// What may write something yet before it goes, and what it writes with it.
fn to_be_followed(job: &Job, mark: &LogMark) -> Vec<LogOptions> {
    let whole = LogOptions { follow: true, ..LogOptions::default() };
    match job.status.ended {
        Some((_, at)) if mark.is_writing() && !is_long_ago(at) => vec![whole],
        None if mark.is_writing() && job.status.cancellation.is_some() => vec![whole],
        Some(_) => Vec::new(),
        None => mark.leaving().iter().map(|pod| LogOptions { pod: Some(pod.clone()), ..whole.clone() }).collect(),
    }
}

fn log_kept() -> Fact {
    Fact::LogKept { at: Timestamp::now() }
}

fn is_long_ago(end: Timestamp) -> bool {
    Timestamp::now().duration_since(end) > FOLLOWED_AFTER_END
}
