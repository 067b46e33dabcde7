//! A process that writes is killed at any moment; whatever it was told to be durable must be there afterwards.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jobwright::crash::{Point, VARIABLE};
use jobwright::store::{Options, Store};

use super::{insert, job, report};

const FOLDER: &str = "STORE_KILL_TEST_FOLDER";
const WORKERS: usize = 8;

/// How often a folder is gone on with. All that it holds is compared after each kill, so that one folder for all of
/// them would take ever longer.
const LIVES: u32 = 40;

/// How often the process is killed; `JOBWRIGHT_TEST_KILLS` asks for more.
fn kills() -> u32 {
    let asked = env::var("JOBWRIGHT_TEST_KILLS");
    asked.map_or(24, |text| text.parse().expect("a number"))
}

/// Not a test of its own: the process that is killed. Every worker has a job that reports without end, and says so
/// each time that a report is durable; now and then it starts another job.
#[test]
#[ignore = "run by what_was_acknowledged_survives_a_kill"]
fn the_process_that_is_killed() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let store = Store::open(Path::new(&folder), Options::default()).unwrap();
    let round = store.last_sequence();
    writeln!(std::io::stdout(), "open").unwrap();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let store = &store;
            scope.spawn(move || {
                for number in 0.. {
                    let mut job = job(&format!("r{round}-w{worker}-{number}"), number * 997);
                    store.submit(insert(&job)).wait().unwrap();
                    say(job.id().as_str(), 0);
                    for sequence in 1..=20 {
                        store.submit(report(&mut job, sequence)).wait().unwrap();
                        say(job.id().as_str(), sequence);
                    }
                }
            });
        }
    });
}

/// Not a test of its own: the process that is killed between two batches of one round. sled writes by itself now and
/// then, so that the first of them is on disk by then, and was never acknowledged.
#[test]
#[ignore = "run by a_round_that_was_cut_in_two_is_counted_right"]
fn the_process_that_is_killed_within_a_round() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let store = Store::open(Path::new(&folder), Options::default()).unwrap();
    // Of several sizes, so that batches end at different places; and made before, so that they come at once.
    let jobs = (0..ROUND).map(|number| job(&format!("k{number}"), number % 3 * 40_000));
    let changes: Vec<_> = jobs.map(|job| insert(&job)).collect();
    let acks: Vec<_> = changes.into_iter().map(|change| store.submit(change)).collect();
    acks.into_iter().for_each(|ack| drop(ack.wait()));
}

/// How many changes are submitted at once: more than fit into a batch.
const ROUND: usize = 200;

#[test]
fn a_round_that_was_cut_in_two_is_counted_right() {
    let folder = tempfile::tempdir().unwrap();
    // The store is made before, so that all batches in there are of the round.
    drop(Store::open(folder.path(), Options::default()).unwrap());
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::the_process_that_is_killed_within_a_round", "--ignored"])
        .env(FOLDER, folder.path())
        .env(VARIABLE, format!("{}:5:2000", Point::BackendApplied.name()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9));
    let store = Store::open(folder.path(), Options::default()).unwrap();
    let checked = store.check(&mut |_| {}).unwrap();
    assert_eq!(checked.faults, Vec::<String>::new());
    assert!((1..ROUND as u64).contains(&checked.jobs), "{} jobs: it was not cut within the round", checked.jobs);
}

/// One write, so that a line is there whole or not at all.
fn say(id: &str, sequence: u64) {
    let line = format!("ack {id} {sequence}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    for round in 0..kills() {
        if round > 0 && round % LIVES == 0 {
            folder = tempfile::tempdir().unwrap();
            acknowledged.clear();
        }
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::the_process_that_is_killed", "--ignored"])
            .args(["--nocapture", "--quiet"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let opened = lines.by_ref().map_while(Result::ok).any(|line| line == "open");
        assert!(opened, "round {round}: the store does not open");
        let moment = Duration::from_millis(u64::from(round) * 37 % 211 + 1);
        let killer = std::thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "the moment itself is what is tried")]
            std::thread::sleep(moment);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in lines.map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["ack", id, sequence] = words[..] {
                acknowledged.insert(id.to_owned(), sequence.parse().unwrap());
            }
        }
        killer.join().unwrap();
        verify(folder.path(), &acknowledged, round);
    }
    assert!(!acknowledged.is_empty());
}

fn verify(folder: &Path, acknowledged: &HashMap<String, u64>, round: u32) {
    let store = Store::open(folder, Options::default()).unwrap();
    let checked = store.check(&mut |_| {}).unwrap();
    assert_eq!(checked.faults, Vec::<String>::new(), "round {round}");
    for (id, sequence) in acknowledged {
        let job = store.job(&id.parse().unwrap()).unwrap();
        let job = job.unwrap_or_else(|| panic!("round {round}: {id} is gone"));
        let latest = job.status.reports.latest().and_then(|r| r.sequence);
        assert!(latest.unwrap_or(0) >= *sequence, "round {round}: {id} was at {sequence}, and is at {latest:?}");
    }
}
