//! The jobs page: views that are in the address, search, and paging.

use serde_json::json;

use crate::fixtures;
use crate::page::{Device, Page};

/// The IDs of the rows, from above.
pub(crate) fn rows(page: &Page) -> Vec<String> {
    let rows = page.value("[...document.querySelectorAll('#rows > *')].map((row) => row.id.replace(/^job-/, ''))");
    rows.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs a browser"]
fn a_view_is_in_its_address_and_so_can_be_shared() {
    for scripts in [true, false] {
        let app = fixtures::start();
        fixtures::run_script(&app, "good", "Report of May", "true");
        fixtures::run_script(&app, "bad", "Report of June", "exit 4");
        fixtures::launch_held(&app, "held-1");
        let page = Page::with_scripts(&app.url, scripts);
        for device in Device::ALL {
            page.be_on(device);
            page.open("/");
            assert_eq!(rows(&page), ["held-1", "bad", "good"]);
            page.click_in("#tabs", "Failed");
            page.until("location.search.includes('Failed') && document.readyState === 'complete'");
            assert_eq!(rows(&page), ["bad"]);
            page.open("/").fill("Job ID or name", "Report of").click("Filter");
            page.until("location.search.includes('q=') && document.readyState === 'complete'");
            assert_eq!(rows(&page), ["bad", "good"]);
            page.fill("Template", "held").click("Filter");
            page.until_it_says("No job matches");
            page.click("Show all jobs");
            page.until("location.search === '' && document.readyState === 'complete'");
            page.fill("Template", "script").fill("Created", "Last hour").click("Filter");
            page.until("location.search.includes('since=') && document.readyState === 'complete'");
            let shared = page.address();
            assert_eq!(rows(&page), ["bad", "good"]);

            // Somebody else opens the address, and sees the same view with the same filters set.
            page.open("/templates").open(&shared);
            assert_eq!(rows(&page), ["bad", "good"]);
            assert_eq!((page.field("Template"), page.field("Created")), ("script".to_owned(), "1h".to_owned()));
        }
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_job_is_found_by_its_id_and_by_its_name() {
    let app = fixtures::with_history(fixtures::setup(), 300).start();
    fixtures::run_script(&app, "needle", "In the haystack", "true");
    let page = Page::new(&app.url);
    for (text, found) in [("needle", "needle"), ("haystack", "needle"), ("old-300", "old-300")] {
        page.open("/").fill("Job ID or name", text).press("\u{e007}");
        page.until("location.search.includes('q=') && document.readyState === 'complete'");
        assert_eq!(rows(&page), [found], "{text}");
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_page_of_the_list_stays_put_while_jobs_arrive() {
    for scripts in [true, false] {
        let app = fixtures::with_history(fixtures::setup(), 130).start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/");
        let first = rows(&page);
        page.click("Older");
        page.until("location.search.includes('cursor=') && document.readyState === 'complete'");
        let second = rows(&page);
        assert_eq!((first.len(), &*first[0], &*second[0]), (50, "old-1", "old-51"));
        if scripts {
            page.until_live();
        }
        for number in 1..=5 {
            fixtures::launch_held(&app, &format!("new-{number}"));
        }
        if scripts {
            // The counts tell that the page knows of them.
            page.until_says("#tabs", "All 135");
        } else {
            page.reload();
        }
        assert_eq!(rows(&page), second);
        page.click("Older");
        page.until(&format!(
            "document.querySelector('#rows').firstElementChild.id !== {}",
            json!(format!("job-{}", second[0]))
        ));
        let third = rows(&page);
        assert_eq!((third.len(), &*third[0], &*third[29]), (30, "old-101", "old-130"));
        page.click("Newest");
        page.until("location.search === '' && document.readyState === 'complete'");
        assert_eq!(rows(&page)[..6], ["new-5", "new-4", "new-3", "new-2", "new-1", "old-1"]);
    }
}

#[test]
#[ignore = "needs a browser"]
fn an_empty_list_says_what_to_do_next() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/").until_it_says("No jobs yet");
    page.until_live();
    fixtures::launch_held(&app, "first");
    page.until_says("#rows", "first");
    page.is_calm();
    page.open("/?phase=Failed").until_it_says("No job matches");
    page.open("/?since=yesterday").until_it_says("\"yesterday\" is no time");
}
