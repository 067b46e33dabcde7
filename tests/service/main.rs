//! The service from outside: the real program over HTTP, with the process executor.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod callbacks;
mod durability;
mod inputs;
mod jobs;
mod migration;
mod operations;
mod run;
mod start;
mod streams;
