//! What is found by looking around, in the words that people read.

use std::time::Duration;

use serde_json::json;

use super::super::api::Failure;
use super::*;

fn done(body: Value) -> Answer {
    Answer::Done { body, warnings: Vec::new() }
}

fn failed(code: u16, message: &str) -> Answer {
    Answer::Failed(Failure {
        code,
        reason: String::new(),
        message: message.to_owned(),
        causes: Vec::new(),
        retry_after: Some(Duration::ZERO),
        by_server: true,
    })
}

fn version(major: &str, minor: &str, git: &str) -> Finding {
    version_finding(done(json!({"major": major, "minor": minor, "gitVersion": git})))
}

#[test]
fn versions_that_are_known_are_good() {
    for (minor, git) in [("31", "v1.31.0"), ("34", "v1.34.1"), ("33+", "v1.33.2-gke.100")] {
        assert_eq!(version("1", minor, git), finding(Grade::Good, format!("the API server is Kubernetes {git}")));
    }
}

#[test]
fn versions_that_are_not_known_are_doubtful_but_no_obstacle() {
    let others = "Jobwright knows 1.31 to 1.34, and others may differ";
    for (major, minor, git, shown) in [
        ("1", "30", "v1.30.9", "Kubernetes v1.30.9"),
        ("1", "99", "v1.99.0", "Kubernetes v1.99.0"),
        ("2", "34", "v2.34.0", "Kubernetes v2.34.0"),
        ("one", "", "odd", "Kubernetes odd"),
        ("", "", "", "a server that names no version"),
    ] {
        let text = format!("the API server is {shown}; {others}");
        assert_eq!(version(major, minor, git), finding(Grade::Doubtful, text));
    }
}

#[test]
fn a_server_that_gives_no_answer_is_bad() {
    let away = version_finding(Answer::Silence("connection refused".to_owned()));
    assert_eq!(away, finding(Grade::Bad, "the API server cannot be reached: connection refused"));
    let not_up = version_finding(failed(503, "starting"));
    assert_eq!(not_up, finding(Grade::Bad, "the API server refuses to answer: starting"));
}

#[test]
fn a_namespace_must_be_there_and_stay() {
    let of = |answer: Answer| namespace_finding("jobs", &answer);
    assert_eq!(of(done(json!({"status": {"phase": "Active"}}))), finding(Grade::Good, "the namespace jobs exists"));
    assert_eq!(
        of(done(json!({"status": {"phase": "Terminating"}}))),
        finding(Grade::Bad, "the namespace jobs is being deleted")
    );
    assert_eq!(
        of(failed(404, "not found")),
        finding(Grade::Bad, "there is no namespace jobs: create it, or name another one with --namespace")
    );
    let forbidden = of(failed(403, "no"));
    assert_eq!(forbidden.grade, Grade::Doubtful, "a role in the namespace alone is enough to launch jobs there");
    assert_eq!(of(failed(500, "oh")), finding(Grade::Bad, "the namespace jobs cannot be looked at: oh"));
    let silence = of(Answer::Silence("cut".to_owned()));
    assert_eq!(silence, finding(Grade::Bad, "the namespace jobs cannot be looked at: cut"));
}

fn right<const N: usize>(resource: &str, answers: [(&str, Result<bool, &str>); N]) -> Finding {
    let answers = answers.into_iter().map(|(verb, answer)| (verb, answer.map_err(str::to_owned)));
    right_finding(resource, "jobs", "to do as told", answers)
}

#[test]
fn every_right_is_one_line_that_says_what_is_missing_and_what_it_is_for() {
    assert_eq!(
        right("jobs", [("create", Ok(true)), ("get", Ok(true))]),
        finding(Grade::Good, "may create, get jobs in namespace jobs")
    );
    assert_eq!(
        right("jobs", [("create", Ok(false)), ("get", Ok(true)), ("delete", Ok(false))]),
        finding(Grade::Bad, "may not create, delete jobs in namespace jobs, which is needed to do as told")
    );
    assert_eq!(
        right("jobs", [("create", Ok(false)), ("get", Err("busy"))]),
        finding(Grade::Bad, "whether jobs may be used cannot be asked: busy")
    );
}

#[test]
fn jobs_can_be_launched_without_a_look_at_events() {
    let finding = right("events", [("list", Ok(false)), ("watch", Ok(false))]);
    assert_eq!(finding.grade, Grade::Doubtful, "{finding}");
}
