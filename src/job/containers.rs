//! What the containers of an object do and did, out of what was seen of it.

use jiff::Timestamp;

use super::event::{EventKind, NewEvent, Source};
use super::evidence::{Conclusion, ContainerState, ContainerStatus, PodStatus, Snapshot};

/// How a container ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exit<'a> {
    pub(super) code: i32,
    pub(super) reason: &'a str,
    pub(super) message: Option<&'a str>,
    finished: Timestamp,
}

pub(super) fn containers(seen: &Snapshot) -> impl Iterator<Item = &ContainerStatus> + Clone {
    seen.pods.values().flat_map(|pod| pod.containers.values())
}

/// The containers of pods that are still there. What a pod that is gone was last seen to do, it does no more.
pub(super) fn live_containers(seen: &Snapshot) -> impl Iterator<Item = &ContainerStatus> {
    seen.pods.values().filter(|pod| !seen.is_gone(pod)).flat_map(|pod| pod.containers.values())
}

/// How the containers of a pod ended that did, each with whether it is an init container.
fn exits(pod: &PodStatus) -> impl Iterator<Item = (bool, Exit<'_>)> {
    pod.containers.values().filter_map(|container| match &container.state {
        ContainerState::Terminated { exit_code, reason, message, finished, .. } => {
            Some((container.init, Exit { code: *exit_code, reason, message: message.as_deref(), finished: *finished }))
        }
        _ => container.last_exit.as_ref().map(|last| {
            (
                container.init,
                Exit { code: last.exit_code, reason: &last.reason, message: None, finished: last.finished },
            )
        }),
    })
}

/// The exit that tells most: of the pod that failed last, else the last end of a container that is not an init
/// container.
pub(super) fn deciding_exit(seen: &Snapshot) -> Option<Exit<'_>> {
    let last_success = || {
        let exits = seen.pods.values().flat_map(exits);
        last(exits.filter(|(init, exit)| !init && exit.code == 0))
    };
    if matches!(seen.conclusion, Some(Conclusion::Complete { .. })) {
        return last_success();
    }
    let failures = seen.pods.values().filter_map(|pod| Some((false, failure_of(pod)?)));
    last(failures).or_else(last_success)
}

/// How the pod that came to be last has ended: of several, one that failed.
pub(super) fn latest_exit(seen: &Snapshot) -> Option<Exit<'_>> {
    let latest = seen.pods.values().map(|pod| pod.created).max();
    let pods = || seen.pods.values().filter(move |pod| Some(pod.created) == latest);
    let failed = last(pods().filter_map(|pod| Some((false, failure_of(pod)?))));
    failed.or_else(|| last(pods().flat_map(exits).filter(|(init, _)| !init)))
}

/// How many pods have failed.
pub(super) fn failures(seen: &Snapshot) -> usize {
    seen.pods.values().filter(|pod| failure_of(pod).is_some()).count()
}

/// The pod that failed last: by an exit, or since it was evicted.
pub(super) fn failed_last(seen: &Snapshot) -> Option<&PodStatus> {
    let failed = seen.pods.values().filter(|pod| is_evicted(pod) || failure_of(pod).is_some());
    failed.max_by_key(|pod| pod.created)
}

pub(super) fn is_evicted(pod: &PodStatus) -> bool {
    pod.reason.as_deref() == Some("Evicted")
}

/// Why a pod failed. An init container decides only where no other one has ended: a sidecar is stopped after those that
/// it served, and often ends by a signal.
fn failure_of(pod: &PodStatus) -> Option<Exit<'_>> {
    let failures = |init: bool| last(exits(pod).filter(move |(it, exit)| *it == init && exit.code != 0));
    let only_init = exits(pod).all(|(init, _)| init);
    failures(false).or_else(|| failures(true).filter(|_| only_init))
}

fn last<'a>(exits: impl Iterator<Item = (bool, Exit<'a>)>) -> Option<Exit<'a>> {
    exits.map(|(_, exit)| exit).max_by_key(|exit| (exit.finished, exit.code))
}

pub(super) fn first_start(seen: &Snapshot) -> Option<Timestamp> {
    containers(seen)
        .filter_map(|container| match &container.state {
            ContainerState::Waiting { .. } => None,
            ContainerState::Running { started } => Some(*started),
            ContainerState::Terminated { started, .. } => *started,
        })
        .min()
}

pub(super) fn all_have_ended(seen: &Snapshot) -> bool {
    live_containers(seen).all(|container| matches!(container.state, ContainerState::Terminated { .. }))
}

/// Whether a pod went before its end could be seen.
pub(super) fn is_missing(seen: &Snapshot, pod: &PodStatus) -> bool {
    let ended = |container: &ContainerStatus| matches!(container.state, ContainerState::Terminated { .. });
    seen.is_gone(pod) && !pod.containers.values().all(ended)
}

pub(super) fn describe_alive(seen: &Snapshot) -> &'static str {
    describe(containers(seen))
}

pub(super) fn describe<'a>(containers: impl Iterator<Item = &'a ContainerStatus> + Clone) -> &'static str {
    let any = |wanted: fn(&ContainerState) -> bool| containers.clone().any(|container| wanted(&container.state));
    if any(|state| matches!(state, ContainerState::Running { .. })) {
        " while a container ran"
    } else if any(|state| matches!(state, ContainerState::Terminated { .. })) {
        " after its container had ended"
    } else {
        " before a container ran"
    }
}

/// The containers that started or ended between two joined snapshots.
pub(super) fn container_events(before: Option<&Snapshot>, now: &Snapshot) -> Vec<NewEvent> {
    let mut events = Vec::new();
    for (pod_name, pod) in &now.pods {
        for (name, container) in &pod.containers {
            let known = before.and_then(|seen| seen.pods.get(pod_name)?.containers.get(name));
            if known.is_some_and(|known| known == container) {
                continue;
            }
            let same_run = known.filter(|known| known.restarts == container.restarts);
            let seen_started = same_run.is_some_and(|known| !matches!(known.state, ContainerState::Waiting { .. }));
            let seen_ended = same_run.is_some_and(|known| matches!(known.state, ContainerState::Terminated { .. }));
            let started = match &container.state {
                ContainerState::Waiting { .. } => None,
                ContainerState::Running { started } => Some(*started),
                ContainerState::Terminated { started, .. } => *started,
            };
            let (pod, container_name) = (pod_name.clone(), name.clone());
            if let Some(last) = container.last_exit.as_ref().filter(|last| !known.is_some_and(|it| it.showed(last))) {
                let (pod, container, reason) = (pod.clone(), container_name.clone(), last.reason.clone());
                let kind = EventKind::ContainerEnded { pod, container, exit_code: last.exit_code, reason };
                events.push(NewEvent { at: last.finished, source: Source::Executor, kind });
            }
            if let Some(at) = started.filter(|_| !seen_started) {
                let kind = EventKind::ContainerStarted { pod: pod.clone(), container: container_name.clone() };
                events.push(NewEvent { at, source: Source::Executor, kind });
            }
            if let ContainerState::Terminated { exit_code, reason, finished, .. } = &container.state
                && !seen_ended
            {
                let (exit_code, reason) = (*exit_code, reason.clone());
                let kind = EventKind::ContainerEnded { pod, container: container_name, exit_code, reason };
                events.push(NewEvent { at: *finished, source: Source::Executor, kind });
            }
        }
    }
    events
}
