//! Carries one object from its creation (or its recovery) to its end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::disk::{self, End};
use super::object::Object;
use super::pod::Pod;
use super::progress::{Attempt, EndedAttempt, Failure, Limits, Progress, Step};
use super::spec::JobSpec;
use crate::crash::{self, Point};
use crate::job::Conclusion;

/// Runs an object to its end and records that.
pub(super) async fn run(context: Arc<Context>, object: Arc<Object>, spec: JobSpec, ended: Vec<EndedAttempt>) {
    let conclusion = Controller::new(context, &object, spec, ended).conclude().await;
    record_end(&object, conclusion).await;
}

/// Records how an object ended, then shows it.
pub(super) async fn record_end(object: &Object, conclusion: Conclusion) {
    crash::reached(Point::EndUnwritten);
    let (folder, end) = (object.folder.clone(), End::Concluded(conclusion.clone()));
    let written = tokio::task::spawn_blocking(move || disk::write_end(&folder, &end)).await;
    if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        tracing::error!(object = %object.reference.name, %error, "how an object ended cannot be recorded");
    }
    crash::reached(Point::EndWritten);
    object.update(|snapshot| snapshot.conclusion = Some(conclusion));
}

struct Controller {
    context: Arc<Context>,
    object: Arc<Object>,
    spec: JobSpec,
    template: Arc<super::spec::PodTemplate>,
    progress: Progress,
    pods: FuturesUnordered<BoxFuture<'static, (Attempt, Option<bool>)>>,
    /// Ends all pods.
    stop: CancellationToken,
    restarts_left: Arc<AtomicU32>,
}

impl Controller {
    fn new(context: Arc<Context>, object: &Arc<Object>, spec: JobSpec, ended: Vec<EndedAttempt>) -> Self {
        let limits = Limits { backoff: context.config.backoff, ..spec.limits.clone() };
        Self {
            context,
            object: Arc::clone(object),
            template: Arc::new(spec.pod.clone()),
            progress: Progress::after(limits, &ended),
            pods: FuturesUnordered::new(),
            stop: CancellationToken::new(),
            restarts_left: Arc::new(AtomicU32::new(spec.limits.backoff_limit)),
            spec,
        }
    }

    async fn conclude(mut self) -> Conclusion {
        let cancelled = self.object.cancel.clone();
        if self.spec.suspended {
            cancelled.cancelled().await;
            return Conclusion::Stopped { at: Timestamp::now() };
        }
        let deadline = self.deadline();
        tokio::pin!(deadline);
        loop {
            let wait = match self.progress.next(Timestamp::now()) {
                Step::Complete(at) => return Conclusion::Complete { at },
                Step::Failed(failure, at) => return self.fail(failure, at).await,
                Step::Start(attempt) => {
                    self.start(attempt);
                    continue;
                }
                Step::Wait => None,
                Step::WaitUntil(at) => Some(until(at)),
            };
            tokio::select! {
                biased;
                Some((attempt, outcome)) = self.pods.next() => {
                    let succeeded = outcome == Some(true);
                    self.progress.ended(attempt, succeeded, Timestamp::now());
                }
                () = cancelled.cancelled() => {
                    self.stop_all().await;
                    return Conclusion::Stopped { at: Timestamp::now() };
                }
                seconds = &mut deadline => {
                    self.stop_all().await;
                    return Conclusion::Failed {
                        at: Timestamp::now(),
                        reason: "DeadlineExceeded".to_owned(),
                        message: format!("it did not end within its activeDeadlineSeconds, {seconds}"),
                    };
                }
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    fn start(&mut self, attempt: Attempt) {
        self.progress.started(attempt);
        let pod = Pod {
            context: Arc::clone(&self.context),
            object: Arc::clone(&self.object),
            template: Arc::clone(&self.template),
            name: attempt.pod_name(&self.object.reference.name),
            index: attempt.index,
            stop: self.stop.clone(),
            restarts_left: Arc::clone(&self.restarts_left),
        };
        self.pods.push(Box::pin(async move { (attempt, pod.run().await) }));
    }

    async fn fail(&mut self, failure: Failure, at: Timestamp) -> Conclusion {
        self.stop_all().await;
        let (reason, message) = describe(failure, &self.spec.limits);
        Conclusion::Failed { at, reason: reason.to_owned(), message }
    }

    async fn stop_all(&mut self) {
        self.stop.cancel();
        while self.pods.next().await.is_some() {}
    }

    /// Ends when the object has taken as long as it may; never, if it may take for ever.
    fn deadline(&self) -> impl Future<Output = u64> + use<> {
        let (created, deadline) = (self.object.created, self.spec.deadline);
        async move {
            let Some(deadline) = deadline else {
                return std::future::pending().await;
            };
            let limit = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::MAX);
            let at = created.checked_add(limit).unwrap_or(Timestamp::MAX);
            tokio::time::sleep(until(at)).await;
            deadline.as_secs()
        }
    }
}

fn until(at: Timestamp) -> Duration {
    let wait = at.duration_since(Timestamp::now());
    Duration::try_from(wait).unwrap_or_default()
}

/// A failure in the words of Kubernetes' Job controller, and in a sentence.
fn describe(failure: Failure, limits: &Limits) -> (&'static str, String) {
    match failure {
        Failure::BackoffLimit => (
            "BackoffLimitExceeded",
            format!("more attempts failed than its backoffLimit of {} allows", limits.backoff_limit),
        ),
        Failure::MaxFailedIndexes => (
            "MaxFailedIndexesExceeded",
            format!(
                "more indexes failed than its maxFailedIndexes of {} allows",
                limits.max_failed_indexes.unwrap_or_default()
            ),
        ),
        Failure::FailedIndexes(count) => {
            ("FailedIndexes", format!("{count} of its {} indexes failed", limits.completions))
        }
    }
}
