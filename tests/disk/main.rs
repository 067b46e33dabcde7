//! Records on disks that fail: the power is cut, or there is no space left.
//!
//! The disks are of our own making ([`disk`]), mounted through `/dev/fuse`: that needs root, so these tests are ignored
//! unless they are asked for: `cargo test --test disk -- --ignored`. Needs `umount`, and `unshare` for the tests with a
//! service.

#![allow(clippy::unwrap_used, clippy::panic)]

mod canary;
mod cut;
mod cuts;
mod dice;
mod disk;
mod full;
mod history;
mod image;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tally.rs"]
mod tally;
mod writer;
