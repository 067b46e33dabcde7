//! Launcher and reconciler: the only writers of jobs.
//!
//! - [`launcher`]: a request → a checked manifest → a durable intent → an object, in this order and never another;
//! - [`reconciler`]: what the executor shows → the record;
//! - [`log_keeper`]: logs go on record as containers end;
//! - [`rebuild`]: records that were lost, from the objects that are there;
//! - [`upkeep`]: after a job's end and log, at its time to live, its object goes away;
//! - [`ledger`]: the jobs that are not settled yet, in memory; the one place where a fact meets a status;
//! - [`Approved`], [`Objection`]: what the executor would say of a launch, with nothing launched;
//! - [`stamp`], [`secrets`]: the pure parts, from a rendered manifest to the one that is sent.
//!
//! Whatever crashes: every step is taken again from the record ([`Service::start`]).

mod dry_run;
pub mod error;
mod intent;
mod launcher;
mod ledger;
mod log_keeper;
mod logs;
mod rebuild;
mod reconciler;
mod requests;
pub mod secrets;
pub mod stamp;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use dry_run::{Approved, Made, Objection};
pub use error::{Difference, ServiceError};
pub use logs::LogStream;
pub use requests::{LaunchRequest, Launched, RenderRequest, Rerun};

use crate::crash::{self, Point};
use crate::executor::{ExecutorError, SharedExecutor};
use crate::job::{Cancellation, Fact, JobId, JobView, ObjectRef, Report, Source};
use crate::store::{Store, StoreError};
use crate::template::{Catalog, LiveCatalog};
use ledger::Ledger;
use secrets::Secrets;

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// What workers reach this service by, without a slash at its end: `http://127.0.0.1:8080`.
    pub callback_base: String,
    /// How long a launch waits for the executor's answer before it answers with a job that is still `Pending`.
    pub create_wait: Duration,
    /// How many objects may be in creation at once.
    pub creates_in_flight: usize,
    /// What an object's own time to live is raised to, in seconds, since Kubernetes would delete logs with it.
    pub ttl_backstop_seconds: u32,
    /// How often old records are looked for, where the store has a retention.
    pub retention_every: Duration,
}

impl Config {
    /// The usual behaviour, for workers that reach this service by `callback_base`.
    pub fn new(callback_base: impl Into<String>) -> Self {
        Self {
            callback_base: callback_base.into().trim_end_matches('/').to_owned(),
            create_wait: Duration::from_secs(5),
            creates_in_flight: 32,
            ttl_backstop_seconds: 7 * 24 * 3600,
            retention_every: Duration::from_secs(60),
        }
    }
}

/// The service: cheap to clone, one for a store.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    config: Config,
    catalog: LiveCatalog,
    executor: SharedExecutor,
    ledger: Arc<Ledger>,
    secrets: Secrets,
    creating: Semaphore,
    looking: Semaphore,
    deleting: Semaphore,
    log_keeper: log_keeper::LogKeeper,
    /// How many lists the executor has shown.
    lists: AtomicU64,
    /// Whether every job of this installation is on record.
    complete: watch::Sender<bool>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Whether each part of the service can do its work; the text says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Records can be written.
    pub store: Result<(), String>,
    /// There are templates.
    pub templates: Result<(), String>,
    /// Objects can be created.
    pub executor: Result<(), String>,
}

impl Readiness {
    /// Whether all of them can.
    pub fn is_ready(&self) -> bool {
        self.store.is_ok() && self.templates.is_ok() && self.executor.is_ok()
    }
}

impl Service {
    /// Takes up from the record whatever was under way, begins to watch, and returns.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn start(
        config: Config,
        store: Store,
        catalog: LiveCatalog,
        executor: SharedExecutor,
    ) -> Result<Self, StoreError> {
        let secrets = Secrets::new(store.key(), store.installation().clone());
        let complete = watch::Sender::new(!store.is_rebuild_due()?);
        let inner = Inner {
            creating: Semaphore::new(config.creates_in_flight),
            looking: Semaphore::new(config.creates_in_flight),
            deleting: Semaphore::new(config.creates_in_flight),
            ledger: Arc::new(Ledger::new(store)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            lists: AtomicU64::new(0),
            complete,
            config,
            catalog,
            executor,
            secrets,
            log_keeper: log_keeper::LogKeeper::new(),
        };
        let service = Self(Arc::new(inner));
        let recovered = service.0.ledger.recover()?;
        crash::reached(Point::Recovered);
        if !recovered.is_empty() {
            tracing::info!(jobs = recovered.len(), "taking up the jobs that are not settled yet");
        }
        service.spawn(service.clone().follow(recovered));
        service.spawn(service.clone().write_again());
        Ok(service)
    }

    /// Keeps the record true, for as long as the service lives. Nothing is launched or deleted before it is known which
    /// jobs there are.
    async fn follow(self, recovered: Vec<JobId>) {
        if !*self.0.complete.borrow() {
            self.rebuild().await;
        }
        for id in recovered {
            self.take_up(id);
        }
        crash::reached(Point::TakenUp);
        self.spawn(self.clone().keep_up());
        self.reconcile().await;
    }

    /// Stops taking launches, ends the service's tasks, and returns once everything that was learned is durable.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        crash::reached(Point::Stopped);
        if let Err(error) = self.0.ledger.settle().await {
            tracing::error!(%error, "some of what was learned last is not on record; it will be learned again");
        }
        crash::reached(Point::Settled);
    }

    /// The templates as they are now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.snapshot()
    }

    /// The records, to read. They are written by this service alone.
    pub fn store(&self) -> &Store {
        self.0.ledger.store()
    }

    /// `process` or `kubernetes`.
    pub fn executor_kind(&self) -> &'static str {
        self.0.executor.kind()
    }

    /// The secret part of the URL that a job's worker reports to.
    pub fn callback_token(&self, id: &JobId) -> String {
        self.0.secrets.callback_token(id)
    }

    /// Whose callback token this is, if it is one of this installation.
    pub fn verify_token(&self, token: &str) -> Option<JobId> {
        self.0.secrets.verify_callback_token(token)
    }

    /// A key for another purpose than those of this module, derived from the installation's own.
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        self.0.secrets.derive(purpose)
    }

    /// Whether each part can do its work.
    pub async fn readiness(&self) -> Readiness {
        let catalog = self.catalog();
        let none = catalog.entries().next().is_none();
        Readiness {
            store: self.store().health().map_err(|error| error.to_string()),
            templates: if none { Err("there are no templates".to_owned()) } else { Ok(()) },
            executor: match self.0.executor.ready().await {
                Err(error) => Err(error.to_string()),
                Ok(()) if !*self.0.complete.borrow() => Err(ServiceError::Rebuilding.to_string()),
                Ok(()) if self.0.lists.load(Ordering::SeqCst) == 0 => {
                    Err("the executor has not shown its objects yet".to_owned())
                }
                Ok(()) => Ok(()),
            },
        }
    }

    /// Records what a worker says. It is durable when this returns.
    ///
    /// # Errors
    /// If there is no such job, or the record cannot be written.
    pub async fn report(&self, id: &JobId, report: Report) -> Result<JobView, ServiceError> {
        crash::reached(Point::ReportBegun);
        self.complete_for(id).await?;
        let (learned, durable) = self.0.ledger.learn(id, Fact::Report(report))?;
        durable.await?;
        crash::reached(Point::ReportDurable);
        Ok(JobView::from(&*learned.job))
    }

    /// Asks for a job to be stopped. The request is durable when this returns; evidence of the end follows.
    ///
    /// # Errors
    /// If there is no such job, it has ended already, or the record cannot be written.
    pub async fn cancel(&self, id: &JobId, by: Option<String>) -> Result<JobView, ServiceError> {
        self.complete_for(id).await?;
        let asked = Fact::CancelRequested(Cancellation { at: Timestamp::now(), by });
        let (learned, durable) = self.0.ledger.learn(id, asked)?;
        durable.await?;
        crash::reached(Point::CancelDurable);
        let view = JobView::from(&*learned.job);
        if learned.was_ended {
            return Err(ServiceError::Ended { id: id.clone(), phase: view.phase });
        }
        self.spawn(self.clone().see_cancelled(id.clone()));
        Ok(view)
    }

    /// Deletes a job that has ended: its record, its log, and its object if that is still there.
    ///
    /// # Errors
    /// If there is no such job, it has not ended, its object cannot be deleted, or the record cannot be written.
    pub async fn delete(&self, id: &JobId) -> Result<(), ServiceError> {
        self.complete().await?;
        let job = self.job(id)?;
        if job.status.ended.is_none() {
            return Err(ServiceError::NotEnded { id: id.clone(), phase: job.status.verdict().phase });
        }
        if let Some(object) = job.status.object.as_ref().filter(|_| !job.status.object_deleted) {
            crash::reached(Point::DeleteBegun);
            self.destroy(id, object).await?;
            self.see_gone(object).await?;
            crash::reached(Point::DeleteObjectGone);
        }
        let removed = self.0.ledger.remove(&job, Source::User)?;
        crash::reached(Point::DeleteSubmitted);
        removed.await?;
        self.0.log_keeper.wake(id);
        crash::reached(Point::DeleteDurable);
        Ok(())
    }

    /// Sees to it that an object is gone. A record must not go before it: under the same ID a new one could be made,
    /// which would take the old object for its own.
    async fn see_gone(&self, object: &ObjectRef) -> Result<(), ServiceError> {
        match self.0.executor.find(&object.name).await? {
            Some(found) if found.evidence.object().uid == object.uid => {
                let message = format!("the object {} is still being deleted; try again when it is gone", object.name);
                Err(ExecutorError::NotReady(message).into())
            }
            _ => Ok(()),
        }
    }

    /// One job as it is on record now.
    fn job(&self, id: &JobId) -> Result<Arc<crate::job::Job>, ServiceError> {
        self.0.ledger.job(id)?.ok_or_else(|| ServiceError::UnknownJob(id.clone()))
    }

    /// Takes the next step for a job that is not settled, whatever that is.
    fn take_up(&self, id: JobId) {
        let Ok(Some(job)) = self.0.ledger.job(&id) else {
            return;
        };
        if job.status.object.is_some() {
            // What was read of it, and what was not, is not on record.
            self.see_to_log(&id);
        }
        if job.status.ended.is_some() {
            return;
        }
        if job.status.object.is_none() {
            self.spawn(self.clone().see_created(id, launcher::Attempt::Again, None));
        } else if job.status.cancellation.is_some() {
            self.spawn(self.clone().see_cancelled(id));
        }
    }

    /// Runs a task until it ends or the service stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }
}
