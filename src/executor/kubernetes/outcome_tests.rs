//! What a launch has come to, for each answer of the API server.

use std::time::Duration;

use serde_json::{Map, json};

use super::super::samples::at;
use super::*;
use crate::job::Fingerprint;

fn installation() -> InstallationId {
    "0198f1c2d3e4".parse().unwrap()
}

fn intent() -> Intent {
    Intent {
        id: "k1".parse().unwrap(),
        name: None,
        template: "hello".to_owned(),
        parameters: Some(Map::new()),
        secrets: Vec::new(),
        default_secrets: Vec::new(),
        fingerprint: Some(Fingerprint("f".to_owned())),
        object_name: "hello-1".to_owned(),
        namespace: "jobs".to_owned(),
        manifest: json!({}),
        masked: None,
        digest: String::new(),
        commit: None,
        ttl_seconds: None,
        rerun_of: None,
        created: at(0),
        rebuilt: None,
    }
}

fn failed(code: u16, reason: &str, message: &str) -> Answer {
    Answer::Failed(Failure {
        code,
        reason: reason.to_owned(),
        message: message.to_owned(),
        causes: Vec::new(),
        retry_after: None,
        by_server: true,
    })
}

fn object(labels: Value, annotations: Value) -> Value {
    json!({"metadata": {"name": "hello-1", "namespace": "jobs", "uid": "u1",
        "labels": labels, "annotations": annotations}})
}

fn ours() -> Value {
    let labels = json!({"jobwright.dev/installation": installation().as_str()});
    object(labels, json!({"jobwright.dev/job-id": "k1"}))
}

fn done(body: Value) -> Answer {
    Answer::Done { body, warnings: vec!["would violate PodSecurity".to_owned()] }
}

fn created(answer: Answer) -> CreateOutcome {
    match of_create(answer, at(9)) {
        Step::Outcome(outcome) => outcome,
        Step::Look => panic!("there is nothing to look at"),
    }
}

fn looked(answer: Answer) -> CreateOutcome {
    of_look(answer, &intent(), &installation(), at(9))
}

#[test]
fn an_object_that_was_made_comes_with_its_warnings() {
    let CreateOutcome::Created { object, warnings } = created(done(ours())) else { panic!("it was made") };
    assert_eq!((object.name.as_str(), object.namespace.as_str(), object.uid.as_str()), ("hello-1", "jobs", "u1"));
    assert_eq!(warnings, ["would violate PodSecurity"]);
}

#[test]
fn an_answer_that_shows_no_object_leaves_the_outcome_unknown() {
    for body in [json!({}), json!(null), json!({"metadata": {"name": "hello-1"}})] {
        assert!(matches!(created(done(body.clone())), CreateOutcome::Unknown { .. }), "{body}");
        assert!(matches!(looked(done(body.clone())), CreateOutcome::Unknown { .. }), "{body}");
    }
}

#[test]
fn a_refusal_is_final_and_in_the_servers_words() {
    let quota = r#"jobs.batch "hello-1" is forbidden: exceeded quota: none, requested: count/jobs.batch=1"#;
    for (code, reason, message, shown) in [
        (400, "BadRequest", r#"strict decoding error: unknown field "spec.x""#, "BadRequest"),
        (403, "Forbidden", quota, "QuotaExceeded"),
        (403, "Forbidden", "failed quota: q: must specify count", "QuotaExceeded"),
        (403, "Forbidden", "User \"x\" cannot create resource \"jobs\"", "Forbidden"),
        (404, "NotFound", r#"namespaces "jobs" not found"#, "NotFound"),
        (413, "RequestEntityTooLarge", "limit is 3145728", "RequestEntityTooLarge"),
        (422, "Invalid", "spec.backoffLimit: Invalid value", "Invalid"),
        (422, "", "so it is", "Refused"),
    ] {
        let refusal = Refusal { at: at(9), reason: shown.to_owned(), message: message.to_owned() };
        assert_eq!(created(failed(code, reason, message)), CreateOutcome::Refused(refusal), "{code} {reason}");
    }
}

#[test]
fn what_is_not_the_servers_last_word_leaves_the_outcome_unknown() {
    for code in [401, 408, 429, 500, 502, 503, 504] {
        let outcome = created(failed(code, "Whatever", "so it is"));
        let unknown = CreateOutcome::Unknown { message: "so it is".to_owned(), retry_after: None };
        assert_eq!(outcome, unknown, "{code}");
    }
    let quota =
        failed(409, "Conflict", "Operation cannot be fulfilled on resourcequotas: the object has been modified");
    assert!(matches!(created(quota), CreateOutcome::Unknown { .. }), "two launches met at one quota");
    assert!(matches!(created(Answer::Silence("cut".to_owned())), CreateOutcome::Unknown { .. }));
}

#[test]
fn a_proxy_refuses_nothing_in_the_servers_place() {
    for code in [400, 403, 404, 413] {
        let Answer::Failed(failure) = failed(code, "NotFound", "no route") else { unreachable!() };
        let answer = Answer::Failed(Failure { by_server: false, ..failure });
        assert!(matches!(created(answer), CreateOutcome::Unknown { .. }), "{code}");
    }
}

#[test]
fn the_server_is_left_alone_for_as_long_as_it_asks() {
    let Answer::Failed(failure) = failed(429, "TooManyRequests", "slow down") else { unreachable!() };
    let wait = Some(Duration::from_secs(7));
    let answer = || Answer::Failed(Failure { retry_after: wait, ..failure.clone() });
    for outcome in [created(answer()), looked(answer())] {
        assert_eq!(outcome, CreateOutcome::Unknown { message: "slow down".to_owned(), retry_after: wait });
    }
}

#[test]
fn a_name_that_is_taken_is_looked_at() {
    let taken = failed(409, "AlreadyExists", r#"jobs.batch "hello-1" already exists"#);
    assert_eq!(of_create(taken, at(9)), Step::Look);
}

#[test]
fn our_own_object_is_adopted() {
    let CreateOutcome::Created { object, warnings } = looked(done(ours())) else { panic!("it is ours") };
    assert_eq!((object.uid.as_str(), warnings.len()), ("u1", 0));
}

#[test]
fn our_own_object_that_is_being_deleted_is_not_taken_for_a_live_one() {
    let mut body = ours();
    body["metadata"]["deletionTimestamp"] = json!("2026-01-31T09:00:00Z");
    let CreateOutcome::Leaving { object } = looked(done(body)) else { panic!("it is leaving") };
    assert_eq!(object.uid, "u1");
}

#[test]
fn an_object_that_is_not_ours_is_refused_and_its_owner_named() {
    let label = |of: &str| json!({"jobwright.dev/installation": of});
    let annotation = |of: &str| json!({"jobwright.dev/job-id": of});
    let own = installation();
    for (body, whose) in [
        (object(json!(null), json!(null)), "which Jobwright did not make"),
        (object(label(own.as_str()), json!({})), "which Jobwright did not make"),
        (object(label("another"), annotation("k1")), "of job k1 of installation another"),
        (object(label(own.as_str()), annotation("k2")), "of job k2 of installation 0198f1c2d3e4"),
    ] {
        let CreateOutcome::Refused(refusal) = looked(done(body)) else { panic!("{whose}") };
        assert_eq!(refusal.reason, "NameTaken");
        assert_eq!(refusal.message, format!("there is a Job hello-1 in namespace jobs already, {whose}"));
    }
}

#[test]
fn an_object_that_went_before_it_was_looked_at_has_vanished() {
    assert_eq!(looked(failed(404, "NotFound", "not found")), CreateOutcome::Vanished);
    for answer in [failed(403, "Forbidden", "no"), failed(500, "InternalError", "no"), Answer::Silence(String::new())] {
        assert!(matches!(looked(answer), CreateOutcome::Unknown { .. }), "that it is gone was not said");
    }
}

#[test]
fn a_dry_run_tells_warnings_or_every_fault() {
    assert_eq!(of_dry_run(done(ours())).unwrap().warnings, ["would violate PodSecurity"]);
    let Answer::Failed(failure) = failed(422, "Invalid", "two faults") else { unreachable!() };
    let causes = vec![("spec.a".to_owned(), "bad".to_owned()), (String::new(), "whole".to_owned())];
    let refused = of_dry_run(Answer::Failed(Failure { causes, ..failure })).unwrap_err();
    let cause = Cause { field: "spec.a".to_owned(), message: "bad".to_owned() };
    let (reason, message) = ("Invalid".to_owned(), "two faults".to_owned());
    assert_eq!(refused, DryRunError::Refused { reason, message, causes: vec![cause] });
    for answer in [failed(503, "ServiceUnavailable", "later"), Answer::Silence("cut".to_owned())] {
        let unreachable = matches!(of_dry_run(answer), Err(DryRunError::Executor(ExecutorError::Unreachable(_))));
        assert!(unreachable, "it did not say");
    }
}

#[test]
fn any_other_call_that_fails_says_in_which_way() {
    assert!(matches!(trouble(failed(404, "NotFound", "gone")), ExecutorError::NotFound(_)));
    assert!(matches!(trouble(failed(403, "Forbidden", "no")), ExecutorError::Refused(_)));
    assert!(matches!(trouble(failed(500, "InternalError", "oh")), ExecutorError::Unreachable(_)));
    assert!(matches!(trouble(Answer::Silence("cut".to_owned())), ExecutorError::Unreachable(_)));
}
