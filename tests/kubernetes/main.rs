//! The Kubernetes executor and the service over it, against an API server that fails as it is told to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends with a panic")]

#[path = "../support/api_server/mod.rs"]
mod api_server;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tally.rs"]
mod tally;

mod campaign;
mod concurrency;
mod dry_run;
mod ends;
mod house;
mod launch;
mod logs;
mod lost_answers;
mod preflight;
mod rebuild;
mod serve;
mod watch;
