//! A process executor with a folder of its own, in a runtime of its own: dropping the runtime is the end of the service
//! as far as its jobs can see, since every pipe to them closes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use jobwright::executor::process::{ProcessConfig, ProcessExecutor};
use jobwright::executor::{CreateOutcome, Executor, LogLine, LogOptions, Observation};
use jobwright::job::{Conclusion, ContainerState, Evidence, InstallationId, Intent, JobId, ObjectRef, Snapshot};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::records;

/// What no test should ever wait for.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(30);

pub(crate) fn config(root: &Path) -> ProcessConfig {
    let installation: InstallationId = "test".parse().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_jobwright"));
    ProcessConfig {
        images: vec!["busybox=/bin/sh".parse().unwrap()],
        grace: Duration::from_secs(5),
        backoff: Duration::from_millis(20),
        ..ProcessConfig::new(root.to_owned(), installation, program)
    }
}

pub(crate) struct House {
    pub(crate) executor: ProcessExecutor,
    pub(crate) runtime: tokio::runtime::Runtime,
    folder: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ProcessConfig)) -> Self {
        Self::open(tempfile::tempdir().unwrap(), change)
    }

    fn open(folder: TempDir, change: impl FnOnce(&mut ProcessConfig)) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let executor = {
            let _in_runtime = runtime.enter();
            ProcessExecutor::open(config).unwrap()
        };
        Self { executor, runtime, folder }
    }

    /// The service ends, and another one starts on the same folder.
    pub(crate) fn restarted(self) -> Self {
        self.restarted_with(|_| {})
    }

    pub(crate) fn restarted_with(self, change: impl FnOnce(&mut ProcessConfig)) -> Self {
        let Self { executor, runtime, folder } = self;
        drop(executor);
        drop(runtime);
        Self::open(folder, change)
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for something, but not for ever.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(TOO_LONG, what).await }).unwrap()
    }

    pub(crate) fn create(&self, intent: &Intent) -> ObjectRef {
        match self.wait(self.executor.create(intent)) {
            CreateOutcome::Created { object, .. } => object,
            other => panic!("{other:?}"),
        }
    }

    /// Creates an object and waits for its end.
    pub(crate) fn run(&self, spec: Value) -> Snapshot {
        let object = self.create(&intent("k1", "it", job(spec)));
        self.ended(&object)
    }

    /// Waits until evidence of an object is as it should be; answers it.
    pub(crate) fn until(&self, object: &ObjectRef, is_it: impl Fn(&Snapshot) -> bool) -> Snapshot {
        self.wait(async {
            let mut shown = self.executor.watch();
            while let Some(observation) = shown.next().await {
                let evidence = match observation {
                    Observation::Listed(objects) => objects.into_iter().map(|it| it.1).collect(),
                    Observation::Changed(_, evidence) => vec![evidence],
                    Observation::Unreachable(why) => panic!("{why}"),
                };
                for evidence in evidence {
                    match evidence {
                        Evidence::Seen(seen) if seen.object == *object && is_it(&seen) => {
                            return *seen;
                        }
                        _ => {}
                    }
                }
            }
            panic!("the watch ended")
        })
    }

    pub(crate) fn ended(&self, object: &ObjectRef) -> Snapshot {
        self.until(object, |seen| seen.conclusion.is_some())
    }

    pub(crate) fn running(&self, object: &ObjectRef) -> Snapshot {
        self.until(object, |seen| {
            let mut containers = seen.pods.values().flat_map(|pod| pod.containers.values());
            containers.any(|it| matches!(it.state, ContainerState::Running { .. }))
        })
    }

    pub(crate) fn log(&self, object: &ObjectRef, options: LogOptions) -> Vec<LogLine> {
        self.wait(async {
            let lines = self.executor.logs(object, options).await.unwrap();
            lines.map(Result::unwrap).collect().await
        })
    }

    /// The whole log up to the end, as text.
    pub(crate) fn text(&self, object: &ObjectRef) -> Vec<String> {
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let lines = self.log(object, options);
        lines.into_iter().map(|line| line.text).collect()
    }

    /// What is listed now.
    pub(crate) fn listed(&self) -> Vec<(JobId, Evidence)> {
        match self.wait(async { self.executor.watch().next().await }) {
            Some(Observation::Listed(objects)) => objects,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn intent(id: &str, object: &str, manifest: Value) -> Intent {
    Intent { object_name: object.to_owned(), manifest, created: Timestamp::now(), ..records::intent(id) }
}

/// A Job with this spec.
pub(crate) fn job(spec: Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "it"}, "spec": spec})
}

/// A container that runs a script.
pub(crate) fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "busybox:1", "command": ["sh", "-c", script]})
}

/// A Job's spec with one script, which is not retried.
pub(crate) fn script(text: &str) -> Value {
    let pod = json!({"restartPolicy": "Never", "containers": [container("main", text)]});
    json!({"backoffLimit": 0, "template": {"spec": pod}})
}

/// The same with more fields.
pub(crate) fn script_with(text: &str, more: Value) -> Value {
    let mut spec = script(text);
    merge(&mut spec, more);
    spec
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// Exit code, signal and reason of each container that ended, by pod and container.
pub(crate) fn exits(seen: &Snapshot) -> Vec<(String, i32, Option<i32>, String)> {
    let mut exits = Vec::new();
    for (pod, status) in &seen.pods {
        for (name, container) in &status.containers {
            if let ContainerState::Terminated { exit_code, signal, reason, .. } = &container.state {
                exits.push((format!("{pod}/{name}"), *exit_code, *signal, reason.clone()));
            }
        }
    }
    exits
}

/// `Complete`, `Stopped`, or why it failed.
pub(crate) fn conclusion(seen: &Snapshot) -> &str {
    match &seen.conclusion {
        Some(Conclusion::Complete { .. }) => "Complete",
        Some(Conclusion::Stopped { .. }) => "Stopped",
        Some(Conclusion::Failed { reason, .. }) => reason,
        None => "none",
    }
}
