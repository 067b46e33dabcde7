//! What was acknowledged is there after a crash, and an orderly end loses nothing.

use std::sync::Mutex;

use serde_json::json;

use crate::support::{TestApp, server_events};

/// `JOBWRIGHT_TEST_KILLS` asks for more cycles than the two of every run.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let cycles = std::env::var("JOBWRIGHT_TEST_KILLS").ok();
    let cycles = cycles.and_then(|count| count.parse().ok()).unwrap_or(2);
    for cycle in 0..cycles {
        // The later the kill, the more is under way: jobs that run, have ended, have their log kept.
        survive_a_kill(5 + cycle % 40);
    }
}

/// Launches and reports until this many jobs are acknowledged, kills the service there and then, and looks at what it
/// knows after a restart.
fn survive_a_kill(jobs: usize) {
    let app = TestApp::start();
    app.launch_gate("gate");
    app.wait_for_phase("gate", "Running");
    let callback = app.callback_path("gate");
    let launched = Mutex::new(Vec::new());
    let reported = Mutex::new(Vec::new());
    let enough = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if number == jobs {
                    enough.wait();
                }
                let id = format!("k{number}");
                let body = json!({"template": "typed", "id": id, "parameters": {"day": "2026-01-31"}});
                match app.try_post("/api/v1/jobs", &body) {
                    Some(answer) => assert_eq!(answer.status, 201, "{answer:?}"),
                    None => return,
                }
                launched.lock().unwrap().push(id);
            }
        });
        scope.spawn(|| {
            for number in 0_u64.. {
                if number == 100 {
                    enough.wait();
                }
                match app.try_post(&callback, &json!({"status": "x", "sequence": number})) {
                    Some(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
                    None => return,
                }
                reported.lock().unwrap().push(number);
            }
        });
        enough.wait();
        app.signal(rustix::process::Signal::KILL);
    });
    let app = app.kill().setup.start();
    for id in launched.into_inner().unwrap() {
        let job = app.get(&format!("/api/v1/jobs/{id}"));
        assert_eq!(job.status, 200, "{id}");
        app.wait(&id, |job| ["Succeeded", "Lost"].contains(&job["phase"].as_str().unwrap()));
    }
    let mut kept = Vec::new();
    let mut after = json!(0);
    while let Some(number) = after.as_u64() {
        let page = app.get(&format!("/api/v1/jobs/gate/events?limit=500&after={number}")).json();
        let events = page["items"].as_array().unwrap().iter();
        kept.extend(events.filter_map(|event| event["report"]["sequence"].as_u64()));
        after = page["next"].clone();
    }
    for number in reported.into_inner().unwrap() {
        assert!(kept.contains(&number), "report {number} was acknowledged and is gone");
    }
    // Its process died with the service.
    let lost = app.wait_for_phase("gate", "Lost");
    assert_eq!(lost["report"]["status"], "x");
}

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
