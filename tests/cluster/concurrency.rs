//! Many callers that launch one job at the same moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::house::{Cluster, script};
use crate::support::{Answer, TestApp, count};
use crate::tally::Tally;

/// How many launch at the same moment.
const CROWD: usize = 1000;

/// Launches one job many times at once, each with this exit code.
fn launch_at_once(app: &TestApp, id: &str, code: impl Fn(usize) -> usize) -> Vec<Answer> {
    let spec = |number| script(&format!("exit {}", code(number)));
    let body = |number| json!({"template": "any", "id": id, "parameters": {"spec": spec(number)}});
    let bodies: Vec<Value> = (0..CROWD).map(body).collect();
    app.post_at_once("/api/v1/jobs", &bodies)
}

#[test]
#[ignore = "needs a cluster"]
fn of_a_thousand_launches_of_one_job_at_once_one_makes_an_object() {
    let cluster = Cluster::new();
    let made = cluster.creations();
    let app = cluster.serve();
    let mut tally = Tally::of("concurrency-cluster");
    let answers = launch_at_once(&app, "same", |_| 0);
    assert_eq!((count(&answers, 201), count(&answers, 200)), (1, CROWD - 1));
    tally.add("launches of one job at once", answers.len() as u64);
    tally.add("of them answered 201", count(&answers, 201) as u64);
    let answers = launch_at_once(&app, "different", |number| number);
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, CROWD - 1));
    tally.add("launches of one ID with different parameters at once", answers.len() as u64);
    tally.add("of these answered 201", count(&answers, 201) as u64);
    assert_eq!(app.end("same"), "Succeeded 0");
    app.wait_for_end("different");
    let object = |id: &str| {
        let object = app.job(id)["object"].take();
        let text = |field: &str| object[field].as_str().unwrap().to_owned();
        (text("uid"), text("name"))
    };
    let made = made.stop();
    assert_eq!(made, BTreeMap::from([object("same"), object("different")]));
    tally.add("objects created", made.len() as u64);
    tally.finish();
}
