//! Reports of workers.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::TestApp;

#[test]
fn a_report_comes_as_form_as_json_or_in_the_query() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    let report = || app.get("/api/v1/jobs/k1").json()["report"].clone();

    let form = app.request("POST", &callback).form("job-id=k1&status=100%25+%C3%BC%2B&progress=40");
    assert_eq!((form.status, &*form.body), (200, "\"ok\""), "{form:?}");
    assert_eq!(form.header("content-type"), Some("application/json"));
    assert_eq!(report()["status"], "100% ü+");
    assert_eq!(report()["progress"], 40);

    let json = app.post(&callback, &json!({"job_id": "k1", "status": "…", "message": "m", "sequence": 1}));
    assert_eq!((json.status, &*json.body), (200, "\"ok\""));
    assert_eq!((&report()["status"], &report()["message"]), (&json!("…"), &json!("m")));

    let query = app.request("POST", &format!("{callback}?status=in+the%20query&sequence=2")).send();
    assert_eq!((query.status, &*query.body), (200, "\"ok\""));
    assert_eq!(report()["status"], "in the query");
    gate.open(0);
}

#[test]
fn a_wrong_token_is_refused() {
    let app = TestApp::start();
    let (gate, other) = (app.launch_gate("k1"), app.launch_gate("k2"));
    let callback = app.callback_path("k1");
    let cut = &callback[..callback.len() - 1];
    let foreign = callback.replace("/k1", "/k2");
    for path in [cut, &foreign, "/callback/k1", "/callback/%00", "/callback/~"] {
        let answer = app.request("POST", path).form("status=Done");
        assert_eq!((answer.status, &*answer.problem()), (403, "invalid-token"), "{path}");
    }
    let of_another = TestApp::start();
    let gate_there = of_another.launch_gate("k1");
    let answer = of_another.request("POST", &callback).form("status=Done");
    assert_eq!((answer.status, &*answer.problem()), (403, "invalid-token"));
    for id in ["k1", "k2"] {
        assert_eq!(app.get(&format!("/api/v1/jobs/{id}")).json()["report"], json!(null));
    }
    gate_there.open(0);
    gate.open(0);
    other.open(0);
}

#[test]
fn what_cannot_be_a_report_is_refused() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    let form = |body: &str| app.request("POST", &callback).form(body);
    let mismatch = form("job-id=k2&status=Done");
    assert_eq!((mismatch.status, &*mismatch.problem()), (400, "job-mismatch"));
    for (body, status, kind) in [
        ("", 422, "invalid-report"),
        ("status=", 422, "invalid-report"),
        (&format!("status={}", "x".repeat(501)), 422, "invalid-report"),
        ("status=a&progress=101", 422, "invalid-report"),
        ("status=a&progress=half", 400, "invalid-input"),
        ("status=%FF", 400, "invalid-input"),
    ] {
        let answer = form(body);
        assert_eq!((answer.status, &*answer.problem()), (status, kind), "{body}");
    }
    let broken = app.request("POST", &callback).header("content-type", "application/json").body("{\"status\":\n");
    assert_eq!((broken.status, &*broken.problem()), (400, "malformed-json"));
    assert_eq!(broken.json()["line"], 2);
    let surrogate =
        app.request("POST", &callback).header("content-type", "application/json").body(r#"{"status": "\ud800"}"#);
    assert_eq!((surrogate.status, &*surrogate.problem()), (400, "malformed-json"));
    let xml = app.request("POST", &callback).header("content-type", "text/xml").body("<a/>");
    assert_eq!((xml.status, &*xml.problem()), (415, "unsupported-media-type"));
    assert_eq!(app.get("/api/v1/jobs/k1").json()["report"], json!(null));
    gate.open(0);
}

#[test]
fn a_report_of_a_mebibyte_is_too_large() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    for length in [64 * 1024, 1024 * 1024, 4 * 1024 * 1024] {
        let answer = app.request("POST", &callback).form(&format!("status={}", "x".repeat(length)));
        assert_eq!((answer.status, &*answer.problem()), (413, "body-too-large"), "{length}");
        assert_eq!(answer.json()["limit"], 65536);
    }
    // Far beyond, the answer does not wait for the body.
    let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "POST {callback} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    gate.open(0);
}

#[test]
fn a_report_after_the_end_is_kept_and_moves_nothing() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    gate.open(1);
    app.wait_for_phase("k1", "Failed");
    let late = app.request("POST", &callback).form("status=Done");
    assert_eq!(late.status, 200);
    let job = app.get("/api/v1/jobs/k1").json();
    assert_eq!((&job["phase"], &job["disputed"]), (&json!("Failed"), &json!(true)));
    let history = app.get("/api/v1/jobs/k1/events").json();
    let reports: Vec<_> =
        history["items"].as_array().unwrap().iter().filter(|event| event["type"] == "report").cloned().collect();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0]["afterEnd"], true);
}

#[test]
fn a_repeated_report_changes_nothing_and_a_late_one_overwrites_nothing() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    let send = |sequence: u64, status: &str| {
        let answer = app.post(&callback, &json!({"status": status, "sequence": sequence}));
        assert_eq!(answer.status, 200, "{answer:?}");
        app.get("/api/v1/jobs/k1").json()["report"]["status"].clone()
    };
    assert_eq!(send(2, "second"), "second");
    assert_eq!(send(2, "second"), "second");
    assert_eq!(send(1, "first"), "second");
    assert_eq!(send(3, "third"), "third");
    gate.open(0);
}
