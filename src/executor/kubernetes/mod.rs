//! Jobs as Jobs of a Kubernetes cluster.
//!
//! - [`client`]: the connection, with every wait bounded;
//! - [`api`]: calls whose answer is told in full; [`outcome`]: what a launch has come to. Pure;
//! - [`past`]: whether a launch whose answer was lost had come to something that is gone by now;
//! - [`watch`]: the watches; [`index`]: what they come to together; [`evidence`], [`refusals`]: from Kubernetes' objects
//!   to evidence. Pure;
//! - [`logs`]: container logs, live and afterwards; [`resume`]: where to go on after a cut. Pure;
//! - [`preflight`]: whether all this is allowed here;
//! - [`review`]: who a caller is and what they may do, by the word of the cluster.
//!
//! Deletion is always of dependents too: by default the API orphans the pods of a Job, which then run on.

mod api;
pub mod client;
mod evidence;
mod index;
mod logs;
mod outcome;
mod past;
pub mod preflight;
mod refusals;
mod resume;
pub mod review;
#[cfg(test)]
mod samples;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Preconditions, PropagationPolicy};
use kube::core::params::DeleteParams;
use serde_json::Value;

use self::api::Answer;
use self::client::Connection;
use self::outcome::Step;
use self::past::Traces;
use super::{
    CreateOutcome, DryRun, DryRunError, Executor, ExecutorError, Found, LogLine, LogOptions, Marked, Observation,
    Unsupported,
};
use crate::crash::{self, Point};
use crate::job::labels::{INSTALLATION, JOBWRIGHT, MANAGED_BY};
use crate::job::{Evidence, InstallationId, Intent, ObjectRef, PodStatus};

/// How long a dry run may take: somebody waits for it, and nothing hangs on its outcome.
const DRY_RUN_TIMEOUT: Duration = Duration::from_secs(12);

/// How many Jobs are asked for at once where all are.
const SURVEY_PAGE: u32 = 500;

/// Runs jobs as Jobs of one namespace of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct KubernetesExecutor {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    namespace: String,
    installation: InstallationId,
    preflight: preflight::Preflight,
    revisions: Arc<index::Revisions>,
    past: Arc<past::Past>,
}

impl KubernetesExecutor {
    /// Takes a connection, a namespace, and the installation whose objects these are. Nothing is sent yet.
    pub fn new(connection: Connection, namespace: impl Into<String>, installation: InstallationId) -> Self {
        let namespace = namespace.into();
        let preflight = preflight::Preflight::new(connection.clone(), namespace.clone());
        let (revisions, past) = (Arc::default(), Arc::default());
        Self { inner: Arc::new(Inner { connection, namespace, installation, preflight, revisions, past }) }
    }

    /// Checks whether jobs can be launched here: a line for each thing that was looked at, in order.
    pub async fn preflight(&self) -> Vec<preflight::Finding> {
        self.inner.preflight.look().await
    }
}

/// What came of sending a create.
enum Sent {
    /// This.
    Outcome(CreateOutcome),
    /// No connection came about, so that nothing was sent.
    Not(String),
}

impl Inner {
    fn jobs(&self) -> String {
        format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace)
    }

    /// Names come out of records, which are checked when they are made; the API server checks them again.
    fn job(&self, name: &str) -> String {
        format!("{}/{name}", self.jobs())
    }

    fn selector(&self) -> String {
        format!("{MANAGED_BY}={JOBWRIGHT},{INSTALLATION}={}", self.installation)
    }

    async fn create(&self, intent: &Intent) -> CreateOutcome {
        let (name, jobs) = (intent.object_name.as_str(), self.jobs());
        let wanted = past::Wanted {
            connection: &self.connection,
            namespace: &self.namespace,
            jobs: &jobs,
            name,
            id: &intent.id,
            installation: self.installation.as_str(),
        };
        let again = self.past.is_unresolved(name);
        let outcome = if again {
            self.create_again(intent, &wanted).await
        } else {
            self.past.begin(&wanted).await;
            self.send(intent).await
        };
        match outcome {
            Sent::Outcome(outcome @ CreateOutcome::Unknown { .. }) => outcome,
            Sent::Outcome(outcome) => {
                self.past.is_settled(name);
                outcome
            }
            Sent::Not(message) if again => CreateOutcome::Unknown { message, retry_after: None },
            Sent::Not(message) => {
                self.past.is_settled(name);
                CreateOutcome::Unsent { message }
            }
        }
    }

    /// Sends a create whose outcome is not known once more, unless it shows that it has come to something.
    async fn create_again(&self, intent: &Intent, wanted: &past::Wanted<'_>) -> Sent {
        let now = Timestamp::now();
        Sent::Outcome(match self.past.look(wanted).await {
            Traces::None => return self.send(intent).await,
            Traces::There(body) => {
                outcome::of_look(Answer::Done { body, warnings: Vec::new() }, intent, &self.installation, now)
            }
            Traces::Made(object) => CreateOutcome::Created { object, warnings: Vec::new() },
            Traces::Gone(object) => CreateOutcome::Gone { object },
            Traces::Unknown(answer) => outcome::unanswered(answer),
        })
    }

    async fn send(&self, intent: &Intent) -> Sent {
        let answer = api::create(&self.connection, &self.jobs(), &intent.manifest, false).await;
        if let Answer::Unsent(message) = answer {
            return Sent::Not(message);
        }
        if let Answer::Done { body, .. } = &answer {
            self.past.saw(body.pointer("/metadata/resourceVersion").and_then(Value::as_str));
        }
        Sent::Outcome(match outcome::of_create(answer, Timestamp::now()) {
            Step::Outcome(outcome) => outcome,
            Step::Look => {
                crash::reached(Point::LookSending);
                let there = api::get(&self.connection, &self.job(&intent.object_name)).await;
                crash::reached(Point::LookAnswered);
                outcome::of_look(there, intent, &self.installation, Timestamp::now())
            }
        })
    }

    async fn dry_run(&self, manifest: &Value) -> Result<DryRun, DryRunError> {
        let answer = api::create(&self.connection, &self.jobs(), manifest, true).await;
        match &answer {
            Answer::Failed(failure) if failure.code == 409 => {
                // There is a Job of this name; whether another one like it would be taken is the question.
                let other = with_generated_name(manifest);
                outcome::of_dry_run(api::create(&self.connection, &self.jobs(), &other, true).await)
            }
            _ => outcome::of_dry_run(answer),
        }
    }

    async fn find(&self, name: &str) -> Result<Option<Found>, ExecutorError> {
        // What the watch shows from now on is later than what is read here.
        let revision = self.revisions.next(Timestamp::now());
        let answer = api::get(&self.connection, &self.job(name)).await;
        let body = match answer {
            Answer::Done { body, .. } => body,
            Answer::Failed(failure) if failure.is_not_found() => return Ok(None),
            other => return Err(outcome::trouble(other)),
        };
        let unreadable = |what: &str| ExecutorError::Unreachable(format!("the API server shows a Job {what}"));
        let job: Job = serde_json::from_value(body).map_err(|error| unreadable(&error.to_string()))?;
        let object = evidence::reference(&job).ok_or_else(|| unreadable("without a UID"))?;
        let ours = job.metadata.labels.as_ref().and_then(|labels| labels.get(INSTALLATION));
        let ours = ours.map(String::as_str) == Some(self.installation.as_str());
        let now = Timestamp::now();
        let pods = self.pods(&object.uid, now).await?;
        let snapshot = evidence::snapshot(&job, object, now);
        let snapshot = index::assembled(&snapshot, &pods, None, revision, now);
        let job = evidence::job_id(&job).filter(|_| ours);
        Ok(Some(Found { job, evidence: Evidence::Seen(Box::new(snapshot)) }))
    }

    /// Lists what all Jobs of Jobwright say of themselves, without the rest of them, as of one moment.
    async fn survey(&self) -> Result<Vec<Marked>, ExecutorError> {
        let api: Api<Job> = Api::namespaced(self.connection.calls.clone(), &self.namespace);
        let mut wanted = ListParams::default().labels(&format!("{MANAGED_BY}={JOBWRIGHT}")).limit(SURVEY_PAGE);
        let mut marked = Vec::new();
        loop {
            let page = api.list_metadata(&wanted).await;
            let page = page.map_err(|error| ExecutorError::Unreachable(api::chain(&error)))?;
            marked.extend(page.items.into_iter().filter_map(|job| evidence::marked(job.metadata)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => wanted = wanted.continue_token(&token),
                None => return Ok(marked),
            }
        }
    }

    async fn pods(&self, uid: &str, now: Timestamp) -> Result<BTreeMap<String, PodStatus>, ExecutorError> {
        let api: Api<Pod> = Api::namespaced(self.connection.calls.clone(), &self.namespace);
        let wanted = ListParams::default().labels(&format!("{}={uid}", evidence::CONTROLLER_UID));
        let pods = api.list(&wanted).await.map_err(|error| ExecutorError::Unreachable(api::chain(&error)))?;
        let named = pods.items.into_iter().filter_map(|pod| Some((pod.metadata.name.clone()?, pod)));
        Ok(named.map(|(name, pod)| (name, evidence::pod_status(&pod, now))).collect())
    }

    /// Deletes an object and its pods. What has the same name, but is another object, is left alone.
    async fn delete(&self, object: &ObjectRef, policy: PropagationPolicy) -> Result<(), ExecutorError> {
        let how = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions { uid: Some(object.uid.clone()), resource_version: None }),
            ..DeleteParams::default()
        };
        self.past.deletes(&object.uid);
        match api::delete(&self.connection, &self.job(&object.name), &how).await {
            Answer::Done { .. } => Ok(()),
            // Gone already, or another object under its name.
            Answer::Failed(failure) if failure.is_not_found() || (failure.by_server && failure.code == 409) => Ok(()),
            other => Err(outcome::trouble(other)),
        }
    }
}

/// A manifest under a name that is free for certain.
fn with_generated_name(manifest: &Value) -> Value {
    let mut other = manifest.clone();
    if let Some(metadata) = other.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(Value::String(name)) = metadata.remove("name")
    {
        metadata.insert("generateName".to_owned(), Value::String(format!("{name}-")));
    }
    other
}

impl Executor for KubernetesExecutor {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    fn check(&self, manifest: &Value) -> Result<(), Unsupported> {
        let manual = manifest.pointer("/spec/manualSelector").and_then(Value::as_bool) == Some(true);
        let fault = || {
            let message = "is not possible: pods are told apart by the selector that Kubernetes makes for each Job";
            ("spec.manualSelector".to_owned(), message.to_owned())
        };
        if manual { Err(Unsupported { faults: vec![fault()] }) } else { Ok(()) }
    }

    fn create<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, CreateOutcome> {
        self.inner.create(intent).boxed()
    }

    fn can_dry_run(&self) -> bool {
        true
    }

    fn dry_run<'a>(&'a self, manifest: &'a Value) -> BoxFuture<'a, Result<DryRun, DryRunError>> {
        let late = || format!("no answer within {} s", DRY_RUN_TIMEOUT.as_secs());
        tokio::time::timeout(DRY_RUN_TIMEOUT, self.inner.dry_run(manifest))
            .map(move |answered| answered.unwrap_or_else(|_| Err(ExecutorError::Unreachable(late()).into())))
            .boxed()
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Found>, ExecutorError>> {
        self.inner.find(name).boxed()
    }

    /// Deletes the object in the foreground: it is gone only when its pods are, so that its end is the proof that they
    /// have stopped.
    fn cancel<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>> {
        self.inner.delete(object, PropagationPolicy::Foreground).boxed()
    }

    fn delete<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>> {
        self.inner.delete(object, PropagationPolicy::Background).boxed()
    }

    fn survey(&self) -> BoxFuture<'_, Result<Vec<Marked>, ExecutorError>> {
        self.inner.survey().boxed()
    }

    fn watch(&self) -> BoxStream<'static, Observation> {
        let inner = &self.inner;
        let (revisions, past) = (inner.revisions.clone(), inner.past.clone());
        watch::observations(&inner.connection, &inner.namespace, &inner.selector(), revisions, past)
    }

    fn logs<'a>(
        &'a self,
        object: &'a ObjectRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, ExecutorError>>, ExecutorError>> {
        logs::open(&self.inner.connection, &self.inner.namespace, object.clone(), options).boxed()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), ExecutorError>> {
        self.inner.preflight.ready().boxed()
    }
}
