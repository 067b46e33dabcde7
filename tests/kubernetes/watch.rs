//! Watches: what is shown is what there is, whatever becomes of the connection.

use jobwright::executor::Observation;
use jobwright::executor::kubernetes::client::Timeouts;
use jobwright::job::{Evidence, Phase};
use serde_json::json;

use crate::api_server::{Fault, Kind};
use crate::house::{House, Watch, exited, intent, name, running};

const JOB_WATCHES: &str = "GET /jobs? watch=true";
const POD_WATCHES: &str = "GET /pods? watch=true";

fn reason(watch: &Watch, id: &str) -> (Phase, Option<String>) {
    let verdict = watch.status(id).verdict();
    (verdict.phase, verdict.reason)
}

/// How often Jobs were listed.
fn lists(house: &House) -> usize {
    let all = house.server.arrived("GET /jobs? labelSelector=");
    all.iter().filter(|it| !it.line.contains("watch=true") && !it.line.contains("continue=")).count()
}

#[test]
fn a_quiet_watch_ends_before_it_would_count_as_a_dead_connection() {
    let usual = Timeouts::default();
    assert!(std::time::Duration::from_secs(u64::from(usual.watch_seconds)) < usual.read);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_comes_first_and_only_of_this_installation() {
    let house = House::new();
    house.launch("k1").await;
    house.server.add(Kind::Job, json!({"metadata": {"name": "foreign"}, "spec": {}}));
    let mut watch = Watch::of(&house.executor);
    assert_eq!(watch.list().await, [name("k1")]);
    assert_eq!(watch.shown.len(), 1, "nothing comes before the list");
    let asked = &house.server.arrived("GET /jobs? labelSelector=")[0].line;
    assert!(asked.contains("app.kubernetes.io/managed-by=jobwright,jobwright.dev/installation=here"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_from_its_creation_to_its_end() {
    let house = House::new();
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    let object = house.launch("k1").await;
    watch.until_status("k1", |it| it.verdict().phase == Phase::Waiting).await;
    house.server.add_pod(
        &object.name,
        "p1",
        json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}),
    );
    watch.until_status("k1", |it| it.verdict().reason.as_deref() == Some("Unschedulable")).await;
    house.server.set_pod("p1", running());
    watch.until_status("k1", |it| it.verdict().phase == Phase::Running).await;
    house.server.set_pod("p1", exited(3));
    watch.until_status("k1", |it| it.verdict().exit_code == Some(3)).await;
    house.server.conclude(&object.name, "Failed", "BackoffLimitExceeded");
    let verdict = watch.until_status("k1", |it| it.ended.is_some()).await.verdict();
    assert_eq!((verdict.phase, verdict.reason.as_deref()), (Phase::Failed, Some("Error")));
    assert!(watch.complaints().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_pods_are_told_by_events() {
    let house = House::new();
    let object = house.launch("k1").await;
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    let quota = "Error creating: pods \"p\" is forbidden: exceeded quota: none, requested: pods=1";
    house.server.warn_about(Kind::Job, &object.name, "FailedCreate", quota);
    watch.until_status("k1", |it| it.verdict().reason.as_deref() == Some("QuotaExceeded")).await;
    assert!(house.server.arrived("GET /events?")[0].line.contains("fieldSelector=type=Warning"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_those_reasons_is_told_where_events_may_not_be_seen() {
    let house = House::new();
    house.server.script_times(1000, "GET /events?", Fault::Refuse(403, "Forbidden", "may not"));
    let object = house.launch("k1").await;
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    house.server.add_pod(&object.name, "p1", running());
    watch.until_status("k1", |it| it.verdict().phase == Phase::Running).await;
    house.server.wait_for(2, "GET /events?");
    assert!(watch.complaints().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_watch_is_no_failure_and_needs_no_new_list() {
    let house = House::new();
    house.launch("k1").await;
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    let looking = tokio::spawn(async move {
        watch.until(|it| matches!(it, Observation::Changed(job, _) if job.as_str() == "k2")).await;
        watch
    });
    house.server.wait_for(4, JOB_WATCHES);
    house.launch("k2").await;
    let watch = looking.await.unwrap();
    assert!(watch.complaints().is_empty());
    assert_eq!(lists(&house), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_falls_silent_is_noticed_and_loses_nothing() {
    let house = House::new();
    house.server.script(JOB_WATCHES, Fault::SilentAfter(0));
    house.server.script(POD_WATCHES, Fault::SilentAfter(0));
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    house.server.wait_for(1, JOB_WATCHES);
    house.server.wait_for(1, POD_WATCHES);
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", running());
    watch.until_status("k1", |it| it.verdict().phase == Phase::Running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_while_the_server_was_away_is_missing_in_the_next_list() {
    let mut house = House::new();
    house.launch("k1").await;
    house.launch("k2").await;
    let mut watch = Watch::of(&house.executor);
    assert_eq!(watch.list().await, [name("k1"), name("k2")]);
    house.server.go_away();
    let away = watch.until(|it| matches!(it, Observation::Unreachable(_))).await;
    house.server.remove(Kind::Job, &name("k1"));
    house.server.come_back();
    while watch.list().await != [name("k2")] {}
    assert_eq!(watch.complaints().len(), 1, "it is said once: {away:?}");
    let gone = |it: &Observation| matches!(it, Observation::Changed(_, Evidence::Gone { .. }));
    assert!(!watch.shown.iter().any(gone), "nobody saw it go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_empty_shows_an_empty_list() {
    let mut house = House::new();
    house.launch("k1").await;
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    house.server.go_away();
    house.server.remove(Kind::Job, &name("k1"));
    house.server.come_back();
    // The watch of pods may be back before that of Jobs has noticed anything.
    while !watch.list().await.is_empty() {}
    house.launch("k2").await;
    watch.until(|it| matches!(it, Observation::Changed(job, _) if job.as_str() == "k2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_was_forgotten_is_no_failure_but_needs_a_list() {
    let house = House::new();
    house.launch("k1").await;
    house.server.script(JOB_WATCHES, Fault::WatchError(410, "Expired"));
    house.server.script(JOB_WATCHES, Fault::Refuse(410, "Expired", "too old resource version"));
    let mut watch = Watch::of(&house.executor);
    for _ in 0..3 {
        assert_eq!(watch.list().await, [name("k1")]);
    }
    house.launch("k2").await;
    watch.until_status("k2", |it| it.seen.is_some()).await;
    assert!(watch.complaints().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_or_fails_begins_anew_with_a_list() {
    let house = House::new();
    house.server.script(JOB_WATCHES, Fault::CutAfter(1));
    house.server.script(JOB_WATCHES, Fault::WatchError(500, "InternalError"));
    house.server.script(JOB_WATCHES, Fault::Refuse(429, "TooManyRequests", "slow down"));
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    house.launch("k1").await;
    house.launch("k2").await;
    watch.until_status("k2", |it| it.seen.is_some()).await;
    assert_eq!(watch.status("k1").verdict().phase, Phase::Waiting);
    loop {
        if watch.list().await.len() == 2 && house.server.arrived(JOB_WATCHES).len() >= 3 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_change_nothing() {
    let house = House::new();
    house.server.script_times(100, JOB_WATCHES, Fault::Double);
    house.server.script_times(100, POD_WATCHES, Fault::Double);
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", exited(0));
    house.server.conclude(&object.name, "Complete", "");
    watch.until_status("k1", |it| it.ended.is_some() && it.verdict().exit_code == Some(0)).await;
    assert_eq!(reason(&watch, "k1"), (Phase::Succeeded, None));
    house.server.collect(&object.name);
    watch.until_status("k1", |it| it.gone.is_some()).await;
    assert_eq!(reason(&watch, "k1"), (Phase::Succeeded, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_old_to_be_read_on_begins_anew() {
    let house = House::new();
    many(&house, 600);
    house
        .server
        .script("GET /jobs? continue=", Fault::Refuse(410, "Expired", "the provided continue parameter is too old"));
    let mut watch = Watch::of(&house.executor);
    assert_eq!(watch.list().await.len(), 600);
    assert!(watch.complaints().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_jobs_come_in_one_list_page_by_page() {
    let house = House::new();
    many(&house, 5_000);
    let mut watch = Watch::of(&house.executor);
    assert_eq!(watch.list().await.len(), 5_000);
    assert_eq!(house.server.arrived("GET /jobs? continue=").len(), 9);
    house.server.set_pod("p4711", exited(0));
    let shown = watch.next().await;
    assert!(matches!(&shown, Observation::Changed(job, _) if job.as_str() == "k4711"), "{shown:?}");
}

/// So many jobs with a pod each.
fn many(house: &House, count: usize) {
    for number in 0..count {
        let id = format!("k{number}");
        house.server.add(Kind::Job, intent(&id).manifest);
        house.server.add_pod(&name(&id), &format!("p{number}"), running());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_are_left_behind_are_told_of() {
    let house = House::new();
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", running());
    let mut watch = Watch::of(&house.executor);
    watch.until_status("k1", |it| it.verdict().phase == Phase::Running).await;
    house.server.change(
        Kind::Job,
        &object.name,
        json!({"metadata": {
        "deletionTimestamp": "2026-01-31T09:00:07Z", "finalizers": ["orphan"]}}),
    );
    house.server.remove(Kind::Job, &object.name);
    let verdict = watch.until_status("k1", |it| it.ended.is_some()).await.verdict();
    assert_eq!((verdict.phase, verdict.reason.as_deref()), (Phase::Cancelled, Some("Deleted")));
    let message = "its object was deleted by someone else while a container ran, and its pods were left running";
    assert_eq!(verdict.message.as_deref(), Some(message));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_in_the_wrong_order_change_nothing_in_the_end() {
    let house = House::new();
    house.server.script_times(100, JOB_WATCHES, Fault::Reversed);
    house.server.script_times(100, POD_WATCHES, Fault::Reversed);
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", running());
    house.server.set_pod("p1", exited(3));
    house.server.conclude(&object.name, "Failed", "BackoffLimitExceeded");
    watch.until_status("k1", |it| it.ended.is_some()).await;
    house.server.collect(&object.name);
    watch.until_status("k1", |it| it.gone.is_some()).await;
    assert_eq!(watch.status("k1").verdict().phase, Phase::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_watch_goes_on_from_where_the_server_says_it_is() {
    let house = House::new();
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    // Much comes to pass that is none of ours, and is forgotten.
    let foreign = house.server.add(Kind::Job, json!({"metadata": {"name": "foreign"}, "spec": {}}));
    let version = foreign["metadata"]["resourceVersion"].as_str().unwrap();
    house.server.wait_for(1, &format!("{JOB_WATCHES} resourceVersion={version}"));
    house.launch("k1").await;
    watch.until_status("k1", |it| it.seen.is_some()).await;
    assert_eq!(lists(&house), 1, "a bookmark has kept it from listing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_restored_from_a_backup_is_listened_to_although_its_versions_are_old() {
    let mut house = House::new();
    house.launch("k1").await;
    let backup = house.server.version();
    for number in 2..20 {
        house.launch(&format!("k{number}")).await;
    }
    let mut watch = Watch::of(&house.executor);
    watch.list().await;
    // So that it has seen how far the server was.
    house.server.conclude(&name("k2"), "Complete", "");
    watch.until_status("k2", |it| it.ended.is_some()).await;
    house.server.go_away();
    house.server.restore(backup);
    house.server.come_back();
    while watch.list().await != [name("k1")] {}
    house.server.conclude(&name("k1"), "Complete", "");
    watch.until_status("k1", |it| it.ended.is_some()).await;
    house.launch("new").await;
    watch.until_status("new", |it| it.seen.is_some()).await;
}
