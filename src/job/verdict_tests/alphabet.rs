//! What may happen to a job, as the sequences of [`super::interleavings`] are made of it.
//!
//! The limits of the alphabets: one pod or two with one container each, few revisions and times. A rerun is no fact of the
//! job that it repeats, but another job; what its object shows stands here as that of another object. How snapshots of
//! many pods and containers are joined is tested beside [`Snapshot::join`].

use std::collections::BTreeMap;

use super::super::super::evidence::{Conclusion, ContainerState, ContainerStatus, Evidence, PodStatus, Snapshot};
use super::super::super::record::Fact;
use super::super::super::{LastExit, ObjectRef};
use super::{at, cancel, exited, failed, gone, object, refused, running, says, show, waiting};

/// What happens to a job.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Learn(Fact),
    /// The service dies; the job is read from its record, and its object is looked at again.
    Crash,
}

/// A snapshot in the life of an object whose first pod fails and whose second one succeeds.
fn snapshot(revision: u64, pods: &[ContainerState], conclusion: Option<Conclusion>) -> Snapshot {
    let pods = pods.iter().enumerate().map(|(number, state)| {
        let containers = BTreeMap::from([("main".to_owned(), ContainerStatus::new(false, state.clone()))]);
        (format!("pod-{number}"), PodStatus { containers, ..PodStatus::new(revision, at(1)) })
    });
    let taken = at(i64::try_from(revision).unwrap());
    Snapshot { conclusion, pods: pods.collect(), ..Snapshot::new(object(), revision, taken) }
}

fn of_another_object(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    let named = match &mut fact {
        Fact::Evidence(Evidence::Seen(seen)) => &mut seen.object,
        Fact::Evidence(Evidence::Gone { object, .. }) | Fact::Created { object, .. } => object,
        other => panic!("{other:?} names no object"),
    };
    named.uid = "u2".to_owned();
    fact
}

fn suspended() -> Fact {
    show(Snapshot { suspended: true, ..snapshot(2, &[], None) })
}

pub(super) fn complete() -> Fact {
    let end = Some(Conclusion::Complete { at: at(20) });
    show(snapshot(20, &[exited(1, "Error"), exited(0, "Completed")], end))
}

fn created() -> Fact {
    Fact::Created { object: object(), warnings: Vec::new(), at: at(1) }
}

/// Every kind of fact, and the shapes of it that lead to different verdicts: few enough for all sequences of six.
pub(super) fn alphabet() -> Vec<Step> {
    let failure = || exited(1, "Error");
    let stopped = Some(Conclusion::Stopped { at: at(21) });
    let facts = [
        created(),
        refused(),
        Fact::Withdrawn { at: at(2) },
        cancel(),
        suspended(),
        show(snapshot(3, &[waiting("ImagePullBackOff")], None)),
        show(snapshot(4, &[running()], None)),
        show(snapshot(5, &[failure(), running()], None)),
        show(snapshot(6, &[failure(), exited(0, "Completed")], None)),
        complete(),
        show(snapshot(19, &[failure(), failure()], Some(failed("BackoffLimitExceeded")))),
        show(snapshot(21, &[failure(), exited(143, "Error")], stopped)),
        gone(true),
        gone(false),
        of_another_object(&complete()),
        says(10, Some(1), "Done"),
        says(11, Some(2), "ERROR"),
        says(12, None, "Done"),
        says(13, None, "still at it"),
    ];
    facts.into_iter().map(Step::Learn).chain([Step::Crash]).collect()
}

/// The same, and more shapes of each kind.
pub(super) fn whole_alphabet() -> Vec<Step> {
    let failure = || exited(1, "Error");
    let unknown = ObjectRef { uid: ObjectRef::UNKNOWN_UID.to_owned(), ..object() };
    let blocked = Some(("QuotaExceeded".to_owned(), "pods=0".to_owned()));
    let again = ContainerStatus {
        restarts: 1,
        last_exit: Some(LastExit { finished: at(4), exit_code: 137, reason: "OOMKilled".to_owned() }),
        ..ContainerStatus::new(false, waiting("CrashLoopBackOff"))
    };
    let mut back_off = snapshot(8, &[failure(), failure()], None);
    let pod = PodStatus { containers: BTreeMap::from([("main".to_owned(), again)]), ..PodStatus::new(8, at(1)) };
    back_off.pods.insert("pod-2".to_owned(), pod);
    let facts = [
        Fact::Created { object: object(), warnings: vec!["would violate PodSecurity".to_owned()], at: at(2) },
        show(Snapshot { blocked, ..snapshot(1, &[], None) }),
        show(snapshot(7, &[failure(), failure()], None)),
        show(snapshot(18, &[failure(), running()], Some(failed("DeadlineExceeded")))),
        show(snapshot(30, &[failure(), exited(0, "Completed")], Some(Conclusion::Complete { at: at(18) }))),
        of_another_object(&gone(true)),
        of_another_object(&created()),
        Fact::Evidence(Evidence::Gone { object: unknown, at: at(9), witnessed: false }),
        says(9, Some(2), "Processing..."),
        says(14, Some(1), "ERROR"),
        says(15, Some(7), "ERROR"),
        says(16, Some(8), "Done"),
        says(17, None, "ERROR"),
        says(8, None, "Processing..."),
        Fact::LogKept { at: at(30) },
        Fact::ObjectDeleted { at: at(31) },
    ];
    alphabet().into_iter().chain(facts.into_iter().map(Step::Learn)).chain([Step::Learn(show(back_off))]).collect()
}
