//! What a new service finds.

use jobwright::executor::process::{OpenError, ProcessExecutor};
use jobwright::executor::{CreateOutcome, Executor};
use serde_json::json;

use crate::house::{House, conclusion, config, container, exits, intent, job, script, script_with};
use crate::orphans::Held;

#[test]
fn ended_objects_are_listed_with_their_end_and_their_logs() {
    let house = House::new();
    let done = house.create(&intent("k1", "done", job(script("echo well"))));
    let failed = house.create(&intent("k2", "failed", job(script("echo badly; exit 3"))));
    let (before_done, before_failed) = (house.ended(&done), house.ended(&failed));
    let house = house.restarted();
    assert_eq!(house.listed().len(), 2);
    for (object, before, text) in [(&done, before_done, "well"), (&failed, before_failed, "badly")] {
        let after = house.ended(object);
        assert_eq!(after.conclusion, before.conclusion);
        assert_eq!(exits(&after), exits(&before));
        assert!(after.revision > before.revision);
        assert_eq!(house.text(object), [text]);
    }
}

#[test]
fn an_object_whose_process_died_with_the_service_is_lost_and_never_started_again() {
    let house = House::new();
    let pipe = house.root().join("pipe");
    let held = Held::new(&pipe);
    let text = format!(
        "echo began >> {}; echo some output; exec 3> {}; echo ready >&3; sleep 1000",
        house.root().join("marker").display(),
        pipe.display()
    );
    // Even retries that are left are not made: nobody knows how the first attempt would have ended.
    let wanted = intent("k1", "it", job(script_with(&text, json!({"backoffLimit": 5}))));
    let object = house.create(&wanted);
    held.ready();
    let house = house.restarted();
    held.all_ended();
    assert_eq!(house.listed(), []);
    assert_eq!(house.wait(house.executor.find("it")).unwrap(), None);
    let again = house.wait(house.executor.create(&wanted));
    assert_eq!(again, CreateOutcome::Created { object: object.clone(), warnings: Vec::new() });
    assert_eq!(house.listed(), []);
    assert_eq!(house.wait(house.executor.find("it")).unwrap(), None);
    assert_eq!(house.text(&object), ["some output"]);
    house.wait(house.executor.cancel(&object)).unwrap();
    let marker = std::fs::read_to_string(house.root().join("marker")).unwrap();
    assert_eq!(marker, "began\n");
    let house = house.restarted();
    assert_eq!(house.listed(), []);
    house.wait(house.executor.delete(&object)).unwrap();
    assert!(house.wait(house.executor.logs(&object, Default::default())).is_err());
}

#[test]
fn a_pod_that_was_between_two_containers_is_lost() {
    let house = House::new();
    let pipe = house.root().join("pipe");
    let held = Held::new(&pipe);
    let text = format!("exec 3> {}; echo ready >&3; sleep 1000", pipe.display());
    let object = house.create(&intent(
        "k1",
        "it",
        job(json!({"template": {"spec": {
            "restartPolicy": "Never",
            "initContainers": [container("first", "true")],
            "containers": [container("quick", "true"), container("slow", &text)],
        }}})),
    ));
    held.ready();
    let house = house.restarted();
    assert_eq!(house.listed(), []);
    assert_eq!(house.create(&intent("k1", "it", job(script("true")))), object);
}

#[test]
fn an_object_between_two_attempts_is_carried_on() {
    let house = House::with(|config| config.backoff = std::time::Duration::from_secs(3600));
    let marker = house.root().join("marker");
    let text = format!("test -e {0} || {{ touch {0}; exit 1; }}", marker.display());
    let spec = script_with(&text, json!({"backoffLimit": 1}));
    let object = house.create(&intent("k1", "it", job(spec)));
    house.until(&object, |seen| !exits(seen).is_empty());
    let house = house.restarted();
    let seen = house.ended(&object);
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(exits(&seen).len(), 2);
}

#[test]
fn a_pod_in_which_nothing_was_started_is_started_after_all() {
    // A service with no room for pods leaves the object as one leaves it that is killed before the first.
    let house = House::with(|config| config.max_running = 0);
    let object = house.create(&intent("k1", "it", job(script("echo once"))));
    std::fs::create_dir(house.root().join("objects/it/pods/it-0")).unwrap();
    let house = house.restarted();
    assert_eq!(conclusion(&house.ended(&object)), "Complete");
    assert_eq!(house.text(&object), ["once"]);
}

#[test]
fn a_cancellation_outlives_the_service() {
    let house = House::with(|config| config.grace = std::time::Duration::from_secs(3600));
    let pipe = house.root().join("pipe");
    let held = Held::new(&pipe);
    let text = format!("trap : TERM; exec 3> {}; echo ready >&3; while :; do sleep 0.05; done", pipe.display());
    let spec = script_with(&text, json!({"template": {"spec": {"terminationGracePeriodSeconds": 2}}}));
    let object = house.create(&intent("k1", "it", job(spec)));
    held.ready();
    house.wait(house.executor.cancel(&object)).unwrap();
    let house = house.restarted();
    assert_eq!(conclusion(&house.ended(&object)), "Stopped");
    held.all_ended();
}

#[test]
fn one_process_uses_the_folder_at_a_time() {
    let house = House::new();
    let _in_runtime = house.runtime.enter();
    let error = ProcessExecutor::open(config(house.root())).unwrap_err();
    assert!(matches!(error, OpenError::Folder { .. }));
    let text = error.to_string();
    assert!(text.contains("in use by another process"), "{text}");
    assert!(text.contains(&house.root().display().to_string()), "{text}");
}
