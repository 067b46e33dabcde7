//! The page of one job: what it says, and what can be done there.

use serde_json::json;

use crate::fixtures;
use crate::page::{Device, Page, key};

#[test]
#[ignore = "needs a browser"]
fn cancelling_asks_once() {
    for (device, scripts) in [(Device::Desktop, true), (Device::Phone, true), (Device::Desktop, false)] {
        let app = fixtures::start();
        drop(app.launch_gate("k1"));
        app.wait_for_phase("k1", "Running");
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/jobs/k1").click("Cancel");
        page.until_it_says("Stop this job?");
        assert_eq!(app.get("/api/v1/jobs/k1").json()["phase"], "Running", "nothing is done before the answer");
        page.click("Cancel the job");
        app.wait_for_phase("k1", "Cancelled");
        if !scripts {
            page.reload();
        }
        page.until_says("#phase", "Cancelled");
        assert!(!page.offers("Cancel"), "there is nothing to cancel any more");
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_question_goes_away_by_escape_and_by_a_click_elsewhere() {
    let app = fixtures::start();
    drop(app.launch_gate("k1"));
    app.wait_for_phase("k1", "Running");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    page.until_live();
    page.click("Cancel").until_it_says("Stop this job?");
    page.press(&key::ESCAPE.to_string());
    page.until("!document.querySelector('.ask[open]')");
    assert_eq!(page.focused(), "Cancel", "the focus is where it was");
    page.click("Cancel").until_it_says("Stop this job?");
    page.click_on("h1");
    page.until("!document.querySelector('.ask[open]')");
    assert_eq!(app.get("/api/v1/jobs/k1").json()["phase"], "Running");
}

#[test]
#[ignore = "needs a browser"]
fn a_record_is_deleted_after_a_question() {
    for scripts in [true, false] {
        let app = fixtures::start();
        fixtures::run_script(&app, "k1", "", "true");
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/jobs/k1").click("Delete");
        page.until_it_says("This cannot be undone");
        page.click("Delete the record");
        page.until_at("/");
        page.until_it_says("No jobs yet");
        assert_eq!(app.get("/api/v1/jobs/k1").status, 404);
    }
}

#[test]
#[ignore = "needs a browser"]
fn words_and_evidence_that_contradict_each_other_are_shown_beside_each_other() {
    let app = fixtures::start();
    let gate = fixtures::launch_reporting(
        &app,
        "k1",
        json!({"status": "ERROR", "message": "3 rows were refused", "progress": 80}),
    );
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    page.until_says("#words", "ERROR");
    page.until_says("#words", "80 %");
    gate.open(0);
    page.until_says("#alerts", "Disputed");
    page.until_says("#phase", "Succeeded");
    assert!(page.read("#alerts").contains("ERROR"), "{}", page.read("#alerts"));
    assert!(page.read("#words").contains("3 rows were refused"));
    assert!(page.read("#evidence").contains("Completed"));
    page.open("/").until_says("#job-k1", "disputed");
}

#[test]
#[ignore = "needs a browser"]
fn a_job_that_was_lost_is_explained_in_a_sentence() {
    let app = fixtures::start();
    drop(app.launch_gate("k1"));
    app.wait_for_phase("k1", "Running");
    let app = app.kill().setup.start();
    app.wait_for_phase("k1", "Lost");
    for scripts in [true, false] {
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/jobs/k1");
        page.until_says("#phase", "Lost");
        let meaning = page.read("#phase");
        assert!(meaning.contains("nothing tells how it ended"), "{meaning}");
    }
}

#[test]
#[ignore = "needs a browser"]
fn what_changed_since_the_last_success_is_shown() {
    let app = fixtures::start();
    let launch = |id: &str, copies: u8, level: &str| {
        let parameters = json!({"title": "January", "day": "2026-01-31", "level": level, "copies": copies});
        let body = json!({"template": "kinds", "id": id, "parameters": parameters});
        assert_eq!(app.post("/api/v1/jobs", &body).status, 201);
        app.wait_for_phase(id, "Succeeded");
    };
    launch("first", 2, "low");
    launch("same", 2, "low");
    launch("changed", 5, "high");
    let digest = || app.get("/api/v1/templates/kinds").json()["digest"].clone();
    let before = digest();
    let text = fixtures::KINDS.replace("memory: 32Mi", "memory: 64Mi");
    std::fs::write(app.path().join("templates/kinds.yaml"), text).unwrap();
    app.until(|| (digest() != before).then_some(()));
    launch("other-template", 5, "high");

    for (device, scripts) in [(Device::Desktop, true), (Device::Phone, true), (Device::Desktop, false)] {
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/jobs/first").until_says("#changes", "No job of this template had succeeded before");
        page.open("/jobs/same").until_says("#changes", "Nothing changed");

        page.open("/jobs/changed").until_says("#changes", "Compared with same");
        let rows = page.value("[...document.querySelectorAll('#changes tbody tr')].map((it) => it.innerText)");
        assert_eq!(rows, json!(["copies\t2\t5", "level\tlow\thigh"]));
        let lines = |class: &str| {
            page.text(&format!(
                "[...document.querySelectorAll('#changes .diff .{class}')].map((it) => it.innerText).join('')"
            ))
        };
        let (gone, come) = (lines("del"), lines("ins"));
        assert!(gone.contains("value: low") && gone.contains("value: \"2\"") && !gone.contains("Mi"), "{gone}");
        assert!(come.contains("value: high") && come.contains("value: \"5\""), "{come}");
        assert!(page.read("#changes").contains("it cannot be told whether secret changed"));
        page.click_in("#changes", "same").until_at("/jobs/same");

        page.open("/jobs/other-template").until_says("#changes", "Compared with changed");
        assert!(page.read("#changes .facts").contains("Digest"), "{}", page.read("#changes"));
        assert_eq!(page.number("document.querySelectorAll('#changes tbody tr').length"), 0.0);
        let (gone, come) = (lines("del"), lines("ins"));
        assert!(gone.contains("32Mi") && come.contains("64Mi"), "{gone}{come}");
    }
}
