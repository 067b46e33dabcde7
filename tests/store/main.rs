//! The store as its caller sees it, in processes that end at any time, on disks that are full or damaged.

#![allow(clippy::unwrap_used, clippy::panic)]

mod damage;
mod formats;
mod full;
mod kill;
mod lock;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/small_disk.rs"]
mod small_disk;

use jiff::Timestamp;
use jobwright::job::{Fact, Job, Report};
use jobwright::store::Change;

use records::insert;

/// A job with a manifest of some size.
fn job(name: &str, size: usize) -> Job {
    records::job(name, &noise(size))
}

fn report(job: &mut Job, sequence: u64) -> Change {
    let report = Report::new(Timestamp::UNIX_EPOCH, Some(sequence), format!("step {sequence}"), None, None);
    let learned = job.status.learn(Fact::Report(report.unwrap()));
    Change::update(job, learned.events)
}

/// Text that does not shrink.
fn noise(length: usize) -> String {
    let mut seed = length as u64 + 1;
    let letters = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (seed >> 58) as u8)
    });
    letters.take(length).collect()
}
