//! The form that launches, made from a schema.

use serde_json::json;

use crate::fixtures;
use crate::page::{Device, Page, WAYS, key};

fn record(app: &crate::support::TestApp, page: &Page) -> serde_json::Value {
    page.until("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'");
    app.get(&page.address().replace("/jobs/", "/api/v1/jobs/")).json()
}

#[test]
#[ignore = "needs a browser"]
fn a_value_of_every_kind_reaches_the_job() {
    for (device, scripts) in WAYS {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates/kinds");
        page.fill("title", "O'Neill \"the\" #1")
            .fill("day", "2026-02-28")
            .fill("at", "2026-02-28T09:30")
            .fill("mail", "ada@example.com")
            .fill("link", "https://example.com/a?b=c")
            .fill("notes", "one\ntwo: {x}")
            .fill("copies", "7")
            .fill("ratio", "0.25")
            .tick("loud")
            .fill("level", "high")
            .fill_list("names", &["Ada", "Grace"])
            .fill("street", "Main Street")
            .fill("number", "5")
            .fill("secret", "hush");
        page.click("Launch");
        let got = &record(&app, &page)["parameters"];
        let at = got["at"].as_str().unwrap();
        assert!(at.starts_with("2026-02-28T09:30"), "{at}");
        assert_eq!(
            *got,
            json!({
                "title": "O'Neill \"the\" #1", "day": "2026-02-28", "at": at, "mail": "ada@example.com",
                "link": "https://example.com/a?b=c", "notes": "one\ntwo: {x}", "copies": 7, "ratio": 0.25, "loud": true,
                "level": "high", "names": ["Ada", "Grace"], "address": {"street": "Main Street", "number": 5},
                "secret": got["secret"],
            })
        );
        assert!(!got["secret"].as_str().unwrap().contains("hush"), "a secret is never shown");
        assert!(!page.text("document.documentElement.outerHTML").contains("hush"));
    }
}

#[test]
#[ignore = "needs a browser"]
fn what_is_wrong_stands_beside_its_field_and_the_first_one_has_the_focus() {
    for (device, scripts) in WAYS {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates/kinds");
        page.fill("day", "2026-02-28")
            .fill("level", "low")
            .fill("title", "Good")
            .fill_list("names", &["a", "b", "c", "d"])
            .fill("number", "1.5");
        // What the browser itself would catch is for the service to say.
        page.value("document.getElementById('form').noValidate = true");
        page.fill("title", "ab").press(&key::TAB.to_string());
        if scripts {
            // What comes up beside a field moves the button.
            page.until("document.getElementById('p-title-wrong') && document.getElementById('p-address.number-wrong')");
        }
        page.click("Launch");
        page.until_it_says("things need your attention");
        let beside = page.value(
            "[...document.querySelectorAll('#form [aria-invalid=true]')].map((it) => { \
                 const field = it.closest('.rows') || it; \
                 const label = field.labels?.[0] || document.getElementById(field.getAttribute('aria-labelledby')); \
                 const said = (field.getAttribute('aria-describedby') || '').split(' '); \
                 return [label?.innerText.replace(/ \\*$/, ''), said.map((id) => document.getElementById(id)?.innerText).join(' ')]; \
             })",
        );
        let beside = beside.as_array().unwrap();
        let of = |label: &str| {
            beside.iter().find(|it| it[0].as_str().unwrap_or("").starts_with(label)).map(|it| it[1].to_string())
        };
        assert!(of("title").unwrap().contains('3'), "{beside:?}");
        assert!(of("names").unwrap().contains('3'), "{beside:?}");
        assert_eq!(page.field("title"), "ab", "what was typed is still there");
        assert_eq!(page.field("names"), "a\nb\nc\nd");
        if scripts {
            assert_eq!(page.focused(), "title");
        }
        // Each word of the summary leads to its field.
        page.click_in("#wrongs", "names");
        page.until("location.hash !== ''");
        assert_eq!(app.get("/api/v1/jobs").json()["items"], json!([]));
    }
}

#[test]
#[ignore = "needs a browser"]
fn the_manifest_is_shown_as_it_is_typed() {
    let app = fixtures::start();
    let page = Page::new(&app.url);
    page.open("/templates/kinds").fill("title", "Monday").fill("day", "2026-02-02").fill("level", "low");
    page.until_says("#preview", "value: Monday");
    page.fill("title", "Tuesday");
    page.until_says("#preview", "value: Tuesday");
    page.fill("copies", "99");
    page.until_says("#preview", "There is no manifest yet");
    page.fill("copies", "9");
    page.until_says("#preview", "value: \"9\"");
    assert_eq!(app.get("/api/v1/jobs").json()["items"], json!([]), "a preview launches nothing");
    page.is_calm();
}

#[test]
#[ignore = "needs a browser"]
fn without_scripts_a_button_shows_the_manifest() {
    let app = fixtures::start();
    let page = Page::without_scripts(&app.url);
    page.open("/templates/kinds").fill("title", "Monday").fill("day", "2026-02-02").fill("level", "low");
    page.click("Preview manifest");
    page.until_says("#preview", "value: Monday");
    assert_eq!(page.field("title"), "Monday");
}

#[test]
#[ignore = "needs a browser"]
fn an_example_fills_the_form() {
    for scripts in [true, false] {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/templates/kinds").click("monday");
        page.until("document.querySelector('[name=\"p.title\"]').value === 'Monday'");
        assert_eq!((page.field("day"), page.field("copies")), ("2026-02-02".to_owned(), "3".to_owned()));
        page.click("Launch");
        assert_eq!(record(&app, &page)["parameters"]["names"], json!(["Ada", "Grace"]));
    }
}

/// Has objects within objects, a list of numbers, and a choice of several.
const NESTED: &str = r#"---
title: Nested
parameters:
  type: object
  required: [mail]
  properties:
    mail:
      type: object
      description: Who hears of it
      required: [to]
      properties:
        to: {type: string, format: email}
        urgent: {type: boolean, default: false}
        server:
          type: object
          properties:
            host: {type: string}
            port: {type: integer, minimum: 1, maximum: 65535}
    sizes: {type: array, items: {type: number}}
    days: {type: array, uniqueItems: true, items: {type: string, enum: [Monday, Tuesday, Friday]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: nested}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1
          command: [sh, -c, "true"]
          env:
            - {name: MAIL, value: "{{json params.mail}}"}
            - {name: SIZES, value: "{{json params.sizes}}"}
            - {name: DAYS, value: "{{json params.days}}"}
"#;

#[test]
#[ignore = "needs a browser"]
fn fields_within_fields_are_filled_and_held_to_their_rules() {
    for (device, scripts) in WAYS {
        let app = fixtures::setup().template("nested", NESTED).start();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates/nested");
        page.fill("to", "ada@example.com").tick("urgent").fill("host", "mail");
        page.fill_list("sizes", &["1.5", "2"]).tick("Monday").tick("Friday");
        page.fill("port", "70000").press(&key::TAB.to_string());
        if scripts {
            // As soon as the field is left, and without anything being sent.
            page.until_says("[id='p-mail.server.port-wrong']", "65535");
            assert_eq!(page.address(), "/templates/nested");
            page.fill("port", "25").press(&key::TAB.to_string());
            page.until("!document.getElementById('p-mail.server.port-wrong')");
            page.fill("port", "70000").press(&key::TAB.to_string());
            // What comes up beside a field moves the button.
            page.until("document.getElementById('p-mail.server.port-wrong')");
        }
        page.click("Launch").until_it_says("One thing needs your attention");
        page.until_says("[id='p-mail.server.port-wrong']", "65535");
        page.click_in("#wrongs", "mail").until("document.activeElement.id === 'p-mail.server.port' || location.hash");
        page.fill("port", "25").press(&key::TAB.to_string());
        if scripts {
            page.until("!document.getElementById('p-mail.server.port-wrong')");
        }
        page.click("Launch");
        assert_eq!(
            record(&app, &page)["parameters"],
            json!({
                "mail": {"to": "ada@example.com", "urgent": true, "server": {"host": "mail", "port": 25}},
                "sizes": [1.5, 2], "days": ["Monday", "Friday"],
            })
        );
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_list_has_a_row_for_each_item() {
    let items = "[...document.querySelectorAll('#p-names .items input')].map((it) => it.value).join()";
    for device in Device::ALL {
        let app = fixtures::start();
        let page = Page::new(&app.url).on(device);
        page.open("/templates/kinds");
        page.fill("title", "Rows").fill("day", "2026-02-28").fill("level", "low");
        page.click("Add an item").press("Ada");
        assert_eq!(page.focused(), "names, item 1");
        page.press(&key::ENTER.to_string()).press("Grace");
        assert_eq!((page.text(items), page.focused()), ("Ada,Grace".to_owned(), "names, item 2".to_owned()));
        page.until_says("#preview", r#"[\"Ada\",\"Grace\"]"#);

        // Lines that are pasted are items.
        page.value(
            "(() => { const clipboardData = new DataTransfer(); clipboardData.setData('text', 'Edsger\\n\\nBarbara\\n'); \
             return document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })); })()",
        );
        assert_eq!(page.text(items), "Ada,Edsger,Barbara");
        page.click_on("[aria-label='Remove item 2 of names']");
        assert_eq!((page.text(items), page.focused()), ("Ada,Barbara".to_owned(), "names, item 2".to_owned()));
        page.until_says("#preview", r#"[\"Ada\",\"Barbara\"]"#);
        page.click_on("[aria-label='Remove item 2 of names']");
        page.click_on("[aria-label='Remove item 1 of names']");
        assert_eq!(page.focused(), "Add an item to names", "the focus is not lost with the row");
        page.click("Add an item").press("Alan").click("Launch");
        assert_eq!(record(&app, &page)["parameters"]["names"], json!(["Alan"]));
    }
}

#[test]
#[ignore = "needs a browser"]
fn an_address_fills_the_form() {
    for scripts in [true, false] {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/templates/kinds?p.title=From+a+link&p.level=high&p.secret=hush");
        assert_eq!((page.field("title"), page.field("level")), ("From a link".to_owned(), "high".to_owned()));
        assert_eq!(page.field("secret"), "", "a secret is not taken out of an address");
    }
}
