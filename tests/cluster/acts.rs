//! Cancelling, launching again, deleting, and what goes away by itself in time.

use serde_json::{Value, json};

use crate::house::{Cluster, container, gated, merged, script, spec};
use crate::support::TestApp;

fn cancel(app: &TestApp, id: &str) {
    let answer = app.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["cancel_requested"], true);
}

/// Waits until nothing of a job is on the cluster any more: neither object nor pods.
fn assert_gone(cluster: &Cluster) {
    assert_eq!(cluster.list("jobs"), Vec::<Value>::new());
    let pods = cluster.list("pods");
    assert_eq!(pods, Vec::<Value>::new(), "the pods are gone before the job counts as cancelled");
}

#[test]
#[ignore = "needs a cluster"]
fn a_cancelled_job_may_end_in_its_own_way() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let polite = "trap 'echo cleaning up; sleep 2; echo clean; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    app.launch("k1", &merged(script(polite), json!({"template": {"spec": {"terminationGracePeriodSeconds": 20}}})));
    app.wait_until_ready("k1");
    cancel(&app, "k1");
    assert_eq!(app.end("k1"), "Cancelled Cancelled 9");
    assert_gone(&cluster);
    assert_eq!(app.wait_for_log("k1"), "ready\ncleaning up\nclean\n");
    assert_eq!(app.exits("k1"), ["main 9 Error"]);
    let again = app.post("/api/v1/jobs/k1/cancel", &json!({}));
    assert_eq!(again.status, 409, "{again:?}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_cancelled_job_that_does_not_listen_is_killed_after_its_grace() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &gated("echo done"));
    app.wait_until_ready("k1");
    cancel(&app, "k1");
    assert_eq!(app.end("k1"), "Cancelled Cancelled 137");
    assert_gone(&cluster);
    assert_eq!(app.wait_for_log("k1"), "ready\n");
}

#[test]
#[ignore = "needs a cluster"]
fn all_pods_of_a_cancelled_job_are_stopped() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let three = json!({"completions": 3, "parallelism": 3, "backoffLimit": 5});
    let stops = script("trap 'echo stopped; sleep 2; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    let grace = json!({"template": {"spec": {"terminationGracePeriodSeconds": 20}}});
    app.launch("k1", &merged(merged(stops, three), grace));
    cluster.until("three running pods", || {
        let log = app.get("/api/v1/jobs/k1/logs").body;
        (log.lines().filter(|line| *line == "ready").count() == 3).then_some(())
    });
    cancel(&app, "k1");
    assert_eq!(app.end("k1"), "Cancelled Cancelled 9");
    assert_gone(&cluster);
    let log = app.wait_for_log("k1");
    assert_eq!(log.lines().filter(|line| *line == "stopped").count(), 3, "{log}");
    assert_eq!(app.exits("k1"), ["main 9 Error"; 3]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_is_cancelled_before_its_pod_runs() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let pod = json!({"nodeSelector": {"colour": "none"}, "containers": [container("main", "echo done")]});
    app.launch("unschedulable", &spec(json!({}), pod));
    app.wait_for_reason("unschedulable", "Waiting", "Unschedulable");
    app.launch("suspended", &merged(script("echo done"), json!({"suspend": true})));
    app.wait_for_reason("suspended", "Suspended", "");
    let main = merged(container("main", "echo done"), json!({"image": "localhost/there-is-none:1"}));
    app.launch("no-image", &spec(json!({}), json!({"containers": [main]})));
    app.wait_for_reason("no-image", "Waiting", "ErrImagePull");
    for id in ["unschedulable", "suspended", "no-image"] {
        cancel(&app, id);
        assert_eq!(app.end(id), "Cancelled Cancelled");
        assert!(app.job(id)["started"].is_null());
        let log = app.get(&format!("/api/v1/jobs/{id}/logs"));
        assert_eq!(log.status, 404, "what never ran has no log: {log:?}");
    }
    assert_gone(&cluster);
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_is_launched_again() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &script("echo once more; exit 1"));
    assert_eq!(app.end("k1"), "Failed Error 1");
    let again = app.post("/api/v1/jobs/k1/rerun", &json!({"id": "k2"}));
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!(again.json()["rerun_of"], "k1");
    assert_eq!(app.end("k2"), "Failed Error 1");
    assert_ne!(app.job("k1")["object"]["uid"], app.job("k2")["object"]["uid"]);
    assert_eq!(app.wait_for_log("k2"), "once more\n");
}

#[test]
#[ignore = "needs a cluster"]
fn a_deleted_job_takes_its_object_with_it() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &gated("echo done"));
    let pod = app.wait_until_ready("k1");
    let early = app.request("DELETE", "/api/v1/jobs/k1").send();
    assert_eq!(early.status, 409, "{early:?}");
    cluster.open_gate(&pod);
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
    assert_eq!(app.get("/api/v1/jobs/k1").status, 404);
    cluster.until("an empty namespace", || {
        (cluster.list("jobs").is_empty() && cluster.list("pods").is_empty()).then_some(())
    });
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_goes_at_its_time_to_live_and_the_log_stays() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &merged(script("for i in 1 2 3; do echo line $i; done"), json!({"ttlSecondsAfterFinished": 1})));
    let name = app.job("k1")["object"]["name"].as_str().unwrap().to_owned();
    let object = cluster.get(&format!("job/{name}")).unwrap();
    assert_eq!(object["spec"]["ttlSecondsAfterFinished"], 7 * 24 * 3600, "Kubernetes itself would take the log away");
    app.wait_for_event("k1", |event| event.event == "objectDeleted");
    cluster.until("an empty namespace", || {
        (cluster.list("jobs").is_empty() && cluster.list("pods").is_empty()).then_some(())
    });
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.log("k1"), "line 1\nline 2\nline 3\n");
    let kinds: Vec<_> = app.history("k1").iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    let place = |kind: &str| kinds.iter().position(|it| it == kind).unwrap();
    assert!(place("logKept") < place("objectDeleted"), "{kinds:?}");
    // Its own deletion is no news about the job.
    let app = app.stop().setup.start();
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.log("k1"), "line 1\nline 2\nline 3\n");
}

#[test]
#[ignore = "needs a cluster"]
fn what_is_launched_carries_its_labels_and_annotations() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let body = json!({
        "template": "any", "id": "k1", "name": "Nightly", "parameters": {"spec": script("true")},
    });
    assert_eq!(app.post("/api/v1/jobs", &body).status, 201);
    let job = app.job("k1");
    let object = cluster.get(&format!("job/{}", job["object"]["name"].as_str().unwrap())).unwrap();
    let metadata = &object["metadata"];
    assert_eq!(metadata["uid"], job["object"]["uid"]);
    for labels in [&metadata["labels"], &object["spec"]["template"]["metadata"]["labels"]] {
        assert_eq!(labels["app.kubernetes.io/managed-by"], "jobwright");
        assert_eq!(labels["jobwright.dev/template"], "any");
        assert!(labels["jobwright.dev/installation"].is_string());
    }
    assert_eq!(metadata["annotations"]["jobwright.dev/job-id"], "k1");
    assert_eq!(metadata["annotations"]["jobwright.dev/job-name"], "Nightly");
    assert_eq!(metadata["annotations"]["jobwright.dev/digest"], job["digest"]);
    assert!(metadata["finalizers"].is_null(), "nobody's deletion hangs on Jobwright");
}
