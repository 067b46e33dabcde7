//! The service that dies, or is stopped, in the middle.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::house::{Cluster, gated, script};
use crate::support::TestApp;

#[test]
#[ignore = "needs a cluster"]
fn a_job_that_runs_while_the_service_dies_is_seen_to_its_end() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &gated("echo done; exit 3"));
    let pod = app.wait_until_ready("k1");
    let app = app.kill().setup.start();
    assert_eq!(app.job("k1")["phase"], "Running");
    cluster.open_gate(&pod);
    assert_eq!(app.end("k1"), "Failed Error 3");
    assert_eq!(app.wait_for_log("k1"), "ready\ndone\n");
    assert_eq!(app.exits("k1"), ["main 3 Error"], "{}", app.story("k1"));
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_that_ends_while_the_service_is_down_is_found_with_its_log() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    for (id, then) in [("good", "echo done"), ("bad", "echo oh no; exit 3")] {
        app.launch(id, &gated(then));
    }
    let pods = ["good", "bad"].map(|id| app.wait_until_ready(id));
    let objects = ["good", "bad"].map(|id| app.job(id)["object"]["name"].as_str().unwrap().to_owned());
    let ended = app.kill();
    for pod in &pods {
        cluster.open_gate(pod);
    }
    for object in &objects {
        cluster.until("the Job's end", || {
            let job = cluster.get(&format!("job/{object}"))?;
            let conditions = job["status"]["conditions"].as_array()?.clone();
            conditions.iter().any(|it| it["type"] == "Complete" || it["type"] == "Failed").then_some(())
        });
    }
    let app = ended.setup.start();
    assert_eq!(app.end("good"), "Succeeded 0");
    assert_eq!(app.end("bad"), "Failed Error 3");
    assert_eq!(app.wait_for_log("good"), "ready\ndone\n");
    assert_eq!(app.wait_for_log("bad"), "ready\noh no\n");
}

#[test]
#[ignore = "needs a cluster"]
fn records_that_are_lost_are_rebuilt_from_the_jobs() {
    let cluster = Cluster::new();
    let setup = cluster.setup();
    std::fs::write(setup.path().join("key"), "0f".repeat(32)).unwrap();
    let key = setup.path().join("key");
    let app = setup.env("JOBWRIGHT_INSTALLATION", "rebuilt").env("JOBWRIGHT_KEY_FILE", key).start();
    for (id, then) in [("runs", "echo done"), ("ends", "echo oh no; exit 3")] {
        app.launch(id, &gated(then));
    }
    let [runs, ends] = ["runs", "ends"].map(|id| app.wait_until_ready(id));
    let before = app.job("runs");
    let ended = app.kill();
    std::fs::remove_dir_all(ended.setup.data()).unwrap();
    cluster.open_gate(&ends);

    let app = ended.setup.start();
    let job = app.wait_for_phase("runs", "Running");
    for field in ["template", "digest", "created", "object"] {
        assert_eq!(job[field], before[field], "{field}");
    }
    assert!(job["rebuilt"].is_string() && job["parameters"].is_null(), "{job:#}");
    assert_eq!(app.end("ends"), "Failed Error 3");
    assert_eq!(app.wait_for_log("ends"), "ready\noh no\n");
    // The same request is the same job.
    app.launch("runs", &gated("echo done"));
    cluster.open_gate(&runs);
    assert_eq!(app.end("runs"), "Succeeded 0");
    assert_eq!(app.wait_for_log("runs"), "ready\ndone\n");
    assert_eq!(cluster.list("jobs").len(), 2);
}

#[test]
#[ignore = "needs a cluster"]
fn a_cancellation_is_carried_out_by_the_next_service() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &gated("echo done"));
    app.wait_until_ready("k1");
    let answer = app.post("/api/v1/jobs/k1/cancel", &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let app = app.kill().setup.start();
    let job = app.wait_for_end("k1");
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Cancelled"), &json!("Cancelled")), "{job:#}");
    cluster.until("an empty namespace", || {
        (cluster.list("jobs").is_empty() && cluster.list("pods").is_empty()).then_some(())
    });
}

/// How many jobs are launched at once while the service dies.
const AT_ONCE: usize = 8;
/// How often it does.
const DEATHS: usize = 5;

#[test]
#[ignore = "needs a cluster"]
fn whenever_the_service_dies_every_acknowledged_job_has_one_object_and_none_has_two() {
    let cluster = Cluster::new();
    let made = cluster.creations();
    let mut acknowledged = BTreeSet::new();
    let mut app = cluster.serve();
    for death in 0..DEATHS {
        let ids: Vec<_> = (0..AT_ONCE).map(|number| format!("k{death}-{number}")).collect();
        let answers = launch_and_kill(&app, &ids, death);
        acknowledged.extend(answers);
        app = app.collect().setup.start();
    }
    let listed = app.get("/api/v1/jobs?limit=500").json();
    let jobs: BTreeMap<String, Value> =
        listed["items"].as_array().unwrap().iter().map(|job| (text(&job["id"]), job.clone())).collect();
    for id in &acknowledged {
        assert!(jobs.contains_key(id), "{id} was acknowledged and is forgotten");
    }
    for id in jobs.keys() {
        assert_eq!(app.end(id), "Succeeded 0", "{}", app.story(id));
    }
    let made = made.stop();
    let recorded: BTreeMap<String, String> = jobs
        .keys()
        .map(|id| app.job(id))
        .map(|job| (text(&job["object"]["uid"]), text(&job["object"]["name"])))
        .collect();
    assert_eq!(made, recorded, "what was created is what is on record, one by one");
    assert!(!acknowledged.is_empty());
}

/// Launches jobs at once, and kills the service after some of the answers. Returns the IDs that were acknowledged.
fn launch_and_kill(app: &TestApp, ids: &[String], after: usize) -> Vec<String> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for id in ids {
            let tell = tell.clone();
            scope.spawn(move || {
                let body = json!({"template": "any", "id": id, "parameters": {"spec": script("true")}});
                if app.try_post("/api/v1/jobs", &body).is_some_and(|answer| answer.status == 201) {
                    // Nobody may listen any more.
                    let _ = tell.send(id.clone());
                }
            });
        }
        drop(tell);
        let mut acknowledged: Vec<String> = told.iter().take(after).collect();
        app.signal(rustix::process::Signal::KILL);
        acknowledged.extend(told.iter());
        acknowledged
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs a cluster"]
fn a_namespace_can_be_deleted_with_its_jobs_while_the_service_is_down() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("done", &script("echo done"));
    assert_eq!(app.end("done"), "Succeeded 0");
    assert_eq!(app.wait_for_log("done"), "done\n");
    app.launch("runs", &gated("echo done"));
    app.wait_until_ready("runs");
    let ended = app.kill();
    // Waits until it is gone; nothing of Jobwright's is asked for leave.
    cluster.kubectl(&["delete", "namespace", cluster.namespace(), "--timeout=60s"]);
    let app = ended.setup.start_unready();
    assert_eq!(app.end("done"), "Succeeded 0");
    assert_eq!(app.log("done"), "done\n");
    let job = app.wait_for_end("runs");
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Lost"), &json!("ObjectGone")), "{job:#}");
    let ready = app.get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.body.contains(cluster.namespace()), "{ready:?}");
}
