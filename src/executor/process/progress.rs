//! What a Job controller decides: which attempt comes next, and when the whole has ended. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The limits of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    /// How many attempts must succeed.
    pub(super) completions: u32,
    /// How many run at once.
    pub(super) parallelism: u32,
    /// Whether each completion has an index.
    pub(super) indexed: bool,
    /// How many attempts may fail.
    pub(super) backoff_limit: u32,
    /// Whether failed containers are started again in their pod, so that a failed pod has used up the limit.
    pub(super) restarts_in_place: bool,
    /// How long the first retry waits; each further one waits twice as long.
    pub(super) backoff: Duration,
}

/// The longest wait between attempts, as Kubernetes documents it.
const LONGEST_BACKOFF: Duration = Duration::from_secs(6 * 60);

/// How long the retry after the `failures`th failure in a row waits.
pub(super) fn backoff(base: Duration, failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => base
            .saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX))
            .min(LONGEST_BACKOFF.max(base)),
    }
}

/// One attempt at a completion: a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attempt {
    /// The completion index, where completions have one.
    pub(super) index: Option<u32>,
    /// Its number, from 0; within its index where there is one.
    pub(super) number: u32,
}

impl Attempt {
    /// The pod's name.
    pub(super) fn pod_name(self, object: &str) -> String {
        match self.index {
            Some(index) => format!("{object}-{index}-{}", self.number),
            None => format!("{object}-{}", self.number),
        }
    }

    /// Reads a pod's name.
    pub(super) fn from_pod_name(object: &str, pod: &str) -> Option<Self> {
        let rest = pod.strip_prefix(object)?.strip_prefix('-')?;
        let attempt = match rest.split_once('-') {
            Some((index, number)) => Self {
                index: Some(index.parse().ok()?),
                number: number.parse().ok()?,
            },
            None => Self {
                index: None,
                number: rest.parse().ok()?,
            },
        };
        Some(attempt)
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Start this attempt.
    Start(Attempt),
    /// Wait for what runs.
    Wait,
    /// Wait for what runs, or until then.
    WaitUntil(Timestamp),
    /// All that had to succeed did; the last one then.
    Complete(Timestamp),
    /// Too much failed; the last one then.
    Failed(Timestamp),
}

/// How far a Job is.
#[derive(Debug)]
pub(super) struct Progress {
    limits: Limits,
    active: u32,
    succeeded: u32,
    /// Indexes without success that have no active attempt.
    open: BTreeSet<u32>,
    /// The next attempt's number, by index; the first element serves where there are no indexes.
    numbers: Vec<u32>,
    failed: u32,
    failed_in_a_row: u32,
    last_end: Timestamp,
}

impl Progress {
    pub(super) fn new(limits: Limits) -> Self {
        let indexes = if limits.indexed {
            limits.completions
        } else {
            0
        };
        Self {
            active: 0,
            succeeded: 0,
            open: (0..indexes).collect(),
            numbers: vec![0; indexes.max(1) as usize],
            failed: 0,
            failed_in_a_row: 0,
            last_end: Timestamp::UNIX_EPOCH,
            limits,
        }
    }

    /// Notes that an attempt was started.
    pub(super) fn started(&mut self, attempt: Attempt) {
        self.active += 1;
        let slot = attempt.index.unwrap_or(0);
        self.open.remove(&slot);
        if let Some(next) = self.numbers.get_mut(slot as usize) {
            *next = (*next).max(attempt.number + 1);
        }
    }

    /// Notes how a started attempt ended.
    pub(super) fn ended(&mut self, attempt: Attempt, succeeded: bool, at: Timestamp) {
        self.active = self.active.saturating_sub(1);
        self.last_end = self.last_end.max(at);
        if succeeded {
            self.succeeded += 1;
            self.failed_in_a_row = 0;
        } else {
            self.failed += 1;
            self.failed_in_a_row += 1;
            self.open.extend(attempt.index);
        }
    }

    /// What to do next.
    pub(super) fn next(&self, now: Timestamp) -> Step {
        let limits = &self.limits;
        if self.succeeded >= limits.completions {
            return Step::Complete(self.last_end);
        }
        if self.failed > limits.backoff_limit || (limits.restarts_in_place && self.failed > 0) {
            return Step::Failed(self.last_end);
        }
        let missing = limits.completions - self.succeeded;
        if self.active >= limits.parallelism.min(missing) {
            return Step::Wait;
        }
        let wait = backoff(limits.backoff, self.failed_in_a_row);
        let not_before = self
            .last_end
            .checked_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX);
        if not_before > now {
            return Step::WaitUntil(not_before);
        }
        let index = limits.indexed.then(|| self.open.first().copied()).flatten();
        let slot = index.unwrap_or(0) as usize;
        let number = self.numbers.get(slot).copied().unwrap_or(0);
        Step::Start(Attempt { index, number })
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
