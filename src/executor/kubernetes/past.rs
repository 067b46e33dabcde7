//! Whether a launch whose answer was lost had come to something that is gone by now.
//!
//! A create whose outcome is not known is sent again, and meets its own object if there is one. But one that was made
//! and deleted meanwhile has left its name free: a second one would be made. The API server remembers such a thing for
//! a while. So a version of it is noted before a create is sent for the first time, and before it is sent again, all
//! that came to pass under that name since then is read.
//!
//! What is not remembered cannot be read: then the create is sent again all the same.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;

use super::api::{self, Answer};
use super::client::Connection;
use super::evidence;
use crate::job::{JobId, ObjectRef};

/// How old a version may be that a create is begun from. API servers remember the last 75 s at least.
const FRESH: Duration = Duration::from_secs(30);
/// How long the past is read, in seconds. An API server says how far it has come two seconds before the end.
const LONGEST_READ: u32 = 4;
/// How often it is read in vain. Servers need not say how far they have come, although they do.
const MOST_BROKEN: u32 = 10;
/// How many of the objects that were deleted from here are known.
const MOST_DELETED: usize = 10_000;

/// What is needed to read the past of a name.
#[derive(Debug, Default)]
pub(super) struct Past {
    state: Mutex<State>,
    /// How often the server was set back.
    setbacks: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// The version that was seen last, and when.
    latest: Option<(Version, Instant)>,
    /// The greatest version that was seen since the server was set back, if ever.
    greatest: Option<Version>,
    /// Creates whose outcome is not known, by the name of the object.
    unresolved: HashMap<String, Unresolved>,
    /// UIDs of the objects that were deleted from here: their jobs had ended, and a later one may have the same name.
    deleted: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Unresolved {
    /// The version from before the first create, if there was one.
    since: Option<Version>,
    /// How often the past was read, and broke off before all was told.
    broken: u32,
}

/// A resource version. They are numbers that grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64);

impl Version {
    fn of(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn in_list(list: &Value) -> Option<Self> {
        Self::of(list.pointer("/metadata/resourceVersion")?.as_str()?)
    }
}

/// What there is under a name, and was.
#[derive(Debug)]
pub(super) enum Traces {
    /// This is there.
    There(Value),
    /// The job had an object. Whether it is still there was not told.
    Made(ObjectRef),
    /// The job had an object, which was deleted.
    Gone(ObjectRef),
    /// There is nothing, and if anything was, it is not remembered.
    None,
    /// The API server does not say.
    Unknown(Answer),
}

/// Whose traces are looked for.
pub(super) struct Wanted<'a> {
    pub(super) connection: &'a Connection,
    pub(super) namespace: &'a str,
    /// The path of the collection.
    pub(super) jobs: &'a str,
    pub(super) name: &'a str,
    pub(super) id: &'a JobId,
    pub(super) installation: &'a str,
}

impl Past {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a version that was shown just now. It need not be the greatest: a server may have been set back.
    pub(super) fn saw(&self, version: Option<&str>) {
        if let Some(version) = version.and_then(Version::of) {
            let mut state = self.state();
            state.latest = Some((version, Instant::now()));
            state.greatest = state.greatest.max(Some(version));
        }
    }

    /// Changes whenever the server was set back, as by a backup: what is watched from a version that it has not reached
    /// again shows nothing.
    pub(super) fn setbacks(&self) -> watch::Receiver<u64> {
        self.setbacks.subscribe()
    }

    /// Asks the server how far it is, and notices if that is less than it was.
    pub(super) async fn notice_setback(&self, connection: &Connection, jobs: &str) {
        let Some(before) = self.state().greatest else { return };
        // A list of nothing, for its version.
        let answer = api::get(connection, &format!("{jobs}?fieldSelector=metadata.name%3D-&limit=1")).await;
        let Answer::Done { body, .. } = answer else { return };
        if let Some(now) = Version::in_list(&body).filter(|now| *now < before) {
            tracing::warn!("the API server was set back to an earlier state; everything is listed anew");
            let mut state = self.state();
            (state.latest, state.greatest) = (Some((now, Instant::now())), Some(now));
            self.setbacks.send_modify(|count| *count += 1);
        }
    }

    /// Takes note of an object that is deleted from here.
    pub(super) fn deletes(&self, uid: &str) {
        let mut state = self.state();
        state.deleted.push_back(uid.to_owned());
        if state.deleted.len() > MOST_DELETED {
            state.deleted.pop_front();
        }
    }

    /// The outcome of all creates of a name is known, or nothing was sent.
    pub(super) fn is_settled(&self, name: &str) {
        self.state().unresolved.remove(name);
    }

    /// Whether a create of this name was sent whose outcome is not known.
    pub(super) fn is_unresolved(&self, name: &str) -> bool {
        self.state().unresolved.contains_key(name)
    }

    /// Begins with the creates of a name: from here on what comes to pass under it can be read.
    pub(super) async fn begin(&self, of: &Wanted<'_>) {
        let fresh = self.state().latest.filter(|(_, at)| at.elapsed() < FRESH);
        if fresh.is_none() {
            // Any version that the server has at hand will do. If it has none to tell, the create will show more.
            let limit = of.connection.timeouts.ping;
            let listed = tokio::time::timeout(limit, api::get(of.connection, &of.list("&resourceVersion=0"))).await;
            if let Ok(Answer::Done { body, .. }) = listed {
                self.saw(body.pointer("/metadata/resourceVersion").and_then(Value::as_str));
            }
        }
        let mut state = self.state();
        let version = state.latest.filter(|(_, at)| at.elapsed() < FRESH).map(|(version, _)| version);
        state.unresolved.insert(of.name.to_owned(), Unresolved { since: version, broken: 0 });
    }

    /// Looks for what has become of the creates of a name.
    pub(super) async fn look(&self, of: &Wanted<'_>) -> Traces {
        let (list, now) = match api::get(of.connection, &of.list("")).await {
            Answer::Done { body, .. } => {
                let now = Version::in_list(&body);
                (body, now)
            }
            other => return Traces::Unknown(other),
        };
        if let Some(there) = list.pointer("/items/0") {
            return Traces::There(there.clone());
        }
        let since = self.state().unresolved.get(of.name).and_then(|it| it.since);
        // A server that was set back has another past than the one that was seen.
        let (Some(since), Some(now)) = (since, now) else { return Traces::None };
        if since > now {
            return Traces::None;
        }
        self.read(of, since, now).await
    }

    /// Reads what came to pass under a name from one version to another.
    async fn read(&self, of: &Wanted<'_>, since: Version, until: Version) -> Traces {
        let api: Api<Job> = Api::namespaced(of.connection.calls.clone(), of.namespace);
        let seconds = of.connection.timeouts.watch_seconds.min(LONGEST_READ);
        let wanted = WatchParams::default().fields(&format!("metadata.name={}", of.name)).timeout(seconds);
        let silent = |error: kube::Error| Traces::Unknown(Answer::Silence(api::chain(&error)));
        let mut events = match api.watch(&wanted, &since.0.to_string()).await {
            Ok(events) => events.boxed(),
            Err(kube::Error::Api(status)) if status.code == 410 => return Traces::None,
            Err(error) => return silent(error),
        };
        let mut made = None;
        loop {
            let reached = match events.try_next().await {
                Ok(Some(WatchEvent::Added(job))) => {
                    made = self.reference_of_ours(&job, of).or(made);
                    job.resource_version()
                }
                Ok(Some(WatchEvent::Modified(job))) => job.resource_version(),
                Ok(Some(WatchEvent::Deleted(job))) => {
                    if let Some(object) = made.take_if(|made| Some(&made.uid) == job.metadata.uid.as_ref()) {
                        return Traces::Gone(object);
                    }
                    job.resource_version()
                }
                Ok(Some(WatchEvent::Bookmark(mark))) => Some(mark.metadata.resource_version),
                Ok(Some(WatchEvent::Error(status))) if status.code == 410 => return Traces::None,
                // Its time was over, or the connection was cut: the client does not tell one from the other.
                Ok(None) if self.breaks(of.name) => return Traces::None,
                Ok(None) => return Traces::Unknown(Answer::Silence("what has become of it was not told".to_owned())),
                Ok(Some(WatchEvent::Error(status))) => return silent(kube::Error::Api(status)),
                Err(error) => return silent(error),
            };
            if reached.as_deref().and_then(Version::of).is_some_and(|reached| reached >= until) {
                return made.map_or(Traces::None, Traces::Made);
            }
        }
    }

    /// Takes note of a read that broke off, and says whether there is no use in another.
    fn breaks(&self, name: &str) -> bool {
        self.state().unresolved.get_mut(name).is_none_or(|it| {
            it.broken += 1;
            it.broken >= MOST_BROKEN
        })
    }

    /// The object, if it was made for this very job.
    fn reference_of_ours(&self, job: &Job, of: &Wanted<'_>) -> Option<ObjectRef> {
        let installation = job.labels().get(crate::job::labels::INSTALLATION)?;
        let ours = installation == of.installation && evidence::job_id(job)? == *of.id;
        let object = evidence::reference(job).filter(|_| ours)?;
        let earlier = self.state().deleted.contains(&object.uid);
        Some(object).filter(|_| !earlier)
    }
}

impl Wanted<'_> {
    /// Names are those of objects, which need no escaping.
    fn list(&self, more: &str) -> String {
        format!("{}?fieldSelector=metadata.name%3D{}{more}", self.jobs, self.name)
    }
}
