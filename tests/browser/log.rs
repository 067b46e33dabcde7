//! The log on the page of its job.

use serde_json::json;

use crate::fixtures::{self, Worker};
use crate::page::{Device, Page, key};
use crate::support::server_events;

#[test]
#[ignore = "needs a browser"]
fn lines_appear_as_they_are_written_until_the_reader_pauses() {
    let app = fixtures::start();
    let mut writer = Worker::shell(&app, "k1");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    writer.tell("seq -f 'line %.0f' 1 200");
    page.until_says("#log", "line 200");
    page.until("(() => { const log = document.getElementById('log'); return log.scrollHeight - log.scrollTop - log.clientHeight < 30; })()");
    page.click_on("#log-follow");
    page.until("document.getElementById('log-follow').getAttribute('aria-pressed') === 'false'");
    let before = page.number("document.getElementById('log').scrollTop");
    writer.tell("seq -f 'line %.0f' 201 400; echo 201-400 done >&2");
    app.until(|| app.get("/api/v1/jobs/k1/logs?tail=3").body.contains("done").then_some(()));
    assert!(
        (page.number("document.getElementById('log').scrollTop") - before).abs() < 1.0,
        "a paused log stands still"
    );
    page.click_on("#log-follow");
    page.until_says("#log", "line 400");
    page.until("(() => { const log = document.getElementById('log'); return log.scrollHeight - log.scrollTop - log.clientHeight < 30; })()");
    drop(writer);
    page.until_says("#phase", "Succeeded");
    page.is_calm();
}

#[test]
#[ignore = "needs a browser"]
fn long_lines_wrap_or_do_not_as_the_reader_likes() {
    let app = fixtures::start();
    fixtures::run_script(&app, "k1", "", "printf 'x%.0s' $(seq 1 2000); echo");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    page.until_says("#log", "xxx");
    let wide = "document.getElementById('log').scrollWidth > document.getElementById('log').clientWidth + 100";
    assert_eq!(page.value(wide), false);
    page.click_on("#log-wrap");
    page.until(wide);
    page.click_on("#log-wrap");
    page.until(&format!("!({wide})"));
}

#[test]
#[ignore = "needs a browser"]
fn colours_are_shown_and_other_control_sequences_are_not() {
    let app = fixtures::start();
    fixtures::run_script(
        &app,
        "k1",
        "",
        r"printf '\033[31mred\033[0m plain \033[1;32mgreen\033[0m \033]0;title\007\033[2Jend\n'",
    );
    let page = Page::new(&app.url);
    page.open("/jobs/k1").until_says("#log", "red plain green end");
    let colour = |word: &str| {
        page.until(&format!(
            "[...document.querySelectorAll('#log span')].find((it) => it.textContent === {})",
            json!(word)
        ));
        page.text(&format!(
            "getComputedStyle([...document.querySelectorAll('#log span')].findLast((it) => it.textContent === {})).color",
            json!(word)
        ))
    };
    let plain = page.text("getComputedStyle(document.getElementById('log')).color");
    let (red, green) = (colour("red"), colour("green"));
    assert!(red != green && red != plain && green != plain, "{red}, {green}, {plain}");
    // Without scripts the words are all the same.
    let page = Page::without_scripts(&app.url);
    page.open("/jobs/k1").until_says("#log", "red plain green end");
}

#[test]
#[ignore = "needs a browser"]
fn a_hundred_thousand_lines_neither_fill_the_page_nor_freeze_it() {
    let app = fixtures::start();
    let mut writer = Worker::shell(&app, "k1");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    page.until_live();
    // A button is pressed over and over while the lines arrive; how many frames each press took is counted in the page.
    page.value(
        "(() => { window.worst = 0; window.presses = 0; const wrap = document.getElementById('log-wrap');
           const press = () => { if (window.stopped) return; const before = wrap.getAttribute('aria-pressed'); wrap.click(); let frames = 0;
             const look = () => { frames += 1; if (wrap.getAttribute('aria-pressed') !== before) {
               window.worst = Math.max(window.worst, frames); window.presses += 1; requestAnimationFrame(press); }
               else requestAnimationFrame(look); };
             requestAnimationFrame(look); };
           press(); return true; })()",
    );
    writer.tell("seq -f 'line %.0f of a hundred thousand' 1 100000");
    page.until_says("#log", "line 100000 of a hundred thousand");
    page.value("window.stopped = true");
    let (worst, presses) = (page.number("window.worst"), page.number("window.presses"));
    assert!(presses > 3.0 && worst <= 2.0, "{presses} presses, the slowest seen after {worst} frames");
    let elements = page.number("document.querySelectorAll('#log *').length");
    assert!(elements < 20_000.0, "{elements} elements");
    let long = page.felt("long");
    let longest = long.iter().filter_map(serde_json::Value::as_f64).fold(0.0, f64::max);
    println!("100,000 lines: {elements} elements, {} long tasks, the longest {longest:.0} ms", long.len());
    drop(writer);
    page.until_says("#phase", "Succeeded");
}

#[test]
#[ignore = "needs a browser"]
fn the_tail_is_kept_when_the_process_is_gone() {
    // The service deletes the object of this job as soon as its log is on record.
    let quick = "---\ntitle: Quick\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: quick}\nspec:\n  backoffLimit: 0\n  \
        ttlSecondsAfterFinished: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - {name: main, \
        image: busybox, command: [sh, -c, 'echo the last words']}\n";
    let app = fixtures::setup().template("quick", quick).start();
    assert_eq!(app.post("/api/v1/jobs", &json!({"template": "quick", "id": "k1"})).status, 201);
    let mut events = server_events(app.request("GET", "/api/v1/events?after=0&job=k1").lines());
    assert!(events.any(|event| event.event == "objectDeleted"));
    for scripts in [true, false] {
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/jobs/k1").until_says("#log", "the last words");
    }
}

/// Whether the line that was gone to is there, in sight, with what was searched for marked.
const AT: &str = "(() => { const line = document.querySelector('#log .at'); const log = document.getElementById('log').getBoundingClientRect(); \
    const box = line.getBoundingClientRect(); \
    return box.height > 0 && box.top >= log.top - 1 && box.bottom <= log.bottom + 1 && line.querySelector('mark') && line.textContent; })()";

/// Waits until the page is at this match, which a screen reader is told.
fn until_at(page: &Page, place: &str, line: &str) {
    page.until_says("#log-found", place);
    page.until(&format!("{AT} === {}", json!(line)));
    page.until_says("#told", &format!("{place}: {line}"));
}

/// Waits until the log is the script's, and its last line is there. The page comes with the end of the log already.
fn until_read(page: &Page, last: &str) {
    page.until("document.querySelector('#log .lines')");
    page.until_says("#log", last);
}

#[test]
#[ignore = "needs a browser"]
fn a_log_is_searched_from_match_to_match() {
    for device in Device::ALL {
        let app = fixtures::start();
        let mut worker = Worker::shell(&app, "k1");
        let page = Page::new(&app.url).on(device);
        page.open("/jobs/k1");
        worker.tell("seq -f 'line %.0f' 1 1000; echo 'A Needle'; seq -f 'line %.0f' 1001 3000; echo 'hay needle hay'");
        worker.tell(r"printf 'n\033[31mee\033[0mdle in red\n'; echo last");
        until_read(&page, "last");
        page.click_on("#log-find").press("needle");
        page.until_says("#log-found", "3 lines");
        page.until_says("#told", "3 lines found");
        // One looks at the end, so the last match is the nearest.
        page.press(&key::ENTER.to_string());
        until_at(&page, "3 of 3", "needle in red");
        assert_eq!(page.text("document.getElementById('log-follow').getAttribute('aria-pressed')"), "false");
        page.press(&key::ENTER.to_string());
        until_at(&page, "1 of 3", "A Needle");
        page.press(&key::ENTER.to_string());
        until_at(&page, "2 of 3", "hay needle hay");
        page.press_with(key::SHIFT, key::ENTER);
        until_at(&page, "1 of 3", "A Needle");
        page.click_on("#log-previous");
        until_at(&page, "3 of 3", "needle in red");
        page.click_on("#log-next");
        until_at(&page, "1 of 3", "A Needle");
        assert_eq!(page.number("document.querySelectorAll('#log .at').length"), 1.0);

        // What arrives meanwhile is found too, and leaves the reader where he is.
        worker.tell("echo one needle more");
        page.until_says("#log-found", "1 of 4");
        page.until(&format!("{AT} === 'A Needle'"));
        page.press(&key::ESCAPE.to_string());
        page.click_on("#log-find").press("nowhere to be found");
        page.until_says("#log-found", "No line matches");
        assert_eq!(page.value("document.getElementById('log-next').disabled"), true);
        page.press(&key::ESCAPE.to_string());
        page.until("document.getElementById('log-find').value === ''");
        page.until("!document.querySelector('#log mark')");
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_log_is_searched_by_the_keys_of_a_pager() {
    let app = fixtures::start();
    fixtures::run_script(&app, "k1", "", "seq -f 'line %.0f' 1 2000");
    let page = Page::new(&app.url);
    page.open("/jobs/k1");
    until_read(&page, "line 2000");
    page.value("document.getElementById('log').focus()");
    page.press("/");
    page.until("document.activeElement.id === 'log-find'");
    page.press("line 1234").press(&key::ENTER.to_string());
    until_at(&page, "1 of 1", "line 1234");
    page.press(&key::ESCAPE.to_string());
    page.press("77").press(&key::ENTER.to_string());
    until_at(&page, "1 of 38", "line 77");
    page.value("document.getElementById('log').focus()");
    page.press("n");
    until_at(&page, "2 of 38", "line 177");
    page.press("n");
    until_at(&page, "3 of 38", "line 277");
    page.press("N");
    until_at(&page, "2 of 38", "line 177");
    assert_eq!(page.text("document.activeElement.id"), "log", "the focus stays in the log");
}
