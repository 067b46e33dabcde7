//! What comes to pass while nobody looks.

use super::*;

#[tokio::test]
async fn an_object_that_was_learned_of_during_a_list_and_deleted_before_it_was_read_is_missed() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    service.launch(request("k2")).await.unwrap();
    // The watch goes on from the list, and shows nothing of it ever.
    fixture.executor.vanish(&id("k1"), false);
    service.compare(Vec::new());
    assert_eq!(until_phase(&service, "k1", Phase::Lost).await.reason.as_deref(), Some("ObjectGone"));
    let other = service.store().job(&id("k2")).unwrap().unwrap();
    assert_eq!(other.status.ended, None, "it is asked for by its name, and there");
}
