//! The process executor from outside: real processes, real guards, real restarts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends with a panic")]

mod ends;
mod house;
mod identity;
mod limits;
mod logs;
mod orphans;
#[path = "../support/records.rs"]
mod records;
mod restart;
mod shipped;
mod speed;
mod surroundings;
