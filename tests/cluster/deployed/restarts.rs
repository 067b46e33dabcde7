//! The service goes and comes back in the middle of a job, in every way that a cluster knows: nothing is lost.

use serde_json::{Value, json};

use super::{Alone, SERVICE, alone, alone_on_the_cluster, kubectl, service_pod, until};

/// A job that ended before, one in the middle, and what must be true of them after the service has been away.
struct Work {
    deployed: Alone,
    before: Value,
    pod: Value,
    running: String,
}

impl Work {
    /// Begins it, before something happens to the service.
    fn begin(deployed: Alone, name: &str) -> Self {
        let (ended, running) = (format!("{name}-before"), format!("{name}-during"));
        // The test before this one may have left the service on its way back.
        deployed.wait_until_reached();
        let answer = deployed.app.post("/api/v1/jobs", &json!({"template": "dummy-done", "id": ended}));
        assert_eq!(answer.status, 201, "{answer:?}");
        deployed.app.wait_for_end(&ended);
        deployed.app.wait_for_log(&ended);
        let before = deployed.app.job(&ended);
        deployed.launch_slow(&running, 12);
        Self { before, pod: service_pod(), running, deployed }
    }

    /// Sees what has become of it once there is a service again.
    fn see_that_nothing_was_lost(&self) {
        let app = &self.deployed.app;
        self.deployed.wait_until_reached();
        let pod = service_pod();
        assert_ne!(pod["metadata"]["uid"], self.pod["metadata"]["uid"], "it is another pod");
        let ended = self.before["id"].as_str().unwrap();
        assert_eq!(app.job(ended), self.before, "what had ended is on record as it was");
        assert!(app.log(ended).contains("Done"), "with its log");
        let job = app.wait_for_end(&self.running);
        let story = || app.story(&self.running) + &app.log(&self.running);
        assert_eq!((&job["phase"], &job["disputed"]), (&json!("Succeeded"), &json!(false)), "{}", story());
        assert_eq!(job["report"]["status"], "Done", "{}", story());
        let history = app.history(&self.running);
        let ends = history.iter().filter(|event| event["type"] == "phase" && event["to"] == "Succeeded");
        assert_eq!(ends.count(), 1, "{}", story());
        app.wait_for_log(&self.running);
        assert_eq!(app.log(&self.running).matches("Done").count(), 1, "{}", story());
        // The same launch again is the same job.
        self.deployed.wait_until_reached();
        let again = json!({"template": "slow", "id": self.running, "parameters": {"seconds": 12}});
        assert_eq!(app.post("/api/v1/jobs", &again).status, 200);
    }
}

#[test]
#[ignore = "needs a cluster"]
fn a_rollout_loses_nothing() {
    let work = Work::begin(alone(), "rollout");
    kubectl(&["--namespace", SERVICE, "rollout", "restart", "deployment/jobwright"]);
    kubectl(&["--namespace", SERVICE, "rollout", "status", "deployment/jobwright", "--timeout=120s"]);
    work.see_that_nothing_was_lost();
}

#[test]
#[ignore = "needs a cluster"]
fn the_kill_of_its_pod_loses_nothing() {
    let work = Work::begin(alone(), "kill");
    let pod = work.pod["metadata"]["name"].as_str().unwrap();
    kubectl(&["--namespace", SERVICE, "delete", "pod", pod, "--grace-period=0", "--force"]);
    work.see_that_nothing_was_lost();
}

/// Lets pods onto a node again.
struct Cordoned(String);

impl Drop for Cordoned {
    fn drop(&mut self) {
        kubectl(&["uncordon", &self.0]);
    }
}

/// On a cluster of one node there is no other one that the pod could go to, so it waits until the node is back, and on a
/// larger one its volume may hold it. That the eviction goes through at all, with one replica and a volume, and that
/// nothing is lost by it, is what is seen here. The job's own pod stays: what becomes of jobs whose pods are evicted is
/// another test's.
#[test]
#[ignore = "needs a cluster"]
fn a_drain_of_its_node_loses_nothing() {
    let work = Work::begin(alone_on_the_cluster(), "drain");
    let node = work.pod["spec"]["nodeName"].as_str().unwrap().to_owned();
    let ours = "--pod-selector=app.kubernetes.io/name=jobwright,app.kubernetes.io/component=server";
    let cordoned = Cordoned(node.clone());
    kubectl(&["drain", &node, ours, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"]);
    until("another pod in place of the evicted one", || {
        let pod = service_pod();
        (pod["metadata"]["uid"] != work.pod["metadata"]["uid"]).then_some(())
    });
    drop(cordoned);
    kubectl(&["--namespace", SERVICE, "rollout", "status", "deployment/jobwright", "--timeout=120s"]);
    work.see_that_nothing_was_lost();
}
