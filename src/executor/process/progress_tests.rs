use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_769_850_000 + seconds).unwrap()
}

fn limits(completions: u32, parallelism: u32, backoff_limit: u32) -> Limits {
    Limits {
        completions,
        parallelism,
        indexed: false,
        backoff_limit,
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        restarts_in_place: false,
        backoff: Duration::from_secs(10),
    }
}

fn attempt(number: u32) -> Attempt {
    Attempt { index: None, number }
}

fn indexed(index: u32, number: u32) -> Attempt {
    Attempt { index: Some(index), number }
}

#[test]
fn retries_wait_ten_seconds_and_then_twice_as_long_each_time() {
    let base = Duration::from_secs(10);
    let waits = [0, 1, 2, 3, 6, 7, 40].map(|failures| backoff(base, failures).as_secs());
    assert_eq!(waits, [0, 10, 20, 40, 320, 360, 360]);
}

#[test]
fn one_completion_is_one_attempt_that_succeeds() {
    let mut progress = Progress::new(limits(1, 1, 6));
    assert_eq!(progress.next(at(0)), Step::Start(attempt(0)));
    progress.started(attempt(0));
    assert_eq!(progress.next(at(0)), Step::Wait);
    progress.ended(attempt(0), true, at(5));
    assert_eq!(progress.next(at(9)), Step::Complete(at(5)));
}

#[test]
fn a_failure_is_followed_by_a_wait_and_the_next_attempt() {
    let mut progress = Progress::after(limits(1, 1, 1), &[(attempt(0), false, at(0))]);
    assert_eq!(progress.next(at(3)), Step::WaitUntil(at(10)));
    assert_eq!(progress.next(at(10)), Step::Start(attempt(1)));
    progress.started(attempt(1));
    progress.ended(attempt(1), false, at(12));
    assert_eq!(progress.next(at(12)), Step::Failed(Failure::BackoffLimit, at(12)));
}

#[test]
fn a_pod_that_restarts_in_place_and_fails_has_used_up_the_limit() {
    let limits = Limits { restarts_in_place: true, ..limits(1, 1, 6) };
    let progress = Progress::after(limits, &[(attempt(0), false, at(0))]);
    assert_eq!(progress.next(at(0)), Step::Failed(Failure::BackoffLimit, at(0)));
}

#[test]
fn an_index_waits_for_its_own_failures_while_others_go_on() {
    let limits = Limits { indexed: true, backoff_limit_per_index: Some(1), ..limits(2, 1, u32::MAX) };
    let mut progress = Progress::after(limits, &[(indexed(0, 0), false, at(0))]);
    assert_eq!(progress.next(at(1)), Step::Start(indexed(1, 0)));
    progress.started(indexed(1, 0));
    progress.ended(indexed(1, 0), true, at(2));
    assert_eq!(progress.next(at(2)), Step::WaitUntil(at(10)));
    assert_eq!(progress.next(at(10)), Step::Start(indexed(0, 1)));
    progress.started(indexed(0, 1));
    progress.ended(indexed(0, 1), false, at(11));
    assert_eq!(progress.next(at(11)), Step::Failed(Failure::FailedIndexes(1), at(11)));
}

#[test]
fn pod_names_tell_the_attempt() {
    for attempt in [attempt(0), attempt(12), indexed(0, 3), indexed(999, 0)] {
        let name = attempt.pod_name("nightly-1-report");
        assert_eq!(Attempt::from_pod_name("nightly-1-report", &name), Some(attempt));
    }
    for stranger in ["nightly-1-report", "other-0", "nightly-1-report-x", "nightly-1-report-0-"] {
        assert_eq!(Attempt::from_pod_name("nightly-1-report", stranger), None);
    }
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let per_index = proptest::option::of((0..3_u32, proptest::option::of(0..3_u32)));
    (1..6_u32, 1..4_u32, 0..5_u32, any::<bool>(), any::<bool>(), per_index).prop_map(
        |(completions, parallelism, backoff_limit, indexed, restarts_in_place, per_index)| {
            let per_index = per_index.filter(|_| indexed);
            Limits {
                indexed,
                restarts_in_place: restarts_in_place && per_index.is_none(),
                backoff_limit_per_index: per_index.map(|it| it.0),
                max_failed_indexes: per_index.and_then(|it| it.1),
                ..limits(completions, parallelism, backoff_limit)
            }
        },
    )
}

proptest! {
    /// Whatever comes of the attempts, and in whatever order they end.
    #[test]
    fn every_job_ends_within_its_limits(
        limits in any_limits(),
        outcomes in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 64),
    ) {
        let mut progress = Progress::new(limits.clone());
        let mut outcomes = outcomes.into_iter().cycle();
        let (mut now, mut active, mut all) = (at(0), Vec::new(), BTreeSet::new());
        let mut succeeded = BTreeSet::new();
        let (mut successes, mut failures) = (0, 0);
        let end = loop {
            match progress.next(now) {
                Step::Start(attempt) => {
                    prop_assert!(all.insert(attempt), "{:?} was started twice", attempt);
                    prop_assert!(attempt.index.is_none_or(|it| !succeeded.contains(&it)));
                    prop_assert_eq!(attempt.index.is_some(), limits.indexed);
                    active.push(attempt);
                    progress.started(attempt);
                    prop_assert!(active.len() <= limits.parallelism as usize);
                    prop_assert!(active.len() + successes <= limits.completions as usize);
                }
                Step::Wait => {
                    prop_assert!(!active.is_empty(), "nothing runs and nothing is done");
                    let (outcome, which) = outcomes.next().unwrap();
                    let ended = active.swap_remove(which.index(active.len()));
                    progress.ended(ended, outcome, now);
                    successes += usize::from(outcome);
                    failures += u32::from(!outcome);
                    if outcome {
                        succeeded.extend(ended.index);
                    }
                }
                Step::WaitUntil(then) => {
                    prop_assert!(then > now);
                    now = then;
                }
                end => break end,
            }
        };
        match end {
            Step::Complete(_) => {
                prop_assert_eq!(successes, limits.completions as usize);
                if limits.indexed {
                    prop_assert_eq!(succeeded.len(), successes);
                }
            }
            Step::Failed(Failure::BackoffLimit, _) => {
                prop_assert!(failures > limits.backoff_limit || limits.restarts_in_place);
            }
            Step::Failed(..) => prop_assert!(limits.backoff_limit_per_index.is_some()),
            _ => {}
        }
        prop_assert!(failures <= limits.backoff_limit.saturating_add(1));
    }
}
