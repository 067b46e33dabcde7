//! What each state of a Job or a Pod comes to as evidence. The objects are as a real API server shows them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::samples::{at, exited, job, main, pod, pod_in, running, waiting, with_conditions};
use super::*;

fn seen(job: &Job) -> Snapshot {
    snapshot(job, reference(job).unwrap(), at(100))
}

fn container(pod: &Pod) -> ContainerStatus {
    pod_status(pod, at(100)).containers["main"].clone()
}

fn reason(pod: &Pod) -> (Option<String>, Option<String>) {
    let status = pod_status(pod, at(100));
    (status.reason, status.message)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

// Jobs

#[test]
fn a_job_names_its_object_and_the_job_it_was_made_for() {
    let shown = job("u1", json!({}));
    assert_eq!(job_id(&shown).unwrap().as_str(), "k-u1");
    let object = reference(&shown).unwrap();
    assert_eq!((object.name.as_str(), object.namespace.as_str(), object.uid.as_str()), ("hello-u1", "jobs", "u1"));
    let foreign = job("u1", json!({"metadata": {"annotations": {"jobwright.dev/job-id": "no job ID"}}}));
    assert_eq!(job_id(&foreign), None, "an annotation that somebody wrote by hand names no job");
}

#[test]
fn a_job_without_a_status_has_not_ended() {
    let shown = seen(&job("u1", json!({})));
    assert_eq!(shown, Snapshot::new(shown.object.clone(), 0, at(100)));
}

#[test]
fn a_job_is_suspended_by_its_spec() {
    assert!(seen(&job("u1", json!({"spec": {"suspend": true}}))).suspended);
    assert!(!seen(&job("u1", json!({"spec": {"suspend": false}}))).suspended);
}

#[test]
fn a_job_is_complete_at_its_completion_time() {
    let mut done = with_conditions("u1", &[("SuccessCriteriaMet", 6, "CompletionsReached"), ("Complete", 8, "")]);
    assert_eq!(seen(&done).conclusion, Some(Conclusion::Complete { at: at(8) }));
    done.status.as_mut().unwrap().completion_time = serde_json::from_value(json!(at(7))).unwrap();
    assert_eq!(seen(&done).conclusion, Some(Conclusion::Complete { at: at(7) }));
}

#[test]
fn a_job_ends_with_its_last_condition_and_not_with_the_one_that_announces_it() {
    let met = with_conditions("u1", &[("SuccessCriteriaMet", 6, "SuccessPolicy")]);
    assert_eq!(seen(&met).conclusion, None, "pods of other indexes still run");
    let target = with_conditions("u1", &[("FailureTarget", 6, "DeadlineExceeded")]);
    assert_eq!(seen(&target).conclusion, None, "its pods are only now told to stop");
}

#[test]
fn a_success_policy_makes_a_job_complete_though_indexes_failed() {
    let conditions = [("SuccessCriteriaMet", 6, "SuccessPolicy"), ("Complete", 8, "SuccessPolicy")];
    let mut shown = with_conditions("u1", &conditions);
    let status = shown.status.as_mut().unwrap();
    (status.completed_indexes, status.failed_indexes) = (text("0,2-4"), text("1"));
    let shown = seen(&shown);
    assert_eq!(shown.conclusion, Some(Conclusion::Complete { at: at(8) }));
    assert_eq!((shown.completed_indexes, shown.failed_indexes), (text("0,2-4"), text("1")));
}

#[test]
fn a_job_fails_for_the_reason_it_gives() {
    for why in [
        "BackoffLimitExceeded",
        "DeadlineExceeded",
        "PodFailurePolicy",
        "FailedIndexes",
        "MaxFailedIndexesExceeded",
        "AReasonOfTheFuture",
    ] {
        let Some(Conclusion::Failed { at: when, reason, message }) =
            seen(&with_conditions("u1", &[("FailureTarget", 6, why), ("Failed", 8, why)])).conclusion
        else {
            panic!("{why}");
        };
        assert_eq!((when, reason.as_str(), message.as_str()), (at(8), why, "so it is"));
    }
    let Some(Conclusion::Failed { reason, .. }) = seen(&with_conditions("u1", &[("Failed", 8, "")])).conclusion else {
        panic!("a failure without a reason is one too");
    };
    assert_eq!(reason, "Failed");
}

#[test]
fn a_condition_that_does_not_hold_says_nothing() {
    let mut shown = with_conditions("u1", &[("Failed", 8, "DeadlineExceeded"), ("Complete", 8, "")]);
    for condition in shown.status.as_mut().unwrap().conditions.as_mut().unwrap() {
        condition.status = "False".to_owned();
    }
    assert_eq!(seen(&shown).conclusion, None);
}

#[test]
fn indexes_that_are_none_are_not_shown() {
    let shown = seen(&job("u1", json!({"status": {"completedIndexes": "", "failedIndexes": ""}})));
    assert_eq!((shown.completed_indexes, shown.failed_indexes), (None, None));
}

fn deleted_at(second: i64, finalizers: &[&str], mut job: Job) -> Job {
    job.metadata.deletion_timestamp = serde_json::from_value(json!(at(second))).unwrap();
    job.metadata.finalizers = Some(finalizers.iter().map(|&it| it.to_owned()).collect());
    job
}

#[test]
fn a_job_that_fails_because_it_is_being_deleted_has_not_failed() {
    let failed = || with_conditions("u1", &[("Failed", 8, "BackoffLimitExceeded")]);
    let foreground = &["foregroundDeletion"];
    assert_eq!(seen(&deleted_at(7, foreground, failed())).conclusion, None);
    assert_eq!(seen(&deleted_at(8, foreground, failed())).conclusion, None, "times are in whole seconds");
    assert!(seen(&deleted_at(9, foreground, failed())).conclusion.is_some(), "it had failed before");
    let complete = with_conditions("u1", &[("Complete", 8, "")]);
    assert!(seen(&deleted_at(7, foreground, complete)).conclusion.is_some(), "what succeeded has succeeded");
}

#[test]
fn a_job_shows_that_its_pods_will_be_left_behind() {
    assert!(seen(&deleted_at(7, &["orphan"], job("u1", json!({})))).orphaning);
    assert!(!seen(&deleted_at(7, &["foregroundDeletion"], job("u1", json!({})))).orphaning);
    assert!(!seen(&deleted_at(7, &["somebody.example/else"], job("u1", json!({})))).orphaning);
    let kept = job("u1", json!({"metadata": {"finalizers": ["orphan"]}}));
    assert!(!seen(&kept).orphaning, "it is not being deleted at all");
}

// Pods

#[test]
fn a_pod_belongs_to_the_job_that_its_label_names() {
    assert_eq!(controller_uid(&pod("p", "u1", json!({}))), Some("u1"));
    let other = pod("p", "u1", json!({"metadata": {"labels": null}}));
    assert_eq!(controller_uid(&other), None);
}

#[test]
fn a_new_pod_shows_when_it_came_its_node_and_its_index() {
    let shown = pod_status(&pod("p", "u1", json!({})), at(100));
    assert_eq!((shown.created, shown.node, shown.index, shown.deleting), (at(1), None, None, false));
    assert!(shown.containers.is_empty());
    let placed = json!({
        "metadata": {"annotations": {"batch.kubernetes.io/job-completion-index": "3"}, "deletionTimestamp": at(9)},
        "spec": {"nodeName": "n1"},
    });
    let shown = pod_status(&pod("p", "u1", placed), at(100));
    assert_eq!((shown.node.as_deref(), shown.index, shown.deleting), (Some("n1"), Some(3), true));
}

#[test]
fn a_pod_that_is_deleted_while_it_runs_was_interrupted() {
    let interrupted = |state: Value, asked: i64| {
        let shown = json!({
            "metadata": {"deletionTimestamp": at(asked + 30), "deletionGracePeriodSeconds": 30},
            "status": {"containerStatuses": [{"name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}]},
        });
        pod_status(&pod("p", "u1", shown), at(100)).interrupted
    };
    let ended = json!({"terminated": {"exitCode": 143, "startedAt": at(2), "finishedAt": at(10)}});
    assert!(interrupted(json!({"running": {"startedAt": at(2)}}), 9));
    assert!(interrupted(ended.clone(), 9), "it was told to stop, then it did");
    assert!(!interrupted(ended, 12), "it had ended by itself");
}

#[test]
fn a_container_that_never_ran_did_not_end() {
    let lost = |started: Value| {
        let ended =
            json!({"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": started, "finishedAt": null});
        let shown = json!({"status": {"containerStatuses": [
            {"name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": ended}},
        ]}});
        pod_status(&pod("p", "u1", shown), at(100)).containers["main"].state.clone()
    };
    assert_eq!(lost(Value::Null), ContainerState::Waiting { reason: None, message: None });
    assert!(matches!(lost(json!(at(2))), ContainerState::Terminated { exit_code: 137, .. }));
}

#[test]
fn a_pod_that_no_node_can_take_says_why() {
    let message = "0/3 nodes are available: 3 Insufficient cpu.";
    let shown = pod(
        "p",
        "u1",
        json!({"status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}}),
    );
    assert_eq!(reason(&shown), (text("Unschedulable"), text(message)));
    let gated = pod(
        "p",
        "u1",
        json!({"status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}]}}),
    );
    assert_eq!(reason(&gated).0, text("SchedulingGated"));
}

#[test]
fn a_container_waits_for_the_reason_it_gives() {
    for why in [
        "ContainerCreating",
        "PodInitializing",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "CrashLoopBackOff",
    ] {
        let state = container(&pod_in("p", "u1", waiting(why, "so it is"))).state;
        assert_eq!(state, ContainerState::Waiting { reason: text(why), message: text("so it is") });
    }
    let state = container(&pod_in("p", "u1", json!({}))).state;
    assert_eq!(state, ContainerState::Waiting { reason: None, message: None }, "no state at all is waiting");
}

#[test]
fn a_container_runs_since_it_was_started() {
    assert_eq!(container(&pod_in("p", "u1", running())).state, ContainerState::Running { started: at(2) });
}

#[test]
fn a_container_ends_with_its_exit_code_and_its_last_words() {
    let mut state = exited(3, "Error");
    state["terminated"]["message"] = json!("disk full");
    state["terminated"]["signal"] = json!(9);
    let ContainerState::Terminated { exit_code, signal, reason, message, started, finished } =
        container(&pod_in("p", "u1", state)).state
    else {
        panic!("it has ended");
    };
    assert_eq!((exit_code, signal, reason.as_str()), (3, Some(9), "Error"));
    assert_eq!((message, started, finished), (text("disk full"), Some(at(2)), at(5)));
}

#[test]
fn a_container_ends_with_a_word_in_any_case() {
    let word = |code, given: &str| match container(&pod_in("p", "u1", exited(code, given))).state {
        ContainerState::Terminated { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(word(137, "OOMKilled"), "OOMKilled");
    assert_eq!(word(128, "StartError"), "StartError");
    assert_eq!(word(0, ""), "Completed");
    assert_eq!(word(2, ""), "Error");
}

#[test]
fn a_container_that_never_started_has_no_start() {
    let epoch = "1970-01-01T00:00:00Z";
    let state = json!({"terminated": {"exitCode": 128, "reason": "StartError", "startedAt": epoch,
        "finishedAt": epoch}});
    let ContainerState::Terminated { started, finished, .. } = container(&pod_in("p", "u1", state)).state else {
        panic!("it has ended");
    };
    assert_eq!((started, finished), (None, at(100)), "it ended no later than it was seen");
}

#[test]
fn restarts_count_runs_and_the_last_exit_stays_known() {
    let of = |count: u32, state: Value| {
        let mut shown = main(state);
        shown["restartCount"] = json!(count);
        shown["lastState"] = exited(7, "Error");
        container(&pod("p", "u1", json!({"status": {"containerStatuses": [shown]}})))
    };
    let last = LastExit { finished: at(5), exit_code: 7, reason: "Error".to_owned() };
    let again = of(2, running());
    assert_eq!((again.restarts, again.last_exit.as_ref()), (2, Some(&last)));
    // While it waits for its next start, the one that ended is not the current one any more.
    let waits = of(1, waiting("CrashLoopBackOff", "back-off 10s"));
    assert_eq!((waits.restarts, waits.last_exit.as_ref()), (2, Some(&last)));
}

#[test]
fn init_containers_are_told_from_the_others() {
    let shown = pod(
        "p",
        "u1",
        json!({"status": {
            "initContainerStatuses": [{"name": "first", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": exited(0, "Completed")}],
            "containerStatuses": [main(waiting("PodInitializing", ""))],
        }}),
    );
    let containers = pod_status(&shown, at(100)).containers;
    assert!(containers["first"].init && !containers["main"].init);
}

#[test]
fn a_pod_that_was_ended_from_outside_says_by_whom() {
    let of_kubelet = pod(
        "p",
        "u1",
        json!({"status": {"phase": "Failed", "reason": "Evicted",
        "message": "The node was low on resource: memory."}}),
    );
    assert_eq!(reason(&of_kubelet), (text("Evicted"), text("The node was low on resource: memory.")));
    let deadline = pod(
        "p",
        "u1",
        json!({"status": {"phase": "Failed", "reason": "DeadlineExceeded",
        "message": "Pod was active on the node longer than the specified deadline"}}),
    );
    assert_eq!(reason(&deadline).0, text("DeadlineExceeded"));
    for (condition, shown) in [
        ("EvictionByEvictionAPI", "Evicted"),
        ("TerminationByKubelet", "Evicted"),
        ("PreemptionByScheduler", "Preempted"),
        ("DeletionByTaintManager", "NodeLost"),
        ("DeletionByPodGC", "NodeLost"),
        ("SomethingNew", "SomethingNew"),
    ] {
        let ended = pod(
            "p",
            "u1",
            json!({"status": {"phase": "Failed", "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "DisruptionTarget", "status": "True", "reason": condition, "message": "so it is"}]}}),
        );
        assert_eq!(reason(&ended), (text(shown), text("so it is")), "{condition}");
    }
}

#[test]
fn a_pod_on_a_node_that_is_lost_says_so() {
    let shown = pod(
        "p",
        "u1",
        json!({"metadata": {"deletionTimestamp": at(9)}, "status": {"reason": "NodeLost",
        "message": "Node n1 which was running pod p is unresponsive", "containerStatuses": [main(running())]}}),
    );
    let status = pod_status(&shown, at(100));
    assert_eq!((status.reason, status.deleting), (text("NodeLost"), true));
}

/// Some JSON that may or may not be what a field of a pod's status holds.
fn anything() -> impl Strategy<Value = Value> {
    let state = prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(running()),
        Just(exited(0, "")),
        (any::<i32>(), "[A-Za-z]{0,12}").prop_map(|(code, word)| exited(code, &word)),
        "[A-Za-z]{0,12}".prop_map(|word| waiting(&word, "")),
    ];
    (state.clone(), state, any::<i32>(), any::<bool>()).prop_map(|(state, last, restarts, reason)| {
        let mut shown = main(state);
        (shown["lastState"], shown["restartCount"]) = (last, json!(restarts));
        let reason = if reason { json!("") } else { json!(null) };
        json!({"status": {"reason": reason, "containerStatuses": [shown]}})
    })
}

proptest! {
    /// Whatever a pod shows, a container is in one state, and one that has ended has a word for its end.
    #[test]
    fn every_status_has_its_evidence(fields in anything()) {
        let status = container(&pod("p", "u1", fields));
        if let ContainerState::Terminated { reason, .. } = &status.state {
            prop_assert!(!reason.is_empty());
        }
        if let Some(last) = &status.last_exit {
            prop_assert!(!last.reason.is_empty());
        }
    }
}
