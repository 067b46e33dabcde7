//! What a job's phase is for what was learned: here case by case, and in `interleavings` over every order of facts.

#[path = "verdict_tests/alphabet.rs"]
mod alphabet;
#[path = "verdict_tests/interleavings.rs"]
mod interleavings;
#[path = "verdict_tests/oracle.rs"]
mod oracle;
#[path = "../../tests/support/tally.rs"]
mod tally;

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::evidence::{Conclusion, ContainerState, ContainerStatus, Evidence, ObjectRef, PodStatus, Snapshot};
use super::super::record::{Cancellation, Fact, Refusal, Status};
use super::super::report::Report;
use super::super::{EventKind, LastExit, NewEvent, Phase};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn object() -> ObjectRef {
    ObjectRef { name: "hello-1".into(), namespace: "local".into(), uid: "u1".into() }
}

fn seen(revision: u64, container: Option<ContainerState>, conclusion: Option<Conclusion>) -> Snapshot {
    let pods = container.map(|state| {
        let containers = BTreeMap::from([("main".to_owned(), ContainerStatus::new(false, state))]);
        let pod = PodStatus { containers, ..PodStatus::new(revision, at(1)) };
        ("pod-0".to_owned(), pod)
    });
    let taken = at(i64::try_from(revision).unwrap());
    Snapshot { conclusion, pods: pods.into_iter().collect(), ..Snapshot::new(object(), revision, taken) }
}

fn waiting(reason: &str) -> ContainerState {
    ContainerState::Waiting { reason: Some(reason.into()), message: Some("so it is".into()) }
}

fn running() -> ContainerState {
    ContainerState::Running { started: at(3) }
}

fn exited(code: i32, reason: &str) -> ContainerState {
    ContainerState::Terminated {
        exit_code: code,
        signal: None,
        reason: reason.into(),
        message: None,
        started: Some(at(3)),
        finished: at(5),
    }
}

fn failed(reason: &str) -> Conclusion {
    Conclusion::Failed { at: at(7), reason: reason.into(), message: "as it says".into() }
}

fn show(snapshot: Snapshot) -> Fact {
    Fact::Evidence(Evidence::Seen(Box::new(snapshot)))
}

fn gone(witnessed: bool) -> Fact {
    Fact::Evidence(Evidence::Gone { object: object(), at: at(8), witnessed })
}

fn says(second: i64, sequence: Option<u64>, status: &str) -> Fact {
    Fact::Report(Report::new(at(second), sequence, status.into(), None, None).unwrap())
}

fn cancel() -> Fact {
    Fact::CancelRequested(Cancellation { at: at(2), by: Some("ada".into()) })
}

fn refused() -> Fact {
    Fact::Refused(Refusal { at: at(1), reason: "Forbidden".into(), message: "exceeded quota".into() })
}

fn after(facts: impl IntoIterator<Item = Fact>) -> Status {
    let mut status = Status::default();
    for fact in facts {
        status.learn(fact);
    }
    status
}

#[test]
fn each_state_of_an_object_has_its_phase_and_reason() {
    let complete = Some(Conclusion::Complete { at: at(7) });
    let mut suspended = seen(2, None, None);
    suspended.suspended = true;
    let mut no_pods = seen(2, None, None);
    no_pods.blocked = Some(("QuotaExceeded".into(), "pods=0".into()));
    let cases: Vec<(Vec<Fact>, Phase, Option<&str>)> = vec![
        (vec![], Phase::Pending, None),
        (vec![refused()], Phase::Rejected, Some("Forbidden")),
        (vec![Fact::Created { object: object(), warnings: Vec::new(), at: at(1) }], Phase::Waiting, None),
        (vec![show(suspended)], Phase::Suspended, None),
        (vec![show(no_pods)], Phase::Waiting, Some("QuotaExceeded")),
        (vec![show(seen(2, Some(waiting("ImagePullBackOff")), None))], Phase::Waiting, Some("ImagePullBackOff")),
        (vec![show(seen(3, Some(running()), None))], Phase::Running, None),
        (vec![show(seen(5, Some(exited(0, "Completed")), None))], Phase::Running, Some("Finishing")),
        (vec![show(seen(7, Some(exited(0, "Completed")), complete))], Phase::Succeeded, None),
        (
            vec![show(seen(7, Some(exited(1, "Error")), Some(failed("BackoffLimitExceeded"))))],
            Phase::Failed,
            Some("Error"),
        ),
        (
            vec![show(seen(7, Some(exited(137, "OOMKilled")), Some(failed("BackoffLimitExceeded"))))],
            Phase::Failed,
            Some("OOMKilled"),
        ),
        (
            vec![show(seen(7, Some(exited(143, "Error")), Some(failed("DeadlineExceeded"))))],
            Phase::Failed,
            Some("DeadlineExceeded"),
        ),
        (
            vec![cancel(), show(seen(7, None, Some(Conclusion::Stopped { at: at(7) })))],
            Phase::Cancelled,
            Some("Cancelled"),
        ),
        (vec![show(seen(3, Some(running()), None)), gone(true)], Phase::Cancelled, Some("Deleted")),
        (vec![show(seen(3, Some(running()), None)), gone(false)], Phase::Lost, Some("ObjectGone")),
        (vec![cancel(), gone(false)], Phase::Cancelled, Some("Cancelled")),
    ];
    for (facts, phase, reason) in cases {
        let verdict = after(facts.clone()).verdict();
        assert_eq!((verdict.phase, verdict.reason.as_deref()), (phase, reason), "{facts:#?}");
        assert_eq!(verdict.ended.is_some(), phase.is_terminal());
    }
}

#[test]
fn a_report_alone_never_ends_a_job() {
    for words in ["Done", "ERROR", "Succeeded", "Cancelled"] {
        let status = after([show(seen(3, Some(running()), None)), says(4, None, words)]);
        assert_eq!(status.verdict().phase, Phase::Running);
    }
}

#[test]
fn words_against_evidence_are_disputed() {
    let ok = || show(seen(7, Some(exited(0, "Completed")), Some(Conclusion::Complete { at: at(7) })));
    let bad = || show(seen(7, Some(exited(1, "Error")), Some(failed("BackoffLimitExceeded"))));
    assert!(after([says(4, None, "Done"), bad()]).verdict().disputed);
    assert!(after([ok(), says(9, None, "ERROR")]).verdict().disputed);
    assert!(!after([says(4, None, "Done"), ok()]).verdict().disputed);
    assert!(!after([says(4, None, "Processing..."), bad()]).verdict().disputed);
    let mut status = after([says(4, None, "Done")]);
    let events = status.learn(bad()).events;
    assert!(events.iter().any(|event| event.kind == EventKind::Disputed { disputed: true }));
}

#[test]
fn evidence_of_another_object_is_left_aside() {
    let mut status = after([Fact::Created { object: object(), warnings: Vec::new(), at: at(1) }]);
    let mut other = seen(9, Some(exited(0, "Completed")), Some(Conclusion::Complete { at: at(9) }));
    other.object.uid = "u2".into();
    assert!(!status.learn(show(other)).changed);
    assert_eq!(status.verdict().phase, Phase::Waiting);
}

#[test]
fn a_report_after_the_end_goes_into_the_history_and_moves_nothing() {
    let complete = Some(Conclusion::Complete { at: at(7) });
    let mut status = after([show(seen(7, Some(exited(0, "Completed")), complete))]);
    let learned = status.learn(says(20, Some(1), "Processing..."));
    assert_eq!(status.verdict().phase, Phase::Succeeded);
    let kinds: Vec<_> = learned.events.into_iter().map(|event| event.kind).collect();
    assert!(matches!(kinds[..], [EventKind::Report { after_end: true, late: false, .. }]), "{kinds:?}");
}

/// A snapshot of an executor whose pods come and go: this one alone is there.
fn seen_pod(revision: u64, name: &str, container: ContainerStatus) -> Fact {
    let containers = BTreeMap::from([("main".to_owned(), container)]);
    let pod = PodStatus { shown: revision, containers, ..PodStatus::new(revision, at(1)) };
    show(Snapshot { pods: BTreeMap::from([(name.to_owned(), pod)]), ..seen(revision, None, None) })
}

#[test]
fn what_a_pod_that_is_gone_was_last_seen_to_do_it_does_no_more() {
    let mut status = after([seen_pod(2, "a", ContainerStatus::new(false, running()))]);
    assert_eq!(status.verdict().phase, Phase::Running);
    let next = seen_pod(3, "b", ContainerStatus::new(false, waiting("ImagePullBackOff")));
    status.learn(next);
    let verdict = status.verdict();
    assert_eq!((verdict.phase, verdict.reason.as_deref()), (Phase::Waiting, Some("ImagePullBackOff")));
    // The earlier snapshot again, late: the pod stays gone.
    status.learn(seen_pod(2, "a", ContainerStatus::new(false, running())));
    assert_eq!(status.verdict().phase, Phase::Waiting);
}

#[test]
fn a_container_that_waits_to_be_started_again_shows_how_it_ended_before() {
    let last_exit = Some(LastExit { finished: at(4), exit_code: 137, reason: "OOMKilled".into() });
    let back_off =
        ContainerStatus { restarts: 1, last_exit, ..ContainerStatus::new(false, waiting("CrashLoopBackOff")) };
    let mut status = after([seen_pod(2, "a", ContainerStatus::new(false, running()))]);
    let learned = status.learn(seen_pod(3, "a", back_off.clone()));
    let verdict = status.verdict();
    assert_eq!((verdict.phase, verdict.reason.as_deref()), (Phase::Waiting, Some("CrashLoopBackOff")));
    assert_eq!(verdict.exit_code, Some(137));
    let ends = |events: &[NewEvent]| {
        events.iter().filter(|it| matches!(it.kind, EventKind::ContainerEnded { exit_code: 137, .. })).count()
    };
    assert_eq!(ends(&learned.events), 1);
    assert_eq!(ends(&status.learn(seen_pod(4, "a", back_off)).events), 0, "that end was told already");
}

#[test]
fn a_job_whose_only_pod_was_deleted_says_so() {
    let told = |state: ContainerState| {
        let mut snapshot = seen(7, Some(state), Some(failed("BackoffLimitExceeded")));
        snapshot.pods.get_mut("pod-0").unwrap().interrupted = true;
        let verdict = after([show(snapshot)]).verdict();
        (verdict.phase, verdict.reason.unwrap(), verdict.message.unwrap())
    };
    let expected = |message: &str| (Phase::Failed, "PodDeleted".to_owned(), message.to_owned());
    let with_code = "its pod was deleted, and a container ended with exit code 143";
    assert_eq!(told(exited(143, "Error")), expected(with_code));
    assert_eq!(told(running()), expected("its pod was deleted while a container ran"));
    assert_eq!(told(waiting("ImagePullBackOff")), expected("its pod was deleted before a container ran"));
    // One that is deleted afterwards changes nothing.
    let mut snapshot = seen(7, Some(exited(1, "Error")), Some(failed("BackoffLimitExceeded")));
    snapshot.pods.get_mut("pod-0").unwrap().deleting = true;
    assert_eq!(after([show(snapshot)]).verdict().reason.as_deref(), Some("Error"));
}

#[test]
fn a_sidecar_that_was_stopped_last_does_not_decide() {
    let ended = |code, at_second| ContainerState::Terminated {
        exit_code: code,
        signal: None,
        reason: "Error".into(),
        message: None,
        started: Some(at(2)),
        finished: at(at_second),
    };
    let mut snapshot = seen(7, Some(ended(7, 4)), Some(failed("BackoffLimitExceeded")));
    let pod = snapshot.pods.get_mut("pod-0").unwrap();
    pod.containers.insert("sidecar".into(), ContainerStatus::new(true, ended(137, 6)));
    assert_eq!(after([show(snapshot.clone())]).verdict().exit_code, Some(7));
    // Where nothing else failed it does, as any init container.
    snapshot.pods.get_mut("pod-0").unwrap().containers.remove("main");
    assert_eq!(after([show(snapshot)]).verdict().exit_code, Some(137));
}

#[test]
fn an_end_keeps_its_reason_whatever_else_is_shown_of_the_object() {
    let complete = Some(Conclusion::Complete { at: at(7) });
    let mut status = after([gone(false), show(seen(7, Some(exited(0, "Completed")), complete.clone()))]);
    let verdict = status.verdict();
    assert_eq!((verdict.phase, verdict.reason.as_deref()), (Phase::Lost, Some("ObjectGone")));
    assert_eq!(verdict.exit_code, Some(0), "what is known all the same is shown");
    let learned = status.learn(show(seen(8, None, Some(Conclusion::Stopped { at: at(6) }))));
    assert!(learned.events.is_empty(), "{learned:?}");
    // An end that is shown after another one of the same object has no say, though it be dated before it.
    let mut status = after([show(seen(7, None, Some(failed("DeadlineExceeded"))))]);
    status.learn(show(seen(8, None, Some(Conclusion::Complete { at: at(6) }))));
    let verdict = status.verdict();
    assert_eq!((verdict.phase, verdict.reason.as_deref()), (Phase::Failed, Some("DeadlineExceeded")));
}

#[test]
fn a_warning_is_told_once() {
    let created = || Fact::Created { object: object(), warnings: vec!["would violate PodSecurity".into()], at: at(1) };
    let mut status = after([created()]);
    assert_eq!(status.warnings.len(), 1);
    assert_eq!(status.learn(created()).events, Vec::new());
}

#[test]
fn what_is_learned_twice_makes_no_second_event() {
    let facts = [
        Fact::Created { object: object(), warnings: Vec::new(), at: at(1) },
        show(seen(3, Some(running()), None)),
        says(4, Some(1), "Processing..."),
        cancel(),
        show(seen(7, Some(exited(0, "Completed")), Some(Conclusion::Complete { at: at(7) }))),
        Fact::LogKept { at: at(8) },
        Fact::ObjectDeleted { at: at(9) },
    ];
    let mut status = after(facts.clone());
    for fact in facts {
        let learned = status.learn(fact.clone());
        assert!(!learned.changed && learned.events.is_empty(), "{fact:?}: {learned:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_join_of_snapshots_is_a_join(
        parts in prop::collection::vec((0..4u64, 0..5usize), 3..4)
    ) {
        let states = [waiting("A"), waiting("B"), running(), exited(0, "Completed"), exited(1, "Error")];
        let [a, b, c] = [0, 1, 2].map(|index: usize| {
            let (revision, state) = parts[index];
            seen(revision, Some(states[state].clone()), (state > 3).then(|| failed("X")))
        });
        prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
        prop_assert_eq!(a.clone().join(a.clone()), a.clone());
        prop_assert_eq!(a.clone().join(b.clone()).join(c.clone()), a.join(b.join(c)));
    }
}

/// A job of so many retries whose attempts ended like this, one after another.
fn attempts(limit: u32, codes: &[i32], conclusion: Option<Conclusion>) -> Snapshot {
    let pod = |(number, code): (i64, &i32)| {
        let container = ContainerStatus::new(false, exited(*code, if *code == 0 { "Completed" } else { "Error" }));
        let containers = BTreeMap::from([("main".to_owned(), container)]);
        (format!("pod-{}", 9 - number), PodStatus { containers, ..PodStatus::new(2, at(number)) })
    };
    let pods = (1..).zip(codes).map(pod).collect();
    Snapshot { backoff_limit: Some(limit), pods, ..seen(9, None, conclusion) }
}

#[test]
fn a_job_that_waits_for_its_next_attempt_does_not_run() {
    let shown = |limit, codes: &[i32]| {
        let verdict = after([show(attempts(limit, codes, None))]).verdict();
        (verdict.phase, verdict.reason.unwrap(), verdict.message.unwrap(), verdict.exit_code)
    };
    let waits = |code| {
        let message = format!("an attempt ended with exit code {code}; another one follows");
        (Phase::Waiting, "BackOff".to_owned(), message, Some(code))
    };
    let finishes = |code| {
        (Phase::Running, "Finishing".to_owned(), format!("its container ended with exit code {code}"), Some(code))
    };
    assert_eq!(shown(1, &[5]), waits(5));
    assert_eq!(shown(1, &[5, 6]), finishes(6), "there is no other attempt");
    assert_eq!(shown(2, &[5, 6]), waits(6));
    assert_eq!(shown(2, &[5, 0]), finishes(0), "how an earlier attempt ended decides nothing");
    let mut otherwise = attempts(2, &[5], None);
    otherwise.backoff_limit = None;
    assert_eq!(after([show(otherwise)]).verdict().reason.as_deref(), Some("Finishing"), "nobody knows");
}

#[test]
fn a_sidecar_that_ends_by_a_signal_is_no_failed_attempt() {
    let mut snapshot = attempts(6, &[0], None);
    let sidecar = ContainerStatus::new(true, exited(137, "Error"));
    snapshot.pods.values_mut().next().unwrap().containers.insert("sidecar".to_owned(), sidecar);
    let verdict = after([show(snapshot)]).verdict();
    assert_eq!((verdict.reason.as_deref(), verdict.exit_code), (Some("Finishing"), Some(0)));
}

#[test]
fn an_eviction_is_the_reason_only_if_it_came_last() {
    let reason = |evicted: &str| {
        let mut snapshot = attempts(2, &[1, 1, 1], Some(failed("BackoffLimitExceeded")));
        let pod = snapshot.pods.get_mut(evicted).unwrap();
        (pod.reason, pod.message) = (Some("Evicted".into()), Some("the node was low on memory".into()));
        after([show(snapshot)]).verdict().reason.unwrap()
    };
    assert_eq!(reason("pod-8"), "BackoffLimitExceeded", "the first of three");
    assert_eq!(reason("pod-6"), "Evicted", "the last one");
}
