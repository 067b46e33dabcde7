//! What a launch comes to whose name is taken, or was.

use super::*;

#[tokio::test]
async fn the_object_of_an_earlier_job_is_waited_for_until_its_name_is_free() {
    for taken in [Create::Leaving, Create::Vanished] {
        let fixture = Fixture::new([taken, taken]);
        let service = fixture.start().await;
        service.launch(request("k1")).await.unwrap();
        let job = until_phase(&service, "k1", Phase::Waiting).await;
        assert_eq!(job.object.unwrap().uid, "uid-1", "{taken:?}");
        assert_eq!(fixture.executor.creations().len(), 1);
    }
}

#[tokio::test]
async fn a_jobs_own_object_that_is_being_deleted_is_its_object_to_the_end() {
    let fixture = Fixture::new([Create::AnswerLost, Create::Leaving]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let job = until_phase(&service, "k1", Phase::Waiting).await;
    assert_eq!(job.object.unwrap().uid, "uid-1");
    fixture.executor.vanish(&id("k1"), true);
    let job = until_phase(&service, "k1", Phase::Cancelled).await;
    assert_eq!((job.reason.as_deref(), fixture.executor.creations().len()), (Some("Deleted"), 1));
}

#[tokio::test]
async fn a_jobs_own_object_that_was_deleted_is_not_made_again() {
    let mut fixture = Fixture::new([Create::AnswerLost, Create::Gone]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let job = until_phase(&service, "k1", Phase::Cancelled).await;
    assert_eq!((job.reason.as_deref(), job.object.unwrap().uid.as_str()), (Some("Deleted"), "uid-1"));
    assert_eq!(fixture.executor.creations().len(), 1);
    fixture.attempts.close();
    assert_eq!(std::iter::from_fn(|| fixture.attempts.try_recv().ok()).count(), 2);
}

#[tokio::test]
async fn an_object_that_had_the_name_after_a_lost_request_may_have_been_the_jobs_own() {
    let fixture = Fixture::new([Create::RequestLost, Create::Vanished]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let job = until_phase(&service, "k1", Phase::Lost).await;
    assert_eq!((job.reason.as_deref(), fixture.executor.creations().len()), (Some("ObjectGone"), 0));
}

/// An API server looks at quotas before it looks at names.
#[tokio::test]
async fn a_refusal_of_what_was_made_before_does_not_end_its_job() {
    let fixture = Fixture::new([Create::AnswerLost, Create::Refused]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let job = until_phase(&service, "k1", Phase::Waiting).await;
    assert_eq!(job.object.unwrap().uid, "uid-1");
    fixture.executor.exit(&id("k1"), 0, &["done"]);
    until_phase(&service, "k1", Phase::Succeeded).await;
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn a_refusal_where_nothing_was_made_before_ends_the_job() {
    let fixture = Fixture::new([Create::RequestLost, Create::Refused]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let job = until_phase(&service, "k1", Phase::Rejected).await;
    assert_eq!((job.reason.as_deref(), fixture.executor.creations().len()), (Some("Forbidden"), 0));
}

#[tokio::test]
async fn a_launch_that_was_never_sent_can_be_withdrawn() {
    let mut fixture = Fixture::new([Create::Unsent; 100]);
    let service = fixture.start().await;
    let (_, launched) = tokio::join!(
        async {
            fixture.attempts.recv().await.unwrap();
            service.cancel(&id("k1"), None).await.unwrap();
        },
        service.launch(request("k1")),
    );
    assert_eq!(launched.unwrap().job.phase, Phase::Cancelled);
    assert!(fixture.executor.creations().is_empty());
}

#[tokio::test]
async fn a_copy_of_an_object_under_another_name_is_not_the_jobs_own() {
    let mut fixture = Fixture::new([Create::Hangs]);
    let service = fixture.start().await;
    let launching = {
        let service = service.clone();
        tokio::spawn(async move { service.launch(request("k1")).await })
    };
    fixture.attempts.recv().await.unwrap();
    let object = crate::job::ObjectRef { name: "a-copy".into(), namespace: "fake".into(), uid: "uid-of-a-copy".into() };
    let copy = crate::job::Snapshot::new(object, 1, Timestamp::now());
    service.note(&id("k1"), crate::job::Fact::Evidence(crate::job::Evidence::Seen(Box::new(copy))));
    assert_eq!(service.0.ledger.job(&id("k1")).unwrap().unwrap().status.object, None);
    launching.abort();
}

#[tokio::test]
async fn what_was_refused_leaves_no_secret_on_record() {
    let fixture = Fixture::new([Create::Refused]);
    let service = fixture.start().await;
    let mut request = request("k1");
    request.parameters.insert("password".into(), json!("open sesame"));
    service.launch(request).await.unwrap();
    until_phase(&service, "k1", Phase::Rejected).await;
    let record = service.store().job(&id("k1")).unwrap().unwrap();
    let text = serde_json::to_string(&record.intent).unwrap();
    assert!(!text.contains("open sesame"), "{text}");
    assert!(text.contains(MASK), "{text}");
}
