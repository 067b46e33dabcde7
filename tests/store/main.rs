//! The store as its caller sees it, in processes that end at any time, on disks that are full or damaged.

#![allow(clippy::unwrap_used, clippy::panic)]

mod damage;
mod formats;
mod full;
mod kill;
mod lock;

use jiff::Timestamp;
use jobwright::job::{EventKind, Fact, Fingerprint, Intent, Job, NewEvent, Report, Source, Status};
use jobwright::store::Change;

/// A job with a manifest of some size.
fn job(name: &str, size: usize) -> Job {
    Job {
        intent: Intent {
            id: name.parse().unwrap(),
            name: None,
            template: "hello".to_owned(),
            parameters: Some(serde_json::Map::new()),
            secrets: Vec::new(),
            default_secrets: Vec::new(),
            fingerprint: Some(Fingerprint("f".to_owned())),
            object_name: format!("hello-{name}"),
            namespace: "local".to_owned(),
            manifest: serde_json::json!({"text": noise(size)}),
            masked: None,
            digest: "sha256:0".to_owned(),
            commit: None,
            ttl_seconds: None,
            rerun_of: None,
            created: Timestamp::UNIX_EPOCH,
            rebuilt: None,
        },
        status: Status::default(),
    }
}

fn insert(job: &Job) -> Change {
    let event = NewEvent { at: job.intent.created, source: Source::User, kind: EventKind::Recorded };
    Change::insert(job, vec![event])
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
