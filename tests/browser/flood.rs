//! Many jobs at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::fixtures;
use crate::list::rows;
use crate::page::{Device, Page};
use crate::support::TestApp;

/// What a reader would feel: the page draws on, frame by frame, and in no frame is anything but the rows elsewhere than
/// it was in the first one that had rows.
const FEEL: &str = r"(() => {
    window.frames_ = 0; window.slowest = 0; window.moved = [];
    const first = new Map();
    const still = '.bar a, h1, #tabs a, .filters .field, #selected > *, #jobs thead th';
    let last = performance.now();
    const turn = (now) => {
        window.frames_ += 1;
        window.slowest = Math.max(window.slowest, now - last);
        last = now;
        for (const it of document.querySelector('#rows') ? document.querySelectorAll(still) : []) {
            const name = `${it.nodeName} ${it.innerText.replace(/[0-9]/g, '').trim() || it.id || it.className}`;
            const box = it.getBoundingClientRect();
            const place = [box.x + scrollX, box.y + scrollY, box.width, box.height].map(Math.round).join(' ');
            if (!first.has(name)) first.set(name, place);
            else if (first.get(name) !== place && moved.length < 20) moved.push([name, first.get(name), place]);
        }
        requestAnimationFrame(turn);
    };
    requestAnimationFrame((now) => { last = now; requestAnimationFrame(turn); });
    performance.setResourceTimingBufferSize(100000);
    return true;
})()";

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
fn thousands_of_jobs_that_arrive_neither_freeze_the_page_nor_move_it() {
    let count = std::env::var("JOBWRIGHT_TEST_ARRIVALS").map_or(10_000, |count| count.parse().unwrap());
    let app = fixtures::start();
    let pages = Device::ALL.map(|device| (device, Page::new(&app.url).on(device)));
    for (_, page) in &pages {
        page.open("/").until_live();
        page.value(FEEL);
    }
    launch_many(&app, count);
    let newest = app.get("/api/v1/jobs?limit=50").json();
    let newest: Vec<&str> = newest["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    for (device, page) in &pages {
        page.until_says("#tabs", &format!("All {count}"));
        page.until(&format!(
            "document.querySelector('#rows').firstElementChild.id === {}",
            json!(format!("job-{}", newest[0]))
        ));
        assert_eq!(rows(page), newest);
        felt(page, *device, count);
    }
}

fn felt(page: &Page, device: Device, count: usize) {
    let long: Vec<f64> = page.felt("long").iter().filter_map(Value::as_f64).collect();
    let fetches =
        page.number("performance.getEntriesByType('resource').filter((it) => it.initiatorType === 'fetch').length");
    println!(
        "{count} jobs on a {}: {fetches} fetches, {} frames, the slowest {:.0} ms, {} long tasks, the longest {:.0} ms",
        device.name(),
        page.number("window.frames_"),
        page.number("window.slowest"),
        long.len(),
        long.iter().copied().fold(0.0, f64::max),
    );
    // A page that cannot keep up shows it here: more elements than it needs, or a fetch for each job.
    assert!(page.number("document.querySelectorAll('*').length") < 3_000.0);
    assert!(fetches < 0.5 * f64::from(u32::try_from(count).unwrap()) + 10.0);

    // Newer rows push the older ones down, which may be gone by now, and the foot of the page with them. Nothing else moves.
    assert_eq!(page.value("window.moved"), json!([]), "on a {}", device.name());
    let is_pushed = |it: &str| matches!(it, "foot" | "gone") || it.starts_with("job-");
    let pushed = |it: &Value| it["what"].as_str().unwrap().split(' ').all(is_pushed);
    let others: Vec<_> = page.felt("shifts").into_iter().filter(|it| !pushed(it)).collect();
    assert!(others.is_empty(), "on a {}: {others:#?}", device.name());
    assert_eq!(page.felt("errors"), Vec::<Value>::new());
}
