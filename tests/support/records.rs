//! What the service would put on record, for tests of the rooms below it.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use jiff::Timestamp;
use jobwright::job::{EventKind, Fingerprint, Intent, Job, NewEvent, Source, Status};
use jobwright::store::Change;
use serde_json::{Map, json};

/// An intent with nothing special about it.
pub fn intent(id: &str) -> Intent {
    Intent {
        id: id.parse().unwrap(),
        name: None,
        template: "hello".to_owned(),
        parameters: Some(Map::new()),
        secrets: Vec::new(),
        default_secrets: Vec::new(),
        fingerprint: Some(Fingerprint("f".to_owned())),
        object_name: format!("hello-{id}"),
        namespace: "local".to_owned(),
        manifest: json!({"apiVersion": "batch/v1", "kind": "Job"}),
        masked: None,
        digest: "sha256:0".to_owned(),
        commit: None,
        ttl_seconds: None,
        rerun_of: None,
        created: Timestamp::UNIX_EPOCH,
        rebuilt: None,
    }
}

/// A job of which nothing is known yet, whose manifest holds this text.
pub fn job(id: &str, text: &str) -> Job {
    Job { intent: Intent { manifest: json!({"text": text}), ..intent(id) }, status: Status::default() }
}

/// The change that puts a job on record.
pub fn insert(job: &Job) -> Change {
    let event = NewEvent { at: job.intent.created, source: Source::User, kind: EventKind::Recorded };
    Change::insert(job, vec![event])
}
