//! Every page, light and dark, on a desktop and a phone: held to the rules of accessibility, and photographed.

use std::path::PathBuf;

use serde_json::Value;

use crate::fixtures::{self, World};
use crate::page::{Device, Page, folder};
use crate::signing_in::with_token;
use crate::support::TestApp;
use crate::{axe, support};

/// A page: the name of its picture, its address, and what has to be there before it is looked at.
struct Sight {
    name: &'static str,
    path: &'static str,
    ready: &'static str,
}

const fn sight(name: &'static str, path: &'static str, ready: &'static str) -> Sight {
    Sight { name, path, ready }
}

const SIGHTS: &[Sight] = &[
    sight("jobs", "/", "document.getElementById('link').dataset.state === 'live'"),
    sight("jobs-failed", "/?phase=Failed", "document.getElementById('link').dataset.state === 'live'"),
    sight("jobs-no-match", "/?q=nothing-like-it", "document.getElementById('link').dataset.state === 'live'"),
    sight("job-running", "/jobs/nightly-1", "document.querySelector('#log').innerText.includes('/callback/')"),
    sight("job-failed", "/jobs/copy-files", "document.querySelector('#log').innerText.includes('no space left')"),
    sight("job-disputed", "/jobs/import-7", "document.querySelector('#log').innerText.includes('/callback/')"),
    sight("job-lost", "/jobs/backup-0130", "document.getElementById('link').dataset.state === 'live'"),
    sight("job-cancelled", "/jobs/cleanup", "document.getElementById('link').dataset.state === 'live'"),
    sight("job-again", "/jobs/report-0131-again", "document.querySelector('#log').innerText.includes('January')"),
    sight("rerun", "/jobs/report-0131/rerun", "document.querySelector('#preview pre')"),
    sight("templates", "/templates", "true"),
    sight("template-broken", "/templates/broken", "true"),
    sight("launch", "/templates/kinds?example=monday", "document.querySelector('#preview pre')"),
    sight("index", "/index", "document.getElementById('link').dataset.state === 'live'"),
    sight("not-found", "/jobs/nobody", "true"),
];

/// How much a page that loads may move. It is not quite nothing: a box at the right that grows to the left, as buttons
/// for scripts come up in it, counts, though what stood in it stays where it is.
const STILL: f64 = 0.002;

/// Where the pictures go: another folder is for those that are kept.
fn gallery() -> PathBuf {
    std::env::var_os("JOBWRIGHT_TEST_PICTURES").map_or_else(|| folder().join("pages"), PathBuf::from)
}

/// Looks at what is shown now, in light and dark.
fn look(page: &mut Page, name: &str, device: Device, faults: &mut Vec<String>) {
    for scheme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", scheme);
        let view = format!("{name}-{}-{scheme}", device.name());
        page.photograph(&gallery().join(format!("{view}.png")), true);
        for violation in axe::violations(page) {
            faults.push(format!("{view}: {violation:#}"));
        }
        let wider = page.number("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        if wider > 0.0 {
            faults.push(format!("{view}: the page is {wider} pixels wider than the screen"));
        }
    }
    let shifts = page.felt("shifts");
    let moved: f64 = shifts.iter().filter_map(|it| it["value"].as_f64()).sum();
    if moved > STILL {
        faults.push(format!("{name} on a {}: layout shifts: {}", device.name(), Value::Array(shifts)));
    }
}

fn reader(app: &TestApp, device: Device) -> Page {
    let mut page = Page::new(&app.url).on(device);
    page.prefer("prefers-reduced-motion", "reduce");
    page.be_in("UTC");
    page
}

fn every_page(device: Device) {
    let mut faults = Vec::new();
    let world = World::start();
    let mut page = reader(&world.app, device);
    for Sight { name, path, ready } in SIGHTS {
        page.open(path).until(ready);
        look(&mut page, name, device, &mut faults);
    }
    // What only comes up when something is done.
    page.open("/jobs/nightly-1").until_live();
    page.click("Cancel").until_it_says("Stop this job?");
    look(&mut page, "job-cancel", device, &mut faults);
    page.open("/templates/kinds");
    page.value("document.getElementById('form').noValidate = true");
    page.fill("title", "ab").fill_list("names", &["a", "b", "c", "d"]).click("Launch");
    page.until_it_says("need your attention");
    page.until("document.querySelector('#preview li')");
    look(&mut page, "launch-faults", device, &mut faults);
    drop(page);
    drop(world);

    let empty = support::Setup::new().start();
    let mut page = reader(&empty, device);
    page.open("/").until_live();
    look(&mut page, "jobs-none", device, &mut faults);
    let (setup, _) = with_token(fixtures::setup());
    let locked = setup.start();
    let mut page = reader(&locked, device);
    page.open("/").until_at("/login");
    look(&mut page, "login", device, &mut faults);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
#[ignore = "needs a browser"]
fn every_page_is_for_everybody_on_a_desktop() {
    every_page(Device::Desktop);
}

#[test]
#[ignore = "needs a browser"]
fn every_page_is_for_everybody_on_a_phone() {
    every_page(Device::Phone);
}
