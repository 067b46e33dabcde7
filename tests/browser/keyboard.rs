//! Everything by keyboard alone.

use crate::fixtures;
use crate::page::{Page, key};

/// Whether what has the focus can be told from what has not.
const SEEN: &str = "(() => { const style = getComputedStyle(document.activeElement); const box = document.activeElement.getBoundingClientRect(); \
    return box.width > 0 && box.bottom > 0 && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; })()";

/// Tabs until something has the focus, and fails where the focus cannot be seen on its way.
fn tab_to(page: &Page, words: &str) {
    let mut way = Vec::new();
    for _ in 0..60 {
        page.press(&key::TAB.to_string());
        let here = page.focused();
        assert_eq!(page.value(SEEN), true, "the focus cannot be seen at {here:?}, after {way:?}");
        if here.starts_with(words) {
            return;
        }
        way.push(here);
    }
    panic!("Tab does not come to {words:?}: {way:?}");
}

fn press(page: &Page, key: char) {
    page.press(&key.to_string());
}

#[test]
#[ignore = "needs a browser"]
fn the_first_stop_leads_past_the_menu() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    for path in ["/", "/templates", "/templates/script", "/index"] {
        page.open(path);
        press(&page, key::TAB);
        assert_eq!(page.focused(), "Skip to the content", "{path}");
        assert_eq!(page.value(SEEN), true, "{path}: the way past the menu is seen once it has the focus");
        press(&page, key::ENTER);
        page.until("document.activeElement.id === 'main'");
        press(&page, key::TAB);
        assert_eq!(page.value("document.getElementById('main').contains(document.activeElement)"), true, "{path}");
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_job_is_launched_watched_and_cancelled_without_a_mouse() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/");
    tab_to(&page, "Templates");
    press(&page, key::ENTER);
    page.until_at("/templates");
    tab_to(&page, "Script");
    press(&page, key::ENTER);
    page.until("document.getElementById('form')");
    tab_to(&page, "script");
    page.press("read wait < /dev/zero");
    tab_to(&page, "Launch");
    press(&page, key::SPACE);
    page.until("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'");
    page.until_says("#phase", "Running");
    page.until_live();
    tab_to(&page, "Cancel");
    press(&page, key::ENTER);
    page.until_it_says("Stop this job?");
    press(&page, key::TAB);
    assert_eq!(page.focused(), "Cancel the job");
    press(&page, key::SPACE);
    page.until_says("#phase", "Cancelled");
}

#[test]
#[ignore = "needs a browser"]
fn the_focus_stays_where_it_is_when_the_page_changes_by_itself() {
    let app = fixtures::start();
    let gate = app.launch_gate("k1");
    let page = Page::new(&app.url);
    page.open("/");
    page.until_says("#job-k1", "Running");
    tab_to(&page, "k1");
    gate.open(0);
    page.until_says("#job-k1", "Succeeded");
    assert_eq!(page.focused(), "k1");
    press(&page, key::ENTER);
    page.until_at("/jobs/k1");
}

#[test]
#[ignore = "needs a browser"]
fn tab_goes_back_the_way_it_came() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/templates/kinds");
    let mut way = Vec::new();
    for _ in 0..12 {
        press(&page, key::TAB);
        way.push(page.focused());
    }
    way.pop();
    while let Some(before) = way.pop() {
        page.press_with(key::SHIFT, key::TAB);
        assert_eq!(page.focused(), before);
    }
}
