//! A campaign: the service launches jobs over an API server that fails in every way, at random. In the end every job is
//! in the phase that its object came to, and none ever had a second object.
//!
//! A round is made from a seed, and printed with it if it fails: `JOBWRIGHT_TEST_FAULTS_SEED=SEED` plays it again.
//! `JOBWRIGHT_TEST_FAULTS` says how many rounds there are. A round is of one of three [`Kind`]s, for not everything can be
//! asked of a server that forgets.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};
use jobwright::executor::SharedExecutor;
use jobwright::executor::kubernetes::KubernetesExecutor;
use jobwright::job::{JobId, Phase, object_name};
use jobwright::service::{Config, LaunchRequest, Service, ServiceError};
use jobwright::store::{Options, Store};
use jobwright::template::{LiveCatalog, TemplateSource};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::api_server::{ApiServer, Fault, Kind as Resource, NAMESPACE};
use crate::house::{connection, exited, running};
use crate::serve::HELLO;
use crate::tally::Tally;

/// How many jobs a round has.
const JOBS: usize = 14;
/// How many faults befall a round beside those of single launches.
const FAULTS: usize = 30;
/// How long a round may take.
const TOO_LONG: Duration = Duration::from_secs(120);

/// How the tally names the fault that is rarest, since it has to wait for its moment.
const RESTORED: &str = "a server that was restored from a backup";
/// In so many rounds there is one.
const ENOUGH_TO_RESTORE: u64 = 20;

/// What the API server may do in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It remembers all that came to pass. Objects are deleted at any moment, before anybody has seen them too.
    Remembers,
    /// It goes away, comes back and has forgotten. Objects are deleted only when they are on record: one that is
    /// forgotten before is none that ever was.
    Forgets,
    /// As that; and once it is restored from a backup.
    IsRestored,
}

/// How a job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Fail,
    /// Somebody deletes its object, sooner or later.
    Deleted,
    Cancelled,
    /// Its name belongs to somebody else.
    NameTaken,
    Refused,
}

const ENDS: [End; 7] =
    [End::Complete, End::Fail, End::Deleted, End::Deleted, End::Cancelled, End::NameTaken, End::Refused];

struct Rng(u64);

impl Rng {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

struct Job {
    id: JobId,
    object: String,
    end: End,
    /// The version of what belongs to somebody else.
    foreign: Option<Value>,
}

/// What a round has come to, with nothing wrong in it.
struct Outcome {
    /// How often each fault was thrown.
    tried: BTreeMap<String, u64>,
    /// The names of the objects that were created for jobs, one for each creation.
    made: Vec<String>,
}

struct Round {
    rng: Rng,
    kind: Kind,
    server: ApiServer,
    service: Service,
    jobs: Vec<Job>,
    /// Names of objects that went when the server was restored.
    forgotten: BTreeSet<String>,
    restored: bool,
    tried: BTreeMap<String, u64>,
    /// Those who launch jobs, and cancel some.
    callers: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Round {
    async fn new(seed: u64) -> Self {
        let rng = Rng(seed);
        // In turn, so that a few rounds have all of them.
        let kind = [Kind::Remembers, Kind::Forgets, Kind::IsRestored][usize::try_from(seed % 3).unwrap()];
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("templates");
        std::fs::create_dir(&templates).unwrap();
        std::fs::write(templates.join("hello.yaml"), HELLO).unwrap();
        let server = ApiServer::start();
        let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
        let installation = store.installation().clone();
        let executor = KubernetesExecutor::new(connection(&server.url()), NAMESPACE, installation.clone());
        let executor: SharedExecutor = Arc::new(executor);
        let catalog = LiveCatalog::start(TemplateSource::Folder(templates), Map::new()).unwrap();
        let jobs = (0..JOBS).map(|number| {
            let id: JobId = format!("k{number}").parse().unwrap();
            Job { object: object_name("hello", &installation, &id), id, end: ENDS[number % ENDS.len()], foreign: None }
        });
        let jobs = jobs.collect();
        let config = Config { create_wait: Duration::from_millis(500), ..Config::new("http://127.0.0.1:1") };
        let service = Service::start(config, store, catalog, executor).await.unwrap();
        let (forgotten, tried, callers) = (BTreeSet::new(), BTreeMap::new(), JoinSet::new());
        Self { rng, kind, server, service, jobs, forgotten, restored: false, tried, callers, _folder: folder }
    }

    fn count(&mut self, what: &str) {
        *self.tried.entry(what.to_owned()).or_default() += 1;
    }

    /// What befalls the create of each job.
    fn script_launches(&mut self) {
        for number in 0..self.jobs.len() {
            let object = self.jobs[number].object.clone();
            let post = format!("POST /jobs? {object}");
            for _ in 0..self.rng.below(4) {
                // What is refused must not be carried out before.
                let choices = if self.jobs[number].end == End::Refused { 5 } else { 9 };
                let (what, fault) = match self.rng.below(choices) {
                    0 => ("a create cut before it was read", Fault::Cut),
                    1 => ("a create that was never answered", Fault::Hang),
                    2 => ("a create that failed", Fault::Refuse(500, "InternalError", "etcdserver: no leader")),
                    3 => ("a create that was to be sent later", Fault::Later(429, 1)),
                    4 => ("a create that a proxy answered", Fault::Proxy(502, "<html>")),
                    5 => ("a create whose answer was cut off", Fault::CutAfterwards),
                    6 => ("a create whose answer was cut in the middle", Fault::CutAnswer),
                    7 => ("a create that was carried out and never answered", Fault::HangAfterwards),
                    _ => {
                        ("a create that failed after it was carried out", Fault::FailAfterwards(504, "Timeout", "late"))
                    }
                };
                self.count(what);
                self.server.script(&post, fault);
            }
            match self.jobs[number].end {
                End::NameTaken => {
                    let foreign = json!({"metadata": {"name": object}, "spec": {}});
                    self.jobs[number].foreign = Some(self.server.add(Resource::Job, foreign));
                }
                End::Refused => {
                    self.server.script_times(1000, &post, Fault::Refuse(403, "Forbidden", "exceeded quota"))
                }
                _ => {}
            }
        }
    }

    /// Something goes wrong.
    fn strike(&mut self) {
        if self.is_to_be_restored() && self.rng.one_in(3) {
            return self.restart();
        }
        let versions = self.server.version();
        let old = 1 + self.rng.next() % versions;
        let lists = "GET /jobs? labelSelector= limit=";
        let watches = ["GET /jobs? labelSelector= watch=true", "GET /pods? watch=true"];
        let watch = watches[self.rng.below(2)];
        // Of launches whose answer was lost, too.
        let any_watch = if self.rng.one_in(3) { "GET /jobs? fieldSelector= watch=true" } else { watch };
        let few = self.rng.below(3);
        let choices = if self.kind == Kind::Remembers { 15 } else { 19 };
        let (what, wanted, fault) = match self.rng.below(choices) {
            0 => ("a list that was old", lists, Fault::Stale(old)),
            1 => ("a list that failed", lists, Fault::Refuse(500, "InternalError", "as scripted")),
            2 => ("a list that was cut in the middle", lists, Fault::CutAnswer),
            3 => ("a watch that gave events twice", any_watch, Fault::Double),
            4 => ("a watch that gave events in the wrong order", watch, Fault::Reversed),
            5 => ("a watch that was cut", any_watch, Fault::CutAfter(few)),
            6 => ("a watch that fell silent", any_watch, Fault::SilentAfter(few)),
            7 => ("a watch that failed", any_watch, Fault::WatchError(500, "InternalError")),
            8 => ("a watch that was refused", any_watch, Fault::Refuse(429, "TooManyRequests", "as scripted")),
            9 => ("a watch from a version too old", watch, Fault::WatchError(410, "Expired")),
            10 => {
                ("a look at an object that failed", "GET /jobs/hello-", Fault::Refuse(503, "ServiceUnavailable", "no"))
            }
            11 => ("a look at an object that was cut", "GET /jobs/hello-", Fault::Cut),
            12 => ("a deletion whose answer was cut off", "DELETE /jobs/hello-", Fault::CutAfterwards),
            13 => ("a deletion that failed", "DELETE /jobs/hello-", Fault::Refuse(500, "InternalError", "no")),
            14 => {
                self.count("all streams cut");
                return self.server.cut_streams();
            }
            15 | 16 => {
                self.count("a history that was forgotten");
                return self.server.forget_history();
            }
            _ => return self.restart(),
        };
        self.count(what);
        self.server.script(wanted, fault);
    }

    fn is_on_record(&self, job: &Job) -> bool {
        self.service.store().job(&job.id).unwrap().is_some_and(|job| job.status.object.is_some())
    }

    /// Whether the server may go back now to what it had some time ago: an object that is forgotten before it is on
    /// record is none that ever was. What belongs to somebody else is on no record.
    fn is_to_be_restored(&self) -> bool {
        if self.kind != Kind::IsRestored || self.restored {
            return false;
        }
        let created = self.server.created();
        let mut own = self.jobs.iter().filter(|job| job.foreign.is_none() && created.contains(&job.object)).peekable();
        own.peek().is_some() && own.all(|job| self.is_on_record(job))
    }

    /// The server goes away and comes back, once in its life with what it had some time ago.
    fn restart(&mut self) {
        self.server.go_away();
        if self.is_to_be_restored() {
            self.restored = true;
            self.count(RESTORED);
            let there = |server: &ApiServer| -> BTreeSet<String> {
                let names =
                    server.all(Resource::Job).into_iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned());
                names.collect()
            };
            let before = there(&self.server);
            // What belongs to somebody else has been there for long.
            let oldest = 1 + self.jobs.iter().filter(|job| job.foreign.is_some()).count() as u64;
            let version = self.server.version();
            self.server.restore(oldest + self.rng.next() % (version - oldest).max(1));
            self.forgotten = before.difference(&there(&self.server)).cloned().collect();
        } else {
            self.count("a server that went away and came back");
        }
        self.server.come_back();
    }

    /// What a cluster's controllers do, and people.
    fn drive(&mut self) {
        for number in 0..self.jobs.len() {
            let (object, end) = (self.jobs[number].object.clone(), self.jobs[number].end);
            let Some(there) = self.server.get(Resource::Job, &object).filter(|_| self.jobs[number].foreign.is_none())
            else {
                continue;
            };
            let pod = format!("{object}-p");
            let status = self.server.get(Resource::Pod, &pod).map(|pod| pod["status"]["phase"].clone());
            if there["metadata"]["deletionTimestamp"].is_string() {
                if status.is_some() {
                    self.server.set_pod(&pod, exited(143));
                }
                self.server.collect(&object);
                continue;
            }
            let deletable = self.kind == Kind::Remembers || self.is_on_record(&self.jobs[number]);
            if end == End::Deleted && deletable && self.rng.one_in(3) {
                self.server.collect(&object);
                continue;
            }
            if !there["status"]["conditions"].is_null() || !self.rng.one_in(6) {
                continue;
            }
            match (status, end) {
                (None, _) => self.server.add_pod(&object, &pod, running()),
                (Some(status), End::Complete) if status == "Running" => self.server.set_pod(&pod, exited(0)),
                (Some(status), End::Fail) if status == "Running" => self.server.set_pod(&pod, exited(3)),
                (Some(_), End::Complete) => self.server.conclude(&object, "Complete", ""),
                (Some(_), End::Fail) => self.server.conclude(&object, "Failed", "BackoffLimitExceeded"),
                _ => {}
            }
        }
    }

    fn launch_all(&mut self) {
        for job in &self.jobs {
            let (service, id) = (self.service.clone(), job.id.clone());
            let (wait, cancels) = (self.rng.below(1200), job.end == End::Cancelled);
            let cancelled_after = Duration::from_millis(self.rng.next() % 600);
            self.callers.spawn(async move {
                tokio::time::sleep(Duration::from_millis(wait as u64)).await;
                let request =
                    || LaunchRequest { template: "hello".into(), id: Some(id.clone()), ..LaunchRequest::default() };
                // A new store looks at all objects first, and says so until the server has shown them.
                while let Err(error) = service.launch(request()).await {
                    assert!(matches!(error, ServiceError::Rebuilding), "{error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                if cancels {
                    tokio::time::sleep(cancelled_after).await;
                    match service.cancel(&id, None).await {
                        // Its object was forgotten before that.
                        Ok(_) | Err(ServiceError::Ended { .. }) => {}
                        Err(error) => panic!("{id}: {error}"),
                    }
                }
            });
        }
    }

    fn phase(&self, job: &Job) -> Option<Phase> {
        Some(self.service.store().job(&job.id).unwrap()?.status.ended?.0)
    }

    async fn run(mut self) -> Outcome {
        self.script_launches();
        self.launch_all();
        let (begun, mut left, mut next) = (Instant::now(), FAULTS, Instant::now());
        while self.jobs.iter().any(|job| self.phase(job).is_none()) {
            let waiting: Vec<_> = self.jobs.iter().filter(|job| self.phase(job).is_none()).map(|it| &it.id).collect();
            assert!(
                begun.elapsed() < TOO_LONG,
                "{waiting:?} have not ended: {:?} {:#?}",
                self.kind,
                self.service.store().job(waiting[0])
            );
            if left > 0 && Instant::now() >= next {
                left -= 1;
                next = Instant::now() + Duration::from_millis(self.rng.next() % 120);
                self.strike();
            }
            self.drive();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while let Some(caller) = self.callers.join_next().await {
            caller.unwrap();
        }
        self.check();
        self.service.shutdown().await;
        let foreign = |name: &str| self.jobs.iter().any(|job| job.object == name && job.foreign.is_some());
        let made = self.server.created_uids().into_iter().map(|(name, _)| name).filter(|name| !foreign(name));
        Outcome { made: made.collect(), tried: self.tried }
    }

    fn check(&self) {
        let made = self.server.created_uids();
        for job in &self.jobs {
            let phase = self.phase(job).unwrap();
            let record = self.service.store().job(&job.id).unwrap().unwrap();
            let story = || format!("{:?} {} {:?} {phase:?}: {:#?}", self.kind, job.id, job.end, record.status);
            let lost = self.forgotten.contains(&job.object) && phase == Phase::Lost;
            let right = match job.end {
                End::Complete => phase == Phase::Succeeded,
                End::Fail => phase == Phase::Failed,
                // Whether anybody saw it go.
                End::Deleted => matches!(phase, Phase::Cancelled | Phase::Lost),
                End::Cancelled => phase == Phase::Cancelled,
                End::NameTaken | End::Refused => phase == Phase::Rejected,
            };
            assert!(right || lost, "{}", story());
            let uids: Vec<_> = made.iter().filter(|(name, _)| *name == job.object).map(|(_, uid)| uid).collect();
            let known = record.status.object.as_ref().map(|object| &object.uid);
            match job.end {
                End::NameTaken => {
                    assert_eq!((uids.len(), known), (1, None), "{}", story());
                    assert_eq!(self.server.get(Resource::Job, &job.object), job.foreign, "{}", story());
                }
                End::Refused => assert_eq!((uids.len(), known), (0, None), "{}", story()),
                // It may have been withdrawn before anything was sent.
                End::Cancelled if uids.is_empty() => assert_eq!(known, None, "{}", story()),
                _ => assert_eq!(uids, known.into_iter().collect::<Vec<_>>(), "one object: {}", story()),
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_the_api_server_each_job_has_its_end_and_at_most_one_object() {
    let seeds = match number("JOBWRIGHT_TEST_FAULTS_SEED") {
        Some(seed) => vec![seed],
        None => {
            let first = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap();
            (0..number("JOBWRIGHT_TEST_FAULTS").unwrap_or(8)).map(|round| first + round).collect()
        }
    };
    let mut tally = Tally::of("api-server-scripted");
    let rounds = stream::iter(seeds).map(|seed| async move {
        let round = AssertUnwindSafe(async { Box::pin(Round::new(seed).await.run()).await });
        round.catch_unwind().await.unwrap_or_else(|failure| {
            eprintln!("play it again with JOBWRIGHT_TEST_FAULTS_SEED={seed}");
            std::panic::resume_unwind(failure)
        })
    });
    let mut rounds = rounds.buffer_unordered(8);
    while let Some(Outcome { tried, made }) = rounds.next().await {
        tally.add("rounds", 1);
        tally.add("jobs", JOBS as u64);
        tried.iter().for_each(|(what, count)| tally.add(&format!("fault: {what}"), *count));
        tally.add("faults", tried.values().sum());
        tally.add("objects created", made.len() as u64);
        tally.add("names that they have", made.iter().collect::<BTreeSet<_>>().len() as u64);
    }
    let restored = tally.count(&format!("fault: {RESTORED}"));
    assert!(restored > 0 || tally.count("rounds") < ENOUGH_TO_RESTORE, "no server was ever restored");
    tally.finish();
}
