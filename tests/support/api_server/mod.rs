//! A Kubernetes API server for tests, on loopback and without TLS: as much of one as the executor uses, and every way
//! in which one can fail it.
//!
//! It keeps Jobs, Pods and Events with their resource versions and the history of their changes; answers lists, watches
//! and logs out of that; and notes every request. What a cluster's controllers would do, the test does: it adds pods,
//! sets states, removes what is gone. By [`ApiServer::script`] a request comes to something else than it should.
//!
//! It runs on a thread of its own, so that both asynchronous tests and those that start whole programs can use it.
//!
//! - [`state`]: what there is, and what requests come to; [`http`]: requests; [`streams`]: watches and logs.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

mod http;
mod state;
mod streams;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::state::{Arrived, Fault, Kind};
use self::state::{Rule, Shared, State, merge};

/// The namespace that there is at first.
pub const NAMESPACE: &str = "jobs";
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server. It ends when it is dropped.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<()>,
}

impl ApiServer {
    /// A server with one namespace, in which everything is allowed.
    pub fn start() -> Self {
        let shared = Shared::new(NAMESPACE);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { shared: Arc::new(shared), address: any, running: None };
        server.come_back();
        server
    }

    /// Goes away as a process does that is killed: every connection breaks, and new ones are refused. What was stored
    /// stays, and watches cannot go on from where they were.
    pub fn go_away(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.send_replace(true);
            running.thread.join().unwrap();
        }
        self.forget_history();
    }

    /// Comes back at the same address.
    pub fn come_back(&mut self) {
        let listener = listen(self.address);
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let shared = self.shared.clone();
        let (stop, stopped) = watch::channel(false);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime
                .block_on(async move { http::serve(TcpListener::from_std(listener).unwrap(), shared, stopped).await });
        });
        self.running = Some(Running { stop, thread });
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a kubeconfig that leads here, and gives its path.
    pub fn kubeconfig(&self, folder: &Path) -> PathBuf {
        let path = folder.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url()}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": NAMESPACE}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    // What requests come to

    /// The next request whose line contains all of these words comes to this. A name that is to be created counts as a
    /// part of the line. Rules that were given first apply first.
    pub fn script(&self, wanted: &str, fault: Fault) {
        self.script_times(1, wanted, fault);
    }

    /// As [`ApiServer::script`], for the next so many requests.
    pub fn script_times(&self, times: usize, wanted: &str, fault: Fault) {
        let wanted = wanted.split_whitespace().map(str::to_owned).collect();
        self.shared.change(|state| state.rules.push(Rule { wanted, fault, left: times }));
    }

    /// From now on nothing comes to anything else than it should.
    pub fn heal(&self) {
        self.shared.change(|state| state.rules.clear());
    }

    /// Cuts every watch and every log that is open.
    pub fn cut_streams(&self) {
        self.shared.cuts.send_modify(|count| *count += 1);
    }

    /// Watches can go on from now and no earlier moment: those that try get 410 Gone.
    pub fn forget_history(&self) {
        self.shared.change(|state| {
            // So that what is current is newer than what anybody has seen.
            state.version += 1;
            state.remembered = state.version;
        });
    }

    /// While the server is away: it comes back as it was at a version, and counts on from there, as one that is restored
    /// from a backup. What was made since then is gone, its names are free, and the numbers of versions come twice.
    pub fn restore(&self, version: u64) {
        assert!(self.running.is_none(), "it is restored while it is away");
        self.shared.change(|state| state.restore(version));
    }

    /// Forbids something: `create jobs`, `get pods/log`.
    pub fn deny(&self, right: &str) {
        self.shared.change(|state| state.denied.insert(right.to_owned()));
    }

    /// Sets a namespace's phase; none removes it.
    pub fn namespace(&self, name: &str, phase: Option<&str>) {
        self.shared.change(|state| match phase {
            Some(phase) => drop(state.namespaces.insert(name.to_owned(), phase.to_owned())),
            None => drop(state.namespaces.remove(name)),
        });
    }

    /// Sets the version of Kubernetes.
    pub fn kubernetes(&self, major: &str, minor: &str, git: &str) {
        self.shared.change(|state| state.kubernetes = (major.to_owned(), minor.to_owned(), git.to_owned()));
    }

    // What has arrived

    /// The requests whose line contains all of these words.
    pub fn arrived(&self, wanted: &str) -> Vec<Arrived> {
        of(&self.shared.lock(), wanted)
    }

    /// Waits until there are so many of them.
    pub fn wait_for(&self, count: usize, wanted: &str) -> Vec<Arrived> {
        self.until(wanted, |state| Some(of(state, wanted)).filter(|arrived| arrived.len() >= count))
    }

    /// The names of all Jobs that were ever created, each as often as it was.
    pub fn created(&self) -> Vec<String> {
        self.shared.lock().created.clone()
    }

    /// The UIDs of all Jobs that were ever created, by their names.
    pub fn created_uids(&self) -> Vec<(String, String)> {
        let state = self.shared.lock();
        state.created.iter().cloned().zip(state.uids.iter().cloned()).collect()
    }

    /// Waits until so many Jobs were created, and gives their names.
    pub fn wait_for_creations(&self, count: usize) -> Vec<String> {
        self.until("creations", |state| (state.created.len() >= count).then(|| state.created.clone()))
    }

    /// Waits until an object is as wanted.
    pub fn wait_until(&self, kind: Kind, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = |state: &State| state.objects.get(&(kind, name.to_owned())).filter(|it| wanted(it)).cloned();
        self.until(name, found)
    }

    /// Waits until so many watches and logs are open.
    pub fn wait_for_streams(&self, count: usize) {
        self.until("streams", |state| (state.streams == count).then_some(()));
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let lines: Vec<_> = state.arrived.iter().map(|it| it.line.clone()).collect();
            assert!(!left.is_zero(), "waited for {what} in vain; there were {lines:#?}");
            state = self.shared.turned.wait_timeout(state, left).unwrap().0;
        }
    }

    /// All Jobs that were ever created, as they were then.
    pub fn creations(&self) -> Vec<Value> {
        let state = self.shared.lock();
        let created = state.history.iter().filter(|change| change.kind == Kind::Job && change.action == "ADDED");
        created.map(|change| change.object.clone()).collect()
    }

    /// How many requests are yet to come to what was scripted.
    pub fn scripted(&self) -> usize {
        self.shared.lock().rules.iter().map(|rule| rule.left).sum()
    }

    // What a cluster does

    /// Waits until the resource version is another one, for this long at most; gives it. For what plays the cluster.
    pub fn wait_for_change(&self, since: u64, most: Duration) -> u64 {
        let state = self.shared.lock();
        self.shared.turned.wait_timeout_while(state, most, |state| state.version == since).unwrap().0.version
    }

    /// Changes an object, unless it is gone.
    pub fn try_change(&self, kind: Kind, name: &str, fields: Value) {
        self.shared.change(|state| {
            if let Some(mut object) = state.objects.get(&(kind, name.to_owned())).cloned() {
                merge(&mut object, fields);
                state.store(kind, "MODIFIED", object);
            }
        });
    }

    /// An object as it is now.
    pub fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        self.shared.lock().objects.get(&(kind, name.to_owned())).cloned()
    }

    /// All objects of a kind.
    pub fn all(&self, kind: Kind) -> Vec<Value> {
        let state = self.shared.lock();
        state.objects.iter().filter(|((it, _), _)| *it == kind).map(|(_, object)| object.clone()).collect()
    }

    /// The current resource version.
    pub fn version(&self) -> u64 {
        self.shared.lock().version
    }

    /// Creates an object as somebody else would.
    pub fn add(&self, kind: Kind, object: Value) -> Value {
        self.shared.change(|state| state.create(kind, object).unwrap())
    }

    /// Changes an object: these fields over its own.
    pub fn change(&self, kind: Kind, name: &str, fields: Value) {
        self.shared.change(|state| {
            let mut object = state.objects[&(kind, name.to_owned())].clone();
            merge(&mut object, fields);
            state.store(kind, "MODIFIED", object);
        });
    }

    /// Removes an object.
    pub fn remove(&self, kind: Kind, name: &str) {
        self.shared.change(|state| state.remove(kind, name));
    }

    /// Creates a pod of a Job, as the Job controller would: with the labels of its template and the Job's own.
    pub fn add_pod(&self, job: &str, name: &str, status: Value) {
        self.shared.change(|state| {
            let job = state.objects[&(Kind::Job, job.to_owned())].clone();
            let mut metadata = job.pointer("/spec/template/metadata").cloned().unwrap_or(json!({}));
            let uid = &job["metadata"]["uid"];
            let own = json!({"name": name, "namespace": job["metadata"]["namespace"],
                "labels": {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": job["metadata"]["name"]},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"],
                    "uid": uid, "controller": true}]});
            merge(&mut metadata, own);
            let spec = job.pointer("/spec/template/spec").cloned().unwrap_or(json!({"containers": []}));
            state.create(Kind::Pod, json!({"metadata": metadata, "spec": spec, "status": status})).unwrap();
        });
    }

    /// Sets a pod's status.
    pub fn set_pod(&self, name: &str, status: Value) {
        self.change(Kind::Pod, name, json!({"status": status}));
    }

    /// Ends a Job with a condition: `Complete`, or `Failed` with a reason.
    pub fn conclude(&self, name: &str, condition: &str, reason: &str) {
        let now = Timestamp::now().to_string();
        let completion = if condition == "Complete" { json!(now) } else { Value::Null };
        self.change(
            Kind::Job,
            name,
            json!({"status": {"completionTime": completion, "conditions": [{"type": condition, "status": "True",
                "reason": reason, "message": "so it is", "lastTransitionTime": now}]}}),
        );
    }

    /// Removes a Job and its pods, as the garbage collector does at the end of a deletion.
    pub fn collect(&self, job: &str) {
        self.shared.change(|state| state.collect(job));
    }

    /// A warning about an object.
    pub fn warn_about(&self, kind: Kind, name: &str, reason: &str, message: &str) {
        let about = self.get(kind, name).unwrap();
        let event = json!({
            "metadata": {"name": format!("{name}.{}", self.version()), "namespace": NAMESPACE},
            "involvedObject": {"kind": kind.names().0, "name": name, "uid": about["metadata"]["uid"]},
            "type": "Warning", "reason": reason, "message": message, "lastTimestamp": Timestamp::now().to_string(),
        });
        self.add(Kind::Event, event);
    }

    /// Adds a line to a container's log, at this moment.
    pub fn log(&self, pod: &str, container: &str, at: &str, text: &str) {
        let at = at.parse().unwrap();
        let key = (pod.to_owned(), container.to_owned());
        self.shared.change(|state| state.logs.entry(key).or_default().lines.push((at, text.to_owned())));
    }

    /// Ends a container's log: whoever follows it comes to its end.
    pub fn end_log(&self, pod: &str, container: &str) {
        let key = (pod.to_owned(), container.to_owned());
        self.shared.change(|state| state.logs.entry(key).or_default().ended = true);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.send_replace(true);
            let _ = running.thread.join();
        }
    }
}

/// Listens, as soon as the port is free: somebody else's connection may have got it meanwhile.
fn listen(address: SocketAddr) -> std::net::TcpListener {
    let begun = Instant::now();
    loop {
        match std::net::TcpListener::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && begun.elapsed() < PATIENCE => {}
            listener => return listener.unwrap(),
        }
        #[expect(clippy::disallowed_methods, reason = "nothing tells when a port is free")]
        thread::sleep(Duration::from_millis(10));
    }
}

fn of(state: &State, wanted: &str) -> Vec<Arrived> {
    let matches = |it: &&Arrived| wanted.split_whitespace().all(|word| it.line.contains(word));
    state.arrived.iter().filter(matches).cloned().collect()
}
