//! What only a real cluster can show. Every test here is ignored unless it is asked for:
//!
//! ```console
//! $ export KUBECONFIG=…                  # an admin's; kubectl is on the PATH
//! $ cargo test --test cluster -- --ignored --test-threads 16
//! ```
//!
//! The tests mostly wait, so that many of them run at once. Each has a namespace of its own ([`house`]).
//!
//! | variable | what it says |
//! |---|---|
//! | `JOBWRIGHT_TEST_BUSYBOX` | an image with a shell that the nodes have or can pull; `localhost/busybox:1` |
//! | `JOBWRIGHT_TEST_WORKER` | the image of the worker; `localhost/jobwright-worker:e2e` |
//! | `JOBWRIGHT_TEST_PART` | a command that makes faults: `CMD kube-apiserver freeze`; for the tests in [`faults`] and [`parts`] |
//! | `JOBWRIGHT_TEST_PART_LAUNCHES` | how many jobs are launched while a part of the cluster fails, for each part and fault; 4 |
//!
//! The tests in [`faults`] and [`parts`] stop and freeze parts of the cluster. Only who runs a cluster can do that, and how
//! differs between clusters, hence the command. Without it these tests fail rather than pass unseen; where nobody may
//! disturb the cluster, leave them out by `--skip faults:: --skip parts::`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "tests")]

#[path = "../corpus/mod.rs"]
mod corpus;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tally.rs"]
mod tally;

mod acts;
mod auth;
mod concurrency;
mod creations;
mod deployed;
mod ends;
mod faults;
mod house;
mod logs;
mod manifests;
mod meddling;
mod parts;
mod restarts;
mod waits;
