//! How long it takes from a click to what is seen. A few of each are run with the other tests, to see that all of them
//! are seen at all; `JOBWRIGHT_TEST_LATENCIES=200` makes a table of it: see `docs/performance.md`.

use jiff::Timestamp;
use serde_json::json;

use crate::fixtures::{self, Worker};
use crate::page::Page;
use crate::support::{TestApp, server_events};

/// How many of each.
fn count() -> usize {
    std::env::var("JOBWRIGHT_TEST_LATENCIES").map_or(3, |count| count.parse().unwrap())
}

/// The machine's clock, in milliseconds: the one by which the service says when something came to pass, and a worker
/// when it wrote a line. The page's own clock is set by it once, and then goes its own way.
const NOW: &str = "Date.now()";

/// Prints a row: median, 99th percentile and most.
fn row(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("| {what} ({}) | {:.1} ms | {:.1} ms | {:.1} ms |", times.len(), at(50), at(99), times[times.len() - 1]);
}

/// From now on the page keeps what a part of it says, with the time at which that was first seen: the end of the frame
/// after the change of the document that brought it. Another part that was watched before is watched no more.
fn watch(page: &Page, part: &str) {
    page.value(&format!(
        "(() => {{ window.seen_ = []; window.changed_ = {NOW}; window.watch_?.disconnect();
           window.watch_ = new MutationObserver(() => {{
             window.changed_ = {NOW};
             const text = document.querySelector({part})?.innerText;
             requestAnimationFrame(() => {{
               const port = new MessageChannel();
               port.port1.onmessage = () => window.seen_.push([{NOW}, text]);
               port.port2.postMessage(0);
             }});
           }});
           window.watch_.observe(document.querySelector('main'), {{ subtree: true, childList: true, characterData: true }});
           return true; }})()",
        part = json!(part)
    ));
}

/// When a text was first seen in the part that is watched. What was seen before is forgotten.
fn seen(page: &Page, text: &str) -> f64 {
    let at = page.until(&format!(
        "(() => {{ const hit = window.seen_.find(([, said]) => said?.includes({}));
           if (hit) window.seen_ = []; return hit && hit[0]; }})()",
        json!(text)
    ));
    at.as_f64().unwrap()
}

/// Waits until the page has had nothing to do for a while, so that the next change is met by a page at rest.
fn rest(page: &Page) {
    page.until(&format!("{NOW} - window.changed_ > 400"));
}

/// From the click on Launch to the first paint of the job's page, by the browser's own clock.
fn launches(app: &TestApp) {
    let page = Page::new(&app.url);
    let mut times = Vec::new();
    for _ in 0..count() {
        page.open("/templates/held");
        page.until("document.readyState === 'complete' && document.querySelector('#preview pre')");
        page.value(
            "(addEventListener('click', (event) => \
                 sessionStorage.setItem('at', performance.timeOrigin + event.timeStamp), true), true)",
        );
        page.click_in("main", "Launch");
        page.until("location.pathname.startsWith('/jobs/')");
        let painted =
            page.until("performance.timeOrigin + performance.getEntriesByName('first-contentful-paint')[0].startTime");
        times.push(painted.as_f64().unwrap() - page.number("+sessionStorage.getItem('at')"));
    }
    row("a click on Launch → the job's page is painted", times);
}

/// From the moment at which the service learned of a job's end, as its history has it, to the row of the jobs page.
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
        gate.open(0);
        let at = seen(&page, "Succeeded");
        times.push(at - learned(app, &id, "Succeeded"));
    }
    row("the service learns of a job's end → its row says so", times);
}

/// When a job came to a phase, by its history, in milliseconds.
fn learned(app: &TestApp, id: &str, phase: &str) -> f64 {
    let lines = app.request("GET", &format!("/api/v1/events?after=0&job={id}")).lines();
    let event = server_events(lines).map(|it| it.data["event"].clone()).find(|event| event["to"] == phase).unwrap();
    let at: Timestamp = event["at"].as_str().unwrap().parse().unwrap();
    at.as_duration().as_millis_f64()
}

/// From the worker's write to the line on the job's page.
fn lines(app: &TestApp) {
    // Bash knows the time without asking another program.
    let mut worker = Worker::launch(app, "ticks", |pipe| {
        format!("exec bash -c 'while read -r line; do echo \"tick $line at $EPOCHREALTIME\"; done < {pipe}'")
    });
    let page = Page::new(&app.url);
    page.open("/jobs/ticks");
    page.until_live();
    worker.tell("first");
    page.until_says("#log", "tick first at");
    watch(&page, "#log");
    let mut times = Vec::new();
    for number in 0..count() {
        rest(&page);
        worker.tell(&number.to_string());
        let at = seen(&page, &format!("tick {number} at"));
        let line =
            page.until(&format!("document.querySelector('#log').innerText.match(/tick {number} at ([0-9.]+)/)[1]"));
        times.push(at - line.as_str().unwrap().parse::<f64>().unwrap() * 1e3);
    }
    row("a worker writes a line → the line is on the page", times);
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
