//! Logs as they are followed, and parts of them.

use serde_json::{Value, json};

use crate::house::{Cluster, container, gated, merged, script, spec};

fn follow(app: &crate::support::TestApp, id: &str) -> Vec<String> {
    app.request("GET", &format!("/api/v1/jobs/{id}/logs?follow=true")).lines().collect()
}

#[test]
#[ignore = "needs a cluster"]
fn a_log_is_followed_from_before_its_pod_is_there_to_its_end() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let counts = "i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo line $i; done; sleep 1; echo last";
    app.launch("k1", &script(counts));
    let lines = follow(&app, "k1");
    let mut expected: Vec<_> = (1..=500).map(|number| format!("line {number}")).collect();
    expected.push("last".to_owned());
    assert_eq!(lines, expected);
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(follow(&app, "k1"), expected, "one that has ended is given as it was");
}

#[test]
#[ignore = "needs a cluster"]
fn a_log_is_followed_over_all_attempts() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &merged(script("echo begun; sleep 1; echo over; exit 1"), json!({"backoffLimit": 1})));
    assert_eq!(follow(&app, "k1"), ["begun", "over", "begun", "over"]);
    assert_eq!(app.end("k1"), "Failed BackoffLimitExceeded 1");
}

#[test]
#[ignore = "needs a cluster"]
fn a_part_of_a_log_is_given() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &gated("sleep 1; echo more; exit 0"));
    let pod = app.wait_until_ready("k1");
    let json = |query: &str| -> Vec<Value> {
        let path = format!("/api/v1/jobs/k1/logs?{query}");
        let answer = app.request("GET", &path).header("accept", "application/x-ndjson").send();
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let first = json("");
    assert_eq!((first.len(), &first[0]["text"]), (1, &json!("ready")));
    cluster.open_gate(&pod);
    assert_eq!(app.end("k1"), "Succeeded 0");
    let check_parts = || {
        let both = json("");
        assert_eq!((both.len(), &both[0]), (2, &first[0]));
        assert_eq!(json("tail=1"), both[1..]);
        assert_eq!(json(&format!("since={}", both[1]["at"].as_str().unwrap())), both[1..]);
        assert_eq!(json("tail=0"), Vec::<Value>::new());
    };
    check_parts();
    app.wait_for_log("k1");
    let name = app.job("k1")["object"]["name"].as_str().unwrap().to_owned();
    cluster.kubectl(&["delete", &format!("job/{name}"), "--cascade=foreground"]);
    // Now from the record.
    check_parts();
}

#[test]
#[ignore = "needs a cluster"]
fn of_a_log_that_is_too_long_the_end_is_kept() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    // 100,000 lines of 100 bytes: ten times what the kubelet gives at once, and forty times what is kept.
    let line = "x".repeat(92);
    let writes = format!("seq 1000000 1099999 | sed 's/$/ {line}/'");
    let pod = json!({"containers": [container("main", &writes)]});
    app.launch("k1", &spec(json!({"ttlSecondsAfterFinished": 1}), pod));
    assert_eq!(app.end("k1"), "Succeeded 0", "{}", app.story("k1"));
    app.wait_for_event("k1", |event| event.event == "objectDeleted");
    let log = app.log("k1");
    let lines: Vec<_> = log.lines().collect();
    let first: usize = lines[0][..7].parse().unwrap();
    let expected = (first..1_100_000).map(|number| format!("{number} {line}"));
    assert_eq!(lines, expected.collect::<Vec<_>>());
    assert!((200 * 1024..=300 * 1024).contains(&log.len()), "{} bytes", log.len());
}
