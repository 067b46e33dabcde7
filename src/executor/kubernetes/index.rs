//! What is known of the installation's objects, from the watches of Jobs, Pods and warnings: the one place where the
//! three meet. Pure: watch events go in, observations come out.
//!
//! The watches run apart, so that a pod may come before its Job, and may outlive it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::watcher::Event as Watched;

use super::evidence;
use super::refusals::{Refused, refused};
use crate::executor::Observation;
use crate::job::{ContainerState, Evidence, JobId, PodStatus, Snapshot};

/// How many refusals are kept whose Job is not known yet.
const MOST_EARLY: usize = 256;

/// Something that one of the watches shows.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "each is moved once, and never kept")]
pub(super) enum Input {
    /// Of a Job.
    Jobs(Watched<Job>),
    /// Of a Pod.
    Pods(Watched<Pod>),
    /// Of an Event of type `Warning`.
    Warnings(Watched<Event>),
    /// A watch cannot go on for now.
    Failed(String),
}

/// Numbers what is shown: later is greater, whatever becomes of the clock, and across restarts too as long as it is not
/// set back over them.
#[derive(Debug, Default)]
pub(super) struct Revisions(AtomicU64);

impl Revisions {
    pub(super) fn next(&self, now: Timestamp) -> u64 {
        let microseconds = u64::try_from(now.as_microsecond()).unwrap_or(0);
        let after = |last: u64| microseconds.max(last + 1);
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        after(last.unwrap_or_else(|last| last))
    }
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the UID of the Job.
    objects: HashMap<String, Object>,
    /// By the name of a pod, the UID of its Job.
    owners: HashMap<String, String>,
    jobs: Listing,
    pods: Listing,
    revisions: Arc<Revisions>,
    /// Refusals that came before their Job, if that is ours at all: Events name no installation.
    early: VecDeque<(String, Refused)>,
    /// Whether it was told that the executor cannot be reached, and no list has come since.
    unreachable: bool,
}

/// What is known of one Job and its pods.
#[derive(Debug, Default)]
struct Object {
    /// The Job, unless only pods of it were seen.
    job: Option<(JobId, Snapshot)>,
    /// Whether the Job is gone.
    deleted: bool,
    pods: BTreeMap<String, PodStatus>,
    /// Why no pod could be made for it, last.
    refused: Option<Refused>,
}

/// How far a watch is with its list.
#[derive(Debug, Default)]
struct Listing {
    /// What the list that is under way has shown: the UIDs of Jobs, the names of pods.
    under_way: Option<HashSet<String>>,
    /// Whether there was a complete list.
    complete: bool,
}

impl Listing {
    fn begin(&mut self) {
        self.under_way = Some(HashSet::new());
    }

    fn shows(&mut self, name: &str) {
        if let Some(shown) = &mut self.under_way {
            shown.insert(name.to_owned());
        }
    }

    fn end(&mut self) -> HashSet<String> {
        self.complete = true;
        self.under_way.take().unwrap_or_default()
    }
}

impl Index {
    /// An index that knows nothing yet, and numbers by these revisions.
    pub(super) fn new(revisions: Arc<Revisions>) -> Self {
        Self { revisions, ..Self::default() }
    }

    /// Takes in what a watch shows, and says what follows from it.
    pub(super) fn take(&mut self, input: Input, now: Timestamp) -> Vec<Observation> {
        match input {
            Input::Jobs(event) => self.take_job(event, now),
            Input::Pods(event) => self.take_pod(event, now),
            Input::Warnings(Watched::Apply(event) | Watched::InitApply(event)) => {
                self.take_warning(&event, now).into_iter().collect()
            }
            Input::Warnings(_) => Vec::new(),
            Input::Failed(_) if std::mem::replace(&mut self.unreachable, true) => Vec::new(),
            Input::Failed(why) => vec![Observation::Unreachable(why)],
        }
    }

    fn take_job(&mut self, event: Watched<Job>, now: Timestamp) -> Vec<Observation> {
        match event {
            Watched::Init => {
                self.jobs.begin();
                Vec::new()
            }
            Watched::InitApply(job) => {
                if let Some(uid) = self.keep_job(&job, now) {
                    self.jobs.shows(&uid);
                }
                Vec::new()
            }
            Watched::InitDone => {
                let shown = self.jobs.end();
                // What is missing came to an end unseen; whoever takes the list finds that out. Its pods may tell more.
                self.objects.retain(|uid, object| {
                    object.deleted |= object.job.is_some() && !shown.contains(uid);
                    !object.is_over()
                });
                self.listed(now)
            }
            Watched::Apply(job) => {
                let uid = self.keep_job(&job, now);
                uid.and_then(|uid| self.changed(&uid, now)).into_iter().collect()
            }
            Watched::Delete(job) => {
                let Some(uid) = self.keep_job(&job, now) else {
                    return Vec::new();
                };
                let mut observations: Vec<_> = self.changed(&uid, now).into_iter().collect();
                observations.extend(self.delete_job(&uid, now));
                observations
            }
        }
    }

    fn keep_job(&mut self, job: &Job, now: Timestamp) -> Option<String> {
        let (id, reference) = (evidence::job_id(job)?, evidence::reference(job)?);
        let uid = reference.uid.clone();
        let object = self.objects.entry(uid.clone()).or_default();
        if object.job.is_none() {
            let early = self.early.iter().position(|(of, _)| *of == uid).and_then(|at| self.early.remove(at));
            object.refused = object.refused.take().or(early.map(|(_, refused)| refused));
        }
        let mut snapshot = evidence::snapshot(job, reference, now);
        if job.metadata.deletion_timestamp.is_some() && evidence::dependents(job).is_none() {
            // The mark is taken off just before the object goes; its pods have been left behind all the same.
            snapshot.orphaning = object.job.as_ref().is_some_and(|(_, before)| before.orphaning);
        }
        object.job = Some((id, snapshot));
        Some(uid)
    }

    fn delete_job(&mut self, uid: &str, now: Timestamp) -> Option<Observation> {
        let object = self.objects.get_mut(uid)?;
        object.deleted = true;
        let (id, snapshot) = object.job.as_ref()?;
        let gone = Evidence::Gone { object: snapshot.object.clone(), at: now, witnessed: true };
        let observation = Observation::Changed(id.clone(), gone);
        self.forget_if_over(uid);
        Some(observation)
    }

    fn take_pod(&mut self, event: Watched<Pod>, now: Timestamp) -> Vec<Observation> {
        match event {
            Watched::Init => {
                self.pods.begin();
                Vec::new()
            }
            Watched::InitApply(pod) => {
                if let Some((_, name)) = self.keep_pod(&pod, now) {
                    self.pods.shows(&name);
                }
                Vec::new()
            }
            Watched::InitDone => {
                let shown = self.pods.end();
                for object in self.objects.values_mut() {
                    object.pods.retain(|name, _| shown.contains(name));
                }
                self.owners.retain(|name, _| shown.contains(name));
                self.objects.retain(|_, object| !object.is_over());
                self.listed(now)
            }
            Watched::Apply(pod) => {
                let kept = self.keep_pod(&pod, now);
                kept.and_then(|(uid, _)| self.changed(&uid, now)).into_iter().collect()
            }
            Watched::Delete(pod) => {
                let Some((uid, name)) = self.keep_pod(&pod, now) else {
                    return Vec::new();
                };
                // Its last state is shown once more, then that it is gone.
                let mut observations: Vec<_> = self.changed(&uid, now).into_iter().collect();
                if let Some(object) = self.objects.get_mut(&uid) {
                    object.pods.remove(&name);
                }
                self.owners.remove(&name);
                observations.extend(self.changed(&uid, now));
                self.forget_if_over(&uid);
                observations
            }
        }
    }

    /// Puts a pod with its Job. Returns the Job's UID and the pod's name.
    fn keep_pod(&mut self, pod: &Pod, now: Timestamp) -> Option<(String, String)> {
        let uid = evidence::controller_uid(pod)?.to_owned();
        let name = pod.metadata.name.clone()?;
        self.owners.insert(name.clone(), uid.clone());
        let object = self.objects.entry(uid.clone()).or_default();
        let revision = self.revisions.next(now);
        let status = PodStatus { revision, ..evidence::pod_status(pod, now) };
        object.pods.insert(name.clone(), status);
        Some((uid, name))
    }

    fn take_warning(&mut self, event: &Event, now: Timestamp) -> Option<Observation> {
        let about = &event.involved_object;
        match about.kind.as_deref()? {
            "Job" => {
                let refused = refused(event, now)?;
                let uid = about.uid.as_deref()?;
                let Some(object) = self.objects.get_mut(uid) else {
                    self.early.push_back((uid.to_owned(), refused));
                    if self.early.len() > MOST_EARLY {
                        self.early.pop_front();
                    }
                    return None;
                };
                object.refused = Some(refused);
                self.changed(uid, now)
            }
            "Pod" => {
                let name = about.name.as_deref()?;
                let refused = super::refusals::hindered(event, now)?;
                let uid = self.owners.get(name)?.clone();
                let pod = self.objects.get_mut(&uid)?.pods.get_mut(name)?;
                if has_started(pod) || refused.at < pod.created {
                    // Overcome since, or about an earlier pod of that name.
                    return None;
                }
                pod.revision = self.revisions.next(now);
                (pod.reason, pod.message) = (Some(refused.reason), Some(refused.message));
                self.changed(&uid, now)
            }
            _ => None,
        }
    }

    fn changed(&mut self, uid: &str, now: Timestamp) -> Option<Observation> {
        // What was listed comes as a list, once that is complete.
        if !self.is_complete() {
            return None;
        }
        let revision = self.revisions.next(now);
        let (id, snapshot) = self.objects.get(uid)?.snapshot(revision, now)?;
        Some(Observation::Changed(id, Evidence::Seen(Box::new(snapshot))))
    }

    fn is_complete(&self) -> bool {
        self.jobs.complete && self.pods.complete
    }

    fn listed(&mut self, now: Timestamp) -> Vec<Observation> {
        // Where the other watch lists too, its end shows the whole.
        if !self.is_complete() || self.jobs.under_way.is_some() || self.pods.under_way.is_some() {
            return Vec::new();
        }
        self.unreachable = false;
        let revision = self.revisions.next(now);
        let there = self.objects.values().filter(|object| !object.deleted);
        let objects = there
            .filter_map(|object| object.snapshot(revision, now))
            .map(|(id, snapshot)| (id, Evidence::Seen(Box::new(snapshot))))
            .collect();
        vec![Observation::Listed(objects)]
    }

    fn forget_if_over(&mut self, uid: &str) {
        if self.objects.get(uid).is_some_and(Object::is_over) {
            self.objects.remove(uid);
        }
    }
}

impl Object {
    /// Whether nothing more of it is to come.
    fn is_over(&self) -> bool {
        self.pods.is_empty() && (self.deleted || self.job.is_none())
    }

    fn snapshot(&self, revision: u64, now: Timestamp) -> Option<(JobId, Snapshot)> {
        let (id, snapshot) = self.job.as_ref()?;
        Some((id.clone(), assembled(snapshot, &self.pods, self.refused.as_ref(), revision, now)))
    }
}

/// A snapshot of a Job with its pods.
pub(super) fn assembled(
    job: &Snapshot,
    pods: &BTreeMap<String, PodStatus>,
    refused: Option<&Refused>,
    revision: u64,
    now: Timestamp,
) -> Snapshot {
    let shown = |pod: &PodStatus| PodStatus { shown: revision, ..pod.clone() };
    let pods: BTreeMap<_, _> = pods.iter().map(|(name, pod)| (name.clone(), shown(pod))).collect();
    let blocked = refused.filter(|it| pods.values().all(|pod| has_ended(pod) && pod.created <= it.at));
    let blocked = blocked.map(|it| (it.reason.clone(), it.message.clone()));
    Snapshot { revision, at: now, blocked, pods, ..job.clone() }
}

/// Whether a container of a pod has been started.
fn has_started(pod: &PodStatus) -> bool {
    pod.containers.values().any(|container| !matches!(container.state, ContainerState::Waiting { .. }))
}

/// Whether all containers of a pod have ended.
fn has_ended(pod: &PodStatus) -> bool {
    let ended = |state: &ContainerState| matches!(state, ContainerState::Terminated { .. });
    !pod.containers.is_empty() && pod.containers.values().all(|container| ended(&container.state))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
