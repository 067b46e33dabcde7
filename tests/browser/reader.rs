//! What a reader has set: a zone, less motion, light or dark.

use crate::fixtures;
use crate::page::Page;

#[test]
#[ignore = "needs a browser"]
fn times_are_in_the_readers_zone_with_the_exact_time_on_hover() {
    let app = fixtures::start();
    fixtures::run_script(&app, "k1", "", "true");
    let created = app.get("/api/v1/jobs/k1").json()["created"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let page = Page::new(&app.url);
    for (zone, minutes) in [("Asia/Tokyo", 9 * 60), ("Asia/Kolkata", 5 * 60 + 30)] {
        page.be_in(zone);
        page.open("/jobs/k1");
        let there = jiff::tz::Offset::from_seconds(minutes * 60).unwrap().to_datetime(created);
        let clock = there.strftime("%H:%M:%S").to_string();
        page.until(&format!(
            "[...document.querySelectorAll('#history time')].some((it) => it.textContent === '{clock}')"
        ));
        let exact = page.text("document.querySelector('#request time').title");
        assert!(
            exact.contains(&there.strftime("%-d").to_string()) && exact.contains(&there.strftime(":%M:%S").to_string()),
            "{exact}"
        );
        assert!(exact.contains("GMT"), "it says which zone that is: {exact}");
    }
    // Without scripts nobody knows the zone, and the page says which one it means.
    let page = Page::without_scripts(&app.url);
    page.open("/jobs/k1");
    let exact = page.text("document.querySelector('#request time').title");
    assert!(exact.contains("UTC"), "{exact}");
}

#[test]
#[ignore = "needs a browser"]
fn nothing_moves_for_a_reader_who_wants_no_motion() {
    let app = fixtures::start();
    let _gate = app.launch_gate("k1");
    let mut page = Page::new(&app.url);
    let moving = "document.getAnimations().filter((it) => it.playState === 'running').length";
    page.open("/").until_says("#job-k1", "Running");
    page.until(&format!("{moving} > 0"));
    page.prefer("prefers-reduced-motion", "reduce");
    for path in ["/", "/jobs/k1", "/templates", "/templates/kinds"] {
        page.open(path);
        if path == "/" {
            page.until_live();
            fixtures::launch_held(&app, "k2");
            page.until_says("#rows", "k2");
        }
        page.until(&format!("{moving} === 0"));
        assert!(page.number(moving) < 1.0, "{path}");
    }
}

#[test]
#[ignore = "needs a browser"]
fn pages_are_dark_for_a_reader_who_likes_that() {
    let app = fixtures::start();
    let mut page = Page::new(&app.url);
    let brightness = "(() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3)()";
    page.prefer("prefers-color-scheme", "light");
    page.open("/");
    assert!(page.number(brightness) > 200.0);
    page.prefer("prefers-color-scheme", "dark");
    page.until(&format!("{brightness} < 60"));
}
