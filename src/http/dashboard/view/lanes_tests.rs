//! Drawings of made-up lives.

use serde_json::Value;

use super::*;
use crate::job::{Intent, ObjectRef, Snapshot, Source, Status};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn event(second: i64, kind: EventKind) -> Event {
    Event { sequence: 0, job: "k1".parse().unwrap(), at: at(second), source: Source::Executor, kind }
}

fn phase(second: i64, from: Phase, to: Phase) -> Event {
    event(second, EventKind::Phase { from, to, reason: None, message: None })
}

fn started(second: i64) -> Event {
    event(second, EventKind::ContainerStarted { pod: "p".to_owned(), container: "main".to_owned() })
}

fn ended(second: i64, exit_code: i32) -> Event {
    let (pod, container, reason) = ("p".to_owned(), "main".to_owned(), "Error".to_owned());
    event(second, EventKind::ContainerEnded { pod, container, exit_code, reason })
}

/// A job from second 0 on, with one container that is in this state.
fn job(ended: Option<(Phase, i64)>, container: Option<ContainerStatus>) -> Job {
    let intent = Intent {
        id: "k1".parse().unwrap(),
        name: None,
        template: "t".to_owned(),
        parameters: None,
        secrets: Vec::new(),
        default_secrets: Vec::new(),
        fingerprint: None,
        object_name: "t-1".to_owned(),
        namespace: "local".to_owned(),
        manifest: Value::Null,
        masked: None,
        digest: String::new(),
        commit: None,
        ttl_seconds: None,
        rerun_of: None,
        created: at(0),
        rebuilt: None,
    };
    let object = ObjectRef { name: "t-1".to_owned(), namespace: "local".to_owned(), uid: "u".to_owned() };
    let seen = container.map(|container| Snapshot {
        pods: BTreeMap::from([(
            "p".to_owned(),
            PodStatus { containers: BTreeMap::from([("main".to_owned(), container)]), ..PodStatus::new(1, at(10)) },
        )]),
        ..Snapshot::new(object, 1, at(0))
    });
    let ended = ended.map(|(phase, second)| (phase, at(second)));
    Job { intent, status: Status { seen, ended, ..Status::default() } }
}

fn terminated(from: i64, to: i64, exit_code: i32) -> ContainerState {
    ContainerState::Terminated {
        exit_code,
        signal: None,
        reason: "Error".to_owned(),
        message: None,
        started: Some(at(from)),
        finished: at(to),
    }
}

fn shown(lane: &Lane) -> Vec<(&'static str, u32, u32)> {
    lane.bars.iter().map(|bar| (bar.colour, bar.from, bar.width)).collect()
}

#[test]
fn phases_are_drawn_to_scale_and_told() {
    let events = [
        phase(10, Phase::Pending, Phase::Waiting),
        phase(20, Phase::Waiting, Phase::Running),
        phase(100, Phase::Running, Phase::Succeeded),
    ];
    let (lanes, _) = lanes(&job(Some((Phase::Succeeded, 100)), None), &events, at(500));
    assert_eq!(shown(&lanes[0]), [("grey", 0, 100), ("amber", 100, 100), ("blue", 200, 800)]);
    assert_eq!(lanes[0].words, "Pending 10 s, Waiting 10 s, Running 1 min 20 s");
}

#[test]
fn every_run_of_a_container_is_drawn_with_how_it_ended() {
    let container = ContainerStatus { restarts: 1, ..ContainerStatus::new(false, terminated(60, 100, 0)) };
    let events = [started(20), ended(40, 3), started(60), ended(100, 0)];
    let (lanes, left_out) = lanes(&job(Some((Phase::Succeeded, 100)), Some(container)), &events, at(500));
    assert_eq!(shown(&lanes[1]), [("amber", 100, 100), ("red", 200, 200), ("green", 600, 400)]);
    assert_eq!(lanes[1].words, "waited 10 s, ran 20 s (exit code 3), ran 40 s, restarted once");
    assert_eq!((lanes[1].of.as_deref(), left_out), (None, 0), "there is no other pod to tell it from");
}

#[test]
fn a_run_whose_beginning_is_not_in_the_history_is_drawn_from_what_is_seen() {
    let running = ContainerStatus::new(false, ContainerState::Running { started: at(50) });
    let (now, _) = lanes(&job(None, Some(running.clone())), &[], at(100));
    assert_eq!(shown(&now[1]), [("amber", 100, 400), ("blue", 500, 500)]);
    assert_eq!(now[1].words, "waited 40 s, ran 50 s so far");
    let (lost, _) = lanes(&job(Some((Phase::Lost, 100)), Some(running)), &[], at(900));
    assert_eq!(lost[1].words, "waited 40 s, ran 50 s (its end was not seen)");
}

#[test]
fn clocks_that_disagree_draw_nothing_outside() {
    let events = [
        phase(50, Phase::Pending, Phase::Running),
        phase(20, Phase::Running, Phase::Waiting),
        phase(900, Phase::Waiting, Phase::Failed),
    ];
    let container = ContainerStatus::new(false, terminated(5, 4000, 1));
    let (drawn, _) = lanes(&job(Some((Phase::Failed, 100)), Some(container)), &events, at(100));
    for bar in drawn.iter().flat_map(|lane| &lane.bars) {
        assert!(bar.from + bar.width <= 1000, "{bar:?}");
    }
    assert!(lanes(&job(Some((Phase::Failed, 0)), None), &[], at(9)).0.is_empty());
}
