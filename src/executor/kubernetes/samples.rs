//! Objects as the API server shows them, for the tests of this room.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::{Value, json};

/// A moment, in seconds after an arbitrary one.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_770_000_000 + second).unwrap()
}

/// The Job of the job `k1`, with the UID `uid`, and with these fields over or beside its own.
pub(super) fn job(uid: &str, fields: Value) -> Job {
    let mut whole = json!({
        "metadata": {
            "name": format!("hello-{uid}"), "namespace": "jobs", "uid": uid,
            "annotations": {"jobwright.dev/job-id": format!("k-{uid}")},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}},
    });
    merge(&mut whole, fields);
    serde_json::from_value(whole).unwrap()
}

/// A Job with these conditions, each of them true since then, with a reason and a message.
pub(super) fn with_conditions(uid: &str, conditions: &[(&str, i64, &str)]) -> Job {
    let shown = |(kind, second, reason): &(&str, i64, &str)| {
        let time = at(*second);
        json!({"type": kind, "status": "True", "lastTransitionTime": time, "reason": reason, "message": "so it is"})
    };
    job(uid, json!({"status": {"conditions": conditions.iter().map(shown).collect::<Vec<_>>()}}))
}

/// A pod of the Job with that UID, with these fields over or beside its own.
pub(super) fn pod(name: &str, of: &str, fields: Value) -> Pod {
    let mut whole = json!({
        "metadata": {
            "name": name, "namespace": "jobs", "uid": format!("uid-of-{name}"), "creationTimestamp": at(1),
            "labels": {"batch.kubernetes.io/controller-uid": of},
        },
        "spec": {"containers": [{"name": "main"}]},
    });
    merge(&mut whole, fields);
    serde_json::from_value(whole).unwrap()
}

/// A pod whose container `main` is in this state.
pub(super) fn pod_in(name: &str, of: &str, state: Value) -> Pod {
    pod(name, of, json!({"status": {"containerStatuses": [main(state)]}}))
}

/// The status of a container `main` in this state.
pub(super) fn main(state: Value) -> Value {
    json!({"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

/// A state: it runs.
pub(super) fn running() -> Value {
    json!({"running": {"startedAt": at(2)}})
}

/// A state: it has ended.
pub(super) fn exited(code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": at(2), "finishedAt": at(5)}})
}

/// A state: it waits.
pub(super) fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

/// A warning about a Job, by its UID.
pub(super) fn job_warning(uid: &str, second: i64, reason: &str, message: &str) -> Event {
    warning(json!({"kind": "Job", "uid": uid}), second, reason, message)
}

/// A warning about a pod, by its name.
pub(super) fn pod_warning(name: &str, second: i64, reason: &str, message: &str) -> Event {
    warning(json!({"kind": "Pod", "name": name}), second, reason, message)
}

fn warning(about: Value, second: i64, reason: &str, message: &str) -> Event {
    serde_json::from_value(json!({
        "metadata": {"name": "e", "namespace": "jobs"}, "involvedObject": about,
        "reason": reason, "message": message, "lastTimestamp": at(second), "type": "Warning",
    }))
    .unwrap()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
