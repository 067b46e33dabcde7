//! A process that writes is killed at any moment; whatever it was told to be durable must be there afterwards.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jobwright::store::{Options, Store};

use super::{insert, job, report};

const FOLDER: &str = "STORE_KILL_TEST_FOLDER";
const WORKERS: usize = 8;

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

/// One write, so that a line is there whole or not at all.
fn say(id: &str, sequence: u64) {
    let line = format!("ack {id} {sequence}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    for round in 0..kills() {
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
