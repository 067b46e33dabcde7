//! What others do to a job's objects behind Jobwright's back.

use serde_json::{Value, json};

use crate::house::{Cluster, container, gated, merged, script, spec};
use crate::support::TestApp;

/// A job whose container says `ready` and then waits; the name of its pod is in `pod`.
struct Running {
    app: TestApp,
    cluster: Cluster,
    /// `job/NAME`.
    object: String,
    /// Its pod's name.
    pod: String,
}

impl Running {
    /// With one attempt.
    fn new() -> Self {
        Self::of(&gated("echo done"))
    }

    fn of(spec: &Value) -> Self {
        let cluster = Cluster::new();
        let app = cluster.serve();
        app.launch("k1", spec);
        let pod = app.wait_until_ready("k1");
        let object = format!("job/{}", app.job("k1")["object"]["name"].as_str().unwrap());
        Self { cluster, app, object, pod }
    }

    fn kubectl(&self, args: &[&str]) {
        self.cluster.kubectl(args);
    }
}

/// A job that says so when it is told to stop, and takes a moment over it. What a pod writes that stops in no time may
/// be gone with the pod before anybody can have read it.
fn trapped() -> Value {
    let trapped = script("trap 'echo stopped; sleep 2; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    merged(trapped, json!({"template": {"spec": {"terminationGracePeriodSeconds": 20}}}))
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_that_is_deleted_fails_the_job() {
    let it = Running::of(&trapped());
    it.kubectl(&["delete", "pod", &it.pod, "--wait=false"]);
    assert_eq!(it.app.end("k1"), "Failed PodDeleted 9", "{}", it.app.story("k1"));
    assert_eq!(it.app.wait_for_log("k1"), "ready\nstopped\n");
    assert_eq!(it.app.exits("k1"), ["main 9 Error"]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_that_is_deleted_by_force_fails_the_job() {
    let it = Running::new();
    it.kubectl(&["delete", "pod", &it.pod, "--grace-period=0", "--force"]);
    let end = it.app.end("k1");
    // The API server forgets the pod at once: whether the end of its container shows is a matter of luck.
    assert!(["Failed PodDeleted", "Failed PodDeleted 137"].contains(&end.as_str()), "{end} {}", it.app.story("k1"));
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_that_is_deleted_is_replaced_where_attempts_are_left() {
    let it = Running::of(&merged(gated("echo done"), json!({"backoffLimit": 1})));
    it.kubectl(&["delete", "pod", &it.pod, "--wait=false"]);
    let second = it.app.wait_until_ready_again("k1", &it.pod);
    it.cluster.open_gate(&second);
    assert_eq!(it.app.end("k1"), "Succeeded 0");
    assert_eq!(it.app.wait_for_log("k1"), "ready\nready\ndone\n");
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_that_is_evicted_fails_the_job() {
    let it = Running::of(&trapped());
    let name = it.pod.strip_prefix("pod/").unwrap_or(&it.pod);
    let namespace = it.cluster.namespace();
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
    it.cluster.try_kubectl(&["create", "--raw", &path, "--filename=-"], &eviction.to_string()).unwrap();
    assert_eq!(it.app.end("k1"), "Failed Evicted 9");
    assert!(it.app.message("k1").contains("Eviction API"), "{}", it.app.message("k1"));
    assert_eq!(it.app.wait_for_log("k1"), "ready\nstopped\n");
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_that_is_deleted_in_the_background() {
    let it = Running::of(&trapped());
    it.kubectl(&["delete", &it.object, "--cascade=background", "--wait=false"]);
    let job = it.app.wait_for_end("k1");
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Cancelled"), &json!("Deleted")));
    assert_eq!(job["message"], "its object was deleted by someone else while a container ran");
    assert_eq!(it.app.wait_for_log("k1"), "ready\nstopped\n");
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_that_is_deleted_in_the_foreground() {
    let it = Running::of(&trapped());
    it.kubectl(&["delete", &it.object, "--cascade=foreground", "--wait=false"]);
    let job = it.app.wait_for_end("k1");
    assert_eq!((&job["phase"], &job["reason"], &job["exit_code"]), (&json!("Cancelled"), &json!("Deleted"), &json!(9)));
    assert_eq!(job["message"], "its object was deleted by someone else after its container had ended");
    assert_eq!(it.app.wait_for_log("k1"), "ready\nstopped\n");
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_that_is_deleted_and_leaves_its_pod_behind() {
    let it = Running::new();
    it.kubectl(&["delete", &it.object, "--cascade=orphan", "--wait=false"]);
    let job = it.app.wait_for_end("k1");
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Cancelled"), &json!("Deleted")));
    let message = "its object was deleted by someone else while a container ran, and its pods were left running";
    assert_eq!(job["message"], message);
    // What was left running is nobody's job any more: Jobwright lets it be, and listens.
    assert_eq!(it.app.log("k1"), "ready\n");
    it.cluster.open_gate(&it.pod);
    assert_eq!(it.app.wait_for_log("k1"), "ready\ndone\n");
    let pod = it.cluster.get(&format!("pod/{}", it.pod)).unwrap();
    assert_eq!(pod["status"]["phase"], "Succeeded");
    assert_eq!(it.app.job("k1")["phase"], "Cancelled");
}

/// Deletes the object of a job that runs while the service is down, and waits for what the service makes of it.
fn deleted_while_down(cascade: &str) -> Running {
    let Running { cluster, app, object, pod } = Running::new();
    let ended = app.stop();
    cluster.kubectl(&["delete", &object, cascade]);
    let app = ended.setup.start();
    let job = app.wait_for_end("k1");
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Lost"), &json!("ObjectGone")), "{job:#}");
    let message =
        "its object was created and is gone, and nothing tells how it ended; it was last seen while a container ran";
    assert_eq!(job["message"], message);
    Running { cluster, app, object, pod }
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_that_is_deleted_in_the_background_while_the_service_is_down_is_lost() {
    deleted_while_down("--cascade=background");
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_that_is_deleted_in_the_foreground_while_the_service_is_down_is_lost() {
    deleted_while_down("--cascade=foreground");
}

#[test]
#[ignore = "needs a cluster"]
fn an_object_that_is_deleted_and_leaves_its_pod_behind_while_the_service_is_down_is_lost() {
    let it = deleted_while_down("--cascade=orphan");
    it.cluster.open_gate(&it.pod);
    assert_eq!(it.app.wait_for_log("k1"), "ready\ndone\n", "its pod can still be read");
}

#[test]
#[ignore = "needs a cluster"]
fn a_name_that_someone_else_has_taken_is_refused_and_left_alone() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    // The name of a job's object follows from its ID.
    app.launch("k1", &script("true"));
    let name = app.wait_for_end("k1")["object"]["name"].as_str().unwrap().to_owned();
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
    cluster.until("the object's end", || cluster.get(&format!("job/{name}")).is_none().then_some(()));
    let theirs = merged(
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}),
        json!({"spec": spec(json!({}), json!({"containers": [container("main", "sleep 1000")]}))}),
    );
    cluster.apply(&theirs);
    let before = cluster.get(&format!("job/{name}")).unwrap();
    app.launch("k1", &script("true"));
    assert_eq!(app.end("k1"), "Rejected NameTaken");
    let expected =
        format!("there is a Job {name} in namespace {} already, which Jobwright did not make", cluster.namespace());
    assert_eq!(app.message("k1"), expected);
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
    let after = cluster.get(&format!("job/{name}")).unwrap();
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert!(after["metadata"]["deletionTimestamp"].is_null());
}

#[test]
#[ignore = "needs a cluster"]
fn two_installations_in_one_namespace_leave_each_other_alone() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.serve(), cluster.serve());
    for app in [&one, &two] {
        app.launch("same", &gated("echo done"));
    }
    let (pod_of_one, pod_of_two) = (one.wait_until_ready("same"), two.wait_until_ready("same"));
    assert_ne!(one.job("same")["object"], two.job("same")["object"]);
    one.launch("only-here", &script("true"));
    assert_eq!(one.end("only-here"), "Succeeded 0");
    assert_eq!(one.post("/api/v1/jobs/same/cancel", &json!({})).status, 200);
    assert_eq!(one.wait_for_end("same")["phase"], "Cancelled");
    // The other one's runs on, through a restart of its service, too.
    let two = two.kill().setup.start();
    assert_eq!(two.job("same")["phase"], "Running");
    assert_eq!(two.get("/api/v1/jobs/only-here").status, 404);
    cluster.open_gate(&pod_of_two);
    assert_eq!(two.end("same"), "Succeeded 0");
    assert_ne!(pod_of_one, pod_of_two);
}
