//! The real program, killed by SIGKILL between any two steps, started again, and asked what it still knows.
//!
//! A round is the life of one data folder: cycles in which clients launch, report, cancel, launch again and delete until
//! the process dies at a crash point ([`jobwright::crash`]) or at a moment that chance chose, and a last life in which
//! every job comes to its end. Everything asked, answered and seen is written down, and [`judge`] says which promises
//! that breaks. What was created and what ran is counted by no code of the program: by marks that the jobs' own commands
//! leave, and by the API server, which survives the kills.
//!
//! | variable | what it says |
//! |---|---|
//! | `JOBWRIGHT_TEST_CRASHES` | how many cycles, on both executors together; every point once, and a few more, without it |
//! | `JOBWRIGHT_TEST_CRASHES_REPLAY` | one round alone, as a failure prints it |
//!
//! On a real cluster, which `KUBECONFIG` names, it is 200 cycles: `cargo test --test crashes -- --ignored --nocapture cluster`.
//!
//! - [`ways`]: how a process comes to each point; [`workload`]: what clients do; [`round`], [`campaign`]: the order of it;
//! - [`process`], [`fake`], [`cluster`]: where jobs run; [`history`], [`judge`]: what came to pass, and what to say of it;
//! - [`cases`]: what chance has found, told to happen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "tests")]

#[path = "../support/api_server/mod.rs"]
mod api_server;
#[path = "../cluster/house.rs"]
mod house;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tally.rs"]
mod tally;

mod campaign;
mod cases;
mod cluster;
mod fake;
mod foreign;
mod history;
mod instance;
mod journal;
mod judge;
mod known;
mod process;
mod random;
mod round;
mod ways;
mod workload;
mod world;

use campaign::{Campaign, Length};
use ways::Place;

#[test]
fn what_was_acknowledged_survives_kills_on_processes() {
    let make = |args: &[&str]| -> Box<dyn world::World> { Box::new(process::Processes::new().with(args)) };
    Campaign { name: "crashes-process", place: Place::Processes, make, length: Length::EveryPoint }.run();
}

#[test]
fn what_was_acknowledged_survives_kills_on_kubernetes() {
    let make = |args: &[&str]| -> Box<dyn world::World> { Box::new(fake::Fake::new().with(args)) };
    Campaign { name: "crashes-kubernetes", place: Place::Kubernetes, make, length: Length::EveryPoint }.run();
}

#[test]
#[ignore = "needs a cluster"]
fn what_was_acknowledged_survives_kills_on_a_cluster() {
    let make = |args: &[&str]| -> Box<dyn world::World> { Box::new(cluster::Real::new().with(args)) };
    Campaign { name: "crashes-cluster", place: Place::Kubernetes, make, length: Length::ByChance(200) }.run();
}
