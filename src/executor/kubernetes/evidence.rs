//! From what the API server shows of Jobs and Pods to evidence. Pure.
//!
//! Fields and reasons are those of `batch/v1` Job status and `core/v1` Pod status of the Kubernetes API reference.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec};
use k8s_openapi::api::core::v1::{
    ContainerState as State, ContainerStateTerminated as Terminated, ContainerStatus as Shown, Pod, PodCondition,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::executor::Marked;
use crate::job::labels::JOB_ID;
use crate::job::{Conclusion, ContainerState, ContainerStatus, JobId, LastExit, ObjectRef, PodStatus, Snapshot};

/// The label by which Kubernetes marks a Job's pods with the Job's UID.
pub(super) const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// The label and annotation of the completion index of an Indexed Job's pod.
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The job that an object was made for.
pub(super) fn job_id(job: &Job) -> Option<JobId> {
    job.metadata.annotations.as_ref()?.get(JOB_ID)?.parse().ok()
}

/// What a Job says of the job that it carries.
pub(super) fn marked(metadata: ObjectMeta) -> Option<Marked> {
    Some(Marked {
        object: ObjectRef { name: metadata.name?, namespace: metadata.namespace?, uid: metadata.uid? },
        created: metadata.creation_timestamp?.0,
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
    })
}

/// Name, namespace and UID of a Job.
pub(super) fn reference(job: &Job) -> Option<ObjectRef> {
    let metadata = &job.metadata;
    Some(ObjectRef { name: metadata.name.clone()?, namespace: metadata.namespace.clone()?, uid: metadata.uid.clone()? })
}

/// The UID of the Job that a pod belongs to. The label stays on a pod that was orphaned.
pub(super) fn controller_uid(pod: &Pod) -> Option<&str> {
    Some(pod.metadata.labels.as_ref()?.get(CONTROLLER_UID)?.as_str())
}

/// What a Job shows of itself, its pods aside.
pub(super) fn snapshot(job: &Job, object: ObjectRef, now: Timestamp) -> Snapshot {
    let status = job.status.as_ref();
    let spec = job.spec.as_ref();
    Snapshot {
        suspended: spec.and_then(|spec| spec.suspend).unwrap_or(false),
        orphaning: dependents(job) == Some(Dependents::Orphaned),
        backoff_limit: spec.and_then(backoff_limit),
        conclusion: conclusion(job, now),
        completed_indexes: status.and_then(|status| status.completed_indexes.clone()).filter(|it| !it.is_empty()),
        failed_indexes: status.and_then(|status| status.failed_indexes.clone()).filter(|it| !it.is_empty()),
        ..Snapshot::new(object, 0, now)
    }
}

/// How many of a Job's pods may fail, where nothing but their number decides whether another one follows.
fn backoff_limit(spec: &JobSpec) -> Option<u32> {
    let in_place = spec.template.spec.as_ref().and_then(|pod| pod.restart_policy.as_deref()) != Some("Never");
    let otherwise = in_place || spec.pod_failure_policy.is_some() || spec.backoff_limit_per_index.is_some();
    spec.backoff_limit.filter(|_| !otherwise).and_then(|limit| limit.try_into().ok())
}

/// What becomes of a Job's pods when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dependents {
    /// They are left behind.
    Orphaned,
    /// They go first.
    Foreground,
}

/// What was asked for with the deletion of a Job that waits for it. None where it does not wait, or no longer.
pub(super) fn dependents(job: &Job) -> Option<Dependents> {
    job.metadata.deletion_timestamp.as_ref()?;
    job.metadata.finalizers.iter().flatten().find_map(|finalizer| match finalizer.as_str() {
        "orphan" => Some(Dependents::Orphaned),
        "foregroundDeletion" => Some(Dependents::Foreground),
        _ => None,
    })
}

/// Whether a Job has ended.
pub(super) fn has_ended(job: &Job) -> bool {
    conclusion(job, Timestamp::UNIX_EPOCH).is_some()
}

fn conclusion(job: &Job, now: Timestamp) -> Option<Conclusion> {
    let status = job.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let holds = |kind: &str| conditions.iter().find(|it| it.type_ == kind && it.status == "True");
    let when = |condition: &JobCondition| condition.last_transition_time.as_ref().map_or(now, |time| time.0);
    if let Some(condition) = holds("Complete") {
        let at = status.completion_time.as_ref().map_or_else(|| when(condition), |time| time.0);
        return Some(Conclusion::Complete { at });
    }
    let condition = holds("Failed")?;
    // A Job whose pods are stopped because it is being deleted fails by that. Its end is the deletion, not the failure.
    if job.metadata.deletion_timestamp.as_ref().is_some_and(|deleted| when(condition) >= deleted.0) {
        return None;
    }
    Some(Conclusion::Failed {
        at: when(condition),
        reason: condition.reason.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| "Failed".to_owned()),
        message: condition.message.clone().unwrap_or_default(),
    })
}

/// What a pod shows of itself.
pub(super) fn pod_status(pod: &Pod, now: Timestamp) -> PodStatus {
    let metadata = &pod.metadata;
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.as_ref();
    let mut containers = BTreeMap::new();
    let init = status.init_container_statuses.iter().flatten().map(|shown| (shown, true));
    let main = status.container_statuses.iter().flatten().map(|shown| (shown, false));
    for (shown, is_init) in init.chain(main) {
        containers.insert(shown.name.clone(), container_status(shown, is_init, now));
    }
    let (reason, message) = pod_reason(pod);
    let index = metadata.annotations.as_ref().and_then(|it| it.get(COMPLETION_INDEX)?.parse().ok());
    PodStatus {
        deleting: metadata.deletion_timestamp.is_some(),
        interrupted: interrupted(pod, &containers),
        node: spec.and_then(|spec| spec.node_name.clone()),
        index,
        reason,
        message,
        containers,
        ..PodStatus::new(0, metadata.creation_timestamp.as_ref().map_or(now, |time| time.0))
    }
}

/// Whether a pod was told to stop before its containers had ended by themselves.
fn interrupted(pod: &Pod, containers: &BTreeMap<String, ContainerStatus>) -> bool {
    let metadata = &pod.metadata;
    let Some(killed_at) = &metadata.deletion_timestamp else {
        return false;
    };
    // That is the time at which its grace is over.
    let grace = SignedDuration::from_secs(metadata.deletion_grace_period_seconds.unwrap_or(0));
    let told = killed_at.0.saturating_sub(grace).unwrap_or(killed_at.0);
    containers.values().any(|container| match &container.state {
        // Times are given in whole seconds.
        ContainerState::Terminated { finished, .. } => *finished >= told,
        _ => true,
    })
}

/// Why a pod does not run, why it was ended, or what is wrong with it: in a word, and in a sentence.
fn pod_reason(pod: &Pod) -> (Option<String>, Option<String>) {
    let Some(status) = &pod.status else {
        return (None, None);
    };
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let find = |kind: &str, value: &str| conditions.iter().find(|it| it.type_ == kind && it.status == value);
    let told = |condition: &PodCondition| (condition.reason.clone(), condition.message.clone());
    if let Some(reason) = status.reason.clone().filter(|it| !it.is_empty()) {
        return (Some(reason), status.message.clone());
    }
    if let Some(condition) = find("DisruptionTarget", "True") {
        return disruption(condition);
    }
    match find("PodScheduled", "False") {
        Some(condition) => told(condition),
        None => (None, None),
    }
}

/// What disrupted a pod. An eviction, whoever asked for it, is called as the kubelet calls its own.
fn disruption(condition: &PodCondition) -> (Option<String>, Option<String>) {
    let reason = match condition.reason.as_deref() {
        Some("EvictionByEvictionAPI" | "TerminationByKubelet") => Some("Evicted".to_owned()),
        Some("PreemptionByScheduler") => Some("Preempted".to_owned()),
        Some("DeletionByTaintManager" | "DeletionByPodGC") => Some("NodeLost".to_owned()),
        other => other.map(str::to_owned),
    };
    (reason, condition.message.clone())
}

fn container_status(shown: &Shown, init: bool, now: Timestamp) -> ContainerStatus {
    let restarts = u32::try_from(shown.restart_count).unwrap_or(0);
    let empty = State::default();
    let state = container_state(shown.state.as_ref().unwrap_or(&empty), now);
    let ended_before = shown.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let waits_again = matches!(state, ContainerState::Waiting { .. }) && ended_before.is_some();
    let last_exit = ended_before.map(|ended| LastExit {
        finished: ended.finished_at.as_ref().map_or(now, |time| time.0),
        exit_code: ended.exit_code,
        reason: reason_of(ended.reason.as_deref(), ended.exit_code),
    });
    // Kubernetes counts a start once it has come about.
    ContainerStatus { init, restarts: restarts + u32::from(waits_again), last_exit, state }
}

fn container_state(state: &State, now: Timestamp) -> ContainerState {
    if let Some(ended) = state.terminated.as_ref().filter(|ended| is_real(ended)) {
        // A container that never started has times of the year 1970 or none.
        let real = |time: &Timestamp| time.as_second() > 0;
        return ContainerState::Terminated {
            exit_code: ended.exit_code,
            signal: ended.signal,
            reason: reason_of(ended.reason.as_deref(), ended.exit_code),
            message: ended.message.clone().filter(|it| !it.is_empty()),
            started: ended.started_at.as_ref().map(|time| time.0).filter(real),
            finished: ended.finished_at.as_ref().map(|time| time.0).filter(real).unwrap_or(now),
        };
    }
    if let Some(running) = &state.running {
        return ContainerState::Running { started: running.started_at.as_ref().map_or(now, |time| time.0) };
    }
    let waiting = state.waiting.clone().unwrap_or_default();
    ContainerState::Waiting { reason: waiting.reason, message: waiting.message }
}

/// Whether an end is one. When a pod is deleted before one of its containers was made, the kubelet says that it ended
/// with exit code 137, although it has never run.
fn is_real(ended: &Terminated) -> bool {
    ended.reason.as_deref() != Some("ContainerStatusUnknown") || ended.started_at.is_some()
}

fn reason_of(reason: Option<&str>, exit_code: i32) -> String {
    let said = reason.filter(|it| !it.is_empty());
    said.unwrap_or(if exit_code == 0 { "Completed" } else { "Error" }).to_owned()
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
