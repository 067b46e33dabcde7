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
