//! How long it takes from a click to what is seen. A few of each are run with the other tests, to see that all of them
//! are seen at all; `JOBWRIGHT_TEST_LATENCIES=200` makes a table of it: see `docs/performance.md`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::fixtures;
use crate::page::Page;
use crate::support::TestApp;

/// How many of each.
fn count() -> usize {
    std::env::var("JOBWRIGHT_TEST_LATENCIES").map_or(3, |count| count.parse().unwrap())
}

/// The time in milliseconds, by the clock that the page's is set by.
const NOW: &str = "(performance.timeOrigin + performance.now())";

/// Prints a row: median, 99th percentile and most.
fn row(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("| {what} ({}) | {:.1} ms | {:.1} ms | {:.1} ms |", times.len(), at(50), at(99), times[times.len() - 1]);
}

/// From now on the page keeps, for each text that is looked for, when it was first seen: the end of the frame after the
/// change of the document that brought it.
fn watch(page: &Page, part: &str) {
    page.value(&format!(
        "(() => {{ window.seen_ = []; window.changed_ = {NOW};
           new MutationObserver(() => {{ window.changed_ = {NOW}; const text = document.querySelector({part}).innerText;
             requestAnimationFrame(() => {{ const port = new MessageChannel(); port.port1.onmessage = () => window.seen_.push([{NOW}, text]); port.port2.postMessage(0); }}); }})
             .observe(document.querySelector('main'), {{ subtree: true, childList: true, characterData: true, attributes: true }});
           return true; }})()",
        part = json!(part)
    ));
}

/// When a text was first seen in the part that is watched. What was seen before is forgotten.
fn seen(page: &Page, text: &str) -> f64 {
    let at = page.until(&format!(
        "(() => {{ const hit = window.seen_.find(([at, text]) => text.includes({})); if (hit) window.seen_ = []; return hit && hit[0]; }})()",
        json!(text)
    ));
    at.as_f64().unwrap()
}

/// Waits until the page has had nothing to do for a while, so that the next change is met by a page at rest.
fn rest(page: &Page) {
    page.until(&format!("{NOW} - window.changed_ > 400"));
}

/// From the click on Launch to the first paint of the job's page.
fn launches(app: &TestApp) {
    let page = Page::new(&app.url);
    let mut times = Vec::new();
    for _ in 0..count() {
        page.open("/templates/held");
        page.until("document.getElementById('form') || document.querySelector('main a')");
        page.value(&format!("(addEventListener('click', () => sessionStorage.setItem('at', {NOW}), true), true)"));
        page.click_in("main", "Launch");
        page.until("location.pathname.startsWith('/jobs/')");
        let painted =
            page.until("performance.timeOrigin + performance.getEntriesByName('first-contentful-paint')[0].startTime");
        times.push(painted.as_f64().unwrap() - page.number("+sessionStorage.getItem('at')"));
    }
    row("a click on Launch → the job's page is painted", times);
}

/// From the event of the API, as another subscriber of it gets it in the same page, to the row of the jobs page.
fn phases(app: &TestApp) {
    let page = Page::new(&app.url);
    page.open("/");
    page.until_live();
    let mut times = Vec::new();
    for number in 0..count() {
        let id = format!("phase-{number}");
        let gate = app.launch_gate(&id);
        page.until_says(&format!("#job-{id}"), "Running");
        watch(&page, &format!("#job-{id}"));
        rest(&page);
        page.value(&format!(
            "(() => {{ window.told_ = 0; const own = new EventSource({}); own.addEventListener('phase', (event) => {{
               if (JSON.parse(event.data).event.to === 'Succeeded') {{ window.told_ = {NOW}; own.close(); }} }});
               window.open_ = new Promise((done) => {{ own.onopen = done; }}); return true; }})()",
            json!(format!("/api/v1/events?job={id}"))
        ));
        page.promise("await window.open_;", json!([]));
        gate.open(0);
        let at = seen(&page, "Succeeded");
        // Where the page was the quicker of the two, that is not known yet.
        let told = page.until("window.told_").as_f64().unwrap();
        times.push(at - told);
    }
    row("an event of the API says Succeeded → the row says so", times);
}

/// From the worker's write to the line on the job's page.
fn lines(app: &TestApp) {
    let pipe = app.path().join("ticks");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Bash knows the time without asking another program.
    let script = format!(
        "exec bash -c 'while read -r line < {0}; do echo \"tick $line at $EPOCHREALTIME\"; done'",
        pipe.display()
    );
    fixtures::launch_script(app, "ticks", "Ticks", &script);
    app.wait_for_phase("ticks", "Running");
    let page = Page::new(&app.url);
    page.open("/jobs/ticks");
    page.until_live();
    tick(&pipe, "first");
    page.until_says("#log", "tick first at");
    watch(&page, "#log");
    let mut times = Vec::new();
    for number in 0..count() {
        tick(&pipe, &number.to_string());
        let at = seen(&page, &format!("tick {number} at"));
        let line =
            page.until(&format!("document.querySelector('#log').innerText.match(/tick {number} at ([0-9.]+)/)[1]"));
        times.push(at - line.as_str().unwrap().parse::<f64>().unwrap() * 1e3);
    }
    row("a worker writes a line → the line is on the page", times);
}

fn tick(pipe: &Path, line: &str) {
    std::fs::write(pipe, format!("{line}\n")).unwrap();
}

/// From the beginning of a visit to the first paint.
fn paints(app: &TestApp) {
    let page = Page::new(&app.url);
    let mut times = Vec::new();
    for _ in 0..count() {
        page.open("/");
        let painted = page.until("performance.getEntriesByName('first-contentful-paint')[0].startTime");
        times.push(painted.as_f64().unwrap());
    }
    row("the jobs page with 50 jobs is opened → its first paint", times);
}

#[test]
#[ignore = "needs a browser"]
fn what_happens_is_seen() {
    let app = fixtures::with_history(fixtures::setup(), 100).start();
    println!("| | median | 99th | most |\n|---|---|---|---|");
    paints(&app);
    launches(&app);
    phases(&app);
    lines(&app);
}
