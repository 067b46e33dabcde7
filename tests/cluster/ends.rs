//! How a job ends when nothing but its own containers and limits have a say in it.

use serde_json::json;

use crate::house::{Cluster, busybox, container, gated, merged, script, spec};

/// A script that knows how often it was run before in its pod: `$n` is 1 in the first run.
const COUNTED: &str = "n=$(cat /state/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > /state/n; echo run $n; ";

/// A container with a folder that outlives its runs, and is shared by all containers of the pod that have it.
fn with_state(name: &str, script: &str) -> serde_json::Value {
    merged(container(name, script), json!({"volumeMounts": [{"name": "state", "mountPath": "/state"}]}))
}

fn state() -> serde_json::Value {
    json!([{"name": "state", "emptyDir": {}}])
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_that_succeeds() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &script("echo well done"));
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.wait_for_log("k1"), "well done\n");
    assert_eq!(app.exits("k1"), ["main 0 Completed"]);
    let phases = app.phases("k1");
    assert_eq!(phases[phases.len() - 2..], ["Running Finishing", "Succeeded"], "{phases:?}");
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_of_one_attempt_fails_with_its_exit_code() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &script("echo oh no; echo no more paper > /dev/termination-log; exit 3"));
    assert_eq!(app.end("k1"), "Failed Error 3");
    assert_eq!(app.message("k1").trim_end(), "a container ended with exit code 3: no more paper");
    assert_eq!(app.wait_for_log("k1"), "oh no\n");
    assert_eq!(app.exits("k1"), ["main 3 Error"]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_fails_when_all_its_attempts_have() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &merged(script("echo tried; exit 5"), json!({"backoffLimit": 1})));
    assert_eq!(app.end("k1"), "Failed BackoffLimitExceeded 5");
    assert_eq!(app.message("k1"), "2 attempts failed; the last one ended with exit code 5 (Error)");
    assert_eq!(app.wait_for_log("k1"), "tried\ntried\n");
    assert_eq!(app.exits("k1"), ["main 5 Error", "main 5 Error"]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_later_attempt_may_succeed() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &merged(gated("exit $(cat /tmp/gate)"), json!({"backoffLimit": 1})));
    let first = app.wait_until_ready("k1");
    cluster.kubectl(&["exec", &first, "--", "sh", "-c", "echo 6 > /tmp/new; mv /tmp/new /tmp/gate"]);
    app.wait_for_event("k1", |event| event.event == "containerEnded");
    // Ten seconds go by before the next one.
    let job = app.wait_for_reason("k1", "Waiting", "BackOff");
    assert_eq!(job["message"], "an attempt ended with exit code 6; another one follows");
    let second = app.wait_until_ready_again("k1", &first);
    cluster.open_gate(&second);
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.exits("k1"), ["main 6 Error", "main 0 Completed"]);
    assert_eq!(app.wait_for_log("k1"), "ready\nready\n");
}

#[test]
#[ignore = "needs a cluster"]
fn a_container_that_is_restarted_leaves_the_log_of_every_run() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let main = with_state("main", &format!("{COUNTED} sleep 3; [ $n -ge 3 ]"));
    let pod = json!({"restartPolicy": "OnFailure", "containers": [main], "volumes": state()});
    app.launch("k1", &spec(json!({"backoffLimit": 6}), pod));
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.exits("k1"), ["main 1 Error", "main 1 Error", "main 0 Completed"], "{}", app.story("k1"));
    // The kubelet itself keeps the last two at most.
    assert_eq!(app.wait_for_log("k1"), "run 1\nrun 2\nrun 3\n");
    assert!(app.phases("k1").contains(&"Waiting CrashLoopBackOff".to_owned()), "{}", app.story("k1"));
}

#[test]
#[ignore = "needs a cluster"]
fn a_container_that_takes_too_much_memory_is_killed() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    // The container runtime begins to look for this only when the container runs already.
    let hungry = container("main", "echo hungry; sleep 1; exec dd if=/dev/zero of=/dev/null bs=200M count=1");
    let main = merged(hungry, json!({"resources": {"limits": {"memory": "32Mi"}}}));
    app.launch("k1", &spec(json!({}), json!({"containers": [main]})));
    assert_eq!(app.end("k1"), "Failed OOMKilled 137");
    assert_eq!(app.message("k1"), "a container ended with exit code 137");
    assert_eq!(app.wait_for_log("k1"), "hungry\n");
    assert_eq!(app.exits("k1"), ["main 137 OOMKilled"]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_job_past_its_deadline_is_stopped() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let slow = script("trap 'echo stopped; sleep 2; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    let job = json!({"activeDeadlineSeconds": 3, "template": {"spec": {"terminationGracePeriodSeconds": 20}}});
    app.launch("k1", &merged(slow, job));
    assert_eq!(app.end("k1"), "Failed DeadlineExceeded 9");
    assert_eq!(app.message("k1"), "Job was active longer than specified deadline");
    assert_eq!(app.wait_for_log("k1"), "ready\nstopped\n");
}

#[test]
#[ignore = "needs a cluster"]
fn init_containers_come_first_and_a_failed_one_fails_the_job() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let pod = |second: &str| {
        json!({
            "initContainers": [container("one", "echo one"), container("two", second)],
            "containers": [container("main", "echo main")],
        })
    };
    app.launch("good", &spec(json!({}), pod("echo two")));
    app.launch("bad", &spec(json!({}), pod("echo two; exit 4")));
    assert_eq!(app.end("good"), "Succeeded 0");
    assert_eq!(app.wait_for_log("good"), "one\ntwo\nmain\n");
    assert_eq!(app.exits("good"), ["one 0 Completed", "two 0 Completed", "main 0 Completed"]);
    assert_eq!(app.end("bad"), "Failed Error 4");
    assert_eq!(app.wait_for_log("bad"), "one\ntwo\n");
    assert_eq!(app.exits("bad"), ["one 0 Completed", "two 4 Error"]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_sidecar_ends_with_the_containers_it_serves_and_decides_nothing() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let serve = "echo at your service; touch /state/up; while :; do sleep 0.1; done";
    let sidecar = merged(with_state("sidecar", serve), json!({"restartPolicy": "Always"}));
    let pod = |code: u8| {
        let main = with_state("main", &format!("while [ ! -e /state/up ]; do sleep 0.1; done; echo main; exit {code}"));
        json!({"initContainers": [sidecar], "containers": [main], "volumes": state()})
    };
    app.launch("good", &spec(json!({}), pod(0)));
    app.launch("bad", &spec(json!({}), pod(7)));
    assert_eq!(app.end("good"), "Succeeded 0");
    assert_eq!(app.end("bad"), "Failed Error 7", "{}", app.story("bad"));
    for id in ["good", "bad"] {
        assert_eq!(app.wait_for_log(id), "at your service\nmain\n");
    }
}

#[test]
#[ignore = "needs a cluster"]
fn the_lines_of_several_containers_come_in_the_order_of_time() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let wait = |file: &str| format!("while [ ! -e /state/{file} ]; do sleep 0.1; done");
    let one = with_state("one", &format!("echo 1; touch /state/a; {}; echo 3; touch /state/c; exit 1", wait("b")));
    let two = with_state("two", &format!("{}; echo 2; touch /state/b; {}; echo 4", wait("a"), wait("c")));
    app.launch("k1", &spec(json!({}), json!({"containers": [one, two], "volumes": state()})));
    assert_eq!(app.end("k1"), "Failed Error 1");
    assert_eq!(app.wait_for_log("k1"), "1\n2\n3\n4\n");
    assert_eq!(app.exits("k1").len(), 2);
    let answer = app.request("GET", "/api/v1/jobs/k1/logs").header("accept", "application/x-ndjson").send();
    let lines = answer.body.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let containers: Vec<_> = lines.map(|line| line["container"].as_str().unwrap().to_owned()).collect();
    assert_eq!(containers, ["one", "two", "one", "two"]);
}

/// A job of three pods, each of which does its index's own thing.
fn indexed(job: serde_json::Value, script: &str) -> serde_json::Value {
    let job = merged(json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3}), job);
    spec(job, json!({"containers": [container("main", script)]}))
}

#[test]
#[ignore = "needs a cluster"]
fn an_indexed_job_fails_with_the_indexes_that_failed() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let fails = "echo index $JOB_COMPLETION_INDEX; [ $JOB_COMPLETION_INDEX != 1 ] || exit 8";
    let job = json!({"backoffLimitPerIndex": 0, "backoffLimit": null});
    app.launch("k1", &indexed(job.clone(), fails));
    app.launch("k2", &indexed(merged(job, json!({"maxFailedIndexes": 0})), fails));
    assert_eq!(app.end("k1"), "Failed FailedIndexes 8");
    assert!(app.message("k1").contains("failed indexes"), "{}", app.message("k1"));
    let log = app.wait_for_log("k1");
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["index 0", "index 1", "index 2"]);
    assert_eq!(app.end("k2"), "Failed MaxFailedIndexesExceeded 8");
}

#[test]
#[ignore = "needs a cluster"]
fn an_indexed_job_that_succeeds() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    app.launch("k1", &indexed(json!({}), "echo index $JOB_COMPLETION_INDEX"));
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.wait_for_log("k1").lines().count(), 3);
    assert_eq!(app.exits("k1"), ["main 0 Completed"; 3]);
}

#[test]
#[ignore = "needs a cluster"]
fn a_success_policy_lets_a_job_succeed_early() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let leads = "[ $JOB_COMPLETION_INDEX = 0 ] || exec sleep 1000; echo leader";
    let policy = json!({"successPolicy": {"rules": [{"succeededIndexes": "0"}]}});
    app.launch("k1", &indexed(policy, leads));
    assert_eq!(app.end("k1"), "Succeeded 0");
    assert_eq!(app.wait_for_log("k1"), "leader\n");
}

#[test]
#[ignore = "needs a cluster"]
fn a_pod_failure_policy_lets_a_job_fail_at_once() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let rule = json!({"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}});
    let job = json!({"backoffLimit": 6, "podFailurePolicy": {"rules": [rule]}});
    app.launch("k1", &merged(script("echo hopeless; exit 42"), job));
    assert_eq!(app.end("k1"), "Failed PodFailurePolicy 42");
    assert!(app.message("k1").contains("exit code 42"), "{}", app.message("k1"));
    assert_eq!(app.wait_for_log("k1"), "hopeless\n");
}

#[test]
#[ignore = "needs a cluster"]
fn a_program_that_is_not_in_the_image_fails_the_job() {
    let cluster = Cluster::new();
    let app = cluster.serve();
    let main = json!({"name": "main", "image": busybox(), "command": ["/no/such/program"]});
    app.launch("k1", &spec(json!({}), json!({"containers": [main]})));
    assert_eq!(app.end("k1"), "Failed StartError 128");
    assert!(app.message("k1").contains("/no/such/program"), "{}", app.message("k1"));
}
