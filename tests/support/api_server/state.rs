//! What there is, what became of it, and what requests come to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a request comes to, if not to what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed; nothing is done.
    Cut,
    /// It is carried out, and the connection closed before the answer.
    CutAfterwards,
    /// It is carried out, and the connection closed in the middle of the answer.
    CutAnswer,
    /// Nothing is done, and there is no answer, ever.
    Hang,
    /// It is carried out, and there is no answer, ever.
    HangAfterwards,
    /// It is refused with this code, reason and message.
    Refuse(u16, &'static str, &'static str),
    /// It is refused, and the client asked to wait for this many seconds.
    Later(u16, u64),
    /// It is carried out, and the answer is this failure all the same.
    FailAfterwards(u16, &'static str, &'static str),
    /// Something in between answers in its own words.
    Proxy(u16, &'static str),
    /// It is carried out, and the answer bears these warnings.
    Warn(Vec<&'static str>),
    /// A watch or a log gives this many lines, and then nothing more; the connection stays open.
    SilentAfter(usize),
    /// A watch or a log gives this many lines, and then the connection is closed.
    CutAfter(usize),
    /// A watch gives every event twice.
    Double,
    /// A watch gives events that come together the last one first.
    Reversed,
    /// A watch gives this error in the place of events.
    WatchError(u16, &'static str),
    /// A list shows what there was at that resource version.
    Stale(u64),
}

/// A request that has arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// `METHOD PATH?QUERY`, percent-decoded.
    pub line: String,
    /// Its body, or null.
    pub body: Value,
    /// Its headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// When it arrived.
    pub at: Instant,
}

pub(super) struct Rule {
    pub(super) wanted: Vec<String>,
    pub(super) fault: Fault,
    pub(super) left: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) kind: Kind,
    pub(super) action: &'static str,
    pub(super) object: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Job,
    Pod,
    Event,
}

impl Kind {
    pub(super) fn of(resource: &str) -> Option<Self> {
        match resource {
            "jobs" => Some(Self::Job),
            "pods" => Some(Self::Pod),
            "events" => Some(Self::Event),
            _ => None,
        }
    }

    pub(super) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Job => ("Job", "batch/v1"),
            Self::Pod => ("Pod", "v1"),
            Self::Event => ("Event", "v1"),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) lines: Vec<(Timestamp, String)>,
    pub(super) ended: bool,
}

pub(super) struct State {
    pub(super) version: u64,
    /// How many objects were made.
    pub(super) made: u64,
    /// Watches can go on from this version and no earlier one.
    pub(super) remembered: u64,
    pub(super) objects: BTreeMap<(Kind, String), Value>,
    pub(super) history: Vec<Change>,
    pub(super) logs: HashMap<(String, String), Log>,
    /// Names and phases.
    pub(super) namespaces: BTreeMap<String, String>,
    pub(super) denied: BTreeSet<String>,
    pub(super) kubernetes: (String, String, String),
    pub(super) arrived: Vec<Arrived>,
    pub(super) rules: Vec<Rule>,
    pub(super) created: Vec<String>,
    /// UIDs, as the names in `created`.
    pub(super) uids: Vec<String>,
    /// How many watches and logs are open now.
    pub(super) streams: usize,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// For tests that wait.
    pub(super) turned: Condvar,
    /// For watches and logs that are open: counts changes.
    pub(super) changes: watch::Sender<u64>,
    /// Counts the times that all streams were cut.
    pub(super) cuts: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(namespace: &str) -> Self {
        let state = State {
            version: 1,
            made: 0,
            remembered: 0,
            objects: BTreeMap::new(),
            history: Vec::new(),
            logs: HashMap::new(),
            namespaces: BTreeMap::from([(namespace.to_owned(), "Active".to_owned())]),
            denied: BTreeSet::new(),
            kubernetes: ("1".to_owned(), "34".to_owned(), "v1.34.1".to_owned()),
            arrived: Vec::new(),
            rules: Vec::new(),
            created: Vec::new(),
            uids: Vec::new(),
            streams: 0,
        };
        Self {
            state: Mutex::new(state),
            turned: Condvar::new(),
            changes: watch::channel(0).0,
            cuts: watch::channel(0).0,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes the state, and tells all that wait.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.turned.notify_all();
        self.changes.send_modify(|count| *count += 1);
        result
    }
}

/// Puts fields over those that are there; null removes one.
pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

pub(super) fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

impl State {
    pub(super) fn create(&mut self, kind: Kind, mut object: Value) -> Result<Value, Value> {
        if let Some(stem) = object["metadata"]["generateName"].as_str() {
            object["metadata"]["name"] = json!(format!("{stem}{:05}", self.version));
        }
        let name = name_of(&object);
        if self.objects.contains_key(&(kind, name.clone())) {
            let message = format!("{}s \"{name}\" already exists", kind.names().0.to_lowercase());
            return Err(status(409, "AlreadyExists", &message));
        }
        let (shown, api) = kind.names();
        object["kind"] = json!(shown);
        object["apiVersion"] = json!(api);
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!(super::NAMESPACE);
        }
        if object["metadata"]["uid"].is_null() {
            // Versions may be set back; UIDs never come twice.
            self.made += 1;
            object["metadata"]["uid"] = json!(format!("uid-{}", self.made));
        }
        if object["metadata"]["creationTimestamp"].is_null() {
            object["metadata"]["creationTimestamp"] = json!(seconds(Timestamp::now()));
        }
        if kind == Kind::Job {
            self.created.push(name);
            self.uids.push(object["metadata"]["uid"].as_str().unwrap_or_default().to_owned());
        }
        Ok(self.store(kind, "ADDED", object))
    }

    pub(super) fn store(&mut self, kind: Kind, action: &'static str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert((kind, name_of(&object)), object.clone());
        self.history.push(Change { version: self.version, kind, action, object: object.clone() });
        object
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        let Some(mut object) = self.objects.remove(&(kind, name.to_owned())) else { return };
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push(Change { version: self.version, kind, action: "DELETED", object });
    }

    pub(super) fn pods_of(&self, job: &str) -> Vec<String> {
        let uid = self.objects.get(&(Kind::Job, job.to_owned())).map(|job| job["metadata"]["uid"].clone());
        let owned =
            |pod: &Value| Some(&pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]) == uid.as_ref();
        let pods = self.objects.iter().filter(|((kind, _), object)| *kind == Kind::Pod && owned(object));
        pods.map(|((_, name), _)| name.clone()).collect()
    }

    pub(super) fn collect(&mut self, job: &str) {
        for pod in self.pods_of(job) {
            self.remove(Kind::Pod, &pod);
        }
        self.remove(Kind::Job, job);
    }

    /// Deletes as the API server does; what has to wait for its dependents stays until [`ApiServer::collect`].
    pub(super) fn delete(&mut self, name: &str, how: &Value) -> (u16, Value) {
        let Some(object) = self.objects.get(&(Kind::Job, name.to_owned())).cloned() else {
            return (404, status(404, "NotFound", &format!("jobs.batch \"{name}\" not found")));
        };
        let uid = &object["metadata"]["uid"];
        if how["preconditions"]["uid"].as_str().is_some_and(|wanted| wanted != uid) {
            let message = format!("Precondition failed: UID in object meta: {uid}");
            return (409, status(409, "Conflict", &message));
        }
        let stays = |finalizer: &str| json!({"metadata": {"deletionTimestamp": seconds(Timestamp::now()), "finalizers": [finalizer]}});
        match how["propagationPolicy"].as_str() {
            Some("Foreground") => {
                let mut object = object;
                merge(&mut object, stays("foregroundDeletion"));
                self.store(Kind::Job, "MODIFIED", object);
            }
            Some("Background") => self.collect(name),
            // As a client gets it that does not say.
            _ => self.remove(Kind::Job, name),
        }
        (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
    }

    /// Goes back to what there was at a version, as a server does that is restored from a backup.
    pub(super) fn restore(&mut self, version: u64) {
        let kinds = [Kind::Job, Kind::Pod, Kind::Event];
        let there =
            |kind| self.at(kind, version).into_iter().map(move |(name, it)| ((kind, name.to_owned()), it.clone()));
        self.objects = kinds.into_iter().flat_map(there).collect();
        self.history.retain(|change| change.version <= version);
        (self.version, self.remembered) = (version, version);
    }

    /// What there was of a kind at a version.
    pub(super) fn at(&self, kind: Kind, version: u64) -> BTreeMap<&str, &Value> {
        if version == self.version {
            let now = self.objects.iter().filter(|((it, _), _)| *it == kind);
            return now.map(|((_, name), object)| (name.as_str(), object)).collect();
        }
        let mut objects = BTreeMap::new();
        for change in self.history.iter().filter(|it| it.kind == kind && it.version <= version) {
            let name = change.object["metadata"]["name"].as_str().unwrap();
            if change.action == "DELETED" {
                objects.remove(name);
            } else {
                objects.insert(name, &change.object);
            }
        }
        objects
    }

    /// What a request comes to by its line, with the name of what it is to create at the end of it.
    pub(super) fn fault(&mut self, line: &str) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|it| it.left > 0 && it.wanted.iter().all(|word| line.contains(word)))?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }
}

pub(super) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}
