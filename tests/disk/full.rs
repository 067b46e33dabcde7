//! The disk below a service fills up while it works: callers are told, nothing acknowledged is lost, no job runs twice,
//! and it goes on when there is space, with a restart or without.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cuts::{asked, store};
use crate::dice::Dice;
use crate::small_disk::SmallDisk;
use crate::support::{Answer, Gate, Setup, TestApp};
use crate::tally::Tally;

/// The size of a disk, in MiB.
const SIZE: u64 = 64;
/// How often a disk fills up before there is a new one.
const CYCLES_ON_A_DISK: u64 = 10;
/// How many refusals are looked at.
const REFUSALS: usize = 4;
/// How many requests fill any of the space that is left.
const MOST_REQUESTS: usize = 4000;

/// A template whose job leaves a mark beside the disk each time that it runs, and whose object goes as soon as its log is
/// on record.
const MARKED: &str = r#"---
title: Marked
parameters:
  type: object
  required: [marks, load]
  properties:
    marks: {type: string}
    load:  {type: string}
examples:
  one: {marks: /tmp/marks, load: x}
---
apiVersion: batch/v1
kind: Job
metadata: {name: marked}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox
          command: [sh, -c, 'echo "$ID" >> "$MARKS"; echo "$LOAD"']
          env:
            - {name: ID, value: "{{job.id}}"}
            - {name: MARKS, value: "{{params.marks}}"}
            - {name: LOAD, value: "{{params.load}}"}
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

/// A disk with a service on it, and what it has acknowledged.
struct Place {
    disk: SmallDisk,
    marks: PathBuf,
    dice: Dice,
    /// Jobs that were acknowledged.
    jobs: BTreeMap<String, Job>,
    made: u64,
}

struct Job {
    /// What it writes.
    load: String,
    /// The service was killed when it was not known yet how it had ended.
    may_be_lost: bool,
    /// The phase that it was seen to end in.
    ended: Option<String>,
}

/// A job that reports for as long as its gate is closed.
struct Reporter {
    id: String,
    gate: Gate,
    callback: String,
    sent: u64,
    acknowledged: u64,
}

impl Place {
    fn new(seed: u64) -> (Self, TestApp) {
        let disk = SmallDisk::find(SIZE).expect("a tmpfs can be mounted, which needs root");
        let setup = Setup::new().template("marked", MARKED);
        let data = disk.path().join("data");
        let setup = setup.with(&["--data", data.to_str().unwrap()]);
        let marks = setup.path().join("marks");
        fs::write(&marks, "").unwrap();
        (Self { disk, marks, dice: Dice::of(seed), jobs: BTreeMap::new(), made: 0 }, setup.start())
    }

    fn request(&mut self) -> Value {
        self.made += 1;
        let load = "x".repeat(self.dice.below(20_000) as usize);
        let parameters = json!({"marks": self.marks.to_str().unwrap(), "load": load});
        json!({"template": "marked", "id": format!("j{}", self.made), "parameters": parameters})
    }

    fn acknowledge(&mut self, request: &Value) {
        let load = request["parameters"]["load"].as_str().unwrap().to_owned();
        let job = Job { load, may_be_lost: false, ended: None };
        self.jobs.insert(request["id"].as_str().unwrap().to_owned(), job);
    }

    fn launch(&mut self, app: &TestApp) {
        let request = self.request();
        let answer = app.post("/api/v1/jobs", &request);
        assert_eq!(answer.status, 201, "{answer:?}");
        self.acknowledge(&request);
    }

    /// Asks for more and more until there is no space. Gives the launches that were refused.
    fn ask_until_refused(&mut self, app: &TestApp, reporter: &mut Reporter, tally: &mut Tally) -> Vec<Value> {
        let (mut refused, mut refusals) = (Vec::new(), 0);
        for _ in 0..MOST_REQUESTS {
            let answer = if self.dice.chance(30) {
                reporter.report(app)
            } else {
                let request = self.request();
                let answer = app.post("/api/v1/jobs", &request);
                match answer.status {
                    201 => self.acknowledge(&request),
                    _ => refused.push(request),
                }
                answer
            };
            if matches!(answer.status, 200 | 201) {
                tally.add("requests acknowledged while the space ran out", 1);
            } else {
                assert_is_refusal(&answer);
                tally.add("requests refused for want of space", 1);
                refusals += 1;
            }
            if refusals == REFUSALS {
                return refused;
            }
        }
        panic!("the disk never filled up");
    }

    /// What was acknowledged is there, has come to its end and keeps to it, ran once, and has its log.
    fn verify(&mut self, app: &TestApp, tally: &mut Tally) {
        for (id, known) in &mut self.jobs {
            let job = app.until(|| {
                let answer = app.get(&format!("/api/v1/jobs/{id}"));
                assert_eq!(answer.status, 200, "{id} was acknowledged and is gone: {answer:?}");
                let job = answer.json();
                (!job["ended"].is_null()).then_some(job)
            });
            let phase = job["phase"].as_str().unwrap();
            assert!(phase == "Succeeded" || known.may_be_lost && phase == "Lost", "{job}");
            let before = known.ended.get_or_insert_with(|| phase.to_owned());
            assert_eq!(phase, *before, "{job}");
            tally.add("jobs compared", 1);
            let log = log(app, id);
            // One that was killed may not have come as far as to write.
            let whole = log == format!("{}\n", known.load) || phase == "Lost" && log.is_empty();
            assert!(whole, "{id} wrote {} bytes, and its log has {}: {job}", known.load.len() + 1, log.len());
            tally.add("logs compared", 1);
        }
        let mut runs = BTreeMap::<String, u64>::new();
        for id in fs::read_to_string(&self.marks).unwrap().lines() {
            *runs.entry(id.to_owned()).or_default() += 1;
        }
        for (id, known) in &self.jobs {
            let runs = runs.get(id).copied().unwrap_or(0);
            let lost = known.ended.as_deref() == Some("Lost");
            assert!(runs == 1 || lost && runs == 0, "{id} ran {runs} times");
        }
    }
}

/// What is shown of a job's log; nothing if there is none.
fn log(app: &TestApp, id: &str) -> String {
    let path = format!("/api/v1/jobs/{id}/logs");
    // One that breaks off because its object goes this very moment is on record.
    let answer = app.until(|| app.try_get(&path).filter(|answer| [200, 404].contains(&answer.status)));
    if answer.status == 200 { answer.body } else { String::new() }
}

impl Reporter {
    fn start(app: &TestApp, id: String) -> Self {
        let gate = app.launch_gate(&id);
        let callback = app.callback_path(&id);
        Self { id, gate, callback, sent: 0, acknowledged: 0 }
    }

    fn report(&mut self, app: &TestApp) -> Answer {
        self.sent += 1;
        let body = json!({"status": "going on", "sequence": self.sent});
        let answer = app.post(&self.callback, &body);
        if answer.status == 200 {
            self.acknowledged = self.sent;
        }
        answer
    }

    /// The latest report that was acknowledged is shown, or a later one.
    fn verify(&self, app: &TestApp) {
        let job = app.get(&format!("/api/v1/jobs/{}", self.id)).json();
        let shown = job["report"]["sequence"].as_u64().unwrap_or(0);
        assert!((self.acknowledged..=self.sent).contains(&shown), "{} was acknowledged: {job}", self.acknowledged);
    }
}

/// It says what is wrong, and that it is no fault of the caller's.
fn assert_is_refusal(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.problem(), "store-unavailable");
    assert!(answer.detail().contains("space"), "{answer:?}");
}

/// The space runs out, and comes back.
fn cycle(app: TestApp, place: &mut Place, number: u64, tally: &mut Tally) -> TestApp {
    for _ in 0..3 {
        place.launch(&app);
    }
    let mut reporter = Reporter::start(&app, format!("g{number}"));
    let leave = place.dice.below(3) * place.dice.below(6 << 20);
    place.disk.fill(leave);
    let refused = place.ask_until_refused(&app, &mut reporter, tally);
    let ready = app.get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.body.contains("space"), "{ready:?}");
    let killed = place.dice.chance(30);
    let app = if killed { restart(app, place, tally) } else { app };
    place.disk.make_room();
    app.until(|| Some(app.get("/readyz")).filter(|answer| answer.status == 200));
    for request in refused {
        let answer = app.post("/api/v1/jobs", &request);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        place.acknowledge(&request);
    }
    place.launch(&app);
    if !killed {
        let answer = reporter.report(&app);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    reporter.verify(&app);
    if killed {
        app.wait_for_phase(&reporter.id, "Lost");
    } else {
        reporter.gate.open(0);
        app.wait_for_phase(&reporter.id, "Succeeded");
    }
    place.verify(&app, tally);
    app
}

/// Kills the service. On a full disk it refuses to start and says why; then there is space, and it starts.
fn restart(app: TestApp, place: &mut Place, tally: &mut Tally) -> TestApp {
    place.jobs.values_mut().filter(|job| job.ended.is_none()).for_each(|job| job.may_be_lost = true);
    let ended = app.kill();
    place.disk.fill(0);
    let (code, words) = ended.setup.fail();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("space"), "{words}");
    place.disk.make_room();
    tally.add("kills while there was no space", 1);
    ended.setup.start()
}

#[test]
#[ignore = "needs root"]
fn a_service_on_a_full_disk_refuses_and_goes_on() {
    let cycles = asked("JOBWRIGHT_TEST_FULL").unwrap_or(10);
    let seed = asked("JOBWRIGHT_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut tally = Tally::of("full-disk");
    for number in 0..cycles.div_ceil(CYCLES_ON_A_DISK) {
        let seed = seed + number;
        eprintln!("disk {number}: JOBWRIGHT_TEST_SEED={seed}");
        let (mut place, mut app) = Place::new(seed);
        for number in 0..CYCLES_ON_A_DISK.min(cycles - number * CYCLES_ON_A_DISK) {
            app = cycle(app, &mut place, number, &mut tally);
            tally.add("times that the disk was full", 1);
        }
        let ended = app.stop();
        assert!(ended.status.success(), "{}", ended.words);
        store(&place.disk.path().join("data"), &["check"]).unwrap();
        tally.add("checks of the store", 1);
        tally.add("jobs", place.jobs.len() as u64);
    }
    tally.finish();
}
