//! Launches whose answer was lost, and whose object is gone before anybody has seen it: its name is free again, and a
//! second one must not be made all the same.

use jobwright::executor::{CreateOutcome, Executor};
use serde_json::json;

use crate::api_server::{Fault, Kind};
use crate::house::{House, intent, name};

const CREATES: &str = "POST /jobs?";
/// The requests that look for what has become of a create.
const LOOKS: &str = "GET /jobs? fieldSelector=";
const LOOKS_BACK: &str = "GET /jobs? fieldSelector= watch=true";

async fn unknown(house: &House) {
    let outcome = house.executor.create(&intent("k1")).await;
    assert!(matches!(outcome, CreateOutcome::Unknown { .. }), "{outcome:?}");
}

/// An object was made, and the answer lost.
async fn lost(house: &House) -> String {
    house.server.script(CREATES, Fault::CutAfterwards);
    unknown(house).await;
    let there = house.server.get(Kind::Job, &name("k1")).unwrap();
    there["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_made_and_deleted_unseen_is_gone_and_not_made_again() {
    let house = House::new();
    let uid = lost(&house).await;
    house.server.remove(Kind::Job, &name("k1"));
    match house.executor.create(&intent("k1")).await {
        CreateOutcome::Gone { object } => assert_eq!((object.name, object.uid), (name("k1"), uid)),
        other => panic!("{other:?}"),
    }
    assert_eq!(house.server.created(), [name("k1")]);
    assert_eq!(house.server.arrived(CREATES).len(), 1, "nothing was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_there_is_adopted_without_another_create() {
    let house = House::new();
    let uid = lost(&house).await;
    assert_eq!(house.launch("k1").await.uid, uid);
    assert_eq!(house.server.arrived(CREATES).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_there_and_on_its_way_out_is_shown_as_leaving() {
    let house = House::new();
    let uid = lost(&house).await;
    let mark = json!({"metadata": {"deletionTimestamp": "2026-01-31T09:00:07Z", "finalizers": ["foregroundDeletion"]}});
    house.server.change(Kind::Job, &name("k1"), mark);
    let outcome = house.executor.create(&intent("k1")).await;
    assert!(matches!(&outcome, CreateOutcome::Leaving { object } if object.uid == uid), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_never_arrived_is_sent_again_once_the_past_is_read() {
    let house = House::new();
    house.server.script(CREATES, Fault::Cut);
    unknown(&house).await;
    house.launch("k1").await;
    assert_eq!(house.server.arrived(LOOKS_BACK).len(), 1);
    assert_eq!(house.server.created(), [name("k1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_again_while_the_past_cannot_be_read() {
    let failures = [
        (LOOKS, Fault::Cut),
        (LOOKS, Fault::Hang),
        (LOOKS, Fault::Refuse(500, "InternalError", "etcdserver: no leader")),
        (LOOKS_BACK, Fault::Refuse(503, "ServiceUnavailable", "later")),
        (LOOKS_BACK, Fault::WatchError(500, "InternalError")),
        (LOOKS_BACK, Fault::SilentAfter(0)),
        (LOOKS_BACK, Fault::CutAfter(1)),
    ];
    let tries = failures.into_iter().map(|(wanted, fault)| async move {
        let house = House::new();
        lost(&house).await;
        house.server.remove(Kind::Job, &name("k1"));
        house.server.script(wanted, fault.clone());
        unknown(&house).await;
        let outcome = house.executor.create(&intent("k1")).await;
        assert!(matches!(outcome, CreateOutcome::Gone { .. }), "{fault:?}: {outcome:?}");
        assert_eq!(house.server.created().len(), 1, "{fault:?}");
    });
    futures_util::future::join_all(tries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_old_makes_no_second_object() {
    let house = House::new();
    let before = house.server.version();
    let uid = lost(&house).await;
    // Whether it is still there or not.
    house.server.remove(Kind::Job, &name("k1"));
    house.server.script(LOOKS, Fault::Stale(before));
    assert_eq!(house.launch("k1").await.uid, uid);
    assert_eq!(house.server.created().len(), 1);
}

/// What cannot be helped: a server that has forgotten an object is none that ever had it.
#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_is_not_remembered_keeps_no_job_from_its_object() {
    let house = House::new();
    lost(&house).await;
    house.server.remove(Kind::Job, &name("k1"));
    house.server.forget_history();
    house.launch("k1").await;
    assert_eq!(house.server.created().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_of_an_earlier_job_of_that_id_is_not_taken_for_one_of_this() {
    let house = House::new();
    lost(&house).await;
    let earlier = house.launch("k1").await;
    house.executor.delete(&earlier).await.unwrap();
    // Another job of that ID, whose create never arrives. The past shows how the earlier one came and went.
    house.server.script(CREATES, Fault::Cut);
    unknown(&house).await;
    assert_ne!(house.launch("k1").await.uid, earlier.uid);
    assert_eq!(house.server.created().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_its_handshake_has_sent_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let executor = crate::house::executor(&format!("https://{}", listener.local_addr().unwrap()));
    // Whoever connects is hung up on.
    let hanging_up = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let outcome = executor.create(&intent("k1")).await;
    assert!(matches!(outcome, CreateOutcome::Unsent { .. }), "{outcome:?}");
    hanging_up.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_connection_came_about_there_is_no_past_to_be_read() {
    let mut house = House::new();
    house.server.go_away();
    let outcome = house.executor.create(&intent("k1")).await;
    assert!(matches!(outcome, CreateOutcome::Unsent { .. }), "{outcome:?}");
    house.server.come_back();
    house.launch("k1").await;
    assert_eq!(house.server.arrived(LOOKS_BACK).len(), 0);
}
