//! The power is cut, at any moment: whatever was acknowledged by then is there when it comes back.
//!
//! A run of the program on a disk of ours is recorded once and then cut at many moments, each of them in one of the
//! ways in which the power may take what was not synced. What is left is written to a plain folder, checked, and written
//! on; from one of the cuts the next run goes on.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use crate::cut::{Replay, Survival, Syncs};
use crate::dice::Dice;
use crate::disk::{Disk, Record};
use crate::history::History;
use crate::image::{Image, Ino, Operation};
use crate::tally::Tally;
use crate::writer::{Orders, data_in, write};

/// How many cuts there are in each recorded run.
const CUTS_IN_A_RUN: u64 = 20;
/// How many runs go on from one another's cuts.
const GENERATIONS: u64 = 5;
/// One in so many cuts is checked by the program itself too.
const BY_PROGRAM: u64 = 5;

/// A number from the environment.
pub(crate) fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}: expected a number")))
}

/// A cut, as it is told when something is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) moment: usize,
    pub(crate) survival: Survival,
    pub(crate) seed: u64,
}

impl Cut {
    /// Throws a moment: just after somebody was told something, just before something becomes durable, or any.
    pub(crate) fn throw(record: &Record, within: &Range<usize>, dice: &mut Dice) -> Self {
        let operations = &record.operations[within.clone()];
        let (told, synced) = (
            places(operations, |operation| matches!(operation, Operation::Mark(_))),
            places(operations, |operation| matches!(operation, Operation::SyncFile(_) | Operation::SyncFolder(_))),
        );
        let mut any = |places: &[usize]| places.get(dice.below(places.len().max(1) as u64) as usize).copied();
        let (told, synced) = (any(&told).map(|place| place + 1), any(&synced));
        let moment = match dice.below(3) {
            0 => told,
            1 => synced,
            _ => None,
        };
        let moment = moment.unwrap_or_else(|| dice.below(operations.len() as u64 + 1) as usize);
        Self { moment: within.start + moment, survival: Survival::throw(dice), seed: dice.throw() }
    }

    /// What is left, and how much had not been synced.
    pub(crate) fn of(self, record: &Record, syncs: Syncs) -> (Image, usize) {
        let mut replay = Replay::of(&record.before, &record.operations, syncs);
        replay.advance(self.moment);
        (replay.cut(self.survival, &mut Dice::of(self.seed)), replay.pending())
    }

    /// What was known by then.
    pub(crate) fn history(self, before: &History, record: &Record) -> History {
        let mut history = before.clone();
        for operation in &record.operations[..self.moment] {
            if let Operation::Mark(text) = operation {
                history.learn(text);
            }
        }
        history
    }
}

fn places(operations: &[Operation], wanted: impl Fn(&Operation) -> bool) -> Vec<usize> {
    (0..operations.len()).filter(|place| wanted(&operations[*place])).collect()
}

/// A folder in memory where there is one: nothing of it is to be kept.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Checks what a cut left. The history is then that of what was found.
pub(crate) fn verify(image: &Image, history: &mut History, by_program: bool) -> Result<(), String> {
    let copy = scratch();
    image.write_to(copy.path());
    let data = data_in(copy.path());
    if by_program && data.join("store.json").exists() {
        store(&data, &["check"])?;
    }
    history.verify(&data)
}

/// A campaign as far as it has come: what is on the disk, and what must be.
struct Campaign {
    image: Image,
    history: History,
    tally: Tally,
}

/// A run of the program on a disk, of which a part is cut.
struct Run {
    record: Record,
    /// What is known of its beginning.
    before: History,
    within: Range<usize>,
    /// Whether there is all of it or nothing.
    whole: bool,
    what: &'static str,
}

impl Campaign {
    fn new() -> Self {
        let tally = Tally::of("power-cuts");
        Self { image: Image::default(), history: History::default(), tally }
    }

    /// Records a run of one kind or another, with what was there before.
    fn run(&mut self, number: u64, seed: u64) -> Run {
        match number % GENERATIONS {
            0 => {
                (self.image, self.history) = (Image::default(), History::default());
                self.write(seed)
            }
            2 => self.compact(seed),
            4 => self.import(),
            _ => self.write(seed),
        }
    }

    fn write(&mut self, seed: u64) -> Run {
        let disk = Disk::recording(std::mem::take(&mut self.image));
        let mut dice = Dice::apart(seed, 77);
        for _ in 0..1 + dice.below(2) {
            write(&disk, any_orders(&mut dice));
        }
        self.recorded(disk, 0, "cuts while jobs were written")
    }

    fn compact(&mut self, seed: u64) -> Run {
        let disk = Disk::recording(std::mem::take(&mut self.image));
        let mut dice = Dice::apart(seed, 77);
        write(&disk, any_orders(&mut dice));
        let begun = disk.moment();
        store(&disk.data(), &["compact"]).unwrap();
        write(&disk, Orders { steps: 2, ..any_orders(&mut dice) });
        self.recorded(disk, begun, "cuts while the store was compacted, and soon after")
    }

    /// Moves over to a new disk.
    fn import(&mut self) -> Run {
        let old = scratch();
        self.image.write_to(old.path());
        let export = old.path().join("export");
        store(&data_in(old.path()), &["export", "--with-secrets", export.to_str().unwrap()]).unwrap();
        let (begun, done) = self.history.retold();
        self.history = History::default();
        let disk = Disk::recording(Image::default());
        disk.mark(&begun);
        store(&disk.data(), &["import", export.to_str().unwrap()]).unwrap();
        disk.mark(&done);
        Run { whole: true, ..self.recorded(disk, 0, "cuts while an export was imported") }
    }

    fn recorded(&self, disk: Disk, begun: usize, what: &'static str) -> Run {
        let record = disk.finish();
        let within = begun..record.operations.len();
        Run { record, before: self.history.clone(), within, whole: false, what }
    }

    /// Cuts a recorded run many times. From the last cut the campaign goes on.
    fn cut_often(&mut self, run: &Run, seed: u64, cuts: u64) {
        let mut dice = Dice::of(seed);
        for number in 0..cuts {
            let cut = Cut::throw(&run.record, &run.within, &mut dice);
            let (image, pending) = cut.of(&run.record, Syncs::Heeded);
            let mut history = cut.history(&run.before, &run.record);
            let by_program = number % BY_PROGRAM == 0;
            self.count(run, &image, pending, &history, by_program);
            let mut outcome = verify(&image, &mut history, by_program);
            let all = cut_at_end(&run.record).history(&run.before, &run.record).jobs();
            if outcome.is_ok() && run.whole && ![0, all].contains(&history.jobs()) {
                outcome = Err(format!("there are {} of {all} jobs", history.jobs()));
            }
            if let Err(problem) = outcome {
                let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cut-{}", std::process::id()));
                image.write_to(&kept);
                panic!(
                    "{}: {cut:?} of {} operations, {pending} of them not synced: {problem}\n\
                     seed {seed}; what was left is in {}: {:?}",
                    run.what,
                    run.record.operations.len(),
                    kept.display(),
                    image.paths()
                );
            }
            history.acknowledged = 0;
            (self.image, self.history) = (image, history);
        }
    }

    fn count(&mut self, run: &Run, image: &Image, pending: usize, history: &History, by_program: bool) {
        let tally = &mut self.tally;
        tally.add("power cuts", 1);
        tally.add(run.what, 1);
        tally.add("cuts checked by `jobwright store check` too", u64::from(by_program));
        tally.add("operations not synced at the moment of a cut", pending as u64);
        tally.add("acknowledged writes before a cut", history.acknowledged - run.before.acknowledged);
        tally.add("jobs compared after a cut", history.jobs() as u64);
        let files = image.paths().iter().filter(|path| path.contains("/blobs/")).count();
        tally.add("pages in files of their own after a cut", files as u64);
    }
}

fn cut_at_end(record: &Record) -> Cut {
    Cut { moment: record.operations.len(), survival: Survival::Everything, seed: 0 }
}

fn any_orders(dice: &mut Dice) -> Orders {
    Orders { seed: dice.throw(), steps: 3 + dice.below(20), closes: dice.chance(50), wide: dice.chance(25) }
}

/// Runs `jobwright store`.
pub(crate) fn store(data: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
    command.arg("store").args(arguments).arg("--data").arg(data).env_remove("RUST_LOG");
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].concat();
    Err(format!("`store {}` fails: {}", arguments[0], String::from_utf8_lossy(&words)))
}

/// Whatever is not synced is lost, at every moment of a first opening and a first write.
#[test]
#[ignore = "needs FUSE"]
fn a_new_store_is_there_once_it_has_said_so() {
    let disk = Disk::recording(Image::default());
    write(&disk, Orders { seed: 1, steps: 1, closes: true, wide: false });
    let record = disk.finish();
    for moment in 0..=record.operations.len() {
        for survival in [Survival::Nothing, Survival::AllButLast, Survival::Each(50)] {
            let cut = Cut { moment, survival, seed: moment as u64 };
            let (image, _) = cut.of(&record, Syncs::Heeded);
            let mut history = cut.history(&History::default(), &record);
            verify(&image, &mut history, false).unwrap_or_else(|problem| panic!("{cut:?}: {problem}"));
        }
    }
}

#[test]
#[ignore = "needs FUSE"]
fn what_was_acknowledged_survives_a_power_cut() {
    let cuts = asked("JOBWRIGHT_TEST_CUTS").unwrap_or(60);
    let seed = asked("JOBWRIGHT_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut campaign = Campaign::new();
    for number in 0..cuts.div_ceil(CUTS_IN_A_RUN) {
        let seed = seed + number;
        eprintln!("run {number}: JOBWRIGHT_TEST_SEED={seed}");
        let run = campaign.run(number, seed);
        let begun = most_begun_between_syncs(&run.record.operations[run.within.clone()]);
        // An import and a compaction count only when all of it is durable.
        assert!(begun <= 1 || run.whole || run.within.start > 0, "{begun} parts of the log between two syncs");
        campaign.tally.add("recorded runs", 1);
        campaign.cut_often(&run, seed, CUTS_IN_A_RUN.min(cuts - number * CUTS_IN_A_RUN));
    }
    campaign.tally.finish();
}

/// How many parts of the log were begun between two syncs at most. With a second one, what sled takes for safe may not
/// be.
fn most_begun_between_syncs(operations: &[Operation]) -> u64 {
    const PART: u64 = 4 << 20;
    let mut begun = HashMap::<Ino, u64>::new();
    let mut most = 0;
    for operation in operations {
        match operation {
            // What is filled with one byte is not begun, but wiped.
            Operation::Write { ino, offset, data } if offset % PART == 0 && data.iter().any(|it| *it != data[0]) => {
                let count = begun.entry(*ino).or_default();
                *count += 1;
                most = most.max(*count);
            }
            Operation::SyncFile(ino) => {
                begun.remove(ino);
            }
            _ => {}
        }
    }
    most
}
