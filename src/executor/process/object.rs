//! One object while the service runs: what can be seen of it, and how to reach it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::NAMESPACE;
use super::disk::ObjectRecord;
use super::guard::Order;
use crate::job::{ContainerState, ContainerStatus, Evidence, JobId, ObjectRef, PodStatus, Snapshot};

/// Takes evidence to everyone who watches.
pub(super) type Hub = broadcast::Sender<(JobId, Evidence)>;
/// Where a watcher gets it from.
pub(super) type Changes = broadcast::Receiver<(JobId, Evidence)>;

/// One object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) job: JobId,
    pub(super) reference: ObjectRef,
    pub(super) created: Timestamp,
    pub(super) folder: PathBuf,
    /// Asks its controller to stop it.
    pub(super) cancel: CancellationToken,
    /// When it was noticed that nothing tells how it ended, if that is so. It is known from the start.
    pub(super) lost: Option<Timestamp>,
    snapshot: watch::Sender<Snapshot>,
    hub: Hub,
    /// Counts what guards say of logs.
    log_beats: watch::Sender<u64>,
    /// How to reach the guards of containers that run, by log file.
    guards: Mutex<BTreeMap<PathBuf, mpsc::UnboundedSender<Order>>>,
}

impl Object {
    pub(super) fn new(
        record: &ObjectRecord,
        folder: PathBuf,
        lost: Option<Timestamp>,
        snapshot: Snapshot,
        hub: Hub,
    ) -> Self {
        Self {
            job: record.job.clone(),
            reference: reference(record),
            created: record.created,
            folder,
            cancel: CancellationToken::new(),
            lost,
            snapshot: watch::Sender::new(snapshot),
            hub,
            log_beats: watch::Sender::new(0),
            guards: Mutex::default(),
        }
    }

    /// What is to be seen of it now.
    pub(super) fn evidence(&self) -> Evidence {
        match self.lost {
            Some(at) => self.gone(at, false),
            None => Evidence::Seen(Box::new(self.snapshot.borrow().clone())),
        }
    }

    pub(super) fn gone(&self, at: Timestamp, witnessed: bool) -> Evidence {
        Evidence::Gone { object: self.reference.clone(), at, witnessed }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lost.is_some() || self.snapshot.borrow().conclusion.is_some()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// Shows a change, with all that is to be seen.
    pub(super) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut shown = None;
        self.snapshot.send_modify(|snapshot| {
            change(snapshot);
            advance(snapshot);
            shown = Some(snapshot.clone());
        });
        self.publish_seen(shown);
    }

    /// Shows that a pod has come to be.
    pub(super) fn add_pod(&self, name: &str, pod: PodStatus) {
        self.change_pods(name, |pods| {
            pods.insert(name.to_owned(), pod);
        });
    }

    /// Shows a change of one pod.
    pub(super) fn update_pod(&self, name: &str, change: impl FnOnce(&mut PodStatus)) {
        self.change_pods(name, |pods| {
            if let Some(pod) = pods.get_mut(name) {
                change(pod);
            }
        });
    }

    /// Changes one pod. Only that pod is shown: what was shown of others stands, and an object can have thousands.
    fn change_pods(&self, name: &str, change: impl FnOnce(&mut BTreeMap<String, PodStatus>)) {
        let mut shown = None;
        self.snapshot.send_modify(|snapshot| {
            change(&mut snapshot.pods);
            advance(snapshot);
            let pod = snapshot.pods.get_mut(name).map(|pod| {
                pod.revision = snapshot.revision;
                (name.to_owned(), pod.clone())
            });
            shown = Some(Snapshot {
                suspended: snapshot.suspended,
                backoff_limit: snapshot.backoff_limit,
                conclusion: snapshot.conclusion.clone(),
                blocked: snapshot.blocked.clone(),
                pods: pod.into_iter().collect(),
                ..Snapshot::new(snapshot.object.clone(), snapshot.revision, snapshot.at)
            });
        });
        self.publish_seen(shown);
    }

    fn publish_seen(&self, shown: Option<Snapshot>) {
        if let Some(snapshot) = shown {
            self.publish(Evidence::Seen(Box::new(snapshot)));
        }
    }

    /// Shows a change of one container.
    pub(super) fn update_container(&self, pod: &str, container: &str, restarts: u32, state: ContainerState) {
        self.update_pod(pod, |pod| {
            let init = pod.containers.get(container).is_some_and(|it| it.init);
            let status = ContainerStatus { restarts, ..ContainerStatus::new(init, state) };
            pod.containers.insert(container.to_owned(), status);
        });
    }

    pub(super) fn publish(&self, evidence: Evidence) {
        // Nobody has to watch.
        let _ = self.hub.send((self.job.clone(), evidence));
    }

    /// Notes that a log has grown or is whole.
    pub(super) fn beat(&self) {
        self.log_beats.send_modify(|count| *count += 1);
    }

    pub(super) fn log_beats(&self) -> watch::Receiver<u64> {
        self.log_beats.subscribe()
    }

    pub(super) fn guard_started(&self, log: PathBuf, orders: mpsc::UnboundedSender<Order>) {
        self.guards().insert(log, orders);
    }

    pub(super) fn guard_ended(&self, log: &PathBuf) {
        self.guards().remove(log);
        self.beat();
    }

    /// Asks for a beat as soon as a log is longer than this.
    pub(super) fn want_log(&self, log: &PathBuf, len: u64) {
        if let Some(orders) = self.guards().get(log) {
            // A guard that has just ended beats by that.
            let _ = orders.send(Order::Want(len));
        }
    }

    fn guards(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, mpsc::UnboundedSender<Order>>> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a snapshot later than it was.
fn advance(snapshot: &mut Snapshot) {
    snapshot.at = Timestamp::now();
    snapshot.revision = next_revision(snapshot.revision, snapshot.at);
}

pub(super) fn reference(record: &ObjectRecord) -> ObjectRef {
    ObjectRef { name: record.name.clone(), namespace: NAMESPACE.to_owned(), uid: record.uid.clone() }
}

/// Revisions rise with time, so that they rise over restarts too.
pub(super) fn next_revision(last: u64, now: Timestamp) -> u64 {
    let clock = u64::try_from(now.as_microsecond()).unwrap_or(0);
    clock.max(last + 1)
}
