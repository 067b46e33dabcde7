//! What a Job controller decides: which attempt comes next, and when the whole has ended. Pure.

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
    /// How many attempts may fail in all.
    pub(super) backoff_limit: u32,
    /// How many attempts at each index may fail, where they are counted so.
    pub(super) backoff_limit_per_index: Option<u32>,
    /// How many indexes may fail before the rest is given up.
    pub(super) max_failed_indexes: Option<u32>,
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
        _ => base.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX)).min(LONGEST_BACKOFF.max(base)),
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
            Some((index, number)) => Self { index: Some(index.parse().ok()?), number: number.parse().ok()? },
            None => Self { index: None, number: rest.parse().ok()? },
        };
        Some(attempt)
    }
}

/// An attempt that ended before this service started: whether it succeeded, and when.
pub(super) type EndedAttempt = (Attempt, bool, Timestamp);

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
    Failed(Failure, Timestamp),
}

/// What was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// More attempts failed than the backoff limit allows.
    BackoffLimit,
    /// More indexes failed than may.
    MaxFailedIndexes,
    /// So many indexes failed; all others succeeded.
    FailedIndexes(u32),
}

/// How far the attempts at one completion are; at any of them, where completions have no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// The next attempt's number.
    next: u32,
    /// How many attempts failed since the last success.
    failed_in_a_row: u32,
    last_end: Timestamp,
    /// Whether an index may be attempted: it has not ended and has no active attempt.
    open: bool,
}

/// How far a Job is.
#[derive(Debug)]
pub(super) struct Progress {
    limits: Limits,
    active: u32,
    succeeded: u32,
    failed: u32,
    failed_indexes: u32,
    last_end: Timestamp,
    /// By index; the only element serves where there are no indexes.
    slots: Vec<Slot>,
}

impl Progress {
    pub(super) fn new(limits: Limits) -> Self {
        let slots = if limits.indexed { limits.completions } else { 1 };
        let slot = Slot { next: 0, failed_in_a_row: 0, last_end: Timestamp::UNIX_EPOCH, open: true };
        Self {
            active: 0,
            succeeded: 0,
            failed: 0,
            failed_indexes: 0,
            last_end: Timestamp::UNIX_EPOCH,
            slots: vec![slot; slots as usize],
            limits,
        }
    }

    /// How far a Job is after attempts that ended earlier.
    pub(super) fn after(limits: Limits, ended: &[EndedAttempt]) -> Self {
        let mut progress = Self::new(limits);
        for &(attempt, succeeded, at) in ended {
            progress.started(attempt);
            progress.ended(attempt, succeeded, at);
        }
        progress
    }

    /// Notes that an attempt was started.
    pub(super) fn started(&mut self, attempt: Attempt) {
        self.active += 1;
        if let Some(slot) = self.slot(attempt) {
            slot.next = slot.next.max(attempt.number + 1);
            slot.open = attempt.index.is_none();
        }
    }

    /// Notes how a started attempt ended.
    pub(super) fn ended(&mut self, attempt: Attempt, succeeded: bool, at: Timestamp) {
        self.active = self.active.saturating_sub(1);
        self.last_end = self.last_end.max(at);
        let per_index = self.limits.backoff_limit_per_index;
        let mut gives_up = false;
        if let Some(slot) = self.slot(attempt) {
            slot.last_end = slot.last_end.max(at);
            if succeeded {
                slot.failed_in_a_row = 0;
            } else {
                slot.failed_in_a_row += 1;
                gives_up = per_index.is_some_and(|limit| slot.failed_in_a_row > limit);
                slot.open = !gives_up;
            }
        }
        self.succeeded += u32::from(succeeded);
        self.failed += u32::from(!succeeded);
        self.failed_indexes += u32::from(gives_up);
    }

    /// What to do next.
    pub(super) fn next(&self, now: Timestamp) -> Step {
        let limits = &self.limits;
        if self.succeeded >= limits.completions {
            return Step::Complete(self.last_end);
        }
        if let Some(failure) = self.failure() {
            return Step::Failed(failure, self.last_end);
        }
        let missing = limits.completions.saturating_sub(self.succeeded + self.failed_indexes);
        if self.active >= limits.parallelism.min(missing) {
            return Step::Wait;
        }
        // The first of those that may be started soonest.
        let soonest = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.open)
            .map(|(index, slot)| (self.not_before(slot).max(now), index, slot.next))
            .min();
        match soonest {
            None => Step::Wait,
            Some((at, _, _)) if at > now => Step::WaitUntil(at),
            Some((_, index, number)) => {
                Step::Start(Attempt { index: u32::try_from(index).ok().filter(|_| limits.indexed), number })
            }
        }
    }

    fn failure(&self) -> Option<Failure> {
        let limits = &self.limits;
        let too_many_indexes = limits.max_failed_indexes.is_some_and(|most| self.failed_indexes > most);
        if self.failed > limits.backoff_limit || (limits.restarts_in_place && self.failed > 0) {
            Some(Failure::BackoffLimit)
        } else if too_many_indexes {
            Some(Failure::MaxFailedIndexes)
        } else if self.failed_indexes > 0 && self.succeeded + self.failed_indexes >= limits.completions {
            Some(Failure::FailedIndexes(self.failed_indexes))
        } else {
            None
        }
    }

    /// When an attempt may be started: failures make it wait.
    fn not_before(&self, slot: &Slot) -> Timestamp {
        let wait = backoff(self.limits.backoff, slot.failed_in_a_row);
        slot.last_end
            .checked_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }

    fn slot(&mut self, attempt: Attempt) -> Option<&mut Slot> {
        self.slots.get_mut(attempt.index.unwrap_or(0) as usize)
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
