//! What a user is told of everything that can go wrong with a server.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::program::{jobwright, told};
use crate::stub::{Reply, Stub};

/// What a command says to a server that gives these answers.
fn said(args: &[&str], replies: Vec<Reply>) -> String {
    let stub = Stub::new(replies);
    let output = jobwright(args).env("JOBWRIGHT_SERVER", &stub.server).output().unwrap();
    told(&output).replace(&stub.server, "http://SERVER")
}

fn problem(status: u16, name: &str, detail: &str, members: Value) -> Reply {
    let mut body = json!({
        "type": format!("https://jobwright.dev/problems/{name}"), "title": name, "status": status, "detail": detail,
    });
    if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
        body.extend(members);
    }
    Reply::Problem(status, body)
}

fn job(id: &str, phase: &str) -> Value {
    json!({
        "id": id, "name": null, "template": "hello", "phase": phase, "reason": null, "message": null, "disputed": false,
        "exit_code": null, "report": null, "object": null, "parameters": {}, "digest": "sha256:0", "commit": null,
        "rerun_of": null, "cancel_requested": false, "created": "2026-01-31T09:00:00Z", "started": null, "ended": null,
    })
}

#[test]
fn a_host_that_is_not_known() {
    let output = jobwright(&["jobs", "list", "--server", "http://jobs.invalid"]).output().unwrap();
    // What the resolver says differs from system to system.
    let text = told(&output).lines().filter(|line| !line.starts_with("  cause: ")).collect::<Vec<_>>().join("\n");
    assert_snapshot!(text);
}

#[test]
fn a_server_that_does_not_speak_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    let stranger = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").unwrap();
    });
    let output = jobwright(&["run", "hello", "--server", &server]).output().unwrap();
    stranger.join().unwrap();
    assert_snapshot!(told(&output).replace(&server, "https://SERVER"));
}

#[test]
fn certificates_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let output = jobwright(&["jobs", "list", "--ca-file", file.to_str().unwrap()]).output().unwrap();
    assert_snapshot!(told(&output).replace(dir.path().to_str().unwrap(), "DIR"));
}

#[test]
fn a_token_that_is_wrong_or_not_enough() {
    let with_token = |reply| {
        let stub = Stub::new(vec![reply]);
        let output = jobwright(&["jobs", "cancel", "k1", "--server", &stub.server])
            .env("JOBWRIGHT_TOKEN", "s3cret")
            .output()
            .unwrap();
        assert!(!told(&output).contains("s3cret"));
        told(&output)
    };
    let wrong = problem(401, "unauthorized", "this token is not known here", json!({}));
    assert_snapshot!("wrong_token", with_token(wrong));
    let detail = "ada may not cancel jobs: this needs the verb patch on jobs in jobwright-jobs";
    assert_snapshot!("forbidden", with_token(problem(403, "forbidden", detail, json!({}))));
}

#[test]
fn a_token_that_is_none() {
    let empty = jobwright(&["jobs", "list", "--token-file", "/dev/null"]).output().unwrap();
    assert_snapshot!("empty_token", told(&empty));
    let missing = jobwright(&["jobs", "list", "--token-file", "/nowhere/token"]).output().unwrap();
    assert_snapshot!("no_token_file", told(&missing));
    let blank = jobwright(&["jobs", "list"]).env("JOBWRIGHT_TOKEN", "a b").output().unwrap();
    assert_snapshot!("token_with_a_blank", told(&blank));
}

#[test]
fn what_is_not_there() {
    let detail = "there is no template \"helo\"; did you mean \"hello\"?";
    let unknown = problem(404, "unknown-template", detail, json!({"template": "helo", "suggestion": "hello"}));
    assert_snapshot!("unknown_template", said(&["run", "helo"], vec![unknown]));
    let unknown = problem(404, "unknown-job", "there is no job nightly-71", json!({"job": "nightly-71"}));
    let newest = Reply::Json(200, json!({"items": [job("nightly-7", "Running")], "next": null}));
    assert_snapshot!("unknown_job", said(&["jobs", "get", "nightly-71"], vec![unknown, newest]));
}

#[test]
fn parameters_that_are_missing_are_all_listed_with_how_to_give_them() {
    let faults = json!({"faults": [
        {"path": "day", "message": "missing: this parameter (string, date) is required"},
        {"path": "to", "message": "missing: this parameter (array) is required"},
    ]});
    let invalid = problem(422, "invalid-parameters", "the parameters do not fit the template `report`", faults);
    assert_snapshot!(said(&["run", "report"], vec![invalid]));
}

#[test]
fn the_same_request_again_is_told_from_a_new_one() {
    let run = ["run", "hello", "--id", "k1", "-o", "name"];
    assert_eq!(
        said(&run, vec![Reply::Json(200, job("k1", "Running"))]),
        "exit code 0\n--- stdout\nk1\n--- stderr\nalready launched: hello as k1, running\n"
    );
    assert_eq!(said(&run, vec![Reply::Json(201, job("k1", "Pending"))]), "exit code 0\n--- stdout\nk1\n--- stderr\n");
}

#[test]
fn a_server_that_restarts_while_a_job_is_followed() {
    let change = |sequence: u64, to: &str| {
        let change = json!({
            "event": {"sequence": sequence, "job": "k1", "at": "2026-01-31T09:00:02Z", "source": "executor",
                "type": "phase", "from": "Pending", "to": to, "reason": null, "message": null},
            "job": job("k1", to),
        });
        format!("id: {sequence}\nevent: phase\ndata: {change}\n\n")
    };
    let stopping = || problem(503, "shutting-down", "it is about to stop", json!({}));
    let told = said(
        &["run", "hello", "--id", "k1", "--wait"],
        vec![
            Reply::Json(201, job("k1", "Pending")),
            Reply::Events(change(1, "Waiting")),
            Reply::Nothing,
            stopping(),
            Reply::Events(change(2, "Succeeded")),
            Reply::Json(200, job("k1", "Succeeded")),
        ],
    );
    assert_snapshot!(told);
}

#[test]
fn a_server_of_another_version() {
    assert_snapshot!(said(&["jobs", "get", "k1"], vec![Reply::Json(200, json!({"id": "k1", "state": "new"}))]));
}

#[test]
fn names_that_are_misspelt() {
    assert_snapshot!("misspelt_phase", said(&["jobs", "list", "--phase", "runing"], vec![]));
    assert_snapshot!("misspelt_format", said(&["jobs", "list", "-o", "jsn"], vec![]));
}
