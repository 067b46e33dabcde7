//! What keeps a job from running, and what is shown of it meanwhile.

use serde_json::{Value, json};

use crate::house::{Cluster, container, gated, merged, script, spec};

/// The spec of a job with one container that has these fields too.
fn with_fields(fields: Value) -> Value {
    spec(json!({}), json!({"containers": [merged(container("main", "echo done"), fields)]}))
}

fn message(event: &Value) -> &str {
    event["message"].as_str().unwrap_or_default()
}

#[test]
#[ignore = "needs a cluster"]
fn an_image_that_cannot_be_pulled() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &with_fields(json!({"image": "localhost/there-is-none:1"})));
    app.launch("k2", &with_fields(json!({"image": "localhost/there-is-none:1", "imagePullPolicy": "Never"})));
    let first = app.wait_for_reason("k1", "Waiting", "ErrImagePull");
    assert!(message(&first).contains("localhost/there-is-none:1"), "{first}");
    let then = app.wait_for_reason("k1", "Waiting", "ImagePullBackOff");
    assert!(message(&then).contains("localhost/there-is-none:1"), "{then}");
    let never = app.wait_for_reason("k2", "Waiting", "ErrImageNeverPull");
    assert!(message(&never).contains("localhost/there-is-none:1"), "{never}");
    assert!(app.job("k1")["started"].is_null());
}

#[test]
#[ignore = "needs a cluster"]
fn an_image_whose_name_is_none() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &with_fields(json!({"image": "localhost/No Such:Name"})));
    let shown = app.wait_for_reason("k1", "Waiting", "InvalidImageName");
    assert!(message(&shown).contains("localhost/No Such:Name"), "{shown}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_config_map_or_secret_that_is_missing_until_it_is_made() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let from = |kind: &str| {
        json!({
            "command": ["sh", "-c", "echo it is $IT"],
            "env": [{"name": "IT", "valueFrom": {kind: {"name": "settings", "key": "it"}}}],
        })
    };
    app.launch("k1", &with_fields(from("configMapKeyRef")));
    app.launch("k2", &with_fields(from("secretKeyRef")));
    let shown = app.wait_for_reason("k1", "Waiting", "CreateContainerConfigError");
    assert_eq!(message(&shown), r#"configmap "settings" not found"#);
    let shown = app.wait_for_reason("k2", "Waiting", "CreateContainerConfigError");
    assert_eq!(message(&shown), r#"secret "settings" not found"#);
    let made = |kind: &str, data: &str| {
        cluster
            .apply(&json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "settings"}, data: {"it": "here"}}));
    };
    made("ConfigMap", "data");
    made("Secret", "stringData");
    for id in ["k1", "k2"] {
        assert_eq!(app.end(id), "Succeeded 0");
        assert_eq!(app.wait_for_log(id), "it is here\n");
    }
}

#[test]
#[ignore = "needs a cluster"]
fn a_volume_that_cannot_be_mounted() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let mounts = json!({"volumeMounts": [{"name": "settings", "mountPath": "/settings"}]});
    let pod = json!({
        "containers": [merged(container("main", "echo done"), mounts)],
        "volumes": [{"name": "settings", "secret": {"secretName": "missing"}}],
    });
    app.launch("k1", &spec(json!({}), pod));
    app.wait_for_reason("k1", "Waiting", "FailedMount");
    // At first the kubelet may only know that it does not know yet.
    cluster.until("the message", || app.message("k1").contains(r#"secret "missing" not found"#).then_some(()));
    assert_eq!(app.job("k1")["reason"], "FailedMount");
}

#[test]
#[ignore = "needs a cluster"]
fn a_quota_that_leaves_no_room_for_pods() {
    let cluster = Cluster::new();
    quota(&cluster, json!({"pods": "0"}));
    let app = cluster.serve();
    app.launch("k1", &script("echo done"));
    let shown = app.wait_for_reason("k1", "Waiting", "QuotaExceeded");
    assert!(
        message(&shown).contains("exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0"),
        "{shown}"
    );
    cluster.kubectl(&["delete", "resourcequota", "none"]);
    assert_eq!(app.end("k1"), "Succeeded 0");
}

#[test]
#[ignore = "needs a cluster"]
fn a_quota_that_leaves_no_room_for_jobs() {
    let cluster = Cluster::new();
    quota(&cluster, json!({"count/jobs.batch": "0"}));
    let app = cluster.serve();
    let answer = app.launch("k1", &script("echo done"));
    assert_eq!(answer["phase"], "Rejected", "whoever launches it is told at once");
    assert_eq!(app.end("k1"), "Rejected QuotaExceeded");
    let message = app.message("k1");
    assert!(message.contains("exceeded quota: none, requested: count/jobs.batch=1"), "{message}");
    assert_eq!(cluster.list("jobs"), Vec::<Value>::new());
    let log = app.get("/api/v1/jobs/k1/logs");
    assert_eq!(log.status, 404, "{log:?}");
}

/// Makes a quota, and waits until it is in force.
fn quota(cluster: &Cluster, hard: Value) {
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": hard},
    }));
    cluster.until("the quota's status", || {
        cluster.get("resourcequota/none").filter(|quota| !quota["status"]["used"].is_null())
    });
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_security_level_that_refuses_the_pods() {
    let cluster = Cluster::with_pod_security("restricted");
    let app = cluster.serve();
    let answer = app.launch("k1", &script("echo done"));
    let warnings = answer["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().contains("would violate PodSecurity"), "{answer}");
    let shown = app.wait_for_reason("k1", "Waiting", "PodSecurity");
    assert!(message(&shown).contains("violates PodSecurity \"restricted:latest\""), "{shown}");
    assert!(message(&shown).contains("allowPrivilegeEscalation"), "{shown}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_service_account_that_does_not_exist() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let pod = json!({"serviceAccountName": "nobody", "containers": [container("main", "echo done")]});
    app.launch("k1", &spec(json!({}), pod));
    let shown = app.wait_for_reason("k1", "Waiting", "Forbidden");
    assert!(message(&shown).contains(r#"serviceaccount "nobody" not found"#), "{shown}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_that_fits_no_node() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let pod = |fields: Value| merged(json!({"containers": [container("main", "echo done")]}), fields);
    app.launch("k1", &spec(json!({}), pod(json!({"nodeSelector": {"colour": "none"}}))));
    let large = json!({"resources": {"requests": {"memory": "1Pi"}}});
    let large = json!({"containers": [merged(container("main", "echo done"), large)]});
    app.launch("k2", &spec(json!({}), large));
    let shown = app.wait_for_reason("k1", "Waiting", "Unschedulable");
    assert!(message(&shown).contains("didn't match Pod's node affinity/selector"), "{shown}");
    let shown = app.wait_for_reason("k2", "Waiting", "Unschedulable");
    assert!(message(&shown).contains("Insufficient memory"), "{shown}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_that_waits_behind_a_scheduling_gate() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let pod =
        json!({"schedulingGates": [{"name": "example.com/not-yet"}], "containers": [container("main", "echo done")]});
    app.launch("k1", &spec(json!({}), pod));
    app.wait_for_reason("k1", "Waiting", "SchedulingGated");
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_that_is_suspended_from_the_start() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &merged(script("echo done"), json!({"suspend": true})));
    app.wait_for_reason("k1", "Suspended", "");
    let object = object(&app.job("k1"));
    cluster.kubectl(&["patch", &object, "--patch", r#"{"spec": {"suspend": false}}"#]);
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.wait_for_log("k1"), "done\n");
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_that_is_suspended_by_hand_while_it_runs() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &gated("echo done"));
    let first = app.wait_until_ready("k1");
    let object = object(&app.job("k1"));
    cluster.kubectl(&["patch", &object, "--patch", r#"{"spec": {"suspend": true}}"#]);
    app.wait_for_reason("k1", "Suspended", "");
    cluster.kubectl(&["patch", &object, "--patch", r#"{"spec": {"suspend": false}}"#]);
    let second = app.wait_until_ready_again("k1", &first);
    cluster.open_gate(&second);
    assert_eq!(app.end("k1"), "Succeeded 0");
    // What the first pod wrote outlives it.
    assert_eq!(app.wait_for_log("k1"), "ready\nready\ndone\n");
}

/// What `kubectl` calls a job's object.
fn object(job: &Value) -> String {
    format!("job/{}", job["object"]["name"].as_str().unwrap())
}
