//! The process that writes to a store on a disk of ours: it says what it begins, and what it was told to be durable, in
//! the file of marks, so that the disk's record has both in the order in which they came to pass.

use std::collections::HashMap;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jobwright::job::Job;
use jobwright::store::{Change, Options, Store};

use crate::dice::Dice;
use crate::disk::{Disk, MARKS};
use crate::history::{State, WIDE, delete, insert, job, keep_log, report, state_of};

const FOLDER: &str = "DISK_TEST_WRITER_FOLDER";
const ORDERS: &str = "DISK_TEST_WRITER_ORDERS";
const WORKERS: u64 = 3;
/// How many jobs a worker changes at once, so that many changes share one sync, as they do under load.
const AT_ONCE: usize = 24;

/// What a writer is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) seed: u64,
    /// How many steps each of its workers takes.
    pub(crate) steps: u64,
    /// Whether it closes the store in the end, or just goes.
    pub(crate) closes: bool,
    /// Whether most of it are the largest reports that there can be.
    pub(crate) wide: bool,
}

/// Runs a writer on a disk to its end.
pub(crate) fn write(disk: &Disk, orders: Orders) {
    let Orders { seed, steps, closes, wide } = orders;
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "writer::the_process_that_writes", "--ignored", "--nocapture", "--quiet"])
        .env(FOLDER, disk.path())
        .env(ORDERS, format!("{seed} {steps} {} {}", u8::from(closes), u8::from(wide)))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{orders:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Not a test of its own.
#[test]
#[ignore = "run by those that need a writer"]
fn the_process_that_writes() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let orders = env::var(ORDERS).unwrap();
    let [seed, steps, closes, wide] = orders.split(' ').map(|it| it.parse().unwrap()).collect::<Vec<u64>>()[..] else {
        panic!("{orders}")
    };
    let wide = wide == 1;
    let store = Store::open(&folder.join("data"), Options::default()).unwrap();
    let marks = Marks(OpenOptions::new().append(true).open(folder.join(MARKS)).unwrap());
    marks.say(&format!("installation {}\n", store.installation()));
    let found = share(&store);
    std::thread::scope(|scope| {
        for (number, jobs) in (0..).zip(found) {
            let (store, marks) = (&store, &marks);
            let name = format!("s{}-w{number}", store.last_sequence());
            let dice = Dice::apart(seed, number);
            scope.spawn(move || Worker { store, marks, name, jobs, made: 0, dice, wide }.work(steps));
        }
    });
    if closes == 0 {
        #[expect(clippy::disallowed_methods, reason = "the store is to be left as it is")]
        std::process::exit(0);
    }
}

/// Where it is said what was begun and done. Each line goes out at once.
struct Marks(File);

impl Marks {
    fn say(&self, lines: &str) {
        (&self.0).write_all(lines.as_bytes()).unwrap();
    }
}

/// The jobs that are there, for each worker its own.
fn share(store: &Store) -> Vec<Vec<(Job, State)>> {
    let mut shares = vec![Vec::new(); WORKERS as usize];
    for (number, job) in store.active().unwrap().into_iter().enumerate() {
        let state = state_of(store, job.id().as_str()).unwrap();
        shares[number % WORKERS as usize].push((job, state));
    }
    shares
}

struct Worker<'a> {
    store: &'a Store,
    marks: &'a Marks,
    name: String,
    jobs: Vec<(Job, State)>,
    made: u64,
    dice: Dice,
    wide: bool,
}

impl Worker<'_> {
    fn work(mut self, steps: u64) {
        for _ in 0..steps {
            let mut chosen: HashMap<String, (Job, State, Change)> = HashMap::new();
            let count = if self.dice.chance(20) { AT_ONCE } else { 1 + self.dice.below(3) as usize };
            for _ in 0..count {
                let (job, state, change) = self.choose();
                chosen.insert(job.id().to_string(), (job, state, change));
            }
            let begun: String = chosen.iter().map(|(id, (_, state, _))| format!("begin {id} {state}\n")).collect();
            self.marks.say(&begun);
            let waiting: Vec<_> = chosen
                .into_iter()
                .map(|(id, (job, state, change))| (id, job, state, self.store.submit(change)))
                .collect();
            for (id, job, state, ack) in waiting {
                ack.wait().unwrap();
                self.marks.say(&format!("done {id}\n"));
                self.jobs.push((job, state));
            }
        }
    }

    /// Takes a job out of the list, or a new one, and decides what to do with it.
    fn choose(&mut self) -> (Job, State, Change) {
        if self.jobs.len() < 4 || self.dice.chance(20) {
            self.made += 1;
            let id = format!("{}-{}", self.name, self.made);
            return self.insert(&id);
        }
        let place = self.dice.below(self.jobs.len() as u64) as usize;
        let (mut job, state) = self.jobs.swap_remove(place);
        let State::Kept { report: last, log, size } = state else {
            // Its ID is used again.
            let id = job.id().to_string();
            return self.insert(&id);
        };
        let action = if self.wide && self.dice.chance(80) { 0 } else { self.dice.below(10) };
        match action {
            0..5 => {
                let next = if self.wide { last.max(WIDE) + 1 } else { last + 1 };
                let change = report(&mut job, next);
                (job, State::Kept { report: next, log, size }, change)
            }
            5..7 => {
                let log = log + 1 + self.dice.below(90);
                let change = keep_log(&job, log);
                (job, State::Kept { report: last, log, size }, change)
            }
            7 => {
                let size = self.size();
                let replaced = Job { status: job.status.clone(), ..crate::history::job(job.id().as_str(), size) };
                let change = Change::rewrite(&replaced, Vec::new());
                (replaced, State::Kept { report: last, log, size }, change)
            }
            _ => {
                let change = delete(job.id().as_str());
                (job, State::Gone, change)
            }
        }
    }

    fn insert(&mut self, id: &str) -> (Job, State, Change) {
        let size = self.size();
        let job = job(id, size);
        let change = insert(&job);
        (job, State::Kept { report: 0, log: 0, size }, change)
    }

    fn size(&mut self) -> u64 {
        match self.dice.below(40) {
            0 => self.dice.below(300_000),
            1..6 => self.dice.below(30_000),
            _ => self.dice.below(2000),
        }
    }
}

/// The data folder's place in a plain copy of a disk.
pub(crate) fn data_in(copy: &Path) -> PathBuf {
    copy.join("data")
}
