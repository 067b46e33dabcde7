//! Every page, light and dark, on a desktop and a phone: held to the rules of accessibility, and photographed.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::{Value, json};

use crate::fixtures;
use crate::page::{Device, Page, folder, key};
use crate::signing_in::with_token;
use crate::support::TestApp;
use crate::world::World;
use crate::{axe, support};

/// A page: the name of its picture, its address, and what has to be there before it is looked at.
struct Sight {
    name: &'static str,
    path: &'static str,
    ready: &'static str,
    frame: Frame,
}

/// Which part of a page a picture shows; by the selectors of elements.
#[derive(Clone, Copy)]
enum Frame {
    Whole,
    /// From the top up to an element, which is not shown.
    UpTo(&'static str),
    /// From an element to the end.
    From(&'static str),
}

const fn sight(name: &'static str, path: &'static str, ready: &'static str) -> Sight {
    Sight { name, path, ready, frame: Frame::Whole }
}

/// The page of a job up to its log: what follows looks alike on all of them.
const fn upper(name: &'static str, path: &'static str, ready: &'static str) -> Sight {
    Sight { name, path, ready, frame: Frame::UpTo("[aria-labelledby=h-changes]") }
}

const LIVE: &str = "document.getElementById('link').dataset.state === 'live'";
const PREVIEW: &str = "document.querySelector('#preview pre')";

const SIGHTS: &[Sight] = &[
    Sight { frame: Frame::UpTo("#rows > :nth-child(13)"), ..sight("jobs", "/", LIVE) },
    sight("jobs-failed", "/?phase=Failed", LIVE),
    sight("jobs-no-match", "/?q=nothing-like-it", LIVE),
    sight("job-running", "/jobs/report-early", "document.querySelector('#log').innerText.includes('payments')"),
    sight("job-failed", "/jobs/media-2026", "document.querySelector('#log').innerText.includes('no space left')"),
    upper("job-disputed", "/jobs/orders-lovelace", "document.querySelector('#log').innerText.includes('refused')"),
    upper("job-lost", "/jobs/backup-shop-0", LIVE),
    upper("job-cancelled", "/jobs/clean-up", LIVE),
    Sight { frame: Frame::From("[aria-labelledby=h-changes]"), ..sight("job-again", "/jobs/customers-q4-all", LIVE) },
    sight("rerun", "/jobs/media-2025/rerun", PREVIEW),
    sight("templates", "/templates", LIVE),
    Sight {
        frame: Frame::From("#parameters"),
        ..sight("template", "/templates/nightly-report?example=mailed", PREVIEW)
    },
    Sight {
        frame: Frame::From("#checks"),
        ..sight("template-checks", "/templates/order-import?example=partner", PREVIEW)
    },
    sight("template-broken", "/templates/newsletter", "true"),
    Sight {
        frame: Frame::UpTo("#parameters"),
        ..sight("launch", "/templates/customer-export?example=quarter", PREVIEW)
    },
    Sight { frame: Frame::UpTo("#rows > :nth-child(13)"), ..sight("index", "/index", LIVE) },
    sight("not-found", "/jobs/nobody", "true"),
];

/// How much a page that loads may move. It is not quite nothing: a box at the right that grows to the left, as buttons
/// for scripts come up in it, counts, though what stood in it stays where it is.
const STILL: f64 = 0.002;

/// Where the pictures go: another folder is for those that are kept.
fn gallery() -> PathBuf {
    std::env::var_os("JOBWRIGHT_TEST_PICTURES").map_or_else(|| folder().join("pages"), PathBuf::from)
}

/// Takes a picture.
fn photograph(page: &Page, frame: Frame, file: &Path) {
    let offset = |selector: &str| {
        page.number(&format!("document.querySelector({}).getBoundingClientRect().top + scrollY", json!(selector)))
            .floor()
    };
    let number = |of: &str| page.number(&format!("document.documentElement.{of}"));
    let (top, bottom) = match frame {
        Frame::Whole => (0.0, number("scrollHeight")),
        Frame::UpTo(selector) => (0.0, offset(selector)),
        Frame::From(selector) => (offset(selector) - 16.0, number("scrollHeight")),
    };
    let clip = json!({"x": 0, "y": top, "width": number("clientWidth"), "height": bottom - top, "scale": 1});
    let parameters = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
    let picture = page.driver().devtools("Page.captureScreenshot", parameters);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let picture = base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
    std::fs::write(file, picture).unwrap();
}

/// Looks at what is shown now, in light and dark.
fn look(page: &mut Page, name: &str, frame: Frame, device: Device, faults: &mut Vec<String>) {
    for scheme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", scheme);
        let view = format!("{name}-{}-{scheme}", device.name());
        photograph(page, frame, &gallery().join(format!("{view}.png")));
        for violation in axe::violations(page) {
            faults.push(format!("{view}: {violation:#}"));
        }
        let wider = page.number("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        if wider > 0.0 {
            faults.push(format!("{view}: the page is {wider} pixels wider than the screen"));
        }
    }
    // Nobody can scroll to what lies left of the screen.
    let cut = page.value(
        "[...document.querySelectorAll('main, .ask[open] > div')].some((it) => it.getBoundingClientRect().left < 0)",
    );
    if cut == true {
        faults.push(format!("{name} on a {}: something lies left of the screen", device.name()));
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
    let world = World::start(device);
    let mut page = reader(&world.app, device);
    for Sight { name, path, ready, frame } in SIGHTS {
        page.open(path).until(ready);
        look(&mut page, name, *frame, device, &mut faults);
    }
    // What only comes up when something is done.
    page.open("/jobs/report-early").until_live();
    page.click("Cancel").until_it_says("Stop this job?");
    look(&mut page, "job-cancel", Frame::UpTo("[aria-labelledby=h-timeline]"), device, &mut faults);
    page.open("/templates/customer-export");
    page.fill_list("tags", &["q4", "finance", "board", "draft"]);
    page.fill("title", "Q4").press(&key::TAB.to_string());
    // What comes up beside a field moves the button.
    page.until("document.getElementById('p-title-wrong') && document.getElementById('p-tags-wrong')");
    page.click("Launch");
    page.until_it_says("need your attention");
    page.until("document.querySelector('#preview li')");
    look(&mut page, "launch-faults", Frame::UpTo("#parameters"), device, &mut faults);
    page.open("/").until_live();
    for id in ["backup-search", "report-early", "clean-up"] {
        page.click_on(&format!("#pick-{id}"));
    }
    page.click("Cancel…").until("document.getElementById('confirm')");
    look(&mut page, "jobs-cancel", Frame::Whole, device, &mut faults);
    drop(page);
    drop(world);

    let empty = support::Setup::new().start();
    let mut page = reader(&empty, device);
    page.open("/").until_live();
    look(&mut page, "jobs-none", Frame::Whole, device, &mut faults);
    let (setup, _) = with_token(fixtures::setup());
    let locked = setup.start();
    let mut page = reader(&locked, device);
    page.open("/").until_at("/login");
    look(&mut page, "login", Frame::Whole, device, &mut faults);
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
