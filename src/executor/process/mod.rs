//! Runs jobs as processes of this machine: for a laptop, a demo, CI.
//!
//! An object is a folder ([`disk`]); its controller ([`controller`]) makes attempts as a Kubernetes Job does
//! ([`progress`]); an attempt is a pod ([`pod`]), whose containers each run under a guard ([`guard`]) that ends them
//! when the service ends. Which fields of a manifest are honoured says [`fields`].

mod controller;
mod disk;
mod expand;
mod fields;
mod guard;
mod image;
mod invocation;
mod logs;
mod object;
mod pod;
mod progress;
mod recovery;
mod registry;
mod spec;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

pub use self::fields::field_reference;
pub use self::guard::guard_main;
pub use self::image::{ImageMapping, InvalidMapping};

use self::disk::ObjectRecord;
use self::object::Changes;
use self::registry::Registry;
use super::{
    CreateOutcome, DryRun, DryRunError, Executor, ExecutorError, Found, LogLine, LogOptions, Marked, Observation,
    Unsupported,
};
use crate::crash::{self, Point};
use crate::job::{InstallationId, Intent, ObjectRef, Refusal};

/// The one namespace of this executor.
pub const NAMESPACE: &str = "local";

/// How many changes a watcher may lag behind before it gets a fresh list.
const CHANGES_KEPT: usize = 4096;
/// How many lines of a log are on their way to a reader.
const LINES_AHEAD: usize = 256;

/// How jobs are run as processes.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The folder that objects are kept in; made if it is missing. One process can use it at a time.
    pub root: PathBuf,
    /// Whose objects these are.
    pub installation: InstallationId,
    /// The absolute path of the program that has the subcommands `guard` and `worker`: Jobwright itself.
    pub program: PathBuf,
    /// Which programs stand for which images. Later ones win.
    pub images: Vec<ImageMapping>,
    /// How long a container has to end after SIGTERM, where its manifest does not say.
    pub grace: Duration,
    /// How many pods run at once; others wait.
    pub max_running: usize,
    /// How long the first retry of a failed attempt waits; each further one waits twice as long, up to 6 minutes.
    pub backoff: Duration,
}

impl ProcessConfig {
    /// The usual configuration: nothing mapped but the worker, Kubernetes' grace (30 s) and backoff (10 s), 64 pods.
    pub fn new(root: PathBuf, installation: InstallationId, program: PathBuf) -> Self {
        Self {
            root,
            installation,
            program,
            images: Vec::new(),
            grace: Duration::from_secs(30),
            max_running: 64,
            backoff: Duration::from_secs(10),
        }
    }
}

/// The executor cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be used.
    #[error("the process executor cannot use its folder {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// There is no async runtime to run jobs on.
    #[error("the process executor needs a running Tokio runtime")]
    NoRuntime,
}

/// What all objects share.
#[derive(Debug)]
struct Context {
    config: ProcessConfig,
    node: String,
    /// The environment that every container has.
    environment: Vec<(String, String)>,
    slots: Arc<Semaphore>,
}

/// Runs jobs as processes of this machine.
#[derive(Debug, Clone)]
pub struct ProcessExecutor {
    inner: Arc<Registry>,
}

impl ProcessExecutor {
    /// Opens the executor's folder, and carries on what can be carried on of the objects there. Must be called within
    /// a Tokio runtime, which jobs are run on.
    pub fn open(config: ProcessConfig) -> Result<Self, OpenError> {
        tokio::runtime::Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let folder = config.root.clone();
        let registry = Registry::open(config).map_err(|source| OpenError::Folder { folder, source })?;
        Ok(Self { inner: Arc::new(registry) })
    }
}

fn refused(reason: &str, message: String) -> CreateOutcome {
    CreateOutcome::Refused(Refusal { at: Timestamp::now(), reason: reason.to_owned(), message })
}

fn unreachable(error: impl std::fmt::Display) -> ExecutorError {
    ExecutorError::Unreachable(format!("its folder cannot be used: {error}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let result = tokio::task::spawn_blocking(work).await;
    result.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl Executor for ProcessExecutor {
    fn kind(&self) -> &'static str {
        "process"
    }

    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn check(&self, manifest: &serde_json::Value) -> Result<(), Unsupported> {
        let config = &self.inner.context.config;
        spec::read(manifest, &config.images, config.grace).map(|_| ()).map_err(|faults| Unsupported { faults })
    }

    fn create<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, CreateOutcome> {
        async move {
            if !is_plain_name(&intent.object_name) {
                let message = format!("{:?} cannot be the name of an object", intent.object_name);
                return refused("Invalid", message);
            }
            if let Err(unsupported) = self.check(&intent.manifest) {
                return refused("Unsupported", unsupported.to_string());
            }
            let record = ObjectRecord {
                name: intent.object_name.clone(),
                uid: Uuid::now_v7().to_string(),
                job: intent.id.clone(),
                installation: self.inner.context.config.installation.clone(),
                created: Timestamp::now(),
                boot: disk::boot_id(),
                manifest: intent.manifest.clone(),
            };
            let inner = Arc::clone(&self.inner);
            let created = blocking(move || inner.create(&record)).await;
            created.unwrap_or_else(|error| CreateOutcome::Unknown {
                message: format!("the object's folder cannot be written: {error}"),
                retry_after: Some(Duration::from_secs(1)),
            })
        }
        .boxed()
    }

    fn can_dry_run(&self) -> bool {
        false
    }

    fn dry_run<'a>(&'a self, _: &'a serde_json::Value) -> BoxFuture<'a, Result<DryRun, DryRunError>> {
        let message = "jobs run as processes of this machine here: there is no API server that could be asked";
        async move { Err(ExecutorError::NotOffered(message.to_owned()).into()) }.boxed()
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Found>, ExecutorError>> {
        async move {
            // What is lost has nothing left that could be found but its log.
            let known = self.inner.objects().get(name).cloned();
            let found = known.filter(|object| object.lost.is_none());
            let found = found.map(|object| Found { job: Some(object.job.clone()), evidence: object.evidence() });
            Ok(found)
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, reference: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>> {
        async move {
            let Some(object) = self.inner.object(reference) else {
                let message = format!("there is no object {:?} any more", reference.name);
                return Err(ExecutorError::NotFound(message));
            };
            if object.has_ended() {
                return Ok(());
            }
            let folder = object.folder.clone();
            let written = blocking(move || disk::write_cancelled(&folder)).await;
            written.map_err(unreachable)?;
            crash::reached(Point::StopWritten);
            object.cancel.cancel();
            Ok(())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, reference: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>> {
        async move {
            let Some(object) = self.inner.object(reference) else {
                return Ok(());
            };
            self.cancel(reference).await?;
            if object.lost.is_none() {
                let mut changes = object.subscribe();
                // The sender is in `object`, so this ends with the object's end.
                let _ = changes.wait_for(|snapshot| snapshot.conclusion.is_some()).await;
            }
            let (inner, removed) = (Arc::clone(&self.inner), Arc::clone(&object));
            let removed = blocking(move || inner.remove(&removed)).await;
            removed.map_err(unreachable)?;
            object.publish(object.gone(Timestamp::now(), true));
            Ok(())
        }
        .boxed()
    }

    fn survey(&self) -> BoxFuture<'_, Result<Vec<Marked>, ExecutorError>> {
        async move {
            let inner = Arc::clone(&self.inner);
            blocking(move || inner.survey()).await.map_err(unreachable)
        }
        .boxed()
    }

    fn watch(&self) -> BoxStream<'static, Observation> {
        // The watcher keeps the executor, so that its changes never end before it.
        let inner = Arc::clone(&self.inner);
        stream::unfold((inner, None::<Changes>), |(inner, changes)| async move {
            if let Some(mut changes) = changes
                && let Ok((job, evidence)) = changes.recv().await
            {
                return Some((Observation::Changed(job, evidence), (inner, Some(changes))));
            }
            // At the start, and when the watcher lags too far behind. Subscribing comes before listing, so that
            // nothing can come between.
            let changes = inner.hub.subscribe();
            let listed = inner.list();
            Some((listed, (inner, Some(changes))))
        })
        .boxed()
    }

    fn logs<'a>(
        &'a self,
        reference: &'a ObjectRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, ExecutorError>>, ExecutorError>> {
        async move {
            let Some(object) = self.inner.object(reference) else {
                let message = format!("nothing is left of the log of object {:?}", reference.name);
                return Err(ExecutorError::NotFound(message));
            };
            let (sender, lines) = mpsc::channel(LINES_AHEAD);
            tokio::spawn(logs::send(object, options, sender));
            Ok(ReceiverStream::new(lines).boxed())
        }
        .boxed()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), ExecutorError>> {
        async move {
            let inner = Arc::clone(&self.inner);
            let checked = blocking(move || inner.root.check_writable()).await;
            checked.map_err(unreachable)
        }
        .boxed()
    }
}

/// Whether a name is that of a file in one folder, and no hidden one.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    (1..=253).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
}

fn node_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// What containers get of the service's environment: nothing but what programs need to be found and to write text.
fn environment(variable: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    [("PATH", PATH), ("LANG", "C.UTF-8")]
        .into_iter()
        .map(|(name, default)| {
            let value = variable(name).unwrap_or_else(|| default.to_owned());
            (name.to_owned(), value)
        })
        .collect()
}
