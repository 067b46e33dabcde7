//! What operators look at.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Setup, TestApp};

#[test]
fn readiness_looks_at_every_part() {
    let app = TestApp::start();
    assert_eq!(app.get("/healthz").json()["status"], "ok");
    let ready = app.get("/readyz").json();
    for part in ["store", "templates", "executor"] {
        assert_eq!(ready[part], json!({"ready": true}), "{part}");
    }
}

/// A service whose cluster's API server does not answer.
struct Cut {
    child: std::process::Child,
    url: String,
    _setup: Setup,
}

impl Cut {
    fn start() -> Self {
        let setup = Setup::new().with(&["--executor", "kubernetes"]);
        let kubeconfig = setup.path().join("kubeconfig");
        let server = json!({"name": "gone", "cluster": {"server": "http://127.0.0.1:1"}});
        let context = json!({"name": "gone", "context": {"cluster": "gone", "user": "", "namespace": "jobs"}});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "gone", "clusters": [server], "contexts": [context],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let mut command = setup.command();
        let mut child = command.env("KUBECONFIG", kubeconfig).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Jobwright listens on ").unwrap().to_owned();
        Self { child, url, _setup: setup }
    }

    /// What `jobwright health --url …` makes of it: exit code, answer, words.
    fn health(&self, path: &str) -> (i32, String, String) {
        health(&["--url", &format!("{}{path}", self.url)], &self.url)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn health(arguments: &[&str], url: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
    // A proxy must not come between.
    command.env("JOBWRIGHT_LISTEN", url.replace("http://127.0.0.1", "0.0.0.0")).env("HTTP_PROXY", "http://x.invalid");
    let output = command.arg("health").args(arguments).output().unwrap();
    let told = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), told(output.stdout), told(output.stderr))
}

#[test]
fn a_part_that_is_excluded_is_shown_but_does_not_count() {
    let service = Cut::start();
    for path in ["/readyz", "/readyz?exclude=store&exclude=templates"] {
        let (code, answer, words) = service.health(path);
        assert_eq!((code, answer.as_str()), (1, ""), "{path}");
        assert!(words.contains("503") && words.contains("the API server cannot be reached"), "{path}: {words}");
    }
    for path in ["/readyz?exclude=executor", "/readyz?exclude=store&exclude=executor"] {
        let (code, answer, words) = service.health(path);
        assert_eq!((code, words.as_str()), (0, ""), "{path}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["ready"], &answer["executor"]["ready"]), (&json!(true), &json!(false)), "{path}");
        let problem = answer["executor"]["problem"].as_str().unwrap();
        assert!(problem.contains("the API server cannot be reached"), "it is still told what is wrong: {problem}");
    }
}

#[test]
fn a_part_that_there_is_not_cannot_be_excluded() {
    let app = TestApp::start();
    let misspelt = app.get("/readyz?exclude=exekutor");
    assert_eq!((misspelt.status, misspelt.problem().as_str()), (400, "invalid-input"));
    assert!(misspelt.detail().contains("there are store, templates, executor"), "{misspelt:?}");
}

#[test]
fn the_health_check_asks_the_service_on_this_machine() {
    let app = TestApp::start();
    let (code, answer, words) = health(&[], &app.url);
    assert_eq!((code, words.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["status"], "ok");
    let (code, answer, words) = health(&["--url", &format!("{}/healthy", app.url)], &app.url);
    assert_eq!((code, answer.as_str()), (1, ""));
    assert!(words.contains("/healthy answered 404"), "{words}");

    app.signal(rustix::process::Signal::STOP);
    let (code, answer, words) = health(&[], &app.url);
    assert_eq!((code, answer.as_str()), (1, ""), "a service that hangs is not alive");
    assert!(words.contains("no answer from http://127.0.0.1:"), "{words}");
}

#[test]
fn what_happens_is_counted_and_no_secret_is_a_label() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31", "secret": "hunter2"}});
    app.post("/api/v1/jobs", &body);
    app.post("/api/v1/jobs", &body);
    app.post("/api/v1/jobs", &json!({"template": "nobody"}));
    app.wait_for_phase("k1", "Succeeded");
    app.request("POST", "/updatejobstatus").form("job-id=k1&status=Done");
    app.request("POST", "/callback/forged~0000").form("status=Done");
    app.get("/made/up/path");
    let metrics = app.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "jobwright_jobs{phase=\"Succeeded\"} 1",
        "jobwright_jobs{phase=\"Lost\"} 0",
        "jobwright_launches_total{outcome=\"created\"} 1",
        "jobwright_launches_total{outcome=\"repeated\"} 1",
        "jobwright_launches_total{outcome=\"refused\"} 1",
        "jobwright_reports_total{outcome=\"recorded\"} 1",
        "jobwright_reports_total{outcome=\"refused\"} 1",
        "jobwright_http_requests_total{method=\"POST\",route=\"/api/v1/jobs\",status=\"201\"} 1",
        "jobwright_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
    ] {
        assert!(metrics.body.lines().any(|known| known == line), "{line} in:\n{}", metrics.body);
    }
    for name in [
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_threads",
        "process_virtual_memory_bytes",
        "tokio_alive_tasks",
        "tokio_workers",
    ] {
        let value = metrics.body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 0.0), "{name} in:\n{}", metrics.body);
    }
    assert!(metrics.body.contains("\ntokio_global_queue_depth "), "{}", metrics.body);
    for word in ["hunter2", "made", "forged", "k1"] {
        assert!(!metrics.body.contains(word), "{word} in:\n{}", metrics.body);
    }
}

#[test]
fn the_description_is_served() {
    let app = TestApp::start();
    let served = app.get("/api/v1/openapi.json").json();
    let committed: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served, committed);
}

#[test]
fn no_secret_reaches_the_log() {
    let (setup, token) = crate::auth::with_token(crate::support::Setup::new());
    let mut app = setup.with(&["--log-format", "json"]).start();
    app.sign_in(&token);
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    app.request("POST", &callback).form("status=Done");
    app.request("POST", &callback.replace("k1~", "k2~")).form("status=Done");
    let body = json!({"template": "typed", "id": "k9", "parameters": {"day": "2026-01-31", "secret": "hunter2"}});
    app.post("/api/v1/jobs", &body);
    app.post(
        "/api/v1/jobs",
        &json!({"template": "typed", "id": "k9", "parameters": {"day": "x", "secret": "hunter3"}}),
    );
    gate.open(0);
    app.wait_for_phase("k1", "Succeeded");
    let ended = app.stop();
    assert!(!ended.words.is_empty());
    for line in ended.words.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    let callback_token = callback.rsplit('/').next().unwrap();
    for secret in [&*token, callback_token, "hunter"] {
        assert!(!ended.words.contains(secret), "{secret} in {}", ended.words);
    }
}
