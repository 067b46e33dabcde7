//! Pages that stay true by themselves: over a broken connection, a restart, and sleep.

use serde_json::json;

use crate::fixtures;
use crate::list::rows;
use crate::page::{Device, Page};

/// Fails where a job stands twice.
fn each_once(page: &Page) -> Vec<String> {
    let rows = rows(page);
    let mut once = rows.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), rows.len(), "{rows:?}");
    rows
}

#[test]
#[ignore = "needs a browser"]
fn rows_come_and_change_by_themselves() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/");
    page.until_live();
    page.value("window.mark = 'the same page'");
    let gate = app.launch_gate("k1");
    page.until_says("#job-k1", "Running");
    fixtures::launch_held(&app, "k2");
    page.until_says("#job-k2", "Suspended");
    gate.open(0);
    page.until_says("#job-k1", "Succeeded");
    page.until_says("#tabs", "Succeeded 1");
    assert_eq!(each_once(&page), ["k2", "k1"]);
    assert_eq!(page.text("window.mark"), "the same page");
    page.is_calm();
}

#[test]
#[ignore = "needs a browser"]
fn a_row_that_changes_moves_no_other() {
    for device in Device::ALL {
        let app = fixtures::start();
        fixtures::launch_held(&app, "below");
        let gate = app.launch_gate("k1");
        app.wait_for_phase("k1", "Running");
        let page = Page::new(&app.url).on(device);
        page.open("/").until_live();
        let place = || page.value("document.getElementById('job-below').getBoundingClientRect().top");
        let before = place();
        let report = json!({"status": "Processing…", "message": "table 3 of 8", "progress": 40});
        assert_eq!(app.post(&app.callback_path("k1"), &report).status, 200);
        page.until_says("#job-k1", "40 %");
        assert_eq!(place(), before);
        gate.open(3);
        page.until_says("#job-k1", "Failed");
        page.until_says("#job-k1", "Exit code 3");
        assert_eq!(place(), before);
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_restart_of_the_service_neither_doubles_a_row_nor_needs_a_reload() {
    let app = fixtures::start();
    let port = app.url.rsplit(':').next().unwrap().to_owned();
    fixtures::launch_held(&app, "before");
    drop(app.launch_gate("running"));
    let page = Page::new(&app.url);
    page.open("/");
    page.until_live();
    page.until_says("#job-running", "Running");
    page.value("window.mark = 'the same page'");
    let setup = app.kill().setup;
    page.until("document.getElementById('link').dataset.state === 'waiting'");
    assert_eq!(page.read("#link"), "Reconnecting…");
    let app = setup.with(&["--listen", &format!("127.0.0.1:{port}")]).start();
    fixtures::launch_held(&app, "after");
    page.until_live();
    page.until_says("#job-after", "Suspended");
    page.until_says("#job-running", "Lost");
    assert_eq!(each_once(&page), ["after", "running", "before"]);
    assert_eq!(page.text("window.mark"), "the same page");
    page.is_calm();
}

#[test]
#[ignore = "needs a browser"]
fn what_happened_while_the_connection_was_broken_is_caught_up() {
    let app = fixtures::start();
    let gate = app.launch_gate("k1");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    page.until_says("#phase", "Running");
    page.until_live();
    page.offline(true);
    gate.open(0);
    app.wait_for_phase("k1", "Succeeded");
    page.offline(false);
    page.until_says("#phase", "Succeeded");
    let entries = page.number("document.querySelectorAll('#history > *').length");
    let once = page.number("new Set([...document.querySelectorAll('#history > *')].map((it) => it.id)).size");
    assert!(entries > 3.0 && (entries - once).abs() < 0.5, "{entries} entries, {once} of them different");
}

#[test]
#[ignore = "needs a browser"]
fn a_page_that_slept_catches_up_when_it_is_looked_at_again() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/");
    page.until_live();
    // Another window in front, as when a laptop's lid is closed or another tab is chosen.
    let here = page.driver().window();
    let other = page.driver().new_window();
    page.driver().switch_to(&other);
    page.open("/templates");
    fixtures::launch_held(&app, "meanwhile");
    page.driver().close_window();
    page.driver().switch_to(&here);
    page.until_says("#rows", "meanwhile");
    each_once(&page);
}

#[test]
#[ignore = "needs a browser"]
fn a_job_that_is_deleted_elsewhere_is_told() {
    let app = fixtures::start();
    fixtures::run_script(&app, "k1", "", "true");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    page.until_live();
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
    page.until_says("#link", "Record deleted");
}
