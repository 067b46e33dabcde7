//! What a history comes to, said as design and documentation say it and not as the code computes it: nothing here steps
//! from one fact to the next, and nothing is kept but the history itself.

use super::super::super::Phase;
use super::super::super::evidence::{Conclusion, ContainerState, Evidence, ObjectRef, Snapshot};
use super::super::super::record::Fact;
use super::super::super::report::Report;

/// What must be so after a history.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected<'a> {
    pub(super) phase: Phase,
    /// `Some("*")` where it takes more than a table to say which reason it is.
    pub(super) reason: Option<&'a str>,
    pub(super) disputed: bool,
    /// The worker's latest words.
    pub(super) words: Option<&'a Report>,
}

pub(super) fn expected<'a>(history: &[&'a Fact]) -> Expected<'a> {
    // A job ends by the first fact that tells an end; until then it stands as the newest snapshot shows it.
    let end = (0..history.len()).find_map(|place| end(history[place], &history[..place]));
    let (phase, reason) = end.unwrap_or_else(|| alive(history));
    let words = words(history);
    let said = |word: &str| words.is_some_and(|report| report.status == word);
    let disputed = (phase == Phase::Succeeded && said("ERROR")) || (phase == Phase::Failed && said("Done"));
    Expected { phase, reason, disputed, words }
}

/// The object that a fact is about.
fn object(fact: &Fact) -> Option<&ObjectRef> {
    match fact {
        Fact::Created { object, .. } => Some(object),
        Fact::Evidence(evidence) => Some(evidence.object()),
        _ => None,
    }
}

/// The end that a fact tells after what was known before it.
fn end<'a>(fact: &'a Fact, before: &[&'a Fact]) -> Option<(Phase, Option<&'a str>)> {
    let known = before.iter().find_map(|fact| object(fact));
    let cancelled = before.iter().any(|fact| matches!(fact, Fact::CancelRequested(_)));
    match fact {
        // There was nothing, and will be nothing.
        Fact::Refused(refusal) if known.is_none() => Some((Phase::Rejected, Some(&*refusal.reason))),
        Fact::Withdrawn { .. } if known.is_none() => Some((Phase::Cancelled, Some("Cancelled"))),
        // The object that is the job's is the first one that was named; no other one has a say.
        Fact::Evidence(it) if known.is_some_and(|known| known.uid != it.object().uid) => None,
        Fact::Evidence(Evidence::Seen(seen)) => Some(match seen.conclusion.as_ref()? {
            Conclusion::Complete { .. } => (Phase::Succeeded, None),
            Conclusion::Failed { reason, .. } if reason == "BackoffLimitExceeded" => (Phase::Failed, Some("*")),
            Conclusion::Failed { reason, .. } => (Phase::Failed, Some(reason)),
            Conclusion::Stopped { .. } => (Phase::Cancelled, Some(if cancelled { "Cancelled" } else { "Stopped" })),
        }),
        Fact::Evidence(Evidence::Gone { .. }) if cancelled => Some((Phase::Cancelled, Some("Cancelled"))),
        Fact::Evidence(Evidence::Gone { witnessed: true, .. }) => Some((Phase::Cancelled, Some("Deleted"))),
        Fact::Evidence(Evidence::Gone { witnessed: false, .. }) => Some((Phase::Lost, Some("ObjectGone"))),
        _ => None,
    }
}

/// How a job stands that has not ended.
fn alive<'a>(history: &[&'a Fact]) -> (Phase, Option<&'a str>) {
    let Some(known) = history.iter().find_map(|fact| object(fact)) else {
        return (Phase::Pending, None);
    };
    let snapshots = history.iter().filter_map(|fact| match fact {
        Fact::Evidence(Evidence::Seen(seen)) if seen.object.uid == known.uid => Some(&**seen),
        _ => None,
    });
    let Some(newest) = snapshots.max_by_key(|seen| seen.revision) else {
        return (Phase::Waiting, None);
    };
    let states: Vec<&ContainerState> =
        newest.pods.values().flat_map(|pod| pod.containers.values()).map(|container| &container.state).collect();
    let is_running = |state: &&ContainerState| matches!(state, ContainerState::Running { .. });
    let has_ended = |state: &&ContainerState| matches!(state, ContainerState::Terminated { .. });
    match () {
        () if newest.suspended => (Phase::Suspended, None),
        () if states.iter().any(is_running) => (Phase::Running, None),
        () if newest.blocked.is_none() && !states.is_empty() && states.iter().all(has_ended) => {
            (Phase::Running, Some("Finishing"))
        }
        () => (Phase::Waiting, why_waiting(newest)),
    }
}

fn why_waiting(seen: &Snapshot) -> Option<&str> {
    let of_containers = seen.pods.values().flat_map(|pod| pod.containers.values()).find_map(|it| match &it.state {
        ContainerState::Waiting { reason, .. } => reason.as_deref(),
        _ => None,
    });
    seen.blocked.as_ref().map(|(reason, _)| &**reason).or(of_containers)
}

/// The worker's latest words: of the greatest number as it came first, or without a number, whichever is later.
fn words<'a>(history: &[&'a Fact]) -> Option<&'a Report> {
    let reports = || {
        history.iter().filter_map(|fact| match fact {
            Fact::Report(report) => Some(report),
            _ => None,
        })
    };
    let greatest = reports().filter_map(|report| report.sequence).max();
    let numbered = reports().filter(|report| greatest.is_some() && report.sequence == greatest).min_by_key(|it| it.at);
    let plain = reports().filter(|report| report.sequence.is_none()).max_by_key(|it| it.at);
    numbered.into_iter().chain(plain).max_by_key(|report| report.at)
}
