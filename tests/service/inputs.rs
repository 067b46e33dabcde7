//! Bad input: what is refused, with which words.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::TestApp;

#[test]
fn parameters_that_do_not_fit_are_all_named() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "parameters": {"day": "tomorrow", "copies": "six", "colour": "red"}});
    let answer = app.post("/api/v1/jobs", &body);
    assert_eq!((answer.status, &*answer.problem()), (422, "invalid-parameters"));
    let faults = answer.json()["faults"].clone();
    let paths: Vec<&str> = faults.as_array().unwrap().iter().map(|fault| fault["path"].as_str().unwrap()).collect();
    for path in ["day", "copies", "colour"] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    for fault in faults.as_array().unwrap() {
        assert!(!fault["message"].as_str().unwrap().is_empty(), "{fault}");
    }
    let missing = app.post("/api/v1/jobs", &json!({"template": "typed"}));
    assert_eq!(missing.json()["faults"][0]["path"], "day", "{missing:?}");
    assert_eq!(app.get("/api/v1/jobs").json()["items"], json!([]));
}

#[test]
fn a_launch_that_cannot_be_read_says_where() {
    let app = TestApp::start();
    let send = |body: &str| app.request("POST", "/api/v1/jobs").header("content-type", "application/json").body(body);
    let broken = send("{\"template\": \"typed\",\n  \"id\": }");
    assert_eq!((broken.status, &*broken.problem()), (400, "malformed-json"));
    assert_eq!((&broken.json()["line"], &broken.json()["column"]), (&json!(2), &json!(9)));
    for (body, words) in [
        (r#"{"template": "typed", "parameter": {}}"#, "unknown field `parameter`, expected one of"),
        (r#"{"parameters": {}}"#, "missing field `template`"),
        (r#"{"template": 1}"#, "invalid type: integer `1`, expected a string"),
        (r#"{"template": "typed", "id": "a b"}"#, "the job ID \"a b\" holds ' '; expected 1 to 100 letters"),
        (r#"{"template": "typed", "name": "a\nb"}"#, "control character"),
        (r#"[]"#, "expected"),
    ] {
        let answer = send(body);
        assert_eq!((answer.status, &*answer.problem()), (422, "invalid-body"), "{body}");
        assert!(answer.detail().contains(words), "{body}: {}", answer.detail());
    }
    let deep = format!(
        "{{\"template\": \"typed\", \"parameters\": {{\"day\": {}1{}}}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(send(&deep).problem(), "malformed-json");
    let surrogate = send(r#"{"template": "typed", "parameters": {"day": "\udc00"}}"#);
    assert_eq!((surrogate.status, &*surrogate.problem()), (400, "malformed-json"));
    let untyped = app.request("POST", "/api/v1/jobs").body("{}");
    assert_eq!((untyped.status, &*untyped.problem()), (415, "unsupported-media-type"));
    let form = app.request("POST", "/api/v1/jobs").form("template=typed");
    assert_eq!((form.status, &*form.problem()), (415, "unsupported-media-type"));
}

#[test]
fn values_that_look_like_yaml_stay_values() {
    let app = TestApp::start();
    for (number, value) in [
        "a\nb: c",
        "# no comment",
        "&a",
        "*a",
        "!!binary x",
        "---\n---",
        "\"'",
        "{{params.pipe}}",
        "\t",
        "é\u{2028}",
        "- a",
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"id": format!("k{number}"), "parameters": {"pipe": value}});
        let answer =
            app.request("POST", "/api/v1/templates/gate/render").header("accept", "application/json").json(&body);
        assert_eq!(answer.status, 200, "{value:?}: {answer:?}");
        let env = &answer.json()["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(env.as_array().unwrap().len(), 2, "{value:?}");
        assert_eq!(env[1], json!({"name": "PIPE", "value": value}));
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "parameters": {"day": "x".repeat(1024 * 1024)}});
    let answer = app.post("/api/v1/jobs", &body);
    assert_eq!((answer.status, &*answer.problem()), (413, "body-too-large"));
    assert_eq!(answer.json()["limit"], 1024 * 1024);
}

#[test]
fn what_is_not_there_is_told_with_what_is_near() {
    let app = TestApp::start();
    for (path, kind, suggestion) in [
        ("/api/v1/templates/tpyed", "unknown-template", json!("typed")),
        ("/api/v1/templates/%FF", "invalid-input", json!(null)),
        ("/api/v1/jobs/nobody", "unknown-job", json!(null)),
        ("/api/v1/jobs/nobody/events", "unknown-job", json!(null)),
        ("/api/v1/jobs/nobody/logs", "unknown-job", json!(null)),
        ("/api/v1/jobs/nobody/manifest", "unknown-job", json!(null)),
        ("/api/v1/jobs/a%20b", "invalid-input", json!(null)),
        ("/api/v1/job", "unknown-route", json!("/api/v1/jobs")),
        ("/api/v1/jobs/", "unknown-route", json!("/api/v1/jobs")),
        ("/nothing/like/it", "unknown-route", json!(null)),
    ] {
        let answer = app.get(path);
        assert_eq!(answer.problem(), kind, "{path}");
        assert_eq!(answer.json()["suggestion"], suggestion, "{path}");
    }
    let launch = app.post("/api/v1/jobs", &json!({"template": "tpyed"}));
    assert_eq!((launch.status, &*launch.problem()), (404, "unknown-template"));
    assert_eq!(launch.json()["suggestion"], "typed");
}

#[test]
fn filters_that_cannot_be_used_are_named() {
    let app = TestApp::start();
    for (query, name, words) in [
        ("phase=Done", "phase", "\"Done\" is no phase; expected one of Pending"),
        ("limit=0", "limit", "\"0\" is no whole number from 1 to 500"),
        ("limit=501", "limit", "\"501\" is no whole number from 1 to 500"),
        ("since=yesterday", "since", ""),
        ("cursor=x", "cursor", "this is no cursor"),
        ("templates=x", "templates", "unknown field `templates`"),
    ] {
        let answer = app.get(&format!("/api/v1/jobs?{query}"));
        assert_eq!((answer.status, &*answer.problem()), (400, "invalid-input"), "{query}");
        assert_eq!(answer.json()["name"], name, "{query}: {answer:?}");
        assert!(answer.detail().contains(words), "{query}: {}", answer.detail());
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let app = TestApp::start();
    let answer = app.request("PUT", "/api/v1/jobs").json(&json!({}));
    assert_eq!((answer.status, &*answer.problem()), (405, "method-not-allowed"));
    let allow = answer.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert_eq!(app.get("/callback/x").status, 405);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let app = TestApp::start();
    let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("https://jobwright.dev/problems/request-timeout"), "{answer}");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let app = TestApp::start();
    let answer = app.request("GET", "/healthz").header("x-long", &"x".repeat(40_000)).send();
    assert_eq!(answer.status, 431);
}
