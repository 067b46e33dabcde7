//! The templates: their list, and the page that each of them has.

use serde_json::json;

use crate::fixtures;
use crate::page::{Page, WAYS};
use crate::support::TestApp;

/// A template about which lint has something to say: its image has neither tag nor digest.
const CARELESS: &str = r"---
title: Careless
description: Takes whatever image there is.
---
apiVersion: batch/v1
kind: Job
metadata: {name: careless}
spec:
  ttlSecondsAfterFinished: 300
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox
          resources: {limits: {cpu: 100m, memory: 32Mi}}
";

/// The labels of a template's marks, oldest job first.
fn marks(page: &Page, within: &str) -> Vec<String> {
    let script = format!("[...document.querySelectorAll('{within} .marks rect title')].map((it) => it.textContent)");
    page.value(&script).as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

fn with_jobs() -> TestApp {
    let app = fixtures::setup().template("careless", CARELESS).start();
    fixtures::run_script(&app, "k1", "", "true");
    fixtures::run_script(&app, "k2", "", "exit 3");
    fixtures::run_script(&app, "k3", "The third", "true");
    app
}

#[test]
#[ignore = "needs a browser"]
fn the_list_shows_what_there_is_and_what_is_broken() {
    for (device, scripts) in WAYS {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates");
        for words in ["Every kind", "One parameter of each kind.", "No jobs yet"] {
            page.until_says("#template-kinds", words);
        }
        page.until_says("#template-broken", "broken.yaml:3:1");
        page.click_in("#template-broken", "broken").until_at("/templates/broken");
        page.until_it_says("The file of this template is broken");
        assert!(
            page.read("main").contains("broken.yaml:3:1"),
            "the place of the fault is shown: {}",
            page.read("main")
        );
        page.until_says("#source", "title: [");
        assert!(!page.offers("Launch"), "there is nothing to launch");
    }
}

#[test]
#[ignore = "needs a browser"]
fn the_list_shows_how_each_template_has_done() {
    for (device, scripts) in WAYS {
        let app = with_jobs();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates").until_says("#template-script", "66 %");
        let seen = marks(&page, "#template-script");
        assert_eq!(seen.len(), 3, "{seen:?}");
        for (mark, phase) in seen.iter().zip(["Succeeded", "Failed", "Succeeded"]) {
            assert!(mark.starts_with(phase), "{seen:?}");
        }
        let told = page.text("document.querySelector('#template-script .marks').getAttribute('aria-label')");
        assert!(told.contains('3') && told.contains("Failed"), "what the marks show is told: {told}");
        if scripts {
            page.until_live();
        }
        fixtures::run_script(&app, "k4", "", "true");
        if !scripts {
            page.reload();
        }
        page.until_says("#template-script", "75 %");
        assert_eq!(marks(&page, "#template-script").len(), 4);
        page.click_on("#template-script .c-marks a");
        page.until("location.search === '?template=script' && document.readyState === 'complete'");
        assert_eq!(crate::list::rows(&page), ["k4", "k3", "k2", "k1"]);
    }
}

#[test]
#[ignore = "needs a browser"]
fn the_page_of_a_template_tells_all_there_is_to_know() {
    for (device, scripts) in WAYS {
        let app = with_jobs();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates/script");
        let parts = page.value("[...document.querySelectorAll('nav.here a')].map((it) => it.getAttribute('href'))");
        assert_eq!(parts, json!(["#form", "#parameters", "#jobs", "#versions", "#checks", "#source"]));
        for part in parts.as_array().unwrap() {
            page.click_on(&format!("nav.here a[href='{}']", part.as_str().unwrap()));
            page.until(&format!("location.hash === {part} && document.querySelector(':target')"));
        }
        for words in ["script", "required", "The lines to run", "5000"] {
            page.until_says("#parameters", words);
        }
        page.until_says("#jobs", "2 of 3 jobs succeeded");
        assert_eq!(marks(&page, "#jobs").len(), 3);
        page.until_says("#jobs", "The third");
        page.until_says("#versions tbody tr", "current");
        page.until_says("#versions tbody tr td:nth-of-type(2)", "3");
        page.until_says("#versions tbody tr td:nth-of-type(3)", "2");
        page.until_says("#L2", "title: Script");
        page.until_says("#source", "script.yaml");

        // What is launched from the next version counts for itself.
        let file = app.path().join("templates/script.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("title: Script", "title: Newer")).unwrap();
        app.until(|| (app.get("/api/v1/templates/script").json()["title"] == "Newer").then_some(()));
        page.reload();
        page.until_says("#L2", "title: Newer");
        assert_eq!(page.number("document.querySelectorAll('#versions tbody tr').length"), 2.0);
        page.until_says("#versions tbody tr", "not yet");
    }
}

#[test]
#[ignore = "needs a browser"]
fn what_lint_says_leads_to_its_line() {
    for (device, scripts) in WAYS {
        let app = with_jobs();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates/careless");
        page.until_says("#checks", "has no tag or digest");
        assert_eq!(page.text("document.querySelector('#checks mark').textContent"), "image");
        page.click_in("#checks", "careless.yaml:15");
        page.until("document.querySelector('#source .at:target')");
        assert_eq!(page.text("document.querySelector('#source .at:target').textContent").trim(), "image: busybox");
        let there = "(() => { const box = document.querySelector('#source .at:target').getBoundingClientRect(); \
            return box.top >= 0 && box.bottom <= innerHeight; })()";
        page.until(there);
        page.open("/templates/script").until_says("#checks", "Nothing to complain about");
    }
}
