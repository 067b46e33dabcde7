//! Following changes and logs.

use serde_json::json;

use crate::support::{ServerEvent, Setup, TestApp, server_events};

fn run(app: &TestApp, id: &str) {
    app.launch_gate(id).open(0);
    app.wait_for_phase(id, "Succeeded");
}

/// Events of all jobs from a number on, until one ends.
fn until_end(app: &TestApp, id: &str, after: u64) -> Vec<ServerEvent> {
    let path = format!("/api/v1/events?after={after}");
    let mut seen = Vec::new();
    for event in server_events(app.request("GET", &path).lines()) {
        let done = event.data["job"]["id"] == id && event.event == "phase" && event.data["event"]["to"] == "Succeeded";
        seen.push(event);
        if done {
            return seen;
        }
    }
    panic!("the stream ended early: {seen:?}");
}

#[test]
fn a_change_is_told_as_it_happens() {
    let app = TestApp::start();
    let mut events = server_events(app.request("GET", "/api/v1/events").lines());
    let gate = app.launch_gate("k1");
    let first = events.next().unwrap();
    assert_eq!((&*first.event, &first.data["event"]["type"]), ("recorded", &json!("recorded")));
    assert_eq!(first.data["event"]["sequence"], first.id);
    assert_eq!((&first.data["job"]["id"], &first.data["event"]["job"]), (&json!("k1"), &json!("k1")));
    gate.open(0);
    let end = events.find(|event| event.data["event"]["to"] == "Succeeded").unwrap();
    assert_eq!(end.event, "phase");
    assert_eq!(end.data["job"]["phase"], "Succeeded");
}

#[test]
fn a_stream_goes_on_where_it_broke_off() {
    let app = TestApp::start();
    run(&app, "k1");
    run(&app, "k2");
    let whole: Vec<u64> = until_end(&app, "k2", 0).iter().map(|event| event.id).collect();
    assert!(whole.windows(2).all(|pair| pair[0] < pair[1]), "{whole:?}");
    for (cut, last) in whole.iter().enumerate() {
        if cut + 1 == whole.len() {
            break;
        }
        let rest: Vec<u64> = until_end(&app, "k2", *last).iter().map(|event| event.id).collect();
        assert_eq!(rest, whole[cut + 1..], "after {last}");
    }
    // The header that browsers send stands before the query.
    let lines = app.request("GET", "/api/v1/events?after=0").header("last-event-id", &whole[2].to_string()).lines();
    assert_eq!(server_events(lines).next().unwrap().id, whole[3]);
}

#[test]
fn a_stream_that_catches_up_misses_nothing_and_doubles_nothing() {
    let app = TestApp::start();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let gate = app.launch_gate("busy");
    let callback = app.callback_path("busy");
    let ids: Vec<u64> = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = app.request("POST", &callback).form("status=busy");
                    assert_eq!(answer.status, 200);
                }
            });
        }
        // Begins with what is on record while more keeps coming.
        app.until(|| (app.get("/api/v1/jobs/busy/events?limit=500").json()["next"] != json!(null)).then_some(()));
        let lines = app.request("GET", "/api/v1/events?after=0").lines();
        let ids = server_events(lines).take(1500).map(|event| event.id).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        ids
    });
    let first = ids[0];
    let expected: Vec<u64> = (first..first + 1500).collect();
    assert_eq!(ids, expected);
    gate.open(0);
}

#[test]
fn one_job_can_be_followed_alone() {
    let app = TestApp::start();
    run(&app, "k1");
    let path = "/api/v1/events?job=k2&after=0";
    let mut events = server_events(app.request("GET", path).lines());
    run(&app, "k3");
    run(&app, "k2");
    let end = events
        .by_ref()
        .inspect(|event| assert_eq!(event.data["event"]["job"], "k2"))
        .find(|event| event.data["event"]["to"] == "Succeeded");
    assert!(end.is_some());
}

#[test]
fn there_are_only_so_many_streams() {
    let app = Setup::new().with(&["--max-streams", "2"]).start();
    let first = app.request("GET", "/api/v1/events").lines();
    let second = app.request("GET", "/api/v1/events").lines();
    let mut kept = [Box::new(first) as Box<dyn Iterator<Item = String>>, Box::new(second)];
    for stream in &mut kept {
        assert_eq!(stream.next().as_deref(), Some("retry: 1000"));
    }
    let third = app.get("/api/v1/events");
    assert_eq!((third.status, &*third.problem()), (503, "too-many-streams"));
    assert!(third.header("retry-after").is_some());
    drop(kept);
    app.until(|| {
        let streams = app.get("/metrics").body;
        streams.contains("jobwright_streams 0").then_some(())
    });
    assert_eq!(app.request("GET", "/api/v1/events").lines().next().as_deref(), Some("retry: 1000"));
}

#[test]
fn a_number_that_is_none_is_refused() {
    let app = TestApp::start();
    let answer = app.request("GET", "/api/v1/events").header("last-event-id", "x").send();
    assert_eq!((answer.status, &*answer.problem()), (400, "invalid-input"));
}

#[test]
fn a_log_is_followed_to_its_end() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let mut lines = app.request("GET", "/api/v1/jobs/k1/logs?follow=true").lines();
    assert!(lines.next().unwrap().contains("/callback/k1"));
    gate.open(0);
    assert_eq!(lines.next(), None);
    app.wait_for_phase("k1", "Succeeded");
    let text = app.get("/api/v1/jobs/k1/logs");
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text.body.lines().count(), 1);
    let json = app.request("GET", "/api/v1/jobs/k1/logs").header("accept", "application/x-ndjson").send();
    assert_eq!(json.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(json.json()["container"], "main");
    assert_eq!(app.get("/api/v1/jobs/k1/logs?tail=0").body, "");
    assert_eq!(app.get("/api/v1/jobs/k1/logs?since=2100-01-01T00:00:00Z").body, "");
}
