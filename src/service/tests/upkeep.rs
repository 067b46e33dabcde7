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

/// Waits until all that was learned of a job is durable, its kept log among it.
async fn until_log_kept(service: &Service, job: &str) {
    until(service, job, |job| job.status.log_kept).await;
}

#[tokio::test]
async fn a_later_job_of_the_same_id_has_its_log_kept_too() {
    let fixture = Fixture::with_ttl([], "3600");
    let service = fixture.start().await;
    for line in ["first", "second"] {
        assert!(service.launch(request("k1")).await.unwrap().created);
        fixture.executor.exit(&id("k1"), 0, &[line]);
        until_log_kept(&service, "k1").await;
        let log = service.store().log(&id("k1")).unwrap().unwrap();
        assert_eq!(log.lines.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), [line]);
        service.delete(&id("k1")).await.unwrap();
    }
}

#[tokio::test]
async fn a_removal_takes_no_later_job_of_the_same_id() {
    let fixture = Fixture::with_ttl([], "3600");
    let service = fixture.start().await;
    let mut earlier = None;
    for ended in [true, false] {
        assert!(service.launch(request("k1")).await.unwrap().created);
        if ended {
            fixture.executor.exit(&id("k1"), 0, &[]);
            until_log_kept(&service, "k1").await;
            earlier = service.0.ledger.job(&id("k1")).unwrap();
            service.delete(&id("k1")).await.unwrap();
        }
    }
    let earlier = earlier.unwrap();
    let refused = |service: &Service| match service.0.ledger.remove(&earlier, crate::job::Source::User) {
        Err(StoreError::NotFound(_)) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a job that runs was removed"),
    };
    refused(&service);
    fixture.executor.exit(&id("k1"), 0, &[]);
    until_log_kept(&service, "k1").await;
    refused(&service);
}

#[tokio::test]
async fn while_a_record_is_being_removed_its_job_is_there_and_afterwards_it_is_not() {
    let fixture = Fixture::with_ttl([], "3600");
    let service = fixture.start().await;
    let first = service.launch(request("k1")).await.unwrap().job;
    fixture.executor.exit(&id("k1"), 0, &[]);
    until_log_kept(&service, "k1").await;
    let job = service.0.ledger.job(&id("k1")).unwrap().unwrap();
    fixture.executor.delete(job.status.object.as_ref().unwrap()).await.unwrap();
    let removal = service.0.ledger.remove(&job, crate::job::Source::User).unwrap();
    let again = service.launch(request("k1")).await.unwrap();
    assert_eq!((again.created, again.job.created), (false, first.created));
    removal.await.unwrap();
    assert!(service.0.ledger.job(&id("k1")).unwrap().is_none());
    assert!(service.launch(request("k1")).await.unwrap().created);
}
