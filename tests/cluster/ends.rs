//! How a job ends when nothing but its own containers has a say in it.

use serde_json::{Value, json};

use crate::house::{Cluster, container, script, spec};
use crate::support::TestApp;

/// Phase, reason and exit code of a job's end.
fn end(app: &TestApp, id: &str) -> (String, Option<String>, Option<i64>) {
    let job = app.wait_for_end(id);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (text(&job["phase"]).unwrap(), text(&job["reason"]), job["exit_code"].as_i64())
}

fn ended(phase: &str, reason: Option<&str>, code: Option<i64>) -> (String, Option<String>, Option<i64>) {
    (phase.to_owned(), reason.map(str::to_owned), code)
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_that_succeeds() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &script("echo well done"));
    assert_eq!(end(&app, "k1"), ended("Succeeded", None, Some(0)));
    assert_eq!(app.wait_for_log("k1"), "well done\n");
    assert_eq!(app.exits("k1"), ["main 0 Completed"]);
    let phases = app.phases("k1");
    assert_eq!(phases.last().unwrap(), "Succeeded");
    assert!(phases.contains(&"Running Finishing".to_owned()), "{phases:?}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_of_one_attempt_fails_with_its_exit_code() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let quick =
        json!({"containers": [container("main", "echo oh no; echo 'no more paper' > /dev/termination-log; exit 3")]});
    app.launch("k1", &spec(json!({}), quick));
    assert_eq!(end(&app, "k1"), ended("Failed", Some("Error"), Some(3)));
    let message = app.job("k1")["message"].as_str().unwrap().to_owned();
    assert_eq!(message.trim_end(), "a container ended with exit code 3: no more paper");
    assert_eq!(app.wait_for_log("k1"), "oh no\n");
    assert_eq!(app.exits("k1"), ["main 3 Error"]);
}
