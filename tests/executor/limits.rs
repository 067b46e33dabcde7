//! Attempts, deadlines, completions.

use jobwright::executor::Executor;
use serde_json::{Value, json};

use crate::house::{House, conclusion, container, exits, intent, job, script_with};

fn pod(text: &str) -> Value {
    json!({"spec": {"restartPolicy": "Never", "containers": [container("main", text)]}})
}

#[test]
fn a_failed_attempt_is_made_again_up_to_the_backoff_limit() {
    let house = House::new();
    let seen = house.run(json!({"backoffLimit": 2, "template": pod("exit 4")}));
    assert_eq!(conclusion(&seen), "BackoffLimitExceeded");
    let codes: Vec<(String, i32)> = exits(&seen).into_iter().map(|it| (it.0, it.1)).collect();
    let expected = ["it-0/main", "it-1/main", "it-2/main"].map(|it| (it.to_owned(), 4));
    assert_eq!(codes, expected);
}

#[test]
fn an_attempt_that_succeeds_in_the_end_completes_the_object() {
    let house = House::new();
    let marker = house.root().join("marker");
    let text = format!("test -e {0} || {{ touch {0}; exit 1; }}", marker.display());
    let seen = house.run(json!({"backoffLimit": 3, "template": pod(&text)}));
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(exits(&seen).len(), 2);
}

#[test]
fn a_container_is_started_again_in_its_pod_where_the_manifest_says_so() {
    let house = House::new();
    let text = "test -e seen || { touch seen; echo first; exit 1; }; echo second";
    let spec = json!({"backoffLimit": 3, "template": {"spec": {
        "restartPolicy": "OnFailure", "containers": [container("main", text)],
    }}});
    let seen = house.run(spec);
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(seen.pods.len(), 1);
    assert_eq!(seen.pods["it-0"].containers["main"].restarts, 1);
    assert_eq!(house.text(&seen.object), ["first", "second"]);
}

#[test]
fn restarts_in_a_pod_count_against_the_backoff_limit() {
    let house = House::new();
    let seen = house.run(json!({"backoffLimit": 2, "template": {"spec": {
        "restartPolicy": "OnFailure", "containers": [container("main", "echo tried; exit 1")],
    }}}));
    assert_eq!(conclusion(&seen), "BackoffLimitExceeded");
    assert_eq!(house.text(&seen.object).len(), 3);
}

#[test]
fn an_object_fails_at_its_deadline_with_all_that_it_runs() {
    let house = House::new();
    let seen = house.run(script_with("echo begun; sleep 1000", json!({"activeDeadlineSeconds": 1})));
    assert_eq!(conclusion(&seen), "DeadlineExceeded");
    assert_eq!(exits(&seen)[0].1, 143);
    assert_eq!(house.text(&seen.object), ["begun"]);
}

#[test]
fn an_indexed_job_runs_every_index_once_and_no_more_at_once_than_it_may() {
    let house = House::new();
    let dir = house.root().join("active");
    std::fs::create_dir(&dir).unwrap();
    // Each counts those that are active with it.
    let text = format!(
        "touch {0}/$JOB_COMPLETION_INDEX; ls {0} | wc -l; echo index $(JOB_COMPLETION_INDEX); rm {0}/$JOB_COMPLETION_INDEX",
        dir.display()
    );
    let seen = house.run(json!({
        "completionMode": "Indexed", "completions": 8, "parallelism": 3, "template": pod(&text),
    }));
    assert_eq!(conclusion(&seen), "Complete");
    let indexes: Vec<Option<u32>> = seen.pods.values().map(|pod| pod.index).collect();
    assert_eq!(indexes, (0..8).map(Some).collect::<Vec<_>>());
    let (mut said, counts): (Vec<String>, Vec<String>) =
        house.text(&seen.object).into_iter().partition(|line| line.starts_with("index"));
    said.sort();
    assert_eq!(said, (0..8).map(|it| format!("index {it}")).collect::<Vec<_>>());
    assert!(counts.iter().all(|it| it.trim().parse::<u32>().unwrap() <= 3), "{counts:?}");
}

#[test]
fn failures_are_counted_by_index_where_the_manifest_says_so() {
    let house = House::new();
    let spec = |more: Value| {
        let mut spec = json!({
            "completionMode": "Indexed", "completions": 3, "parallelism": 1,
            "backoffLimitPerIndex": 1, "template": pod("exit $((JOB_COMPLETION_INDEX == 0))"),
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let seen = house.run(spec(json!({})));
    assert_eq!(conclusion(&seen), "FailedIndexes");
    let codes: Vec<(String, i32)> = exits(&seen).into_iter().map(|it| (it.0, it.1)).collect();
    let expected = [("it-0-0/main", 1), ("it-0-1/main", 1), ("it-1-0/main", 0), ("it-2-0/main", 0)];
    assert_eq!(codes, expected.map(|(name, code)| (name.to_owned(), code)));

    let object = house.create(&intent("k2", "two", job(spec(json!({"maxFailedIndexes": 0})))));
    assert_eq!(conclusion(&house.ended(&object)), "MaxFailedIndexesExceeded");
}

#[test]
fn pods_beyond_the_limit_of_the_machine_wait_and_are_shown_to() {
    let house = House::with(|config| config.max_running = 1);
    let first = house.create(&intent("k1", "one", job(script_with("sleep 1000", json!({})))));
    house.running(&first);
    let second = house.create(&intent("k2", "two", job(script_with("true", json!({})))));
    let seen = house.until(&second, |seen| !seen.pods.is_empty());
    assert_eq!(seen.pods["two-0"].reason.as_deref(), Some("Unschedulable"));
    house.wait(house.executor.cancel(&first)).unwrap();
    let seen = house.ended(&second);
    assert_eq!(conclusion(&seen), "Complete");
    assert_eq!(seen.pods["two-0"].reason, None);
}
