//! The service from outside: the real program over HTTP, with the process executor.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../support/review_server.rs"]
mod review_server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tally.rs"]
mod tally;
#[path = "../support/terminal.rs"]
mod typist;

mod auth;
mod callbacks;
mod concurrency;
mod durability;
mod inputs;
mod jobs;
mod migration;
mod operations;
mod pages;
mod rebuild;
mod rights;
mod run;
mod start;
mod streams;
mod terminal;
