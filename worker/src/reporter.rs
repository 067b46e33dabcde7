//! Sends reports in the background, in their order, again and again until they arrive, and never keeps the work
//! waiting.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::endpoint::{Endpoint, Report};
use crate::say;

/// The pause before the first repetition; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sends reports in the background.
#[derive(Debug)]
pub struct Reporter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    sequence: u64,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Set once nothing more comes: until when to go on trying.
    deadline: Option<Instant>,
    finished: bool,
}

#[derive(Debug)]
struct Waiting {
    report: Report,
    /// Whether a newer one of its kind makes it needless.
    passing: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter {
    /// Begins to send to an endpoint. Without one, reports are dropped.
    pub fn start(endpoint: Option<Endpoint>) -> Self {
        let shared = Arc::new(Shared::default());
        let thread = endpoint.map(|endpoint| {
            let shared = shared.clone();
            std::thread::spawn(move || send_all(&shared, &endpoint))
        });
        Self { shared, thread, sequence: 0 }
    }

    /// Hands in a report that is to arrive.
    pub fn send(&mut self, report: Report) {
        self.hand_in(report, false);
    }

    /// Hands in a report that may be left out where a newer one of this kind follows before it was sent.
    pub fn send_passing(&mut self, report: Report) {
        self.hand_in(report, true);
    }

    fn hand_in(&mut self, report: Report, passing: bool) {
        if self.thread.is_none() {
            return;
        }
        self.sequence = next_sequence(self.sequence);
        let report = Report { sequence: Some(self.sequence), ..report };
        let mut queue = self.shared.queue();
        if passing && queue.waiting.back().is_some_and(|last| last.passing) {
            queue.waiting.pop_back();
        }
        queue.waiting.push_back(Waiting { report, passing });
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Waits until every report has arrived, but no longer than this.
    pub fn finish(self, patience: Duration) {
        if self.thread.is_none() {
            return;
        }
        let deadline = Instant::now() + patience;
        let mut queue = self.shared.queue();
        queue.deadline = Some(deadline);
        self.shared.changed.notify_all();
        while !queue.finished {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                say("the last report did not arrive in time");
                return;
            }
            let woken = self.shared.changed.wait_timeout(queue, left);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The number of the next report. It follows the clock, so that the reports of a second attempt of a job are newer
/// than those of the first; where the clock stands or goes back, it goes on from the last one.
fn next_sequence(last: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(last.saturating_add(1))
}

fn send_all(shared: &Shared, endpoint: &Endpoint) {
    let mut pause = FIRST_PAUSE;
    let mut complained = false;
    while let Some(report) = next(shared) {
        match endpoint.post(&report) {
            Ok(()) => {
                pause = FIRST_PAUSE;
                complained = false;
                arrived(shared, &report);
            }
            Err(error) if !error.passing => {
                say(format_args!("a report was refused: {error}"));
                arrived(shared, &report);
            }
            Err(error) => {
                if !complained {
                    say(format_args!("a report did not arrive, trying again: {error}"));
                    complained = true;
                }
                rest(shared, with_jitter(pause));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    shared.queue().finished = true;
    shared.changed.notify_all();
}

/// The oldest report that has not arrived; none when all have and no more will come.
fn next(shared: &Shared) -> Option<Report> {
    let mut queue = shared.queue();
    loop {
        match (queue.waiting.front(), queue.deadline) {
            (Some(first), None) => return Some(first.report.clone()),
            (Some(first), Some(deadline)) if Instant::now() < deadline => {
                return Some(first.report.clone());
            }
            (_, Some(_)) => return None,
            (None, None) => queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

fn arrived(shared: &Shared, report: &Report) {
    let mut queue = shared.queue();
    // While it was on its way, a newer one may have taken its place.
    queue.waiting.retain(|waiting| waiting.report.sequence != report.sequence);
}

/// Waits for the pause to pass. Once nothing more comes, the end of the work waits for this too: then it is shorter.
fn rest(shared: &Shared, pause: Duration) {
    let begun = Instant::now();
    let mut queue = shared.queue();
    loop {
        let pause = if queue.deadline.is_some() { pause.min(Duration::from_secs(1)) } else { pause };
        let left = pause.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return;
        }
        let woken = shared.changed.wait_timeout(queue, left);
        queue = woken.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Between half of a pause and all of it, so that many workers do not come back at the same moment.
fn with_jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1_000;
    pause / 2 + pause / 2 * u32::try_from(random).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_even_where_the_clock_does_not() {
        let first = next_sequence(0);
        assert!(next_sequence(first) > first);
        assert_eq!(next_sequence(u64::MAX - 1), u64::MAX);
    }

    #[test]
    fn a_pause_keeps_its_order_of_magnitude() {
        for _ in 0..1_000 {
            let pause = with_jitter(Duration::from_millis(200));
            assert!((100..=200).contains(&pause.as_millis()), "{pause:?}");
        }
    }
}
