//! What a writer was told to be durable: read from the marks in a disk's record, and compared with a store.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

use jiff::Timestamp;
use jobwright::job::{Fact, Job, LogLine, LogTail, Report, Source};
use jobwright::store::{Change, Options, Store};

use crate::dice::Dice;
use crate::records;
pub(crate) use crate::records::insert;

/// What is on record of a job, as far as these tests change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Gone,
    Kept {
        /// The number of its last report.
        report: u64,
        /// Which log it has; 0 for none.
        log: u64,
        /// The size of its manifest.
        size: u64,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone"),
            Self::Kept { report, log, size } => write!(f, "{report}:{log}:{size}"),
        }
    }
}

impl FromStr for State {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split(':');
        let mut next = || numbers.next().unwrap_or_default().parse();
        Ok(match text {
            "gone" => Self::Gone,
            _ => Self::Kept { report: next()?, log: next()?, size: next()? },
        })
    }
}

/// What must be there after a cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    installation: Option<String>,
    jobs: BTreeMap<String, Known>,
    /// How many acknowledgements there were.
    pub(crate) acknowledged: u64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    acknowledged: State,
    /// What it is to become; it may be that already.
    begun: Option<State>,
}

impl History {
    /// Takes in a mark.
    pub(crate) fn learn(&mut self, mark: &str) {
        match mark.split(' ').collect::<Vec<_>>()[..] {
            ["begin", id, state] => {
                let nothing = Known { acknowledged: State::Gone, begun: None };
                self.jobs.entry(id.to_owned()).or_insert(nothing).begun = Some(state.parse().unwrap());
            }
            ["done", id] => {
                let known = self.jobs.get_mut(id).unwrap();
                known.acknowledged = known.begun.take().unwrap();
                self.acknowledged += 1;
            }
            ["installation", id] => self.installation = Some(id.to_owned()),
            _ => panic!("unknown mark {mark:?}"),
        }
    }

    /// Compares a data folder with what was acknowledged. Afterwards this is the history of what was found, from which
    /// a writer may go on. The error says what is wrong.
    pub(crate) fn verify(&mut self, data: &Path) -> Result<(), String> {
        if !data.join("store.json").exists() {
            return self.must_be_empty();
        }
        let store = Store::open(data, Options::default()).map_err(|error| format!("it does not open: {error}"))?;
        let checked = store.check(&mut |_| {}).map_err(|error| format!("it cannot be checked: {error}"))?;
        if !checked.faults.is_empty() {
            return Err(format!("the check finds {:?}", checked.faults));
        }
        let found = store.installation().to_string();
        if self.installation.as_ref().is_some_and(|known| *known != found) {
            return Err("it is another installation".to_owned());
        }
        self.installation = Some(found);
        let mut there = 0;
        for (id, known) in &mut self.jobs {
            let state = state_of(&store, id).map_err(|problem| format!("job {id}: {problem}"))?;
            there += u64::from(state != State::Gone);
            if state != known.acknowledged && Some(state) != known.begun {
                return Err(format!("job {id} is {state}; {known:?}"));
            }
            *known = Known { acknowledged: state, begun: None };
        }
        if there != checked.jobs {
            return Err(format!("there are {} jobs, and {there} were launched", checked.jobs));
        }
        write_one(&store)?;
        Ok(())
    }

    /// The marks of somebody who puts all of this into another place: as it begins, and when it is done.
    pub(crate) fn retold(&self) -> (String, String) {
        let there = self.jobs.iter().filter(|(_, known)| known.acknowledged != State::Gone);
        let begun = there.clone().map(|(id, known)| format!("begin {id} {}\n", known.acknowledged)).collect();
        let done: String = there.map(|(id, _)| format!("done {id}\n")).collect();
        let installation = self.installation.clone().unwrap_or_default();
        (begun, format!("{done}installation {installation}\n"))
    }

    /// How many jobs there are.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.values().filter(|known| known.acknowledged != State::Gone).count()
    }

    fn must_be_empty(&self) -> Result<(), String> {
        match self.installation {
            None => Ok(()),
            Some(_) => Err("there is no store any more".to_owned()),
        }
    }
}

/// Whether a store takes changes.
fn write_one(store: &Store) -> Result<(), String> {
    let told = |error| format!("it takes no change: {error}");
    let mut job = job("one-more", 100);
    store.submit(insert(&job)).wait().map_err(told)?;
    store.submit(report(&mut job, 1)).wait().map_err(told)?;
    store.submit(delete(job.id().as_str())).wait().map_err(told)?;
    Ok(())
}

/// What a store knows of a job.
pub(crate) fn state_of(store: &Store, id: &str) -> Result<State, String> {
    let id = id.parse().unwrap();
    let told = |error: jobwright::store::StoreError| error.to_string();
    let log = store.log(&id).map_err(told)?;
    let Some(job) = store.job(&id).map_err(told)? else {
        return if log.is_some() { Err("it is gone, and has a log".to_owned()) } else { Ok(State::Gone) };
    };
    let text = job.intent.manifest["text"].as_str().unwrap_or_default();
    let size = text.len() as u64;
    if text != noise(size) {
        return Err("its manifest is another".to_owned());
    }
    let latest = job.status.reports.latest();
    let report = latest.and_then(|report| report.sequence).unwrap_or(0);
    if latest.is_some_and(|latest| latest.message != Some(message_of(report))) {
        return Err("its report is another".to_owned());
    }
    let log = match &log {
        None => 0,
        Some(tail) => {
            let number = tail.lines.first().and_then(|line| line.text.parse().ok()).unwrap_or(0);
            if *tail != log_tail(number) {
                return Err("its log is another".to_owned());
            }
            number
        }
    };
    Ok(State::Kept { report, log, size })
}

/// A job with a manifest of some size.
pub(crate) fn job(name: &str, size: u64) -> Job {
    records::job(name, &noise(size))
}

pub(crate) fn report(job: &mut Job, sequence: u64) -> Change {
    let message = Some(message_of(sequence));
    let report = Report::new(Timestamp::UNIX_EPOCH, Some(sequence), format!("step {sequence}"), message, None);
    let learned = job.status.learn(Fact::Report(report.unwrap()));
    Change::update(job, learned.events)
}

/// From this number on, reports are as large as a worker can make them: so large that sled puts pages of their events
/// into files of their own.
pub(crate) const WIDE: u64 = 1000;

fn message_of(sequence: u64) -> String {
    if sequence < WIDE { noise(sequence * 977 % 4000) } else { wide(sequence) }
}

pub(crate) fn keep_log(job: &Job, number: u64) -> Change {
    Change::update(job, Vec::new()).with_log(&log_tail(number))
}

pub(crate) fn delete(id: &str) -> Change {
    Change::delete(id.parse().unwrap(), Timestamp::UNIX_EPOCH, Source::User)
}

/// The log with a number: of several chunks, mostly.
fn log_tail(number: u64) -> LogTail {
    let line = |text| LogLine { at: Timestamp::UNIX_EPOCH, pod: "pod".to_owned(), container: "main".to_owned(), text };
    let text = noise(number * 7919 % if number.is_multiple_of(16) { 200_000 } else { 40_000 });
    let lines = text.as_bytes().chunks(1000).map(|part| line(String::from_utf8_lossy(part).into_owned()));
    LogTail { lines: std::iter::once(line(number.to_string())).chain(lines).collect(), truncated: false }
}

/// Text that does not shrink, and follows from its length.
fn noise(length: u64) -> String {
    static POOL: OnceLock<String> = OnceLock::new();
    let mut dice = Dice::of(1);
    let pool = POOL.get_or_init(|| (0..400_000).map(|_| char::from(b' ' + dice.below(64) as u8)).collect());
    let begin = (length % 1009) as usize;
    pool[begin..begin + length as usize].to_owned()
}

/// As much as a worker can say in a report, of four bytes a letter.
fn wide(number: u64) -> String {
    static POOL: OnceLock<Vec<char>> = OnceLock::new();
    let mut dice = Dice::of(2);
    let letters = || char::from_u32(0x2_0000 + dice.below(0xa6df) as u32);
    let pool = POOL.get_or_init(|| std::iter::repeat_with(letters).flatten().take(10_000).collect());
    let begin = (number % 1009) as usize;
    pool[begin..begin + Report::MAX_MESSAGE].iter().collect()
}
