//! Many callers that launch one job at the same moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::house::{Cluster, script};
use crate::support::TestApp;
use crate::tally::Tally;

/// How many launch at the same moment.
const CROWD: usize = 1000;

/// Launches one job many times at once, each with this exit code. Gives how often each status was answered.
fn launch_at_once(app: &TestApp, id: &str, code: impl Fn(usize) -> usize) -> BTreeMap<u16, usize> {
    let spec = |number| script(&format!("exit {}", code(number)));
    let body = |number| json!({"template": "any", "id": id, "parameters": {"spec": spec(number)}});
    let bodies: Vec<Value> = (0..CROWD).map(body).collect();
    let mut answers = BTreeMap::new();
    for answer in app.post_at_once("/api/v1/jobs", &bodies) {
        *answers.entry(answer.status).or_default() += 1;
    }
    answers
}

#[test]
#[ignore = "needs a cluster"]
fn of_a_thousand_launches_of_one_job_at_once_one_makes_an_object() {
    let cluster = Cluster::new();
    let made = cluster.creations();
    let app = cluster.serve();
    let mut tally = Tally::of("concurrency-cluster");
    assert_eq!(launch_at_once(&app, "same", |_| 0), BTreeMap::from([(200, CROWD - 1), (201, 1)]));
    tally.add("launches of one job at once", CROWD as u64);
    tally.add("of them answered 201", 1);
    assert_eq!(launch_at_once(&app, "different", |number| number), BTreeMap::from([(201, 1), (409, CROWD - 1)]));
    tally.add("launches of one ID with different parameters at once", CROWD as u64);
    tally.add("of these answered 201", 1);
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
