//! What comes after a restart, and what an orderly end does. Crashes at every step are in `tests/crashes/`.

use std::sync::Mutex;

use serde_json::json;

use crate::support::{TestApp, server_events};

#[test]
fn a_launch_that_is_sent_again_after_a_kill_makes_no_second_job() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31"}});
    assert_eq!(app.post("/api/v1/jobs", &body).status, 201);
    let app = app.kill().setup.start();
    assert_eq!(app.post("/api/v1/jobs", &body).status, 200);
    app.wait("k1", |job| ["Succeeded", "Lost"].contains(&job["phase"].as_str().unwrap()));
    let history = app.get("/api/v1/jobs/k1/events").body;
    assert_eq!(history.matches(r#""type":"created""#).count(), 1, "{history}");
}

#[test]
fn tokens_and_numbers_go_on_after_a_restart() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    gate.open(0);
    app.wait_for_phase("k1", "Succeeded");
    let events = app.get("/api/v1/jobs/k1/events").json();
    let last = events["items"].as_array().unwrap().last().unwrap()["sequence"].as_u64().unwrap();
    let ended = app.stop();
    assert!(ended.status.success(), "{}", ended.words);
    let app = ended.setup.start();
    let late = app.request("POST", &callback).form("status=late");
    assert_eq!(late.status, 200, "{late:?}");
    let lines = app.request("GET", "/api/v1/events").header("last-event-id", &last.to_string()).lines();
    let next = server_events(lines).find(|event| event.event == "report").unwrap();
    assert!(next.id > last);
    assert_eq!(next.data["event"]["report"]["status"], "late");
}

#[test]
fn an_orderly_end_finishes_what_was_begun() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    gate.open(0);
    app.wait_for_phase("k1", "Succeeded");
    let mut stream = app.request("GET", "/api/v1/events").lines();
    assert_eq!(stream.next().as_deref(), Some("retry: 1000"));
    let acknowledged = Mutex::new(0_u64);
    let enough = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1_u64.. {
                if number == 50 {
                    enough.wait();
                }
                match app.try_post(&callback, &json!({"status": "x", "sequence": number})) {
                    Some(answer) if answer.status == 200 => *acknowledged.lock().unwrap() = number,
                    _ => return,
                }
            }
        });
        enough.wait();
        app.signal(rustix::process::Signal::TERM);
    });
    // The stream ends by itself.
    assert!(stream.any(|line| line.starts_with("data")));
    stream.for_each(drop);
    let mut app = app;
    let ended = app.collect();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.words);
    let app = ended.setup.start();
    let kept = app.get("/api/v1/jobs/k1").json()["report"]["sequence"].as_u64().unwrap();
    assert!(kept >= *acknowledged.lock().unwrap(), "{kept}");
}
