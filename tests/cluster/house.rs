//! A place on the cluster for each test: a namespace of its own, a service that runs jobs in it, and raw access to it.

#![allow(dead_code, reason = "every module uses a part of it")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, ServerEvent, Setup, TestApp, server_events};

/// How long anything on the cluster may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A template whose whole `spec` is a parameter, so that a test can say on the spot what its job does.
const ANY: &str = r#"---
title: Any
description: Whatever a test wants.
parameters:
  type: object
  required: [spec]
  properties:
    spec: {type: object, description: The spec of the Job}
---
apiVersion: batch/v1
kind: Job
metadata: {name: any}
spec: {{params.spec}}
"#;

/// Held by tests that need the cluster whole, and exclusively by those that disturb it.
static UNDISTURBED: RwLock<()> = RwLock::new(());

/// That nobody disturbs the cluster, or nobody else uses it.
#[expect(dead_code, reason = "held, not read")]
pub enum Hold {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Hold {
    /// As long as this is held, nobody disturbs the cluster.
    pub fn shared() -> Self {
        Self::Shared(UNDISTURBED.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As long as this is held, no other test runs on the cluster.
    pub fn alone() -> Self {
        Self::Alone(UNDISTURBED.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A namespace for one test. It is removed in the end.
pub struct Cluster {
    namespace: String,
    _hold: Hold,
}

impl Cluster {
    /// A namespace that anything may run in, on a cluster that nobody disturbs.
    pub fn new() -> Self {
        Self::with_pod_security("privileged")
    }

    /// A namespace of a Pod Security level: `privileged`, `baseline` or `restricted`.
    pub fn with_pod_security(level: &str) -> Self {
        Self::make(level, Hold::shared())
    }

    /// A namespace for a test that disturbs the whole cluster: no other one runs meanwhile.
    pub fn alone() -> Self {
        Self::make("privileged", Hold::alone())
    }

    fn make(level: &str, hold: Hold) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let cluster = Self { namespace: format!("jobwright-test-{}-{count}", std::process::id()), _hold: hold };
        cluster.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": cluster.namespace,
                "labels": {"pod-security.kubernetes.io/enforce": level, "jobwright.dev/test": "true"},
            },
        }));
        // Until there is one, the pods of a Job are refused, and tried again seconds later.
        cluster.until("its service account", || cluster.get("serviceaccount/default"));
        cluster
    }

    /// Its name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `kubectl ARGS` in this namespace, with something on stdin or nothing: what it prints, or what is wrong.
    pub fn try_kubectl(&self, args: &[&str], stdin: &str) -> Result<String, String> {
        let mut child = Command::new("kubectl")
            .args(["--namespace", &self.namespace])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl is on the PATH");
        // It need not read it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// `kubectl ARGS` in this namespace, which must succeed.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args, "").unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
    }

    /// An object, if it exists: `get("job/NAME")`.
    pub fn get(&self, what: &str) -> Option<Value> {
        let text = self.kubectl(&["get", what, "--ignore-not-found", "--output=json"]);
        if text.is_empty() { None } else { Some(serde_json::from_str(&text).unwrap()) }
    }

    /// All objects of a kind.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let list = self.kubectl(&["get", kind, "--output=json"]);
        let mut list: Value = serde_json::from_str(&list).unwrap();
        serde_json::from_value(list["items"].take()).unwrap()
    }

    /// Makes or changes an object.
    pub fn apply(&self, object: &Value) {
        let applied = self.try_kubectl(&["apply", "--filename=-"], &object.to_string());
        applied.unwrap_or_else(|error| panic!("{error}: {object}"));
    }

    /// The name of the one pod of a job of this service.
    pub fn pod_of(&self, job: &Value) -> String {
        let selector = format!("batch.kubernetes.io/controller-uid={}", job["object"]["uid"].as_str().unwrap());
        let names = self.kubectl(&["get", "pods", "--selector", &selector, "--output=name"]);
        let names: Vec<&str> = names.lines().collect();
        assert_eq!(names.len(), 1, "{names:?} of {job}");
        names[0].to_owned()
    }

    /// Makes a file in a running container, for which [`gated`] waits.
    pub fn open_gate(&self, pod: &str) {
        self.kubectl(&["exec", pod, "--", "touch", "/tmp/gate"]);
    }

    /// Looks again until there is something. For what no event tells.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not come to pass: {what}");
            pause(Duration::from_millis(100));
        }
    }

    /// Folder and flags of a service for this namespace.
    pub fn setup(&self) -> Setup {
        Setup::new().template("any", ANY).patient(PATIENCE).with(&[
            "--executor",
            "kubernetes",
            "--namespace",
            &self.namespace,
        ])
    }

    /// A service that runs jobs in this namespace.
    pub fn serve(&self) -> TestApp {
        self.setup().start()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Not waited for: a fault on the way must not hide how the test ended.
        let _ = self.try_kubectl(&["delete", "namespace", &self.namespace, "--wait=false"], "");
    }
}

/// Time that passes by itself, where nothing tells when it has.
#[expect(clippy::disallowed_methods, reason = "time itself is what is waited for")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Makes a fault in the cluster, or ends it: `part("kube-apiserver", "freeze")`.
pub fn part(name: &str, what: &str) {
    try_part(name, what).unwrap_or_else(|error| panic!("{error}"));
}

/// As [`part`]: what is wrong, if it cannot be done.
pub fn try_part(name: &str, what: &str) -> Result<(), String> {
    let command = std::env::var("JOBWRIGHT_TEST_PART").map_err(|_| {
        format!("JOBWRIGHT_TEST_PART names no command that can {what} {name}; set it, or leave these tests out by `--skip faults:: --skip parts::`")
    })?;
    let done = Command::new(&command).args([name, what]).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("{command}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{command} {name} {what}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// An image with a shell.
pub fn busybox() -> String {
    std::env::var("JOBWRIGHT_TEST_BUSYBOX").unwrap_or_else(|_| "localhost/busybox:1".to_owned())
}

/// A container that runs a script.
pub fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": busybox(), "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

/// The spec of a job of one attempt that runs a script.
pub fn script(script: &str) -> Value {
    spec(json!({}), json!({"containers": [container("main", script)]}))
}

/// The spec of a job of one attempt that says `ready` and goes on when its gate is opened ([`Cluster::open_gate`]).
pub fn gated(then: &str) -> Value {
    script(&format!("echo ready; while [ ! -e /tmp/gate ]; do sleep 0.1; done; {then}"))
}

/// A spec: fields of the Job, and fields of its pods. One attempt, and a short grace, where nothing else is said.
pub fn spec(job: Value, pod: Value) -> Value {
    let pod = merged(json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}), pod);
    merged(json!({"backoffLimit": 0, "template": {"spec": pod}}), job)
}

/// The one with the fields of the other put over it, at every depth.
pub fn merged(mut under: Value, over: Value) -> Value {
    match (&mut under, over) {
        (Value::Object(fields), Value::Object(over)) => {
            for (name, value) in over {
                let before = fields.remove(&name).unwrap_or_default();
                fields.insert(name, merged(before, value));
            }
            under
        }
        (_, over) => over,
    }
}

/// What tests of a cluster ask of a service.
impl TestApp {
    /// Launches a job of this spec.
    pub fn try_launch(&self, id: &str, spec: &Value) -> Answer {
        self.post("/api/v1/jobs", &json!({"template": "any", "id": id, "parameters": {"spec": spec}}))
    }

    /// Launches a job of this spec, which must be accepted.
    pub fn launch(&self, id: &str, spec: &Value) -> Value {
        let answer = self.try_launch(id, spec);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.json()
    }

    /// A job as it is now.
    pub fn job(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).json()
    }

    /// Follows the events of a job from its first on, until one is what is wanted.
    pub fn wait_for_event(&self, id: &str, wanted: impl Fn(&ServerEvent) -> bool) -> ServerEvent {
        let path = format!("/api/v1/events?after=0&job={id}");
        let mut events = server_events(self.request("GET", &path).lines());
        events.find(wanted).unwrap_or_else(|| panic!("it did not come to pass: {}", self.story(id)))
    }

    /// Waits until a job is, or was, in a phase for a reason.
    pub fn wait_for_reason(&self, id: &str, phase: &str, reason: &str) -> Value {
        let wanted = |event: &ServerEvent| {
            let told = &event.data["event"];
            event.event == "phase" && told["to"] == phase && (reason.is_empty() || told["reason"] == reason)
        };
        self.wait_for_event(id, wanted).data["event"].clone()
    }

    /// Waits until a container runs and has said `ready`, and gives its pod's name.
    pub fn wait_until_ready(&self, id: &str) -> String {
        self.wait_until_ready_again(id, "")
    }

    /// As [`TestApp::wait_until_ready`], for a pod other than this one.
    pub fn wait_until_ready_again(&self, id: &str, than: &str) -> String {
        self.wait_for_event(id, |event| {
            let told = &event.data["event"];
            event.event == "containerStarted" && told["pod"] != than
        });
        let path = format!("/api/v1/jobs/{id}/logs?follow=true");
        let lines = self.request("GET", &path).header("accept", "application/x-ndjson").lines();
        let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
        let ready = lines.find(|line| line["text"] == "ready" && line["pod"] != than);
        let ready = ready.unwrap_or_else(|| panic!("it did not get ready: {}", self.story(id)));
        ready["pod"].as_str().unwrap().to_owned()
    }

    /// Waits until a job has ended, and gives it.
    pub fn wait_for_end(&self, id: &str) -> Value {
        self.wait(id, |job| !job["ended"].is_null())
    }

    /// Waits until a job has ended, and says how: phase, reason and exit code, such as `Failed OOMKilled 137`.
    pub fn end(&self, id: &str) -> String {
        let job = self.wait_for_end(id);
        let code = job["exit_code"].as_i64().map(|code| code.to_string());
        let words = [job["phase"].as_str(), job["reason"].as_str(), code.as_deref()];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The sentence that goes with the reason of a job's phase.
    pub fn message(&self, id: &str) -> String {
        self.job(id)["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the log of a job's end is on record, and gives it.
    pub fn wait_for_log(&self, id: &str) -> String {
        self.wait_for_event(id, |event| event.event == "logKept");
        self.log(id)
    }

    /// A job's log as it is now.
    pub fn log(&self, id: &str) -> String {
        let answer = self.get(&format!("/api/v1/jobs/{id}/logs"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// A job's whole history.
    pub fn history(&self, id: &str) -> Vec<Value> {
        let (mut events, mut after) = (Vec::new(), Some(0));
        while let Some(number) = after {
            let page = self.get(&format!("/api/v1/jobs/{id}/events?limit=500&after={number}")).json();
            events.extend(page["items"].as_array().unwrap().iter().cloned());
            after = page["next"].as_u64();
        }
        events
    }

    /// The phases that a job went through, each with its reason.
    pub fn phases(&self, id: &str) -> Vec<String> {
        let events = self.history(id);
        let phases = events.iter().filter(|event| event["type"] == "phase");
        phases.map(|event| named(event["to"].as_str().unwrap(), event["reason"].as_str())).collect()
    }

    /// The ends of containers that a job's history tells: `CONTAINER CODE REASON`, in order.
    pub fn exits(&self, id: &str) -> Vec<String> {
        let events = self.history(id);
        let ends = events.iter().filter(|event| event["type"] == "containerEnded");
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        ends.map(|it| format!("{} {} {}", text(it, "container"), it["exitCode"], text(it, "reason"))).collect()
    }

    /// Everything about a job, for the message of a test that fails.
    pub fn story(&self, id: &str) -> String {
        let mut story = format!("\n{:#}\n", self.job(id));
        for event in self.history(id) {
            let _ = writeln!(story, "{event}");
        }
        story
    }
}

fn named(phase: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{phase} {reason}"),
        None => phase.to_owned(),
    }
}
