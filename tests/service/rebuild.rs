//! A data folder whose records are lost while the objects are there.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::{Ended, Setup, TestApp};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// An installation with an ID and a key of its own.
fn named(setup: Setup) -> Setup {
    fs::write(setup.path().join("key"), format!("{KEY}\n")).unwrap();
    let key = setup.path().join("key");
    setup.env("JOBWRIGHT_INSTALLATION", "mine").env("JOBWRIGHT_KEY_FILE", key)
}

/// Removes the records, and leaves the objects.
fn lose_records(data: &Path) {
    for entry in fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        match entry.file_name().to_str() {
            Some("process") => {}
            _ if entry.path().is_dir() => fs::remove_dir_all(entry.path()).unwrap(),
            _ => fs::remove_file(entry.path()).unwrap(),
        }
    }
}

fn with_lost_records(ended: Ended) -> TestApp {
    lose_records(&ended.setup.data());
    ended.setup.start()
}

fn launch(app: &TestApp, id: &str) -> u16 {
    app.post("/api/v1/jobs", &json!({"template": "typed", "id": id, "parameters": {"day": "2026-01-31"}})).status
}

fn store(setup: &Setup, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
    let done = command.arg("store").args(args).arg("--data").arg(setup.data()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stderr).unwrap()
}

#[test]
fn jobs_whose_records_are_lost_are_found_again_with_their_ends_and_logs() {
    let app = named(Setup::new()).start();
    assert_eq!(launch(&app, "k1"), 201);
    app.wait_for_phase("k1", "Succeeded");
    app.launch_gate("runs");
    let before = app.wait_for_phase("runs", "Running");
    let ended_before = app.get("/api/v1/jobs/k1").json();
    let callback = app.callback_path("runs");
    let app = with_lost_records(app.kill());

    let job = app.wait_for_phase("k1", "Succeeded");
    for field in ["id", "template", "digest", "commit", "created", "object", "exit_code", "started", "ended"] {
        assert_eq!(job[field], ended_before[field], "{field}");
    }
    assert!(job["rebuilt"].is_string() && ended_before["rebuilt"].is_null(), "{job}");
    assert!(job["parameters"].is_null());
    let log = app.until(|| Some(app.get("/api/v1/jobs/k1/logs")).filter(|answer| answer.status == 200));
    assert!(log.body.contains("2026-01-31"), "{}", log.body);
    let history = app.get("/api/v1/jobs/k1/events").json();
    assert_eq!((&history["items"][0]["type"], &history["items"][0]["source"]), (&json!("rebuilt"), &json!("service")));
    assert_eq!(app.get("/api/v1/jobs/k1/manifest").problem(), "no-manifest");
    // Its process died with the service, which is all that is known of it.
    let lost = app.wait_for_phase("runs", "Lost");
    assert_eq!(lost["object"], before["object"]);

    // The ID is still the key, and the worker's token still good.
    assert_eq!(launch(&app, "k1"), 200);
    let other =
        app.post("/api/v1/jobs", &json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-02-01"}}));
    assert_eq!((other.status, other.problem().as_str()), (409, "job-conflict"), "{}", other.body);
    assert_eq!(app.post(&callback, &json!({"status": "Done"})).status, 200);
    let again = app.post("/api/v1/jobs/k1/rerun", &json!({"parameters": {"copies": 2}}));
    assert_eq!(again.problem(), "parameters-needed");
    assert_eq!(again.json()["names"], json!(["day", "secret"]));
    let all = json!({"id": "k2", "parameters": {"day": "2026-01-31", "copies": 2, "secret": null}});
    assert_eq!(app.post("/api/v1/jobs/k1/rerun", &all).status, 201);
    app.wait_for_phase("k2", "Succeeded");

    // The page says what is known and what is not, and so does the command line.
    let page = app.request("GET", "/jobs/k1").header("accept", "text/html").send().body;
    assert!(page.contains("The record of this job was lost, and rebuilt from its object"), "{page}");
    assert!(page.contains("Not known: the record was rebuilt.") && !page.contains("id=\"manifest\""), "{page}");
    let form = app.request("GET", "/jobs/k1/rerun").header("accept", "text/html").send().body;
    assert!(form.contains("The parameters of this job are not known"), "{form}");
    let card = Command::new(env!("CARGO_BIN_EXE_jobwright"))
        .args(["jobs", "get", "k1", "--server", &app.url])
        .output()
        .unwrap();
    let card = String::from_utf8(card.stdout).unwrap();
    assert!(card.contains("rebuilt from its object") && card.contains("parameters   not known"), "{card}");

    // What was rebuilt stays, and is exported and checked as everything else.
    let ended = app.stop();
    let rebuilt = ended.words.matches("are recorded again").count();
    assert_eq!(rebuilt, 1, "{}", ended.words);
    store(&ended.setup, &["check"]);
    let app = ended.setup.start();
    assert_eq!(app.get("/api/v1/jobs/k1").json()["rebuilt"], job["rebuilt"]);
    assert!(!app.stop().words.contains("recorded again"));
}

#[test]
fn without_an_id_of_its_own_nothing_is_adopted_and_what_to_do_is_said() {
    let app = TestApp::start();
    assert_eq!(launch(&app, "k1"), 201);
    app.wait_for_phase("k1", "Succeeded");
    app.launch_gate("runs");
    let callback = app.callback_path("runs");
    let ended = app.stop();
    let kept = fs::read_to_string(ended.setup.data().join("store.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let installation = kept["installation"].as_str().unwrap();
    let app = with_lost_records(ended);
    assert_eq!(app.get("/api/v1/jobs/k1").problem(), "unknown-job");
    let ended = app.stop();
    assert!(ended.words.contains(&format!("start with --installation {installation}")), "{}", ended.words);

    // Nothing was launched since, so that it can still be told who it is.
    let app = ended.setup.env("JOBWRIGHT_INSTALLATION", installation).start();
    app.wait_for_phase("k1", "Succeeded");
    // Its key is lost.
    assert_eq!(app.post(&callback, &json!({"status": "Done"})).problem(), "invalid-token");
    let same = app.post("/api/v1/jobs", &json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31"}}));
    assert_eq!((same.status, same.problem().as_str()), (409, "job-rebuilt"), "{}", same.body);
    let ended = app.stop();
    let (code, words) = ended.setup.env("JOBWRIGHT_INSTALLATION", "other").fail();
    assert_eq!(code, Some(1));
    assert!(words.contains(&format!("they are those of installation {installation}, not of other")), "{words}");
}

#[test]
fn a_backup_that_misses_jobs_is_made_whole() {
    let app = named(Setup::new()).start();
    assert_eq!(launch(&app, "old"), 201);
    app.wait_for_phase("old", "Succeeded");
    let setup = app.stop().setup;
    let backup = setup.path().join("backup.jsonl");
    let file = backup.to_str().unwrap();
    store(&setup, &["export", "--with-secrets", file]);
    let copy = setup.path().join("copy");
    copy_folder(&setup.data(), &copy);
    let app = setup.start();
    assert_eq!(launch(&app, "new"), 201);
    app.wait_for_phase("new", "Succeeded");

    // From an export, which is known to be one.
    let setup = app.stop().setup;
    lose_records(&setup.data());
    store(&setup, &["import", file]);
    let app = setup.start();
    assert!(app.wait_for_phase("new", "Succeeded")["rebuilt"].is_string());
    assert!(app.get("/api/v1/jobs/old").json()["rebuilt"].is_null());

    // From a copy of the folder, which nobody can tell from one that was always there.
    let setup = app.stop().setup;
    lose_records(&setup.data());
    copy_folder(&copy, &setup.data());
    let app = setup.start();
    assert_eq!(app.get("/api/v1/jobs/new").status, 404);
    let setup = app.stop().setup;
    let words = store(&setup, &["rebuild"]);
    assert!(words.contains("objects of installation mine"), "{words}");
    let app = setup.start();
    assert!(app.wait_for_phase("new", "Succeeded")["rebuilt"].is_string());
}

/// Copies the records, and not the objects.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true if entry.file_name() == "process" => {}
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_key_file_that_is_none_is_refused() {
    let setup = named(Setup::new());
    fs::write(setup.path().join("key"), "secret").unwrap();
    let (code, words) = setup.fail();
    assert_eq!(code, Some(1));
    assert!(words.contains("does not hold 64 hexadecimal digits") && !words.contains("secret"), "{words}");
}
