//! The dashboard as its readers meet it: the real program, in a real browser, headless Chromium by way of WebDriver.
//!
//! Needs the Debian packages `chromium` and `chromium-driver` (or `CHROMIUM` and `CHROMEDRIVER`, which name other
//! programs), and `npm` for the accessibility rules of axe-core. Pictures of every page, and of what a test that failed
//! saw last, go to `target/browser/`.
//!
//! ```console
//! $ cargo test --test browser -- --ignored
//! $ .ci/screenshots                                                    # makes docs/screenshots/
//! $ JOBWRIGHT_TEST_LATENCIES=200 cargo test --release --test browser -- --ignored --nocapture latency::
//! ```

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "figures that were measured")]

#[path = "../support/mod.rs"]
mod support;

mod axe;
mod driver;
mod fixtures;
mod page;
mod script;

mod flood;
mod forms;
mod job;
mod keyboard;
mod latency;
mod launching;
mod list;
mod live;
mod log;
mod pages;
mod reader;
mod selecting;
mod signing_in;
mod templates;
mod world;
