//! How programs end, and how that is shown.

use futures_util::StreamExt;
use jobwright::executor::{Executor, Observation};
use jobwright::job::{ContainerState, Evidence, Snapshot};
use serde_json::json;

use crate::house::{House, conclusion, container, exits, intent, job, script, script_with};

fn one_exit(seen: &Snapshot) -> (i32, Option<i32>, String) {
    let [(_, code, signal, reason)] = exits(seen).try_into().unwrap();
    (code, signal, reason)
}

#[test]
fn a_program_that_ends_well_completes_its_object() {
    let house = House::new();
    let seen = house.run(script("echo done"));
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(one_exit(&seen), (0, None, "Completed".to_owned()));
    assert_eq!(house.text(&seen.object), ["done"]);
}

#[test]
fn evidence_is_a_list_and_then_changes_with_rising_revisions_and_one_end() {
    let house = House::new();
    let shown = house.wait(async {
        let mut watch = house.executor.watch();
        let first = watch.next().await;
        assert!(matches!(first, Some(Observation::Listed(objects)) if objects.is_empty()));
        house.executor.create(&intent("k1", "it", job(script("exit 0")))).await;
        let mut shown: Vec<Snapshot> = Vec::new();
        while shown.last().is_none_or(|it| it.conclusion.is_none()) {
            match watch.next().await {
                Some(Observation::Changed(id, Evidence::Seen(seen))) if id.as_str() == "k1" => {
                    shown.push(*seen);
                }
                other => panic!("{other:?}"),
            }
        }
        let object = shown[0].object.clone();
        house.executor.delete(&object).await.unwrap();
        match watch.next().await {
            Some(Observation::Changed(_, Evidence::Gone { witnessed, .. })) => assert!(witnessed),
            other => panic!("{other:?}"),
        }
        shown
    });
    assert!(shown.is_sorted_by(|a, b| a.revision < b.revision));
    let states: Vec<&str> = shown
        .iter()
        .filter_map(|it| it.pods.get("it-0")?.containers.get("main"))
        .map(|it| match it.state {
            ContainerState::Waiting { .. } => "waiting",
            ContainerState::Running { .. } => "running",
            ContainerState::Terminated { .. } => "terminated",
        })
        .collect();
    assert!(states.starts_with(&["waiting", "running", "terminated"]), "{states:?}");
    let ends = shown.iter().filter(|it| it.conclusion.is_some());
    assert_eq!(ends.count(), 1);
}

#[test]
fn exit_codes_and_signals_are_told() {
    let house = House::new();
    for (index, (text, expected)) in [
        ("exit 1", (1, None, "Error".to_owned())),
        ("exit 255", (255, None, "Error".to_owned())),
        // `$$$$` is what Kubernetes makes `$$` of.
        ("kill -s SEGV $$$$", (139, Some(11), "Error".to_owned())),
        ("kill -s KILL $$$$", (137, Some(9), "Error".to_owned())),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("it{index}");
        let object = house.create(&intent(&name, &name, job(script(text))));
        let seen = house.ended(&object);
        assert_eq!(one_exit(&seen), expected, "{text}");
        assert_eq!(conclusion(&seen), "BackoffLimitExceeded", "{text}");
    }
}

#[test]
fn a_program_that_is_not_there_is_a_start_error_with_its_path() {
    let house = House::with(|config| config.images = vec!["busybox=/no/such/sh".parse().unwrap()]);
    let seen = house.run(script("true"));
    assert_eq!(one_exit(&seen), (128, None, "StartError".to_owned()));
    let container = &seen.pods["it-0"].containers["main"];
    let ContainerState::Terminated { message, .. } = &container.state else { panic!("{container:?}") };
    let message = message.as_deref().unwrap();
    assert!(message.contains("/no/such/sh cannot be started"), "{message}");
}

#[test]
fn a_cancelled_object_is_stopped() {
    let house = House::new();
    let object = house.create(&intent("k1", "it", job(script("sleep 1000"))));
    house.running(&object);
    house.wait(house.executor.cancel(&object)).unwrap();
    let seen = house.ended(&object);
    assert_eq!(conclusion(&seen), "Stopped");
    assert_eq!(one_exit(&seen), (143, Some(15), "Error".to_owned()));
    // Once more changes nothing.
    house.wait(house.executor.cancel(&object)).unwrap();
    assert_eq!(house.ended(&object).conclusion, seen.conclusion);
}

#[test]
fn a_program_that_ignores_sigterm_is_killed_after_its_grace() {
    let house = House::new();
    let grace = json!({"template": {"spec": {"terminationGracePeriodSeconds": 0}}});
    let text = "trap '' TERM; echo ready; sleep 1000 & wait; wait";
    let object = house.create(&intent("k1", "it", job(script_with(text, grace))));
    house.running(&object);
    house.wait(house.executor.cancel(&object)).unwrap();
    let seen = house.ended(&object);
    assert_eq!(conclusion(&seen), "Stopped");
    assert!(matches!(one_exit(&seen), (137, Some(9), _) | (143, Some(15), _)));
}

#[test]
fn a_program_may_end_in_its_own_way_when_it_is_stopped() {
    let house = House::new();
    let text = "trap 'echo cleaned up; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let object = house.create(&intent("k1", "it", job(script(text))));
    house.wait(async {
        let options = jobwright::executor::LogOptions { follow: true, ..Default::default() };
        let mut lines = house.executor.logs(&object, options).await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap().text, "ready");
        house.executor.cancel(&object).await.unwrap();
    });
    let seen = house.ended(&object);
    assert_eq!((conclusion(&seen), one_exit(&seen).0), ("Stopped", 7));
    // The whole group gets the signal, so the shell may say that its `sleep` was terminated.
    assert!(house.text(&object).contains(&"cleaned up".to_owned()));
}

#[test]
fn init_containers_run_in_order_and_a_failed_one_ends_the_pod() {
    let house = House::new();
    let pod = |second: &str| {
        json!({"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "initContainers": [container("one", "echo one"), container("two", second)],
            "containers": [container("main", "echo main")],
        }}})
    };
    let seen = house.run(pod("echo two"));
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(house.text(&seen.object), ["one", "two", "main"]);
    assert!(seen.pods["it-0"].containers["one"].init);
    let object = house.create(&intent("k2", "other", job(pod("exit 3"))));
    let seen = house.ended(&object);
    assert_eq!(conclusion(&seen), "BackoffLimitExceeded");
    assert_eq!(house.text(&object), ["one"]);
}

#[test]
fn two_containers_run_at_once() {
    let house = House::new();
    let pipe = house.root().join("pipe");
    crate::orphans::make_fifo(&pipe);
    // Each waits for the other.
    let (write, read) = (format!("echo hello > {}", pipe.display()), format!("cat {}", pipe.display()));
    let seen = house.run(json!({"backoffLimit": 0, "template": {"spec": {
        "restartPolicy": "Never",
        "containers": [container("reader", &read), container("writer", &write)],
    }}}));
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(house.text(&seen.object), ["hello"]);
}

#[test]
fn a_suspended_object_waits_until_it_is_cancelled() {
    let house = House::new();
    let spec = script_with("echo never", json!({"suspend": true}));
    let object = house.create(&intent("k1", "it", job(spec)));
    assert!(house.until(&object, |_| true).suspended);
    let house = house.restarted();
    assert!(house.until(&object, |_| true).suspended);
    house.wait(house.executor.cancel(&object)).unwrap();
    let seen = house.ended(&object);
    assert_eq!(conclusion(&seen), "Stopped");
    assert!(seen.pods.is_empty());
}
