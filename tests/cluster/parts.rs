//! A campaign: every part of the cluster is killed, freezes and restarts, each while many jobs are launched. Whatever
//! fails, each job comes to the end that Kubernetes itself shows, and at most one object was ever made for it.
//!
//! One fault follows upon the other, while the jobs of those before are still on their way. Some of the jobs run on real
//! nodes and end well or badly; the others on nodes of the label `type=fake`, whose pods end at once, if there are any.
//! One in six is cancelled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::{Cluster, container, part, pause, script, spec, try_part};
use crate::support::{TestApp, server_events};
use crate::tally::Tally;

const PARTS: [&str; 8] = [
    "kube-apiserver",
    "etcd",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "containerd",
    "kube-proxy",
    "coredns",
];

/// What is done to a part, and what mends it.
const FAULTS: [(&str, &str); 3] = [("kill", "start"), ("freeze", "thaw"), ("restart", "start")];

/// Of how many jobs for each fault a third run on real nodes, where there are fake ones for the others: a real node has
/// room for some hundred pods.
const MOST_REAL: usize = 18;

/// How many launches are under way at once.
const AT_ONCE: usize = 32;

fn launches() -> usize {
    std::env::var("JOBWRIGHT_TEST_PART_LAUNCHES").map_or(4, |count| count.parse().unwrap())
}

/// What becomes of a job, by its number.
fn kind_of(number: usize, fake: bool) -> (&'static str, Value) {
    match number % 6 {
        0 if number < MOST_REAL || !fake => ("Succeeded", script("true")),
        3 if number < MOST_REAL || !fake => ("Failed", script("exit 3")),
        _ if !fake => ("Succeeded", script("true")),
        _ => ("Succeeded", on_fake_node()),
    }
}

/// Whether a job is to be cancelled once it was launched.
fn is_cancelled(number: usize) -> bool {
    number % 6 == 5
}

fn on_fake_node() -> Value {
    let place = json!({"nodeSelector": {"type": "fake"}, "tolerations": [{"key": "fake", "operator": "Exists"}],
        "containers": [container("main", "true")]});
    spec(json!({}), place)
}

/// A job that was acknowledged.
struct Launched {
    id: String,
    number: usize,
    part: &'static str,
    cancelled: bool,
}

struct Campaign<'a> {
    app: &'a TestApp,
    fake: bool,
    launched: Mutex<Vec<Launched>>,
}

impl Campaign<'_> {
    /// Launches jobs while a part fails: some before, some meanwhile, some after.
    fn run(&self, name: &'static str, fault: &'static str, mend: &str, count: usize) {
        let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(count) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            break;
                        }
                        self.launch(name, fault, number);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let wait_for = |share: usize| {
                while answered.load(Ordering::Relaxed) < count * share / 4 {
                    pause(Duration::from_millis(5));
                }
            };
            wait_for(1);
            let (began, hold) = (Instant::now(), Duration::from_millis(500 + 10 * count as u64));
            part(name, fault);
            wait_for(3);
            pause(hold.saturating_sub(began.elapsed()));
            // Once more, should it not have come back.
            try_part(name, mend).unwrap();
        });
    }

    fn launch(&self, part: &'static str, fault: &str, number: usize) {
        let id = format!("{part}-{fault}-{number}");
        let (_, spec) = kind_of(number, self.fake);
        let answer = self.app.try_launch(&id, &spec);
        assert_eq!(answer.status, 201, "{answer:?}");
        let cancelled = is_cancelled(number);
        if cancelled {
            let answer = self.app.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({}));
            assert!(matches!(answer.status, 200 | 409), "{answer:?}");
        }
        self.launched.lock().unwrap().push(Launched { id, number, part, cancelled });
    }
}

#[test]
#[ignore = "needs a cluster"]
fn whatever_part_of_the_cluster_fails_each_job_has_its_end_and_one_object() {
    let (count, mut tally) = (launches(), Tally::of("api-server-real"));
    let cluster = Cluster::alone();
    let fake = !cluster.kubectl(&["get", "nodes", "--selector=type=fake", "--output=name"]).is_empty();
    let made = cluster.creations();
    let app = cluster.serve();
    let campaign = Campaign { app: &app, fake, launched: Mutex::default() };
    for name in PARTS {
        for (fault, mend) in FAULTS {
            eprintln!("{name} {fault}");
            campaign.run(name, fault, mend, count);
            tally.add(&format!("launches: {name}, {fault}"), count as u64);
        }
    }
    cluster.until("the API server's return", || cluster.try_kubectl(&["get", "pods"], "").ok());
    let launched = campaign.launched.into_inner().unwrap();
    let ends: Vec<(Launched, Value)> = launched.into_iter().map(|it| (end_of(&app, &it.id), it)).map(swap).collect();
    let made = made.stop();
    let shown: BTreeMap<String, Value> = cluster.list("jobs").into_iter().map(|job| (uid(&job), job)).collect();
    let mut recorded = BTreeMap::new();
    for (it, job) in &ends {
        check_end(&app, it, job, fake, &shown);
        tally.add(&format!("jobs: {}", job["phase"].as_str().unwrap()), 1);
        if let Some(uid) = job["object"]["uid"].as_str() {
            recorded.insert(uid.to_owned(), job["object"]["name"].as_str().unwrap().to_owned());
        }
    }
    // A job that was cancelled in time may have none.
    assert_eq!(made, recorded, "each job has one object, and there is no other");
    tally.add("objects created", made.len() as u64);
    tally.add("names that they have", made.values().collect::<BTreeSet<_>>().len() as u64);
    tally.finish();
}

/// How often a job's end is waited for. After thousands of launches a cluster works for minutes on what is left.
const WAITS: usize = 10;

fn end_of(app: &TestApp, id: &str) -> Value {
    let path = format!("/api/v1/events?after=0&job={id}");
    let wait = || {
        let events = server_events(app.request("GET", &path).lines());
        events.map(|event| event.data["job"].clone()).find(|job| !job["ended"].is_null())
    };
    (0..WAITS).find_map(|_| wait()).unwrap_or_else(|| panic!("it does not end: {}", app.story(id)))
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// A job's end is the one that its object shows.
fn check_end(app: &TestApp, it: &Launched, job: &Value, fake: bool, shown: &BTreeMap<String, Value>) {
    let phase = job["phase"].as_str().unwrap();
    let object = job["object"]["uid"].as_str().and_then(|uid| shown.get(uid));
    let conditions = object.and_then(|object| object["status"]["conditions"].as_array().cloned()).unwrap_or_default();
    let holds = |kind: &str| conditions.iter().any(|it| it["type"] == kind && it["status"] == "True");
    let story = || format!("{}\n{}", app.story(&it.id), object.unwrap_or(&Value::Null));
    match phase {
        "Succeeded" if it.cancelled && object.is_none() => {}
        "Succeeded" => assert!(holds("Complete"), "{}", story()),
        "Failed" if it.cancelled && object.is_none() => {}
        "Failed" => assert!(holds("Failed"), "{}", story()),
        "Cancelled" => assert!(it.cancelled && object.is_none(), "{}", story()),
        other => panic!("{other}: {}", story()),
    }
    // A container that is started while its node's own parts fail may fail by that.
    if !it.cancelled && !matches!(it.part, "kubelet" | "containerd") {
        assert_eq!(phase, kind_of(it.number, fake).0, "{}", story());
    }
}
