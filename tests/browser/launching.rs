//! From a template to a job that has ended.

use serde_json::json;

use crate::fixtures;
use crate::page::{Device, Page};
use crate::support::TestApp;

/// A pipe that holds a job of the template `gate`.
fn pipe(app: &TestApp) -> String {
    let pipe = app.path().join("held");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe.to_str().unwrap().to_owned()
}

fn id(page: &Page) -> String {
    page.until("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'");
    page.address().trim_start_matches("/jobs/").to_owned()
}

/// How many jobs there are.
fn jobs(app: &TestApp) -> usize {
    app.get("/api/v1/jobs?limit=500").json()["items"].as_array().unwrap().len()
}

#[test]
#[ignore = "needs a browser"]
fn a_launch_is_followed_to_its_end_without_a_reload() {
    let app = fixtures::start();
    let pipe = pipe(&app);
    let page = Page::new(&app.url);
    for device in Device::ALL {
        page.be_on(device);
        page.open("/").click("Templates").until_at("/templates");
        page.click("Gate");
        page.until("document.getElementById('form')");
        page.fill("pipe", &pipe).click("Launch");
        let id = id(&page);
        page.value("window.mark = 'the same page'");
        page.until_says("#phase", "Running");
        std::fs::write(&pipe, "0\n").unwrap();
        page.until_says("#phase", "Succeeded");
        page.until_says("#evidence", "Completed");
        page.until_says("#log", &format!("/callback/{id}"));
        assert!(page.text("document.title").contains("Succeeded"));
        assert_eq!(page.text("window.mark"), "the same page");
        assert!(page.read("#told").contains("Succeeded"), "a screen reader is told: {}", page.read("#told"));
        page.is_calm();
    }
}

#[test]
#[ignore = "needs a browser"]
fn without_scripts_a_launch_is_followed_by_reloading() {
    let app = fixtures::start();
    let pipe = pipe(&app);
    let page = Page::without_scripts(&app.url);
    for device in Device::ALL {
        page.be_on(device);
        page.open("/templates").click("Gate");
        page.until("document.getElementById('form')");
        page.fill("pipe", &pipe).click("Launch");
        let id = id(&page);
        let tools = page.text("getComputedStyle(document.getElementById('log-tools')).display");
        assert_eq!(tools, "none", "what only a script can do is not offered");
        app.wait_for_phase(&id, "Running");
        page.reload();
        assert!(page.read("#phase").contains("Running"));
        std::fs::write(&pipe, "3\n").unwrap();
        app.wait_for_phase(&id, "Failed");
        page.reload();
        assert!(page.read("#phase").contains("Failed"));
        assert!(page.read("#log").contains(&format!("/callback/{id}")));
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_double_click_launches_once() {
    for scripts in [true, false] {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/templates/script").fill("script", "true");
        page.driver().act(double_click(&page, "#form button.main"));
        id(&page);
        assert_eq!(jobs(&app), 1, "scripts: {scripts}");
    }
}

#[test]
#[ignore = "needs a browser"]
fn the_back_button_and_another_launch_are_the_same_launch() {
    for scripts in [true, false] {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/templates/script").fill("script", "true").click("Launch");
        let first = id(&page);
        page.back();
        page.until("document.getElementById('form')");
        assert_eq!(page.field("script"), "true", "what was typed is still there");
        page.click("Launch");
        assert_eq!(id(&page), first, "scripts: {scripts}");
        assert_eq!(jobs(&app), 1);

        // With other values it would be another job: the form says so, and launches it when it is asked again.
        page.back();
        page.until("document.getElementById('form')");
        page.fill("script", "echo other").click("Launch");
        page.until_it_says("This form has launched a job before, with other values");
        assert_eq!(jobs(&app), 1);
        page.click("Launch");
        assert_ne!(id(&page), first);
        assert_eq!(jobs(&app), 2);
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_job_is_run_again_with_changed_parameters() {
    for scripts in [true, false] {
        let app = fixtures::start();
        fixtures::run_script(&app, "first", "The first", "echo one");
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/jobs/first").click("Run again");
        page.until("document.getElementById('form')");
        assert_eq!(page.field("script"), "echo one");
        page.fill("script", "echo two").click("Launch");
        let second = id(&page);
        app.wait_for_phase(&second, "Succeeded");
        let record = app.get(&format!("/api/v1/jobs/{second}")).json();
        assert_eq!((&record["rerun_of"], &record["parameters"]["script"]), (&json!("first"), &json!("echo two")));
        page.open(&format!("/jobs/{second}"));
        assert!(page.read("#request").contains("first"), "the page says which job it repeats");
        assert!(page.read("#log").contains("two"));
    }
}

#[test]
#[ignore = "needs a browser"]
fn the_form_of_the_system_before_works_as_it_did() {
    for scripts in [true, false] {
        let app = fixtures::setup().with(&["--default-template", "held"]).start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/index").fill("Job ID", "k1").fill("Job name", "Daily").click("Run");
        page.until_says("#rows", "k1");
        assert_eq!(page.address(), "/index");
        assert!(page.read("#rows").contains("Daily"));
    }
}

/// Two clicks of a mouse, one right after the other.
fn double_click(page: &Page, selector: &str) -> serde_json::Value {
    let place = page.value(&format!(
        "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{block: 'center'}}); const r = it.getBoundingClientRect(); \
         return [Math.round(r.x + r.width / 2), Math.round(r.y + r.height / 2)]; }})()",
        json!(selector)
    ));
    let press = json!({"type": "pointerDown", "button": 0});
    let lift = json!({"type": "pointerUp", "button": 0});
    let to = json!({"type": "pointerMove", "duration": 0, "x": place[0], "y": place[1]});
    json!([{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
        "actions": [to, press, lift, press, lift]}])
}
