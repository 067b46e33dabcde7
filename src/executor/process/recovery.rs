//! What the folder shows of an object when the service starts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::disk::{self, End, ObjectRecord, StoredPod};
use super::object::{next_revision, reference};
use super::pod::terminated;
use super::progress::{Attempt, EndedAttempt, Progress, Step};
use super::spec::{JobSpec, PodTemplate};
use super::{ProcessConfig, spec};
use crate::crash::{self, Point};
use crate::job::{Conclusion, ContainerStatus, PodStatus, Snapshot};

/// What is to be done with an object that was found.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing: it has ended, and its snapshot says how.
    Ended,
    /// This end is to be recorded.
    Ends(Conclusion),
    /// It is to be carried on, after these attempts.
    GoesOn(Box<JobSpec>, Vec<EndedAttempt>),
    /// Nothing tells how it ended.
    Lost(Timestamp),
}

/// Reads all that the folder shows of an object.
pub(super) fn recover(
    config: &ProcessConfig,
    record: &ObjectRecord,
    folder: &Path,
    now: Timestamp,
) -> io::Result<(Snapshot, Standing)> {
    let pods = disk::read_pods(folder)?;
    let mut snapshot = snapshot(record, &pods, now);
    let standing = match disk::read_end(folder)? {
        Some(End::Concluded(conclusion)) => {
            snapshot.conclusion = Some(conclusion);
            Standing::Ended
        }
        Some(End::Lost { at }) => Standing::Lost(at),
        None if disk::is_cancelled(folder) => Standing::Ends(Conclusion::Stopped { at: now }),
        None => judge(config, record, &pods, now),
    };
    if let Standing::Lost(at) = standing {
        // It is on record, so that what a guard may still write cannot turn it into another end later.
        crash::reached(Point::LossUnwritten);
        disk::write_end(folder, &End::Lost { at })?;
        crash::reached(Point::LossWritten);
    }
    if matches!(standing, Standing::GoesOn(..)) {
        crash::reached(Point::ObjectGoesOn);
    }
    Ok((snapshot, standing))
}

/// What is to be done with an object that has no end on record.
fn judge(config: &ProcessConfig, record: &ObjectRecord, pods: &[StoredPod], now: Timestamp) -> Standing {
    let spec = match spec::read(&record.manifest, &config.images, config.grace) {
        Ok(spec) => spec,
        Err(_) if !pods.is_empty() => return Standing::Lost(now),
        Err(faults) => {
            // It never ran, and cannot any more: a mapping of its images is gone.
            let message = super::Unsupported { faults }.to_string();
            let reason = "Unsupported".to_owned();
            return Standing::Ends(Conclusion::Failed { at: now, reason, message });
        }
    };
    let ended: Option<Vec<EndedAttempt>> = pods
        .iter()
        // A container's folder is there before its guard: in a pod without any, nothing was ever started.
        .filter(|pod| !pod.containers.is_empty())
        .map(|pod| {
            let attempt = Attempt::from_pod_name(&record.name, &pod.name)?;
            let (succeeded, at) = pod_end(&spec.pod, pod)?;
            Some((attempt, succeeded, at))
        })
        .collect();
    // After a start of the machine, attempts may have run that are not on disk.
    let goes_on = spec.suspended || record.boot == disk::boot_id();
    match ended {
        Some(ended) if goes_on || is_whole(&spec, &ended, now) => Standing::GoesOn(Box::new(spec), ended),
        _ => Standing::Lost(now),
    }
}

/// Whether attempts on disk alone tell how an object ended.
fn is_whole(spec: &JobSpec, ended: &[EndedAttempt], now: Timestamp) -> bool {
    let step = Progress::after(spec.limits.clone(), ended).next(now);
    matches!(step, Step::Complete(_) | Step::Failed(..))
}

/// How a pod ended, if all that is needed to tell is on disk.
fn pod_end(template: &PodTemplate, pod: &StoredPod) -> Option<(bool, Timestamp)> {
    let last_exit = |name: &str| pod.containers.get(name)?.last()?.exit.as_ref();
    if !template.restart_on_failure {
        let mut init = template.init.iter().filter_map(|it| last_exit(&it.name));
        if let Some(failed) = init.find(|exit| exit.exit_code != 0) {
            return Some((false, failed.finished));
        }
    }
    let exits: Option<Vec<_>> = template.containers.iter().map(|it| last_exit(&it.name)).collect();
    let exits = exits?;
    let succeeded = exits.iter().all(|exit| exit.exit_code == 0);
    // A container that would have been started again has not ended.
    if !succeeded && template.restart_on_failure {
        return None;
    }
    Some((succeeded, exits.iter().map(|exit| exit.finished).max()?))
}

/// What is to be seen of a new or found object.
pub(super) fn snapshot(record: &ObjectRecord, pods: &[StoredPod], now: Timestamp) -> Snapshot {
    let spec = |field: &str| record.manifest.get("spec").and_then(|spec| spec.get(field));
    let revision = next_revision(0, now);
    Snapshot {
        suspended: spec("suspend").and_then(Value::as_bool).unwrap_or(false),
        backoff_limit: backoff_limit(&record.manifest),
        pods: pods.iter().map(|pod| (pod.name.clone(), pod_status(record, pod, revision))).collect(),
        ..Snapshot::new(reference(record), revision, now)
    }
}

/// How many attempts may fail, where nothing but their number decides whether another one follows.
fn backoff_limit(manifest: &Value) -> Option<u32> {
    let in_place = manifest.pointer("/spec/template/spec/restartPolicy").and_then(Value::as_str) != Some("Never");
    let otherwise = in_place || manifest.pointer("/spec/backoffLimitPerIndex").is_some();
    let limit = manifest.pointer("/spec/backoffLimit").map_or(Some(spec::DEFAULT_BACKOFF_LIMIT.into()), Value::as_u64);
    limit.filter(|_| !otherwise).and_then(|limit| limit.try_into().ok())
}

fn pod_status(record: &ObjectRecord, pod: &StoredPod, revision: u64) -> PodStatus {
    let init = record.manifest.pointer("/spec/template/spec/initContainers").and_then(Value::as_array);
    let is_init = |name: &str| {
        let named = |it: &Value| it.get("name").and_then(Value::as_str) == Some(name);
        init.is_some_and(|list| list.iter().any(named))
    };
    let containers: BTreeMap<String, ContainerStatus> = pod
        .containers
        .iter()
        .filter_map(|(name, runs)| {
            let last = runs.last()?;
            let ended = ContainerStatus::new(is_init(name), terminated(last.exit.as_ref()?));
            let status = ContainerStatus { restarts: last.run, ..ended };
            Some((name.clone(), status))
        })
        .collect();
    let first = |runs: &Vec<disk::StoredRun>| {
        let exit = runs.first()?.exit.as_ref()?;
        Some(exit.started.unwrap_or(exit.finished))
    };
    let created = pod.containers.values().filter_map(first).min().unwrap_or(record.created);
    PodStatus {
        index: Attempt::from_pod_name(&record.name, &pod.name).and_then(|it| it.index),
        containers,
        ..PodStatus::new(revision, created)
    }
}
