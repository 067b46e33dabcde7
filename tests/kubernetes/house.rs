//! An executor with an API server of its own, and patience that suits loopback.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use jobwright::executor::kubernetes::KubernetesExecutor;
use jobwright::executor::kubernetes::client::{Connection, Timeouts};
use jobwright::executor::{CreateOutcome, Executor, Observation};
use jobwright::job::{Evidence, Fact, InstallationId, Intent, ObjectRef, Status};
use jobwright::service::stamp::Stamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::api_server::{ApiServer, NAMESPACE};
use crate::records;

/// What no test should ever wait for.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(30);

/// As the real ones, in a sixth of the time.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    read: Duration::from_millis(1600),
    call: Duration::from_secs(3),
    watch_seconds: 1,
    ping: Duration::from_secs(1),
};

pub(crate) struct House {
    pub(crate) server: ApiServer,
    pub(crate) executor: KubernetesExecutor,
}

impl House {
    pub(crate) fn new() -> Self {
        let server = ApiServer::start();
        let executor = executor(&server.url());
        Self { server, executor }
    }

    /// Creates an object for a job, which must come about.
    pub(crate) async fn launch(&self, id: &str) -> ObjectRef {
        match self.executor.create(&intent(id)).await {
            CreateOutcome::Created { object, .. } => object,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn installation() -> InstallationId {
    "here".parse().unwrap()
}

pub(crate) fn connection(url: &str) -> Connection {
    let mut config = kube::Config::new(url.parse().unwrap());
    config.default_namespace = NAMESPACE.to_owned();
    Connection::new(config, TIMEOUTS).unwrap()
}

pub(crate) fn executor(url: &str) -> KubernetesExecutor {
    KubernetesExecutor::new(connection(url), NAMESPACE, installation())
}

/// The name of the object of a job.
pub(crate) fn name(id: &str) -> String {
    format!("hello-{id}")
}

/// An intent as the service would write it.
pub(crate) fn intent(id: &str) -> Intent {
    let id = id.parse().unwrap();
    let object_name = name(&format!("{id}"));
    let stamp = Stamp {
        object_name: &object_name,
        namespace: NAMESPACE,
        installation: &installation(),
        id: &id,
        name: None,
        template: "hello",
        digest: "sha256:0",
        commit: None,
        rerun_of: None,
        created: Timestamp::now(),
        fingerprint: "key.print",
        ttl_backstop_seconds: 1000,
    };
    let manifest = stamp.apply(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i"}]}}},
    }));
    let namespace = NAMESPACE.to_owned();
    Intent { namespace, manifest, created: Timestamp::now(), ..records::intent(id.as_str()) }
}

/// The status of a pod whose container `main` is in this state.
pub(crate) fn main_in(state: Value) -> Value {
    let phase = if state.get("terminated").is_some() { "Failed" } else { "Running" };
    json!({"phase": phase, "containerStatuses": [
        {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]})
}

pub(crate) fn running() -> Value {
    main_in(json!({"running": {"startedAt": "2026-01-31T09:00:00Z"}}))
}

pub(crate) fn exited(code: i32) -> Value {
    let (started, finished) = ("2026-01-31T09:00:00Z", "2026-01-31T09:00:05Z");
    main_in(json!({"terminated": {"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
        "startedAt": started, "finishedAt": finished}}))
}

/// A watch, and all that it has shown.
pub(crate) struct Watch {
    seen: mpsc::UnboundedReceiver<Observation>,
    pub(crate) shown: Vec<Observation>,
}

impl Watch {
    pub(crate) fn of(executor: &KubernetesExecutor) -> Self {
        let mut stream = executor.watch();
        let (sender, seen) = mpsc::unbounded_channel();
        // As the service does, it looks on all the time.
        tokio::spawn(async move {
            while let Some(observation) = stream.next().await {
                if sender.send(observation).is_err() {
                    break;
                }
            }
        });
        Self { seen, shown: Vec::new() }
    }

    /// The next thing that is shown.
    pub(crate) async fn next(&mut self) -> Observation {
        let next = tokio::time::timeout(TOO_LONG, self.seen.recv()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing more than {:#?}", self.shown)).unwrap();
        self.shown.push(next.clone());
        next
    }

    /// Looks on until something is shown of which this is true.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Observation) -> bool) -> Observation {
        loop {
            let next = self.next().await;
            if wanted(&next) {
                return next;
            }
        }
    }

    /// Looks on until a list comes, and gives the names in it.
    pub(crate) async fn list(&mut self) -> Vec<String> {
        let Observation::Listed(objects) = self.until(|it| matches!(it, Observation::Listed(_))).await else {
            unreachable!("it is a list");
        };
        let mut names: Vec<_> = objects.iter().map(|(_, evidence)| evidence.object().name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Looks on until the record of a job would be such that this is true.
    pub(crate) async fn until_status(&mut self, id: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        loop {
            let status = self.status(id);
            if wanted(&status) {
                return status;
            }
            self.next().await;
        }
    }

    /// What the record of a job would be after all that was shown.
    pub(crate) fn status(&self, id: &str) -> Status {
        let mut status = Status::default();
        let mut learn = |evidence: &Evidence| drop(status.learn(Fact::Evidence(evidence.clone())));
        for observation in &self.shown {
            match observation {
                Observation::Changed(job, evidence) if job.as_str() == id => learn(evidence),
                Observation::Listed(objects) => {
                    objects.iter().filter(|(job, _)| job.as_str() == id).for_each(|(_, evidence)| learn(evidence));
                }
                _ => {}
            }
        }
        status
    }

    /// What was said about an executor that cannot be reached.
    pub(crate) fn complaints(&self) -> Vec<&str> {
        let text = |it: &'_ Observation| matches!(it, Observation::Unreachable(_));
        let complaints = self.shown.iter().filter(|it| text(it));
        complaints
            .map(|it| match it {
                Observation::Unreachable(text) => text.as_str(),
                _ => "",
            })
            .collect()
    }
}
