//! Parts of the cluster that go away, hang, and come back. Each test here has the cluster for itself.
//!
//! These tests take long by their nature. What can be shown by one fault is shown together.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Cluster, gated, part, pause, script, try_part};
use crate::support::TestApp;

/// A part that is away or hangs. It comes back in the end, however a test ends.
struct Fault {
    part: &'static str,
    mended_by: &'static str,
}

impl Fault {
    fn stop(name: &'static str) -> Self {
        part(name, "stop");
        Self { part: name, mended_by: "start" }
    }

    fn kill(name: &'static str) -> Self {
        part(name, "kill");
        Self { part: name, mended_by: "start" }
    }

    fn freeze(name: &'static str) -> Self {
        part(name, "freeze");
        Self { part: name, mended_by: "thaw" }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if let Err(error) = try_part(self.part, self.mended_by) {
            // A panic while a test fails would end the other tests too.
            eprintln!("{error}");
            assert!(std::thread::panicking(), "{error}");
        }
    }
}

/// How many lines a job writes while the API server is away, ten a second, each with its number.
const LINES: usize = 300;

fn numbered() -> Value {
    script(&format!("i=0; while [ $i -lt {LINES} ]; do i=$((i + 1)); echo line $i; sleep 0.1; done"))
}

fn all_lines() -> String {
    (1..=LINES).map(|number| format!("line {number}\n")).collect()
}

/// Launches one job after another until told to stop, as a caller does that tries again when it gets no answer. Returns
/// how many.
fn keep_launching(app: &TestApp, stop: &std::sync::atomic::AtomicBool) -> usize {
    let mut launched = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let id = format!("stream-{launched}");
        let answer = app.try_launch(&id, &script("true"));
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        launched += 1;
    }
    launched
}

/// Everything at once around a fault of the API server: jobs are launched all the while, one runs and writes, its log is
/// followed, one ends while nobody can see it. In the end nothing is lost, and nothing is there twice.
fn lives_through(fault: impl FnOnce(&TestApp)) {
    let cluster = Cluster::alone();
    let made = cluster.creations();
    let app = cluster.serve();
    app.launch("writes", &numbered());
    app.launch("held", &gated("echo done; exit 3"));
    let held = app.wait_until_ready("held");
    app.wait_for_reason("writes", "Running", "");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (launched, followed) = std::thread::scope(|scope| {
        let launching = scope.spawn(|| keep_launching(&app, &stop));
        let following = scope.spawn(|| {
            let lines = app.request("GET", "/api/v1/jobs/writes/logs?follow=true").lines();
            lines.fold(String::new(), |log, line| log + &line + "\n")
        });
        fault(&app);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (launching.join().unwrap(), following.join().unwrap())
    });
    cluster.until("the API server's return", || cluster.try_kubectl(&["get", "pods"], "").ok());
    assert_eq!(followed, all_lines(), "no line lost or doubled");
    cluster.open_gate(&held);
    assert_eq!(app.end("held"), "Failed Error 3");
    assert_eq!(app.end("writes"), "Succeeded 0");
    assert_eq!(app.wait_for_log("writes"), all_lines());
    assert!(launched > 0);
    let ids = (0..launched).map(|number| format!("stream-{number}"));
    let mut recorded = BTreeMap::new();
    for id in ids.chain(["held".to_owned(), "writes".to_owned()]) {
        let job = app.wait_for_end(&id);
        let expected = if id == "held" { "Failed" } else { "Succeeded" };
        assert_eq!(job["phase"], expected, "{}", app.story(&id));
        let text = |field: &str| job["object"][field].as_str().unwrap().to_owned();
        recorded.insert(text("uid"), text("name"));
    }
    assert_eq!(made.stop(), recorded, "each job has one object, and there is no other");
}

#[test]
#[ignore = "needs a cluster"]
fn an_api_server_that_restarts_costs_no_job_and_no_line() {
    lives_through(|_| {
        // Some jobs are launched before, some meanwhile, some after.
        pause(Duration::from_secs(2));
        part("kube-apiserver", "restart");
        pause(Duration::from_secs(8));
        let away = Fault::kill("kube-apiserver");
        pause(Duration::from_secs(3));
        drop(away);
        pause(Duration::from_secs(8));
    });
}

#[test]
#[ignore = "needs a cluster"]
fn an_api_server_that_hangs_for_a_minute_costs_no_job_and_no_line() {
    lives_through(|app| {
        pause(Duration::from_secs(2));
        let hangs = Fault::freeze("kube-apiserver");
        let began = std::time::Instant::now();
        // It does not pretend to be ready, and what is on record can be read all the while.
        app.until(|| Some(app.get("/readyz")).filter(|answer| answer.status == 503));
        assert_eq!(app.job("held")["phase"], "Running");
        pause(Duration::from_secs(60).saturating_sub(began.elapsed()));
        drop(hangs);
        app.until(|| Some(app.get("/readyz")).filter(|answer| answer.status == 200));
        pause(Duration::from_secs(2));
    });
}

#[test]
#[ignore = "needs a cluster"]
fn a_kubelet_that_is_away_for_a_while_keeps_no_job_from_its_end() {
    let cluster = Cluster::alone();
    let app = cluster.serve();
    app.launch("ends-meanwhile", &gated("echo done; exit 3"));
    app.launch("goes-on", &gated("echo done"));
    let (meanwhile, on) = (app.wait_until_ready("ends-meanwhile"), app.wait_until_ready("goes-on"));
    cluster.kubectl(&["exec", &meanwhile, "--", "sh", "-c", "(sleep 3; touch /tmp/gate) >/dev/null 2>&1 &"]);
    let away = Fault::stop("kubelet");
    app.launch("waits", &script("echo done"));
    app.wait_for_reason("waits", "Waiting", "");
    app.launch("cancelled", &script("echo done"));
    app.wait_for_reason("cancelled", "Waiting", "");
    let answer = app.post("/api/v1/jobs/cancelled/cancel", &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
    pause(Duration::from_secs(10));
    for (id, phase) in [("ends-meanwhile", "Running"), ("goes-on", "Running"), ("waits", "Waiting")] {
        assert_eq!(app.job(id)["phase"], phase, "nobody can tell anything else");
    }
    drop(away);
    assert_eq!(app.end("ends-meanwhile"), "Failed Error 3");
    assert_eq!(app.wait_for_log("ends-meanwhile"), "ready\ndone\n");
    assert_eq!(app.end("waits"), "Succeeded 0");
    assert_eq!(app.job("goes-on")["phase"], "Running");
    cluster.open_gate(&on);
    assert_eq!(app.end("goes-on"), "Succeeded 0");
    assert_eq!(app.wait_for_end("cancelled")["phase"], "Cancelled");
}

#[test]
#[ignore = "needs a cluster"]
fn without_controllers_and_scheduler_jobs_wait() {
    let cluster = Cluster::alone();
    let app = cluster.serve();
    let no_pods = Fault::stop("kube-controller-manager");
    app.launch("no-pod", &script("echo done"));
    app.wait_for_reason("no-pod", "Waiting", "");
    assert_eq!(cluster.list("pods"), Vec::<Value>::new());
    let no_node = Fault::stop("kube-scheduler");
    drop(no_pods);
    cluster.until("a pod", || cluster.list("pods").first().cloned());
    assert_eq!(app.job("no-pod")["phase"], "Waiting");
    drop(no_node);
    assert_eq!(app.end("no-pod"), "Succeeded 0");
}
