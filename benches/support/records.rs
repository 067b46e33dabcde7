//! Records as a team's service has them after some years, to measure over.

use jiff::Timestamp;
use jobwright::job::{
    Conclusion, EventKind, Evidence, Fact, Fingerprint, Intent, Job, NewEvent, ObjectRef, Snapshot, Source, Status,
};

/// A job that was recorded and no more.
pub(crate) fn job(number: u64) -> Job {
    let name = format!("job-{number:07}");
    let manifest = serde_json::json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "jobwright"}},
        "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "report", "image": "localhost/report:1", "args": ["--day", "2026-01-31"],
             "env": [{"name": "STATUS_URL", "value": "http://jobwright/callback/token"}]},
        ]}}},
    });
    let created = Timestamp::from_second(1_700_000_000 + number as i64);
    Job {
        intent: Intent {
            id: name.parse().expect("an ID"),
            name: format!("Report {number} of the night").parse().ok(),
            template: format!("template-{}", number % 10),
            parameters: Some(serde_json::Map::from_iter([("day".to_owned(), "2026-01-31".into())])),
            secrets: Vec::new(),
            default_secrets: Vec::new(),
            fingerprint: Some(Fingerprint("0".repeat(64))),
            object_name: format!("template-{number:012}"),
            namespace: "jobwright-jobs".to_owned(),
            manifest,
            masked: None,
            digest: format!("sha256:{}", "0".repeat(64)),
            commit: Some("0".repeat(40)),
            ttl_seconds: None,
            rerun_of: None,
            created: created.expect("a time"),
            rebuilt: None,
        },
        status: Status::default(),
    }
}

/// A job that ended: one in fifty failed, one in ten thousand is still to come.
pub(crate) fn ended(number: u64) -> (Job, Vec<NewEvent>) {
    let mut job = job(number);
    let at = job.intent.created;
    let mut events = vec![NewEvent { at, source: Source::User, kind: EventKind::Recorded }];
    if number.is_multiple_of(10_000) {
        return (job, events);
    }
    let object = ObjectRef {
        name: job.intent.object_name.clone(),
        namespace: job.intent.namespace.clone(),
        uid: format!("{number:032x}"),
    };
    let conclusion = if number % 50 == 7 {
        Conclusion::Failed {
            at,
            reason: "BackoffLimitExceeded".to_owned(),
            message: "Job has reached the specified backoff limit".to_owned(),
        }
    } else {
        Conclusion::Complete { at }
    };
    let snapshot = Snapshot { conclusion: Some(conclusion), ..Snapshot::new(object, 1, at) };
    for fact in [Fact::Evidence(Evidence::Seen(Box::new(snapshot))), Fact::LogKept { at }] {
        events.extend(job.status.learn(fact).events);
    }
    (job, events)
}
