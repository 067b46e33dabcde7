//! Signing in with a token, and pages that say what went wrong.

use crate::fixtures;
use crate::page::{Device, Page};
use crate::support::Setup;

/// A service that wants a token, and the token.
pub(crate) fn with_token(setup: Setup) -> (Setup, &'static str) {
    const TOKEN: &str = "correct horse battery staple";
    let digest = ring::digest::digest(&ring::digest::SHA256, TOKEN.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let file = setup.path().join("tokens");
    std::fs::write(&file, format!("ada:{hex}\n")).unwrap();
    let setup = setup.with(&["--auth", "token", "--token-file", file.to_str().unwrap()]);
    (setup, TOKEN)
}

#[test]
#[ignore = "needs a browser"]
fn a_token_opens_the_page_that_was_asked_for() {
    for (device, scripts) in [(Device::Desktop, true), (Device::Phone, true), (Device::Desktop, false)] {
        let (setup, token) = with_token(fixtures::setup());
        let app = setup.start();
        let page = Page::with_scripts(&app.url, scripts).on(device);
        page.open("/templates/script");
        page.until_at("/login");
        assert_eq!(page.focused(), "Access token", "one can type at once");
        page.fill("Access token", "wrong").click("Sign in");
        page.until("document.querySelector('[role=alert]')");
        page.fill("Access token", token).click("Sign in");
        page.until_at("/templates/script");
        page.until_it_says("ada");
        assert_eq!(page.text("document.cookie"), "", "no script can read the cookie");
        page.click("Sign out");
        page.until_at("/login");
        page.open("/");
        page.until_at("/login");
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_page_that_does_not_exist_says_where_to_go() {
    for scripts in [true, false] {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts);
        for path in ["/jobs/nobody", "/templates/scirpt", "/nowhere"] {
            page.open(path).until_it_says("404");
            assert!(page.number("document.querySelectorAll('main a').length") > 0.0, "{path}: a way on");
        }
        page.open("/jobs/nobody");
        page.click_on("main a.button");
        page.until_at("/");
    }
}
