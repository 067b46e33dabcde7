//! One data folder from its making to its end: cycles of work and death, and a last life in which everything settles.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jobwright::crash::Point;

use crate::foreign;
use crate::history::{Entry, Request, Shown, is_terminal};
use crate::instance::{At, Instance, died_at, folder, last_words, pause, run, was_killed, words_said};
use crate::journal::Journal;
use crate::judge::broken_promises;
use crate::random::Random;
use crate::ways::Errand;
use crate::workload::{Client, Roster};
use crate::world::World;

/// How many clients are at work at once.
const CLIENTS: usize = 2;

/// How a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// At a point.
    At(At),
    /// So long after it has given so many answers.
    AfterAnswers(usize, Duration),
    /// When a request has arrived at the API server, which carries it out or not, and does not answer.
    OnArrival(&'static str, bool),
    /// Not at all: it is told to stop.
    Stopped,
}

/// One life of a process.
#[derive(Debug, Clone, Copy)]
pub struct Cycle {
    pub errand: Errand,
    pub death: Death,
    /// Whether a client does everything once first, with so many reports.
    pub tour: Option<u64>,
    /// How many things each client does by chance.
    pub steps: u64,
    /// Whether names of objects are withheld for a while.
    pub withholds: bool,
}

/// How a cycle came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// A process died at the point that it was to die at.
    ToThePoint,
    /// It was killed while clients were at work.
    AtWork,
    /// It was killed when a request had arrived at the API server, which had not answered.
    OnArrival,
    /// It was killed when its clients were through, and all that they had asked was answered.
    AtRest,
    /// It ended by itself, as it should.
    ToAnOrderlyEnd,
}

pub struct Round<'a> {
    world: &'a dyn World,
    pub journal: Journal,
    roster: Roster,
    random: Random,
    /// What the reader of a failure needs to see it again.
    replay: String,
    forgets: bool,
    cycles: usize,
}

impl<'a> Round<'a> {
    pub fn new(world: &'a dyn World, random: Random, replay: String, forgets: Option<usize>) -> Self {
        let journal = Journal::default();
        if let Some(most) = forgets {
            journal.add(Entry::Retention(most));
        }
        Self { world, journal, roster: Roster::default(), random, replay, forgets: forgets.is_some(), cycles: 0 }
    }

    fn data(&self) -> String {
        self.world.setup().data().display().to_string()
    }

    /// Runs one cycle, and says how it came out.
    pub fn cycle(&mut self, cycle: Cycle) -> Came {
        self.cycles += 1;
        let came = match cycle.errand {
            Errand::Serve | Errand::Stop => self.serve(cycle),
            Errand::Compact => self.compact(cycle.death),
            Errand::ImportAnew => self.import_anew(cycle.death),
            Errand::ImportMore => self.import_more(cycle.death),
        };
        if self.random.percent(15) {
            self.check();
        }
        came
    }

    fn serve(&mut self, cycle: Cycle) -> Came {
        let setup = self.world.setup();
        let at = point_of(cycle.death);
        // One that dies after its end is on disk takes nothing with it.
        let guard_dies = at.is_some_and(|at| at.point.is_of_guards() && at.point != Point::GuardWritten);
        if guard_dies {
            self.journal.add(Entry::GuardKilled);
        }
        let said = words_said(setup);
        if self.forgets {
            self.roster.give_up_all();
        }
        let mut came = Came::ToThePoint;
        if let Some(instance) = Instance::start(setup, at) {
            let _it_died_over_that = self.verify(&instance.app);
            came = self.work(&instance, cycle);
            if self.end(instance, cycle) {
                came = Came::ToAnOrderlyEnd;
            }
        }
        self.world.heal();
        if guard_dies {
            self.journal.add(Entry::GuardKilled);
        }
        self.journal.add(Entry::Down(format!("{cycle:?}")));
        self.world.look_at_wreck(&self.journal);
        match at {
            Some(at) if died_at(setup, said, at.point) => Came::ToThePoint,
            _ => came,
        }
    }

    /// Lets the clients loose until they are through or the service is gone. Says how far they were when it was killed,
    /// or will be.
    fn work(&mut self, instance: &Instance, cycle: Cycle) -> Came {
        if cycle.withholds {
            self.world.withhold_names();
        }
        if let Death::OnArrival(wanted, carried_out) = cycle.death {
            self.world.hang_next(wanted, carried_out);
        }
        let at_work = AtomicUsize::new(CLIENTS);
        let answered = self.journal.answers();
        let (journal, roster, world) = (&self.journal, &self.roster, self.world);
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let random = self.random.fork();
                let mut client = Client { number, app: &instance.app, journal, roster, random, pace: world.pace() };
                let at_work = &at_work;
                scope.spawn(move || {
                    let begun = match (cycle.withholds, number, cycle.tour) {
                        (true, 0, _) => client.launch_in_vain(),
                        (true, ..) => client.cancel_the_latest(),
                        (false, 0, Some(reports)) => client.tour(reports),
                        _ => Some(()),
                    };
                    let steps = if cycle.withholds { 0 } else { cycle.steps };
                    let _it_is_gone = begun.and_then(|()| client.wander(steps));
                    at_work.fetch_sub(1, Ordering::Relaxed);
                });
            }
            let working = || at_work.load(Ordering::Relaxed) > 0;
            match cycle.death {
                Death::AfterAnswers(count, moment) => {
                    while working() && journal.answers() < answered + count {
                        pause(Duration::from_millis(1));
                    }
                    pause(moment);
                    let came = if working() { Came::AtWork } else { Came::AtRest };
                    instance.kill();
                    came
                }
                Death::OnArrival(..) => {
                    let mut hangs = false;
                    while working() && !hangs {
                        hangs = world.hangs(Duration::from_millis(20));
                    }
                    instance.kill();
                    if hangs { Came::OnArrival } else { Came::AtRest }
                }
                Death::At(_) | Death::Stopped => Came::AtRest,
            }
        })
    }

    /// Sees to it that the service is gone. Says whether that was in good order.
    fn end(&self, instance: Instance, cycle: Cycle) -> bool {
        if cycle.errand == Errand::Stop || cycle.death == Death::Stopped {
            instance.stop();
        } else {
            // A kill of what is dead already changes nothing.
            instance.kill();
        }
        let status = instance.wait();
        let orderly = cycle.death == Death::Stopped;
        if !(was_killed(status) || (cycle.errand == Errand::Stop || orderly) && status.success()) {
            self.fail(&[format!("the service ended by itself: {status}")]);
        }
        status.success()
    }

    /// Compares what the service shows with all that was acknowledged. None if it died over that.
    fn verify(&self, app: &crate::support::TestApp) -> Option<BTreeMap<String, Shown>> {
        let jobs = self.journal.all_jobs(app)?;
        self.world.look(&self.journal);
        self.journal.add(Entry::Shown(jobs.clone()));
        self.judge();
        Some(jobs)
    }

    fn judge(&self) {
        let broken = broken_promises(self.world.rules(), &self.journal.entries());
        if !broken.is_empty() {
            self.fail(&broken);
        }
    }

    fn fail(&self, broken: &[String]) -> ! {
        let entries = self.journal.entries();
        let tell = |entry: &Entry| !matches!(entry, Entry::Shown(_) | Entry::Object { .. } | Entry::Ran { .. });
        let last: Vec<_> = entries.iter().filter(|entry| tell(entry)).rev().take(60).collect();
        let last: Vec<_> = last.iter().rev().map(|entry| format!("{entry:?}")).collect();
        let broken = broken.join("\n");
        let of_job = broken.split(':').next().unwrap_or_default();
        let of_job: Vec<_> = entries.iter().filter_map(|entry| about(entry, of_job)).collect();
        panic!(
            "cycle {} of {} breaks promises:\n{broken}\n\nthe history of {}:\n{}\n\nthe end of the whole:\n{}\n\nlast words:\n{}",
            self.cycles,
            self.world.setup().path().display(),
            broken.split(':').next().unwrap_or_default(),
            of_job.join("\n"),
            last.join("\n"),
            last_words(self.world.setup()),
        );
    }

    /// `jobwright store check`.
    fn check(&self) {
        let data = self.data();
        if !self.has_records() {
            return;
        }
        let (status, words) = run(self.world.setup(), &["store", "check", "--data", &data], None);
        self.journal.add(Entry::Checked(if status.success() { Ok(()) } else { Err(words) }));
        self.judge();
    }

    fn compact(&self, death: Death) -> Came {
        let data = self.data();
        let args = ["store", "compact", "--data", &data];
        if !self.has_records() {
            // The service was killed before it had made its folder.
            let (status, words) = run(self.world.setup(), &args, point_of(death));
            if status.success() || !words.contains("there are no records in") {
                self.fail(&[format!("compacting nothing: {words}")]);
            }
            return Came::ToAnOrderlyEnd;
        }
        let came = self.run_to_death(&args, death);
        self.check();
        came
    }

    fn has_records(&self) -> bool {
        self.world.setup().data().join("store.json").exists()
    }

    fn import_anew(&self, death: Death) -> Came {
        let setup = self.world.setup();
        let (file, data) = (folder(setup, "foreign.jsonl"), folder(setup, &format!("other-{}", self.cycles)));
        foreign::write(&file, self.cycles);
        let (file, data) = (file.display().to_string(), data.display().to_string());
        let args = ["store", "import", &file, "--data", &data];
        let came = self.run_to_death(&args, death);
        let (status, words) = run(setup, &args, None);
        let (checked, faults) = run(setup, &["store", "check", "--data", &data], None);
        let whole = status.success() && checked.success() && faults.contains(&format!("{} jobs in", foreign::JOBS));
        if !whole {
            self.fail(&[format!("an import after one that was broken off: {words}{faults}")]);
        }
        came
    }

    fn import_more(&mut self, death: Death) -> Came {
        let setup = self.world.setup();
        let (file, data) = (folder(setup, "foreign.jsonl"), self.data());
        self.journal.add(Entry::Importing(foreign::write(&file, self.cycles)));
        let file = file.display().to_string();
        let args = ["store", "import", &file, "--data", &data];
        let came = self.run_to_death(&args, death);
        if came == Came::ToAnOrderlyEnd {
            self.journal.add(Entry::Imported);
        } else if self.random.percent(50) {
            let (status, words) = run(setup, &args, None);
            if !status.success() {
                self.fail(&[format!("an import after one that was broken off: {words}")]);
            }
            self.journal.add(Entry::Imported);
        }
        came
    }

    fn run_to_death(&self, args: &[&str], death: Death) -> Came {
        let (status, words) = run(self.world.setup(), args, point_of(death));
        self.journal.add(Entry::Down(format!("{args:?}, {death:?}")));
        if was_killed(status) {
            Came::ToThePoint
        } else if status.success() {
            Came::ToAnOrderlyEnd
        } else {
            self.fail(&[format!("{args:?} failed: {words}")])
        }
    }

    /// Lets every job come to its end, and looks whether each came to the right one.
    pub fn settle(&mut self) {
        let setup = self.world.setup();
        let instance = Instance::start(setup, None).expect("nothing is to kill it");
        let begun = Instant::now();
        loop {
            let mut jobs = self.verify(&instance.app).unwrap_or_else(|| self.fail(&["it died by itself".to_owned()]));
            let open: Vec<_> = jobs.iter().filter(|(_, shown)| !is_terminal(&shown.phase)).collect();
            let objects = self.world.objects();
            let left =
                objects.iter().any(|id| self.roster.is_to_go(id)) || jobs.values().any(Shown::waits_for_its_exit_code);
            if open.is_empty() && !left || begun.elapsed() > self.world.patience() {
                self.journal.add_logs(&instance.app, &mut jobs);
                let gone = jobs.iter().find(|(_, shown)| shown.log.is_none() && !self.forgets);
                if let Some((id, _)) = gone {
                    self.fail(&[format!("{id}: it is listed, and gone when its log is asked for")]);
                }
                self.journal.add(Entry::Settled { jobs, objects });
                self.judge();
                break;
            }
            for (id, shown) in open {
                if self.roster.runs_for_ever(id) && !shown.cancel_requested {
                    self.journal.ask(&instance.app, Request::Cancel { id: id.clone() });
                }
            }
            pause(Duration::from_millis(30));
        }
        instance.stop();
        let status = instance.wait();
        if !status.success() {
            self.fail(&[format!("it did not stop in good order: {status}")]);
        }
        self.check();
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to replay: {}", self.replay);
        }
    }
}

fn point_of(death: Death) -> Option<At> {
    match death {
        Death::At(at) => Some(at),
        _ => None,
    }
}

/// What an entry says of one job, if anything.
fn about(entry: &Entry, job: &str) -> Option<String> {
    let quoted = format!("\"{job}\"");
    match entry {
        Entry::Shown(jobs) => jobs.get(job).map(|shown| format!("Shown({shown:?})")),
        Entry::Settled { jobs, .. } => jobs.get(job).map(|shown| format!("Settled({shown:?})")),
        Entry::Down(how) => Some(format!("Down({how})")),
        Entry::Answered(..) | Entry::Unavailable(..) => Some(format!("{entry:?}")),
        other => Some(format!("{other:?}")).filter(|text| text.contains(&quoted)),
    }
}
