//! Old records, and their objects.

use super::*;
use crate::store::Retention;

#[tokio::test]
async fn a_record_is_forgotten_with_its_object_so_that_nothing_of_it_meets_a_later_job_of_that_id() {
    // Without a time to live, the object stays until its job goes.
    let fixture = Fixture::with_ttl([], "null");
    let retention = Retention { max_age: None, max_jobs: Some(1) };
    let config = Config { retention_every: Duration::from_millis(10), ..Config::new("http://127.0.0.1:8080/") };
    let service = fixture.start_with(Options { retention, ..Options::default() }, config).await;
    let object = service.launch(request("k1")).await.unwrap().job.object.unwrap();
    fixture.executor.exit(&id("k1"), 0, &["done"]);
    until_phase(&service, "k1", Phase::Succeeded).await;
    service.launch(request("k2")).await.unwrap();
    // A deletion is no event. Until it has come to pass, the same request is answered with the job that there is.
    let launched_anew = async {
        loop {
            let again = service.launch(request("k1")).await.unwrap();
            if again.created {
                return again.job.object.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(10), launched_anew).await.unwrap();
    assert_eq!(fixture.executor.deletions(), [object.name]);
    assert_ne!(again.uid, object.uid);
}
