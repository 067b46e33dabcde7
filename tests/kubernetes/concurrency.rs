//! Many at once: callers that launch one job, and installations that share a namespace.

use serde_json::{Value, json};

use crate::api_server::{ApiServer, Fault, Kind};
use crate::house::{exited, running};
use crate::serve::{ended, launch, object_name, setup};
use crate::support::{Answer, TestApp, count};
use crate::tally::Tally;

/// How many launch at the same moment.
const CROWD: usize = 1000;

/// A template whose jobs differ.
const NUMBERED: &str = r#"---
title: Numbered
parameters: {type: object, required: [number], properties: {number: {type: integer}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: numbered}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: main, image: "localhost/hello:1", args: ["{{params.number}}"]}
"#;

fn launch_at_once(app: &TestApp, id: &str, number: impl Fn(usize) -> usize) -> Vec<Answer> {
    let body = |it| json!({"template": "numbered", "id": id, "parameters": {"number": number(it)}});
    app.post_at_once("/api/v1/jobs", &(0..CROWD).map(body).collect::<Vec<Value>>())
}

#[test]
fn of_a_thousand_launches_of_one_job_at_once_one_makes_an_object() {
    let server = ApiServer::start();
    let app = setup(&server).template("numbered", NUMBERED).start();
    let mut tally = Tally::of("concurrency-kubernetes");
    // The answer to the one create that is sent is lost.
    server.script("POST /jobs?", Fault::CutAfterwards);
    let answers = launch_at_once(&app, "same", |_| 7);
    assert_eq!((count(&answers, 201), count(&answers, 200)), (1, CROWD - 1));
    let same = app.wait("same", |job| !job["object"].is_null());
    assert_eq!(server.created(), [object_name(&same)]);
    tally.add("launches of one job at once", answers.len() as u64);
    tally.add("of them answered 201", count(&answers, 201) as u64);

    let answers = launch_at_once(&app, "different", |it| it);
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, CROWD - 1));
    let launched = answers.iter().position(|answer| answer.status == 201).unwrap();
    let different = app.wait("different", |job| !job["object"].is_null());
    assert_eq!(server.created(), [object_name(&same), object_name(&different)]);
    let made = server.get(Kind::Job, &object_name(&different)).unwrap();
    let args = made.pointer("/spec/template/spec/containers/0/args/0").unwrap();
    assert_eq!(*args, launched.to_string(), "the one that was told so is the one that was launched");
    tally.add("launches of one ID with different parameters at once", answers.len() as u64);
    tally.add("of these answered 201", count(&answers, 201) as u64);
    tally.add("objects created", server.created().len() as u64);
    tally.finish();
}

/// Runs a job to its end.
fn succeed(server: &ApiServer, app: &TestApp, id: &str) {
    let name = object_name(&app.get(&format!("/api/v1/jobs/{id}")).json());
    server.add_pod(&name, &format!("{name}-p"), exited(0));
    server.conclude(&name, "Complete", "");
    app.wait_for_phase(id, "Succeeded");
}

#[test]
fn two_installations_in_one_namespace_leave_each_other_alone() {
    let server = ApiServer::start();
    let one = setup(&server).with(&["--retention-count", "1"]).start();
    let two = setup(&server).start();
    let ids = ["cancelled", "deleted", "retained", "newest", "goes-on"];
    let theirs: Vec<String> = ids
        .iter()
        .map(|id| {
            launch(&one, id);
            let name = object_name(&launch(&two, id));
            server.add_pod(&name, &format!("{name}-p"), running());
            two.wait_for_phase(id, "Running");
            name
        })
        .collect();
    let before: Vec<_> = theirs.iter().map(|name| server.get(Kind::Job, name).unwrap()).collect();
    assert_eq!(server.created().len(), 2 * ids.len());

    // One cancels, deletes, forgets, restarts, and at last loses its records.
    let own = object_name(&one.get("/api/v1/jobs/cancelled").json());
    assert_eq!(one.post("/api/v1/jobs/cancelled/cancel", &json!({})).status, 200);
    server.wait_until(Kind::Job, &own, |it| it["metadata"]["deletionTimestamp"].is_string());
    server.collect(&own);
    assert_eq!(one.wait("cancelled", ended)["phase"], "Cancelled");
    succeed(&server, &one, "deleted");
    assert_eq!(one.request("DELETE", "/api/v1/jobs/deleted").send().status, 204);
    for id in ["retained", "newest"] {
        succeed(&server, &one, id);
    }
    let ended_service = one.stop();
    let data = ended_service.setup.data();
    let one = ended_service.setup.start();
    one.until(|| Some(one.get("/api/v1/jobs/retained")).filter(|answer| answer.status == 404));
    let ended_service = one.kill();
    std::fs::remove_dir_all(data).unwrap();
    let one = ended_service.setup.start();
    assert_eq!(launch(&one, "goes-on")["id"], "goes-on");

    let after: Vec<_> = theirs.iter().map(|name| server.get(Kind::Job, name).unwrap()).collect();
    assert_eq!(before, after, "nothing was done to the other one's objects");
    for id in ids {
        assert_eq!(two.get(&format!("/api/v1/jobs/{id}")).json()["phase"], "Running", "{id}");
        let name = object_name(&two.get(&format!("/api/v1/jobs/{id}")).json());
        server.set_pod(&format!("{name}-p"), exited(0));
        server.conclude(&name, "Complete", "");
        two.wait_for_phase(id, "Succeeded");
    }
    assert_eq!(two.get("/api/v1/jobs").json()["items"].as_array().unwrap().len(), ids.len());
}
