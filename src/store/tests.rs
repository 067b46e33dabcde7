//! The store against a model, and against what may happen to its folder.

mod faults;
mod lists;
mod model;
mod roundtrip;
mod transfer;

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::{Change, Options, Store};
use crate::job::LogLine;
use crate::job::{
    Conclusion, EventKind, Evidence, Fact, Fingerprint, Intent, Job, JobId, NewEvent, ObjectRef, Report, Snapshot,
    Source, Status,
};

pub(crate) fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

pub(super) fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A job that was accepted at a second.
pub(crate) fn job(name: &str, second: i64) -> Job {
    let manifest = json!({"kind": "Job", "metadata": {"name": name}});
    Job {
        intent: Intent {
            id: id(name),
            name: None,
            template: "hello".to_owned(),
            parameters: Some(serde_json::Map::new()),
            secrets: Vec::new(),
            default_secrets: Vec::new(),
            fingerprint: Some(Fingerprint("f".to_owned())),
            object_name: format!("hello-{name}"),
            namespace: "local".to_owned(),
            manifest,
            masked: None,
            digest: "sha256:0".to_owned(),
            commit: None,
            ttl_seconds: Some(300),
            rerun_of: None,
            created: at(second),
            rebuilt: None,
        },
        status: Status::default(),
    }
}

pub(crate) fn recorded(job: &Job) -> Change {
    let event = NewEvent { at: job.intent.created, source: Source::User, kind: EventKind::Recorded };
    Change::insert(job, vec![event])
}

fn object(job: &Job) -> ObjectRef {
    ObjectRef { name: job.intent.object_name.clone(), namespace: "local".to_owned(), uid: format!("uid-{}", job.id()) }
}

/// Facts of a whole life, in an order in which they may come.
pub(super) fn life(job: &Job) -> [Fact; 5] {
    let object = object(job);
    let created = job.intent.created;
    let snapshot = |revision, conclusion| {
        Fact::Evidence(Evidence::Seen(Box::new(Snapshot {
            suspended: revision == 1,
            conclusion,
            ..Snapshot::new(object.clone(), revision, created)
        })))
    };
    [
        snapshot(1, None),
        snapshot(2, None),
        snapshot(3, Some(Conclusion::Complete { at: created })),
        Fact::LogKept { at: created },
        Fact::ObjectDeleted { at: created },
    ]
}

pub(super) fn report(status: &str, second: i64) -> Fact {
    Fact::Report(Report::new(at(second), None, status.to_owned(), None, None).unwrap())
}

/// Lets a job learn a fact, and gives the change that records it.
pub(super) fn learn(job: &mut Job, fact: Fact) -> Change {
    let learned = job.status.learn(fact);
    Change::update(job, learned.events)
}

pub(super) fn line(text: &str) -> LogLine {
    LogLine { at: at(0), pod: "p".to_owned(), container: "c".to_owned(), text: text.to_owned() }
}

/// Nothing that a check would find.
pub(super) fn assert_sound(store: &Store) {
    let checked = store.check(&mut |_| {}).unwrap();
    assert_eq!(checked.faults, Vec::<String>::new());
}
