//! How a template's last jobs came out: a small mark for each, and the figures that follow from them.

use jiff::{SignedDuration, Timestamp};

use super::job::ran_from;
use super::phase::PhaseLook;
use super::time::{When, age, duration};
use super::url;
use crate::job::{JobId, JobView, Phase};

/// How many jobs the marks and figures are of.
pub(crate) const WINDOW: usize = 20;

/// The step from one mark to the next, and their height where one took as long as any.
const STEP: usize = 8;
const TALLEST: f64 = 16.0;
const SHORTEST: f64 = 4.0;
/// Where marks stand. What went wrong reaches below it, so that it is not told by colour alone.
const BASE: f64 = 20.0;

/// What the marks and figures need to know of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) id: JobId,
    pub(crate) phase: Phase,
    pub(crate) created: Timestamp,
    /// When it began to run, where it is known how long it ran.
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
}

impl From<&JobView> for Brief {
    fn from(job: &JobView) -> Self {
        Self { id: job.id.clone(), phase: job.phase, created: job.created, started: ran_from(job), ended: job.ended }
    }
}

/// What became of the last jobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcomes {
    /// How many jobs these are.
    pub(crate) count: usize,
    /// A mark for each, oldest first.
    pub(crate) marks: Vec<Mark>,
    /// The same for those who do not see them.
    pub(crate) told: String,
    /// How long half of those that succeeded took at most.
    pub(crate) median: Option<String>,
    /// How many succeeded of those that ran to an end.
    pub(crate) rate: Option<Rate>,
    /// The newest of them.
    pub(crate) newest: Option<Newest>,
}

/// One job as a bar in a box that is 160 wide and 24 high: its colour by phase, its height by how long it ran.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) x: usize,
    pub(crate) y: f64,
    pub(crate) height: f64,
    pub(crate) colour: &'static str,
    /// `Failed after 12 s, 3 h ago`.
    pub(crate) words: String,
}

/// How many succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) percent: usize,
    /// `17 of 19 jobs succeeded`.
    pub(crate) words: String,
    pub(crate) colour: &'static str,
}

/// The newest job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) href: String,
    pub(crate) phase: PhaseLook,
    pub(crate) created: When,
}

impl Outcomes {
    /// What became of these jobs, which are given newest first.
    pub(crate) fn new(jobs: &[Brief], now: Timestamp) -> Self {
        let jobs = &jobs[..jobs.len().min(WINDOW)];
        let longest = jobs.iter().filter_map(|job| lasted(job, now)).max().unwrap_or_default();
        let marks = jobs.iter().rev().enumerate().map(|(index, job)| Mark::new(job, index * STEP, longest, now));
        Self {
            count: jobs.len(),
            marks: marks.collect(),
            told: told(jobs),
            median: median(jobs),
            rate: Rate::of(jobs),
            newest: jobs.first().map(|job| Newest {
                href: url::job(&job.id),
                phase: job.phase.into(),
                created: When::new(job.created, now),
            }),
        }
    }
}

impl Mark {
    fn new(job: &Brief, x: usize, longest: SignedDuration, now: Timestamp) -> Self {
        let look = PhaseLook::from(job.phase);
        let lasted = lasted(job, now);
        let share = match (lasted, longest.as_secs_f64()) {
            (Some(lasted), longest) if longest > 0.0 => lasted.as_secs_f64() / longest,
            _ => 0.0,
        };
        let height = (SHORTEST + share.clamp(0.0, 1.0) * (TALLEST - SHORTEST)).round();
        let below = if went_wrong(job.phase) { 4.0 } else { 0.0 };
        let words = match lasted {
            Some(lasted) if job.phase.is_terminal() => format!("{} after {}", look.word, words(lasted)),
            Some(lasted) => format!("{} for {}", look.word, words(lasted)),
            None => look.word.to_owned(),
        };
        Self {
            x,
            y: BASE - height,
            height: height + below,
            colour: look.colour,
            words: format!("{words}, launched {}", age(job.created, now)),
        }
    }
}

impl Rate {
    /// Those that were cancelled, or are still under way, say nothing about the template.
    fn of(jobs: &[Brief]) -> Option<Self> {
        let good = jobs.iter().filter(|job| job.phase == Phase::Succeeded).count();
        let bad = jobs.iter().filter(|job| went_wrong(job.phase)).count();
        let all = good + bad;
        (all > 0).then(|| Self {
            percent: good * 100 / all,
            words: format!("{good} of {all} {} succeeded", if all == 1 { "job" } else { "jobs" }),
            colour: match good * 100 / all {
                100 => "green",
                80.. => "amber",
                _ => "red",
            },
        })
    }
}

fn went_wrong(phase: Phase) -> bool {
    matches!(phase, Phase::Failed | Phase::Rejected | Phase::Lost)
}

/// How long a job ran, or has been running.
fn lasted(job: &Brief, now: Timestamp) -> Option<SignedDuration> {
    Some(job.ended.unwrap_or(now).duration_since(job.started?))
}

fn median(jobs: &[Brief]) -> Option<String> {
    let succeeded = jobs.iter().filter(|job| job.phase == Phase::Succeeded);
    let mut spans: Vec<SignedDuration> = succeeded.filter_map(|job| lasted(job, job.ended?)).collect();
    spans.sort_unstable();
    let upper = *spans.get(spans.len() / 2)?;
    let lower = if spans.len().is_multiple_of(2) { spans[spans.len() / 2 - 1] } else { upper };
    Some(words(lower.checked_add(upper)? / 2))
}

fn words(span: SignedDuration) -> String {
    let start = Timestamp::UNIX_EPOCH;
    duration(start, start.checked_add(span).unwrap_or(start))
}

fn told(jobs: &[Brief]) -> String {
    let Some(newest) = jobs.first() else {
        return "No jobs yet".to_owned();
    };
    let counts = Phase::ALL.into_iter().filter_map(|phase| {
        let count = jobs.iter().filter(|job| job.phase == phase).count();
        (count > 0).then(|| format!("{count} {}", phase.as_str()))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    match jobs.len() {
        1 => format!("One job: {}", newest.phase.as_str()),
        many => format!("The last {many} jobs: {counts}; the newest is {}", newest.phase.as_str()),
    }
}

#[cfg(test)]
#[path = "outcomes_tests.rs"]
mod tests;
