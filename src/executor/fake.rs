//! An executor for tests that does as it is told: every way in which a create can come out, and objects whose states
//! the test decides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    CreateOutcome, DryRun, DryRunError, Executor, ExecutorError, Found, LogLine, LogOptions, Marked, Observation,
    Unsupported,
};
use crate::job::{
    Conclusion, ContainerState, ContainerStatus, Evidence, Intent, JobId, ObjectRef, PodStatus, Refusal, Snapshot,
};

/// How a create comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    /// As it should.
    Answered,
    /// As it should, with a warning.
    Warned,
    /// The object is made, and the answer is lost.
    AnswerLost,
    /// The request is lost.
    RequestLost,
    /// The request is not even sent.
    Unsent,
    /// The executor says no.
    Refused,
    /// There is no answer, ever; the object is not made.
    Hangs,
    /// The name is taken by the object that was made before, or by one of an earlier job, which is being deleted.
    Leaving,
    /// The name was taken, and is free again.
    Vanished,
    /// The object that was made before was deleted.
    Gone,
}

/// What the executor warns of where it is to.
pub(crate) const WARNING: &str = "would violate PodSecurity \"restricted:latest\"";

#[derive(Default)]
struct State {
    objection: Option<DryRunError>,
    shown: Vec<serde_json::Value>,
    script: VecDeque<Create>,
    objects: BTreeMap<String, (JobId, Snapshot)>,
    creations: Vec<String>,
    logs: BTreeMap<String, watch::Sender<Log>>,
    deleted: Vec<String>,
    /// What each object was stamped with.
    marked: BTreeMap<String, Marked>,
    /// How often surveys fail yet.
    unseen: usize,
}

/// The log of an object.
#[derive(Default, Clone)]
struct Log {
    lines: Vec<LogLine>,
    /// Whether its writer is gone, so that nobody needs to follow it.
    ended: bool,
}

/// The executor; clones share their state.
#[derive(Clone)]
pub(crate) struct FakeExecutor {
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<(JobId, Evidence)>,
    attempts: mpsc::UnboundedSender<JobId>,
}

impl FakeExecutor {
    /// An executor whose creates come out as scripted, and well after that. The receiver gets the job ID of every
    /// attempt as it begins.
    pub(crate) fn new(script: impl IntoIterator<Item = Create>) -> (Self, mpsc::UnboundedReceiver<JobId>) {
        let (changes, _) = broadcast::channel(1024);
        let (attempts, seen) = mpsc::unbounded_channel();
        let state = State { script: script.into_iter().collect(), ..State::default() };
        (Self { state: Arc::new(Mutex::new(state)), changes, attempts }, seen)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Answers every dry run like this from now on.
    pub(crate) fn object(&self, error: DryRunError) {
        self.state().objection = Some(error);
    }

    /// The manifests that dry runs were asked of.
    pub(crate) fn shown(&self) -> Vec<serde_json::Value> {
        self.state().shown.clone()
    }

    /// Lets surveys fail this often, from now on.
    pub(crate) fn hide(&self, times: usize) {
        self.state().unseen = times;
    }

    /// Changes what an object says of its job.
    pub(crate) fn tamper(&self, name: &str, change: impl FnOnce(&mut Marked)) {
        change(self.state().marked.get_mut(name).unwrap());
    }

    /// The names of all objects that were ever made, each as often as it was made.
    pub(crate) fn creations(&self) -> Vec<String> {
        self.state().creations.clone()
    }

    /// The names of all objects that were deleted through this executor.
    pub(crate) fn deletions(&self) -> Vec<String> {
        self.state().deleted.clone()
    }

    /// Gives a job's container this state and, if it ended, its object this conclusion.
    pub(crate) fn show(&self, id: &JobId, container: ContainerState, conclusion: Option<Conclusion>) {
        let mut state = self.state();
        let (_, snapshot) = state.objects.values_mut().find(|(job, _)| job == id).unwrap();
        snapshot.revision += 1;
        let (revision, created) = (snapshot.revision, Timestamp::now());
        let container = ContainerStatus::new(false, container);
        let containers = BTreeMap::from([("main".to_owned(), container)]);
        let pod = PodStatus { containers, ..PodStatus::new(revision, created) };
        snapshot.pods.insert("pod-0".to_owned(), pod);
        snapshot.conclusion = conclusion;
        let evidence = Evidence::Seen(Box::new(snapshot.clone()));
        drop(state);
        let _ = self.changes.send((id.clone(), evidence));
    }

    /// Ends a job's container with an exit code, and its object with what follows from that.
    pub(crate) fn exit(&self, id: &JobId, code: i32, log: &[&str]) {
        let at = Timestamp::now();
        let state = ContainerState::Terminated {
            exit_code: code,
            signal: None,
            reason: if code == 0 { "Completed".into() } else { "Error".into() },
            message: None,
            started: Some(at),
            finished: at,
        };
        let conclusion = match code {
            0 => Conclusion::Complete { at },
            _ => Conclusion::Failed { at, reason: "BackoffLimitExceeded".into(), message: "so it is".into() },
        };
        self.write(id, log);
        self.end_log(id);
        self.show(id, state, Some(conclusion));
    }

    fn log(&self, id: &JobId, change: impl FnOnce(&mut Log)) {
        let mut state = self.state();
        let name = state.objects.iter().find(|(_, (job, _))| job == id).unwrap().0.clone();
        state.logs.entry(name).or_default().send_modify(change);
    }

    /// Writes lines to a job's log.
    pub(crate) fn write(&self, id: &JobId, lines: &[&str]) {
        let line = |text: &&str| LogLine {
            at: Timestamp::now(),
            pod: "pod-0".into(),
            container: "main".into(),
            text: (*text).to_owned(),
        };
        self.log(id, |log| log.lines.extend(lines.iter().map(line)));
    }

    /// Ends a job's log.
    pub(crate) fn end_log(&self, id: &JobId) {
        self.log(id, |log| log.ended = true);
    }

    /// Tells a job's pod to stop: it is shown to be deleted, and runs on until it has stopped.
    pub(crate) fn tell_to_stop(&self, id: &JobId) {
        let mut state = self.state();
        let (_, snapshot) = state.objects.values_mut().find(|(job, _)| job == id).unwrap();
        snapshot.revision += 1;
        for pod in snapshot.pods.values_mut() {
            pod.revision += 1;
            pod.deleting = true;
        }
        let evidence = Evidence::Seen(Box::new(snapshot.clone()));
        drop(state);
        let _ = self.changes.send((id.clone(), evidence));
    }

    /// Takes a job's object away; `seen` says whether the watch shows it.
    pub(crate) fn vanish(&self, id: &JobId, seen: bool) {
        let mut state = self.state();
        let name = state.objects.iter().find(|(_, (job, _))| job == id).unwrap().0.clone();
        let (_, snapshot) = state.objects.remove(&name).unwrap();
        state.logs.remove(&name);
        drop(state);
        if seen {
            let gone = Evidence::Gone { object: snapshot.object, at: Timestamp::now(), witnessed: true };
            let _ = self.changes.send((id.clone(), gone));
        }
    }

    /// The object that was made for an intent, or one of an earlier job.
    fn made(&self, intent: &Intent) -> ObjectRef {
        let made = self.state().objects.get(&intent.object_name).map(|(_, snapshot)| snapshot.object.clone());
        let (name, namespace) = (intent.object_name.clone(), "fake".to_owned());
        made.unwrap_or_else(|| ObjectRef { name, namespace, uid: "uid-earlier".into() })
    }

    fn make(&self, intent: &Intent) -> ObjectRef {
        let mut state = self.state();
        if let Some((_, snapshot)) = state.objects.get(&intent.object_name) {
            return snapshot.object.clone();
        }
        state.creations.push(intent.object_name.clone());
        let object = ObjectRef {
            name: intent.object_name.clone(),
            namespace: "fake".into(),
            uid: format!("uid-{}", state.creations.len()),
        };
        let snapshot = Snapshot::new(object.clone(), 1, Timestamp::now());
        let texts = |place: &str| {
            let texts = intent.manifest.pointer(place).cloned();
            texts.map(|texts| serde_json::from_value(texts).unwrap()).unwrap_or_default()
        };
        let marked = Marked {
            object: object.clone(),
            created: snapshot.at,
            labels: texts("/metadata/labels"),
            annotations: texts("/metadata/annotations"),
        };
        state.marked.insert(intent.object_name.clone(), marked);
        state.objects.insert(intent.object_name.clone(), (intent.id.clone(), snapshot));
        object
    }
}

impl Executor for FakeExecutor {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn namespace(&self) -> &str {
        "fake"
    }

    fn check(&self, manifest: &serde_json::Value) -> Result<(), Unsupported> {
        match manifest.pointer("/spec/template/spec/hostNetwork") {
            None => Ok(()),
            Some(_) => {
                Err(Unsupported { faults: vec![("spec.template.spec.hostNetwork".into(), "is not for fakes".into())] })
            }
        }
    }

    fn create<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, CreateOutcome> {
        let step = self.state().script.pop_front().unwrap_or(Create::Answered);
        let _ = self.attempts.send(intent.id.clone());
        async move {
            let unknown = || CreateOutcome::Unknown { message: "as scripted".into(), retry_after: None };
            match step {
                Create::Answered => CreateOutcome::Created { object: self.make(intent), warnings: Vec::new() },
                Create::Warned => {
                    CreateOutcome::Created { object: self.make(intent), warnings: vec![WARNING.to_owned()] }
                }
                Create::AnswerLost => {
                    self.make(intent);
                    unknown()
                }
                Create::RequestLost => unknown(),
                Create::Unsent => CreateOutcome::Unsent { message: "as scripted".into() },
                Create::Refused => CreateOutcome::Refused(Refusal {
                    at: Timestamp::now(),
                    reason: "Forbidden".into(),
                    message: "exceeded quota".into(),
                }),
                Create::Hangs => std::future::pending().await,
                Create::Leaving => CreateOutcome::Leaving { object: self.made(intent) },
                Create::Vanished => CreateOutcome::Vanished,
                Create::Gone => CreateOutcome::Gone { object: self.made(intent) },
            }
        }
        .boxed()
    }

    fn can_dry_run(&self) -> bool {
        true
    }

    /// Takes everything, with a warning, unless it is told to answer otherwise.
    fn dry_run<'a>(&'a self, manifest: &'a serde_json::Value) -> BoxFuture<'a, Result<DryRun, DryRunError>> {
        let mut state = self.state();
        state.shown.push(manifest.clone());
        let taken = Ok(DryRun { warnings: vec![WARNING.to_owned()] });
        let answer = state.objection.clone().map_or(taken, Err);
        async { answer }.boxed()
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Found>, ExecutorError>> {
        let found = self.state().objects.get(name).map(|(job, snapshot)| Found {
            job: Some(job.clone()),
            evidence: Evidence::Seen(Box::new(snapshot.clone())),
        });
        async move { Ok(found) }.boxed()
    }

    fn cancel<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>> {
        let mut state = self.state();
        if let Some((id, snapshot)) = state.objects.get_mut(&object.name) {
            snapshot.revision += 1;
            snapshot.conclusion = Some(Conclusion::Stopped { at: Timestamp::now() });
            let _ = self.changes.send((id.clone(), Evidence::Seen(Box::new(snapshot.clone()))));
        }
        async { Ok(()) }.boxed()
    }

    fn delete<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<(), ExecutorError>> {
        let mut state = self.state();
        state.objects.remove(&object.name);
        state.logs.remove(&object.name);
        state.deleted.push(object.name.clone());
        async { Ok(()) }.boxed()
    }

    fn survey(&self) -> BoxFuture<'_, Result<Vec<Marked>, ExecutorError>> {
        let mut state = self.state();
        let survey = if state.unseen > 0 {
            state.unseen -= 1;
            Err(ExecutorError::Unreachable("as told".into()))
        } else {
            let there = state.marked.iter().filter(|(name, _)| state.objects.contains_key(*name));
            Ok(there.map(|(_, marked)| marked.clone()).collect())
        };
        async { survey }.boxed()
    }

    fn watch(&self) -> BoxStream<'static, Observation> {
        let changes = self.changes.subscribe();
        let objects = self
            .state()
            .objects
            .values()
            .map(|(id, snapshot)| (id.clone(), Evidence::Seen(Box::new(snapshot.clone()))))
            .collect();
        let list = Observation::Listed(objects);
        let changes = stream::unfold(changes, async |mut changes| {
            let (id, evidence) = changes.recv().await.ok()?;
            Some((Observation::Changed(id, evidence), changes))
        });
        stream::iter([list]).chain(changes).boxed()
    }

    fn logs<'a>(
        &'a self,
        object: &'a ObjectRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, ExecutorError>>, ExecutorError>> {
        let log = self.state().logs.get(&object.name).map(watch::Sender::subscribe);
        async move {
            let log = log.ok_or_else(|| ExecutorError::NotFound("no log".into()))?;
            if !options.follow {
                let lines = log.borrow().lines.clone();
                return Ok(stream::iter(lines).map(Ok).boxed());
            }
            let lines = stream::unfold((log, 0), async |(mut log, given)| {
                let there = log.wait_for(|log| log.ended || log.lines.len() > given).await.ok()?;
                let line = there.lines.get(given).cloned()?;
                drop(there);
                Some((Ok(line), (log, given + 1)))
            });
            Ok(lines.boxed())
        }
        .boxed()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), ExecutorError>> {
        async { Ok(()) }.boxed()
    }
}
