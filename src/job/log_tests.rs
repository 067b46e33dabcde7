use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::job::{ContainerStatus, ObjectRef};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn line(second: i64, container: &str, text: &str) -> LogLine {
    LogLine { at: at(second), pod: "pod-0".into(), container: container.into(), text: text.into() }
}

fn texts(tail: &LogTail) -> Vec<&str> {
    tail.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn a_tail_has_bounds_for_text_and_for_lines() {
    let long = LogTail::of([line(1, "a", &"x".repeat(LogTail::MAX_BYTES - 1)), line(2, "a", "yz")]);
    assert_eq!((texts(&long), long.truncated), (vec!["yz"], true));
    let many = LogTail::of((0..LogTail::MAX_LINES + 5).map(|_| line(1, "a", "")));
    assert_eq!((many.lines.len(), many.truncated), (LogTail::MAX_LINES, true));
    let whole = LogTail::of([line(1, "a", "one"), line(2, "a", "two")]);
    assert_eq!((texts(&whole), whole.truncated), (vec!["one", "two"], false));
    // A line longer than all that is kept is cut at a character.
    let huge = LogTail::of([line(1, "a", &"é".repeat(LogTail::MAX_BYTES))]);
    assert_eq!((huge.lines[0].text.len(), huge.truncated), (LogTail::MAX_BYTES, true));
}

#[test]
fn what_is_read_again_takes_the_place_of_what_was_read_before() {
    let before = LogTail::of([line(1, "a", "one"), line(2, "a", "two")]);
    let after = LogTail::of([line(1, "a", "one"), line(2, "a", "two"), line(3, "a", "three")]);
    assert_eq!(before.merge(after.clone()), after);
    assert_eq!(LogTail::default().merge(after.clone()), after);
    assert_eq!(after.clone().merge(LogTail::default()), after);
}

#[test]
fn a_run_that_can_no_longer_be_read_stays_on_record() {
    let first_run = LogTail::of([line(1, "a", "first run"), line(5, "b", "beside")]);
    let second_run = LogTail::of([line(9, "a", "second run")]);
    assert_eq!(texts(&first_run.merge(second_run)), ["first run", "beside", "second run"]);
}

#[test]
fn a_clock_that_is_set_back_leaves_the_lines_of_a_container_in_their_order() {
    let odd = LogTail::of([line(9, "a", "one"), line(3, "a", "two")]);
    let merged = odd.merge(LogTail::of([line(5, "b", "beside")]));
    let of_a: Vec<_> = merged.lines.iter().filter(|line| line.container == "a").map(|line| &*line.text).collect();
    assert_eq!(of_a, ["one", "two"]);
}

fn snapshot(deleting: bool, containers: &[(&str, u32, ContainerState)]) -> Snapshot {
    let object = ObjectRef { name: "job".into(), namespace: "jobs".into(), uid: "u".into() };
    let containers = containers.iter().map(|(name, restarts, state)| {
        ((*name).to_owned(), ContainerStatus { restarts: *restarts, ..ContainerStatus::new(false, state.clone()) })
    });
    let pod = PodStatus { deleting, containers: containers.collect(), ..PodStatus::new(1, at(0)) };
    Snapshot { pods: BTreeMap::from([("pod-0".to_owned(), pod)]), ..Snapshot::new(object, 1, at(0)) }
}

fn running() -> ContainerState {
    ContainerState::Running { started: at(1) }
}

fn ended() -> ContainerState {
    let (exit_code, signal, reason, message) = (0, None, "Completed".to_owned(), None);
    ContainerState::Terminated { exit_code, signal, reason, message, started: None, finished: at(2) }
}

#[test]
fn a_log_is_due_when_a_run_ends_and_when_a_pod_is_told_to_stop() {
    let mark = |deleting, containers: &[_]| LogMark::of(Some(&snapshot(deleting, containers)));
    let nothing = LogMark::default();
    let runs = mark(false, &[("a", 0, running())]);
    assert!(!runs.is_news_after(&nothing), "what still runs will be read when it ends");
    assert!(runs.is_writing());

    let has_ended = mark(false, &[("a", 0, ended())]);
    assert!(has_ended.is_news_after(&runs) && !has_ended.is_news_after(&has_ended));
    assert!(!has_ended.is_writing());

    let runs_again = mark(false, &[("a", 1, running())]);
    assert!(runs_again.is_news_after(&runs));

    let leaves = mark(true, &[("a", 0, running())]);
    assert!(leaves.is_news_after(&runs) && leaves.leaving() == ["pod-0"]);
    assert!(mark(true, &[("a", 0, ended())]).leaving().is_empty(), "there is nothing to follow any more");
}

proptest! {
    /// Whatever was read in between, what is read last is on record whole, and each line once.
    #[test]
    fn reading_more_often_changes_nothing(cuts in prop::collection::vec(0..30usize, 0..5), steps in prop::collection::vec((0..2i64, 0..2u8), 0..30)) {
        let mut now = 0;
        let log: Vec<_> = steps.iter().enumerate().map(|(number, (step, container))| {
            now += step;
            line(now, if *container == 0 { "a" } else { "b" }, &number.to_string())
        }).collect();
        let mut kept = LogTail::default();
        for cut in cuts {
            kept = kept.merge(LogTail::of(log.iter().take(cut).cloned()));
        }
        kept = kept.merge(LogTail::of(log.clone()));
        prop_assert_eq!(kept.lines, log);
    }
}

#[test]
fn the_runs_that_can_be_read_are_those_that_have_begun_and_the_ones_before_them() {
    let began = at(1);
    let waiting = ContainerState::Waiting { reason: None, message: None };
    let running = ContainerState::Running { started: began };
    let containers =
        [("new", 0, waiting.clone()), ("first", 0, running.clone()), ("again", 2, running), ("waits", 1, waiting)];
    let runs = LogRun::of(&snapshot(false, &containers));
    let runs: Vec<_> = runs.iter().map(|run| (run.container.as_str(), run.previous)).collect();
    assert_eq!(runs, [("again", true), ("again", false), ("first", false), ("waits", false)]);
}
