//! The Kubernetes executor on a real cluster. What was created is counted by the UIDs of a raw watch of the namespace,
//! which is open from before the first launch to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::fake::job_id;
use crate::history::{Entry, Rules};
use crate::house::{Cluster, PATIENCE, busybox};
use crate::journal::Journal;
use crate::support::Setup;
use crate::world::{self, World};

pub struct Real {
    setup: Setup,
    watch: Child,
    seen: Arc<Mutex<BTreeMap<String, String>>>,
    watcher: Option<JoinHandle<()>>,
    /// The last to go.
    cluster: Cluster,
}

impl Real {
    pub fn new() -> Self {
        let cluster = Cluster::new();
        let setup = world::setup(&busybox(), "imagePullPolicy: IfNotPresent");
        let setup = setup.with(&["--executor", "kubernetes", "--namespace", cluster.namespace()]);
        let path = format!("/apis/batch/v1/namespaces/{}/jobs?watch=1&timeoutSeconds=86400", cluster.namespace());
        let mut watch =
            Command::new("kubectl").args(["get", "--raw", &path]).stdout(Stdio::piped()).spawn().expect("kubectl");
        let seen: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        let watcher = {
            let seen = seen.clone();
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let event: Value = serde_json::from_str(&line).unwrap();
                    let object = &event["object"];
                    let uid = object["metadata"]["uid"].as_str().expect("the watch shows Jobs").to_owned();
                    seen.lock().unwrap().insert(uid, job_id(object));
                }
            })
        };
        Self { setup, watch, seen, watcher: Some(watcher), cluster }
    }

    /// More flags for the service.
    pub fn with(mut self, args: &[&str]) -> Self {
        let setup = std::mem::replace(&mut self.setup, Setup::new());
        self.setup = setup.with(args);
        self
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.watch.kill();
        let _ = self.watch.wait();
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

impl World for Real {
    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn rules(&self) -> Rules {
        Rules { marks: false }
    }

    fn look(&self, journal: &Journal) {
        let ended = self.watcher.as_ref().is_none_or(JoinHandle::is_finished);
        assert!(!ended, "the watch that counts what is created broke off");
        for (uid, id) in &*self.seen.lock().unwrap() {
            journal.add(Entry::Object { id: id.clone(), uid: uid.clone() });
        }
    }

    /// A cluster goes on without the service: nothing comes to grief.
    fn look_at_wreck(&self, journal: &Journal) {
        self.look(journal);
    }

    fn objects(&self) -> BTreeSet<String> {
        self.cluster.list("jobs.batch").iter().map(job_id).collect()
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn pace(&self) -> Duration {
        Duration::from_secs(5)
    }
}
