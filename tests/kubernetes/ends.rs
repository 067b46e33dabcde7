//! Cancelling and deleting: which object, and what becomes of its pods.

use futures_util::StreamExt;
use jobwright::executor::{Executor, ExecutorError, LogOptions};
use jobwright::job::{ObjectRef, Phase};
use serde_json::json;

use crate::api_server::{Fault, Kind};
use crate::house::{House, Watch, exited, running};

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_the_pods_along_and_means_one_object_alone() {
    let house = House::new();
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", running());
    house.executor.delete(&object).await.unwrap();
    let sent = house.server.arrived("DELETE");
    assert_eq!(sent[0].body["propagationPolicy"], "Background", "by default the server would leave the pods running");
    assert_eq!(sent[0].body["preconditions"], json!({"uid": object.uid}));
    assert_eq!((house.server.all(Kind::Job).len(), house.server.all(Kind::Pod).len()), (0, 0));
    house.executor.delete(&object).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_under_the_same_name_is_left_alone() {
    let house = House::new();
    let object = house.launch("k1").await;
    let earlier = ObjectRef { uid: "an-earlier-one".to_owned(), ..object.clone() };
    house.executor.delete(&earlier).await.unwrap();
    house.executor.cancel(&earlier).await.unwrap();
    let there = house.server.get(Kind::Job, &object.name).unwrap();
    assert_eq!(there["metadata"]["deletionTimestamp"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_object_is_gone_when_its_pods_are() {
    let house = House::new();
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", running());
    let mut watch = Watch::of(&house.executor);
    watch.until_status("k1", |it| it.verdict().phase == Phase::Running).await;
    house.executor.cancel(&object).await.unwrap();
    assert_eq!(house.server.arrived("DELETE")[0].body["propagationPolicy"], "Foreground");
    // Its pod is stopped by that, which the Job controller may count as a failure before the object goes.
    house.server.set_pod("p1", exited(143));
    house.server.conclude(&object.name, "Failed", "BackoffLimitExceeded");
    let status = watch.until_status("k1", |it| it.verdict().exit_code == Some(143)).await;
    assert_eq!(status.verdict().phase, Phase::Running, "it is not over yet");
    house.server.collect(&object.name);
    let status = watch.until_status("k1", |it| it.ended.is_some()).await;
    assert_eq!((status.verdict().phase, status.verdict().exit_code), (Phase::Cancelled, Some(143)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_says_so_and_is_sent_once() {
    let house = House::new();
    let object = house.launch("k1").await;
    house.server.script("DELETE", Fault::Later(503, 1));
    let failed = house.executor.delete(&object).await;
    assert_eq!(failed, Err(ExecutorError::Unreachable("please wait".to_owned())));
    assert_eq!(house.server.arrived("DELETE").len(), 1);
    house.server.script("DELETE", Fault::Refuse(403, "Forbidden", "may not"));
    assert_eq!(house.executor.delete(&object).await, Err(ExecutorError::Refused("may not".to_owned())));
    house.server.script("DELETE", Fault::CutAfterwards);
    assert!(house.executor.delete(&object).await.is_err());
    assert_eq!(house.executor.delete(&object).await, Ok(()), "it was done all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_something_is_gone_is_believed_from_the_server_alone() {
    let no_backend = || Fault::Proxy(404, "<html>default backend - 404</html>");
    let house = House::new();
    let object = house.launch("k1").await;
    let unreachable = |result: Result<(), ExecutorError>| matches!(result, Err(ExecutorError::Unreachable(_)));
    for _ in 0..2 {
        house.server.script("DELETE", no_backend());
    }
    assert!(unreachable(house.executor.delete(&object).await));
    assert!(unreachable(house.executor.cancel(&object).await));
    house.server.script("GET /jobs/hello-k1", no_backend());
    assert!(unreachable(house.executor.find(&object.name).await.map(drop)));
    house.server.add_pod(&object.name, "p1", exited(0));
    house.server.script("GET /pods/p1/log?", no_backend());
    let mut lines = house.executor.logs(&object, LogOptions::default()).await.unwrap();
    assert!(matches!(lines.next().await, Some(Err(ExecutorError::Unreachable(_)))));
    assert!(house.server.get(Kind::Job, &object.name).is_some());
}
