//! What operators look at.

use serde_json::json;

use crate::support::TestApp;

#[test]
fn readiness_looks_at_every_part() {
    let app = TestApp::start();
    assert_eq!(app.get("/healthz").json()["status"], "ok");
    let ready = app.get("/readyz").json();
    for part in ["store", "templates", "executor"] {
        assert_eq!(ready[part], json!({"ready": true}), "{part}");
    }
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
    for word in ["hunter2", "made", "forged", "k1"] {
        assert!(!metrics.body.contains(word), "{word} in:\n{}", metrics.body);
    }
}

#[test]
fn the_description_is_served() {
    let app = TestApp::start();
    let served = app.get("/api/v1/openapi.json").json();
    let committed: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
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
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let callback_token = callback.rsplit('/').next().unwrap();
    for secret in [&*token, callback_token, "hunter"] {
        assert!(!ended.words.contains(secret), "{secret} in {}", ended.words);
    }
}
