//! Many jobs at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::fixtures;
use crate::list::rows;
use crate::page::Page;
use crate::support::TestApp;

/// Launches jobs that take no process, eight at a time.
fn launch_many(app: &TestApp, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    fixtures::launch_held(app, &format!("flood-{number}"));
                }
            });
        }
    });
}

#[test]
#[ignore = "needs a browser"]
fn thousands_of_jobs_that_arrive_do_not_freeze_the_page() {
    let count = std::env::var("JOBWRIGHT_TEST_ARRIVALS").map_or(10_000, |count| count.parse().unwrap());
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/");
    page.until_live();
    // What a reader would feel: the page draws on, frame by frame.
    page.value(
        "(() => { window.frames_ = 0; window.slowest = 0; let last = performance.now();
           const turn = (now) => { window.frames_ += 1; window.slowest = Math.max(window.slowest, now - last); last = now; requestAnimationFrame(turn); };
           requestAnimationFrame((now) => { last = now; requestAnimationFrame(turn); }); return true; })()",
    );
    let fetches = "performance.getEntriesByType('resource').filter((it) => it.initiatorType === 'fetch').length";
    page.value("performance.setResourceTimingBufferSize(100000)");
    launch_many(&app, count);
    page.until_says("#tabs", &format!("All {count}"));
    let shown = rows(&page);
    assert_eq!(shown.len(), 50);
    let newest = app.get("/api/v1/jobs?limit=50").json();
    let newest: Vec<&str> = newest["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    page.until(&format!(
        "document.querySelector('#rows').firstElementChild.id === {}",
        json!(format!("job-{}", newest[0]))
    ));
    assert_eq!(rows(&page), newest);
    let long: Vec<f64> = page.felt("long").iter().filter_map(Value::as_f64).collect();
    println!(
        "{count} jobs: {} fetches, {} frames, the slowest {:.0} ms, {} long tasks, the longest {:.0} ms",
        page.number(fetches),
        page.number("window.frames_"),
        page.number("window.slowest"),
        long.len(),
        long.iter().copied().fold(0.0, f64::max),
    );
    // A page that cannot keep up shows it here: more elements than it needs, or a fetch for each job.
    assert!(page.number("document.querySelectorAll('*').length") < 3_000.0);
    assert!(page.number(fetches) < 0.5 * f64::from(u32::try_from(count).unwrap()) + 10.0);
    page.is_calm();
}
