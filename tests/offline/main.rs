//! Black-box tests that need nothing but the built program: no server, no network.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod command_line;
mod contexts;
mod diff;
mod docs;
mod failures;
mod house;
mod kubernetes_page;
mod program;
mod reliability_page;
mod render;
mod shipped_templates;
mod stub;
mod templates;
