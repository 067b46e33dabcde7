//! What clients ask of the service: chosen by a seed, the same for the same one, up to what the service's own pace
//! decides.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::history::{FOR_EVER, Request, Task, is_terminal};
use crate::instance::pause;
use crate::journal::Journal;
use crate::random::Random;
use crate::support::TestApp;

/// A job that a client has launched, or tried to.
#[derive(Debug, Clone)]
struct Job {
    id: String,
    owner: usize,
    task: Task,
    brief: bool,
    acknowledged: bool,
    /// Nothing is asked of it any more.
    given_up: bool,
    sequence: u64,
    notes: u64,
}

/// The jobs of all clients, over all lives of the service.
#[derive(Debug, Default)]
pub struct Roster(Mutex<Vec<Job>>);

/// One client. It alone launches and deletes its jobs; reports and cancellations come from all.
pub struct Client<'a> {
    pub number: usize,
    pub app: &'a TestApp,
    pub journal: &'a Journal,
    pub roster: &'a Roster,
    pub random: Random,
    /// How long it waits for a job to end before it does something else.
    pub pace: Duration,
}

impl Roster {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Job>> {
        self.0.lock().unwrap()
    }

    /// One of the latest jobs of which something may be asked.
    fn one(&self, random: &mut Random, wanted: impl Fn(&Job) -> bool) -> Option<Job> {
        let jobs = self.lock();
        let jobs: Vec<_> = jobs.iter().rev().filter(|job| !job.given_up && wanted(job)).take(30).collect();
        if jobs.is_empty() { None } else { Some(random.one_of(&jobs).clone()) }
    }

    /// Asks nothing more of the jobs there are: an ID that was forgotten is free for another job.
    pub fn give_up_all(&self) {
        self.lock().iter_mut().for_each(|job| job.given_up = true);
    }

    /// Whether a job runs until it is stopped.
    pub fn runs_for_ever(&self, id: &str) -> bool {
        self.lock().iter().any(|job| job.id == id && job.task.is_for_ever())
    }

    /// Whether a job's object is to go as soon as it has ended.
    pub fn is_to_go(&self, id: &str) -> bool {
        self.lock().iter().any(|job| job.id == id && job.brief)
    }

    fn update(&self, id: &str, change: impl FnOnce(&mut Job)) {
        let mut jobs = self.lock();
        if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
            change(job);
        }
    }
}

/// `None`: the service did not answer, and is asked no more.
type Step = Option<()>;

impl Client<'_> {
    /// Does everything once that can be asked, in an order in which each has something to do.
    pub fn tour(&mut self, reports: u64) -> Step {
        let first = self.launch(Task { code: 0, millis: 0 }, false)?;
        for _ in 0..reports {
            self.report(&first)?;
        }
        self.repeat(&first)?;
        let brief = self.launch(Task { code: 0, millis: 5 }, true)?;
        let held = self.launch(Task { code: 0, millis: FOR_EVER }, false)?;
        self.launch(Task { code: 3, millis: 100 }, false)?;
        self.cancel(&held)?;
        self.rerun(&first)?;
        self.wait(&first)?;
        let _or_not_yet = self.delete(&first)?;
        self.wait(&brief)?;
        self.wait(&held)
    }

    /// Does so many things by chance.
    pub fn wander(&mut self, steps: u64) -> Step {
        for _ in 0..steps {
            self.step()?;
        }
        Some(())
    }

    /// Launches a job whose creation does not come about, while another client cancels it.
    pub fn launch_in_vain(&mut self) -> Step {
        self.launch(Task { code: 0, millis: FOR_EVER }, false).map(drop)
    }

    /// Cancels the latest job until somebody takes note of that.
    pub fn cancel_the_latest(&mut self) -> Step {
        let begun = Instant::now();
        while begun.elapsed() < self.pace * 5 {
            let latest = self.roster.lock().last().filter(|job| job.task.is_for_ever()).cloned();
            if let Some(job) = latest
                && self.journal.ask(self.app, Request::Cancel { id: job.id })? == 200
            {
                break;
            }
            pause(Duration::from_millis(4));
        }
        Some(())
    }

    fn step(&mut self) -> Step {
        let own = self.number;
        let pick = self.random.below(100);
        let roster = self.roster;
        let mut one = |wanted: &dyn Fn(&Job) -> bool| roster.one(&mut self.random, wanted);
        match pick {
            0..32 => {
                let (task, brief) = self.task();
                self.launch(task, brief).map(drop)
            }
            32..42 => one(&|job| job.owner == own).map_or(Some(()), |job| self.repeat(&job)),
            42..45 => one(&|job| job.owner == own && job.acknowledged).map_or(Some(()), |job| self.contradict(&job)),
            45..68 => one(&|_| true).map_or(Some(()), |job| self.report(&job)),
            68..76 => one(&|job| job.task.millis > 0).map_or(Some(()), |job| self.cancel(&job)),
            76..82 => one(&|job| job.owner == own).map_or(Some(()), |job| self.rerun(&job)),
            82..90 => one(&|job| job.owner == own && !job.task.is_for_ever()).map_or(Some(()), |job| {
                self.wait(&job)?;
                if self.delete(&job)? && self.random.percent(40) {
                    self.launch_another(&job)?;
                }
                Some(())
            }),
            _ => one(&|job| !job.task.is_for_ever()).map_or(Some(()), |job| self.wait(&job)),
        }
    }

    fn task(&mut self) -> (Task, bool) {
        let code = if self.random.percent(60) { 0 } else { 1 + i32::try_from(self.random.below(5)).unwrap_or(0) };
        let millis = match self.random.below(10) {
            0..5 => 0,
            5..9 => 10 + self.random.below(150),
            _ => FOR_EVER,
        };
        (Task { code, millis }, self.random.percent(40))
    }

    fn launch(&mut self, task: Task, brief: bool) -> Option<Job> {
        let job = {
            let mut jobs = self.roster.lock();
            let id = format!("j{}", jobs.len());
            let owner = self.number;
            let job = Job { id, owner, task, brief, acknowledged: false, given_up: false, sequence: 0, notes: 0 };
            jobs.push(job.clone());
            job
        };
        self.repeat(&job)?;
        Some(job)
    }

    fn repeat(&mut self, job: &Job) -> Step {
        let request = Request::Launch { id: job.id.clone(), task: job.task, brief: job.brief };
        let status = self.journal.ask(self.app, request)?;
        if status < 300 {
            self.roster.update(&job.id, |job| job.acknowledged = true);
        }
        Some(())
    }

    /// Asks for another job under the ID of one that there is.
    fn contradict(&mut self, job: &Job) -> Step {
        let task = Task { code: job.task.code + 50, ..job.task };
        self.journal.ask(self.app, Request::Launch { id: job.id.clone(), task, brief: job.brief }).map(drop)
    }

    /// Reports the next step; now and then one that was reported already, or one after the next before that, or something
    /// without a number.
    fn report(&mut self, job: &Job) -> Step {
        if self.random.percent(15) {
            let mut number = 0;
            self.roster.update(&job.id, |job| {
                job.notes += 1;
                number = job.notes;
            });
            return self.journal.ask(self.app, Request::Note { id: job.id.clone(), number }).map(drop);
        }
        let chance = self.random.below(10);
        let mut sequence = 0;
        self.roster.update(&job.id, |job| {
            sequence = match chance {
                0 => job.sequence.max(1),
                1 => job.sequence + 2,
                _ => job.sequence + 1,
            };
            if chance > 1 {
                job.sequence += 1;
            }
        });
        self.journal.ask(self.app, Request::Report { id: job.id.clone(), sequence }).map(drop)
    }

    fn cancel(&mut self, job: &Job) -> Step {
        self.journal.ask(self.app, Request::Cancel { id: job.id.clone() }).map(drop)
    }

    fn rerun(&mut self, of: &Job) -> Step {
        let id = {
            let mut jobs = self.roster.lock();
            let id = format!("j{}", jobs.len());
            // It is not repeated: whether it came to be is not known where there was no answer.
            jobs.push(Job { id: id.clone(), acknowledged: false, given_up: true, ..of.clone() });
            id
        };
        self.journal.ask(self.app, Request::Rerun { of: of.id.clone(), id }).map(drop)
    }

    /// Deletes a job, now and then twice at the same moment. Says whether it is gone.
    fn delete(&mut self, job: &Job) -> Option<bool> {
        self.roster.update(&job.id, |job| job.given_up = true);
        let (journal, app) = (self.journal, self.app);
        let ask = || journal.ask(app, Request::Delete { id: job.id.clone() });
        let answers = if self.random.percent(25) {
            std::thread::scope(|scope| {
                let other = scope.spawn(ask);
                [ask(), other.join().unwrap()]
            })
        } else {
            let answer = ask();
            [answer, answer]
        };
        let [one, other] = answers;
        Some(one? == 204 || other? == 204)
    }

    /// Launches another job under the ID of one that is deleted.
    fn launch_another(&mut self, deleted: &Job) -> Step {
        let (task, brief) = self.task();
        let mut another = deleted.clone();
        self.roster.update(&deleted.id, |job| {
            *job = Job { task, brief, acknowledged: false, given_up: false, ..job.clone() };
            another = job.clone();
        });
        self.repeat(&another)
    }

    /// Waits for a job's end, not for long.
    fn wait(&mut self, job: &Job) -> Step {
        let begun = Instant::now();
        while begun.elapsed() < self.pace {
            let answer = self.app.try_get(&format!("/api/v1/jobs/{}", job.id))?;
            if answer.status != 200 || answer.json()["phase"].as_str().is_some_and(is_terminal) {
                break;
            }
            pause(Duration::from_millis(4));
        }
        Some(())
    }
}
