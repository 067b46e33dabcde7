//! Several jobs at once, from the list.

use serde_json::{Value, json};

use crate::fixtures;
use crate::list::rows;
use crate::page::{Device, Page, WAYS};
use crate::support::TestApp;

fn tick(page: &Page, id: &str) {
    page.click_on(&format!("[id='pick-{id}']"));
}

/// The IDs of the boxes that are ticked, from above.
fn ticked(page: &Page) -> Vec<String> {
    let ids = page.value("[...document.querySelectorAll('[form=selected]:checked')].map((it) => it.value)");
    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn phase(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/v1/jobs/{id}")).json()["phase"].clone()
}

fn at_result(page: &Page, heading: &str) {
    page.until_says("#done", heading);
}

#[test]
#[ignore = "needs a browser"]
fn several_jobs_are_cancelled_after_one_question() {
    for (device, scripts) in WAYS {
        let app = fixtures::start();
        fixtures::run_script(&app, "ended", "", "true");
        for id in ["k1", "k2", "k3"] {
            drop(app.launch_gate(id));
            app.wait_for_phase(id, "Running");
        }
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/");
        for id in ["k1", "k3", "ended"] {
            tick(&page, id);
        }
        page.click_on("#cancel-selected");
        at_result(&page, "Cancel 2 jobs?");
        assert!(page.read("#done-ended").contains("It has ended already"), "{}", page.read("main"));
        assert_eq!(phase(&app, "k1"), "Running", "nothing is done before the answer");
        page.click_on("#confirm");
        at_result(&page, "Cancelled: 2 jobs");
        for id in ["k1", "k3"] {
            app.wait_for_phase(id, "Cancelled");
        }
        assert_eq!((phase(&app, "k2"), phase(&app, "ended")), (json!("Running"), json!("Succeeded")));
        page.click("Back to the jobs").until_at("/");
    }
}

#[test]
#[ignore = "needs a browser"]
fn several_jobs_run_again() {
    for (device, scripts) in WAYS {
        let app = fixtures::start();
        for id in ["k1", "k2", "k3"] {
            fixtures::run_script(&app, id, "", &format!("echo {id}"));
        }
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/?q=k");
        for id in ["k1", "k2"] {
            tick(&page, id);
        }
        page.click_on("#rerun-selected");
        at_result(&page, "Run again: 2 jobs");
        let jobs = app.get("/api/v1/jobs").json()["items"].as_array().unwrap().clone();
        let mut again: Vec<_> = jobs.iter().filter_map(|job| job["rerun_of"].as_str()).collect();
        again.sort_unstable();
        assert_eq!(again, ["k1", "k2"]);
        // Sent again, the form launches nothing more.
        page.reload();
        at_result(&page, "Run again: 2 jobs");
        assert_eq!(app.get("/api/v1/jobs").json()["items"].as_array().unwrap().len(), 5);
        page.click("Back to the jobs");
        page.until("location.search === '?q=k' && document.readyState === 'complete'");
    }
}

#[test]
#[ignore = "needs a browser"]
fn nothing_selected_is_said_and_not_done() {
    let app = fixtures::start();
    fixtures::launch_held(&app, "k1");
    let page = Page::without_scripts(&app.url);
    page.open("/").click_on("#cancel-selected");
    at_result(&page, "No job is selected");
    let page = Page::new(&app.url);
    page.open("/").until_says("#selected-count", "None selected");
    assert_eq!(page.value("document.getElementById('cancel-selected').disabled"), true);
    assert_eq!(page.value("document.getElementById('rerun-selected').disabled"), true);
}

#[test]
#[ignore = "needs a browser"]
fn a_selection_stays_while_jobs_come_change_and_leave_the_page() {
    for device in Device::ALL {
        let app = fixtures::with_history(fixtures::setup(), 48).start();
        let gate = app.launch_gate("running");
        app.wait_for_phase("running", "Running");
        let page = Page::new(&app.url).on(device);
        page.open("/").until_live();
        assert_eq!(rows(&page).len(), 49);
        for id in ["running", "old-2", "old-48"] {
            tick(&page, id);
        }
        page.until_says("#selected-count", "3 selected");
        page.until_says("#told", "3 selected");

        // Its row is replaced by another one.
        gate.open(0);
        page.until_says("#job-running", "Succeeded");
        assert_eq!(ticked(&page), ["running", "old-2", "old-48"]);

        // Newer jobs move every row, and the oldest one to the next page.
        for id in ["new-1", "new-2"] {
            fixtures::launch_held(&app, id);
            page.until_says("#rows", id);
        }
        page.until("!document.getElementById('job-old-48')");
        assert_eq!(rows(&page)[..3], ["new-2", "new-1", "running"]);
        assert_eq!(ticked(&page), ["running", "old-2"]);
        page.until_says("#selected-count", "3 selected, 1 of them no longer on this page");
        page.click_on("#rerun-selected");
        at_result(&page, "Run again: 3 jobs");
        assert!(page.read("#done-old-48").contains("Launched again."), "{}", page.read("main"));
    }
}

#[test]
#[ignore = "needs a browser"]
fn all_jobs_on_a_page_are_selected_and_let_go_by_keyboard() {
    let app = fixtures::start();
    for id in ["k1", "k2", "k3"] {
        fixtures::launch_held(&app, id);
    }
    let page = Page::new(&app.url);
    page.open("/").until_says("#rows", "k3");
    page.value("document.getElementById('select-all').focus()");
    page.press(" ");
    page.until_says("#selected-count", "3 selected");
    assert_eq!(ticked(&page), ["k3", "k2", "k1"]);
    page.value("document.getElementById('select-none').focus()");
    page.press(" ");
    page.until_says("#selected-count", "None selected");
    assert_eq!(page.focused(), "Select all on this page", "the focus is not lost with the button that had it");
    assert!(ticked(&page).is_empty());

    // A box has the focus of its own, which stays when its row is replaced.
    page.value("document.getElementById('pick-k2').focus()");
    page.press(" ");
    page.until_says("#selected-count", "1 selected");
    assert!(app.post("/api/v1/jobs/k2/cancel", &json!({})).status < 300);
    page.until_says("#job-k2", "Cancelled");
    assert_eq!((page.focused(), ticked(&page)), ("Select k2".to_owned(), vec!["k2".to_owned()]));

    // The page of the jobs as it was left is there again on the way back.
    page.open("/templates").back();
    page.until_says("#selected-count", "1 selected");
}
