//! The Kubernetes executor over the scripted API server, which survives every kill, with a thread that does what a
//! cluster's controllers and kubelets do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api_server::{ApiServer, Fault, Kind};
use crate::history::{Entry, Rules, words_of};
use crate::journal::Journal;
use crate::support::Setup;
use crate::world::{self, World};

const JOB_ID: &str = "jobwright.dev/job-id";

pub struct Fake {
    setup: Setup,
    server: Arc<ApiServer>,
    stop: Arc<AtomicBool>,
    cluster: Option<JoinHandle<()>>,
}

impl Fake {
    pub fn new() -> Self {
        let server = Arc::new(ApiServer::start());
        let setup = world::setup("localhost/busybox:1", "").with(&["--executor", "kubernetes"]);
        let kubeconfig = server.kubeconfig(setup.path());
        let stop = Arc::new(AtomicBool::new(false));
        let cluster = {
            let (server, stop) = (server.clone(), stop.clone());
            std::thread::spawn(move || run(&server, &stop))
        };
        Self { setup: setup.env("KUBECONFIG", kubeconfig), server, stop, cluster: Some(cluster) }
    }

    /// Asks for a second of patience at the next creation.
    pub fn put_off_the_next_creation(&self) {
        self.server.script("POST /jobs?", Fault::Later(429, 1));
    }

    /// More flags for the service.
    pub fn with(mut self, args: &[&str]) -> Self {
        let setup = std::mem::replace(&mut self.setup, Setup::new());
        self.setup = setup.with(args);
        self
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.server.forget_history();
        if let Some(cluster) = self.cluster.take() {
            let _ = cluster.join();
        }
    }
}

fn metadata<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// The job that an object was created for.
pub fn job_id(object: &Value) -> String {
    object["metadata"]["annotations"][JOB_ID].as_str().unwrap_or_default().to_owned()
}

/// A variable of a Job's container, as its manifest gives it.
fn variable<'a>(job: &'a Value, name: &str) -> &'a str {
    let env = job.pointer("/spec/template/spec/containers/0/env").and_then(Value::as_array).unwrap();
    let found = env.iter().find(|it| it["name"] == name).unwrap();
    found["value"].as_str().unwrap_or_default()
}

/// Runs the cluster: pods of new Jobs start at once and end when their command would, and what is being deleted goes.
fn run(server: &ApiServer, stop: &AtomicBool) {
    let mut running: BTreeMap<String, Instant> = BTreeMap::new();
    let mut version = 0;
    while !stop.load(Ordering::Relaxed) {
        let jobs = server.all(Kind::Job);
        running.retain(|uid, _| jobs.iter().any(|job| metadata(job, "uid") == uid));
        let mut soonest = Duration::from_millis(200);
        for job in jobs {
            let (name, uid) = (metadata(&job, "name").to_owned(), metadata(&job, "uid").to_owned());
            if !job["metadata"]["deletionTimestamp"].is_null() {
                server.collect(&name);
                continue;
            }
            if !job["status"]["conditions"].is_null() {
                continue;
            }
            let pause: f64 = variable(&job, "PAUSE").parse().unwrap();
            let began = *running.entry(uid.clone()).or_insert_with(|| {
                start(server, &job);
                Instant::now()
            });
            let left = Duration::from_secs_f64(pause).saturating_sub(began.elapsed());
            if left.is_zero() {
                end(server, &job);
            } else {
                soonest = soonest.min(left);
            }
        }
        version = server.wait_for_change(version, soonest);
    }
}

/// One pod a Job: its UID is in the name.
fn pod(job: &Value) -> String {
    format!("{}-{}", metadata(job, "name"), metadata(job, "uid"))
}

fn container(phase: &str, state: &Value) -> Value {
    json!({"phase": phase, "containerStatuses": [
        {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]})
}

fn start(server: &ApiServer, job: &Value) {
    let state = json!({"running": {"startedAt": Timestamp::now().to_string()}});
    let (name, uid) = (metadata(job, "name"), metadata(job, "uid"));
    // It may have been deleted this very moment.
    if server.get(Kind::Job, name).is_some_and(|now| metadata(&now, "uid") == uid) {
        server.add_pod(name, &pod(job), container("Running", &state));
        server.log(&pod(job), "main", &Timestamp::now().to_string(), &words_of(&job_id(job)));
    }
}

fn end(server: &ApiServer, job: &Value) {
    let right_secret = variable(job, "SECRET") == format!("s-{}", job_id(job));
    let code = if right_secret { variable(job, "CODE").parse().unwrap() } else { 99 };
    let now = Timestamp::now().to_string();
    let reason = if code == 0 { "Completed" } else { "Error" };
    let state = json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}});
    server.end_log(&pod(job), "main");
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    server.try_change(Kind::Pod, &pod(job), json!({"status": container(phase, &state)}));
    let (condition, reason) = if code == 0 { ("Complete", "") } else { ("Failed", "BackoffLimitExceeded") };
    let condition = json!({"type": condition, "status": "True", "reason": reason, "message": "so it is",
        "lastTransitionTime": now});
    let completion = if code == 0 { json!(now) } else { Value::Null };
    let status = json!({"status": {"completionTime": completion, "conditions": [condition]}});
    server.try_change(Kind::Job, metadata(job, "name"), status);
}

impl World for Fake {
    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn rules(&self) -> Rules {
        Rules { marks: false }
    }

    fn look(&self, journal: &Journal) {
        for job in self.server.creations() {
            journal.add(Entry::Object { id: job_id(&job), uid: metadata(&job, "uid").to_owned() });
        }
    }

    /// A cluster goes on without the service: nothing comes to grief.
    fn look_at_wreck(&self, journal: &Journal) {
        self.look(journal);
    }

    fn objects(&self) -> BTreeSet<String> {
        self.server.all(Kind::Job).iter().map(job_id).collect()
    }

    fn can_hang(&self) -> bool {
        true
    }

    fn hang_next(&self, wanted: &'static str, carried_out: bool) {
        self.server.script(wanted, if carried_out { Fault::HangAfterwards } else { Fault::Hang });
    }

    fn hangs(&self, most: Duration) -> bool {
        let begun = Instant::now();
        let mut version = 0;
        while self.server.scripted() > 0 {
            if begun.elapsed() > most {
                return false;
            }
            version = self.server.wait_for_change(version, Duration::from_millis(20));
        }
        true
    }

    fn heal(&self) {
        self.server.heal();
    }

    fn withhold_names(&self) -> bool {
        self.server.script_times(1000, "POST /jobs?", Fault::Refuse(409, "AlreadyExists", "it is there already"));
        true
    }
}
