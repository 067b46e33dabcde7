//! A store that is lost, and what its successor knows.

use super::*;
use crate::job::Report;
use crate::job::{Event, EventKind};
use crate::service::ServiceError as E;
use crate::store::Identity;

impl Fixture {
    /// Starts the service over a store that is made anew, as the one that this was.
    async fn start_anew(&self, identity: Identity) -> Service {
        let data = self.folder.path().join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data).unwrap();
        }
        self.start_as(identity).await
    }

    async fn start_as(&self, identity: Identity) -> Service {
        let options = Options { identity, ..Options::default() };
        let store = self.open(options).await;
        let config = Config { create_wait: Duration::from_millis(300), ..Config::new("http://127.0.0.1:8080/") };
        let executor: SharedExecutor = Arc::new(self.executor.clone());
        Service::start(config, store, catalog(self.folder.path()), executor).await.unwrap()
    }
}

/// Waits until it is on record that everything is.
async fn complete(service: &Service) {
    let mut complete = service.0.complete.subscribe();
    complete.wait_for(|complete| *complete).await.unwrap();
}

async fn end(service: Service) {
    service.shutdown().await;
    drop(service);
}

fn identity(service: &Service) -> Identity {
    let store = service.store();
    Identity { installation: Some(store.installation().clone()), key: Some(*store.key()) }
}

/// The same installation, whose key is lost with its records.
fn name_alone(identity: &Identity) -> Identity {
    Identity { key: None, ..identity.clone() }
}

fn report(status: &str) -> Report {
    Report::new(Timestamp::now(), None, status.to_owned(), None, None).unwrap()
}

fn history(service: &Service, job: &str) -> Vec<Event> {
    service.store().job_events(&id(job), 0, 100).unwrap()
}

async fn launched(fixture: &Fixture) -> (JobView, Identity) {
    let service = fixture.start().await;
    let mut request = request("k1");
    request.name = Some("Daily".parse().unwrap());
    let job = service.launch(request).await.unwrap().job;
    let who = identity(&service);
    end(service).await;
    (job, who)
}

#[tokio::test]
async fn a_job_whose_record_was_lost_is_recorded_again_and_says_so() {
    let fixture = Fixture::new([]);
    let (job, who) = launched(&fixture).await;
    fixture.executor.exit(&id("k1"), 3, &["what it wrote"]);

    let service = fixture.start_anew(who).await;
    let again = until(&service, "k1", |job| job.status.log_kept).await;
    assert_eq!((&again.name, &again.template, &again.digest), (&job.name, &job.template, &job.digest));
    assert_eq!((&again.object, again.created), (&job.object, job.created));
    assert_eq!((again.phase, again.exit_code), (Phase::Failed, Some(3)));
    assert_eq!((again.parameters, again.report), (None, None), "nobody knows these");
    assert!(again.rebuilt.is_some());
    let first = history(&service, "k1").remove(0);
    assert_eq!((first.kind, first.source), (EventKind::Rebuilt, crate::job::Source::Service));
    let log = service.store().log(&id("k1")).unwrap().unwrap();
    assert_eq!(log.lines[0].text, "what it wrote");
    let record = service.store().job(&id("k1")).unwrap().unwrap();
    assert_eq!(record.intent.ttl_seconds, Some(3600));
    assert_eq!(record.intent.shown_manifest(), None);
    assert!(service.store().check(&mut |_| {}).unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_rebuilt_job_is_still_the_one_of_its_id() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    let service = fixture.start_anew(who).await;
    let mut same = request("k1");
    same.name = Some("Daily".parse().unwrap());
    let again = service.launch(same.clone()).await.unwrap();
    assert!(!again.created);

    let mut other = same.clone();
    other.parameters.insert("times".into(), json!(2));
    let Err(E::Conflict { differences, .. }) = service.launch(other).await else { panic!() };
    assert_eq!((differences[0].field.as_str(), &differences[0].recorded), ("parameters", &Value::Null));
    let mut renamed = same;
    renamed.name = None;
    let Err(E::Conflict { differences, .. }) = service.launch(renamed).await else { panic!() };
    assert_eq!(differences[0].field, "name");
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn whether_a_request_is_the_same_is_not_guessed_once_the_key_is_lost() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    let service = fixture.start_anew(name_alone(&who)).await;
    let mut same = request("k1");
    same.name = Some("Daily".parse().unwrap());
    let Err(E::Incomparable(job)) = service.launch(same).await else { panic!() };
    assert_eq!(job, id("k1"));
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn callbacks_of_a_rebuilt_job_are_good_for_as_long_as_the_key_is_kept() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    let service = fixture.start_anew(who.clone()).await;
    let token = service.callback_token(&id("k1"));
    end(service).await;
    let service = fixture.start_anew(who.clone()).await;
    assert_eq!(service.verify_token(&token), Some(id("k1")));
    let said = service.report(&id("k1"), report("Done")).await.unwrap();
    assert_eq!(said.report.unwrap().status, "Done");
    end(service).await;
    let service = fixture.start_anew(name_alone(&who)).await;
    assert_eq!(service.verify_token(&token), None);
}

#[tokio::test]
async fn a_rerun_of_a_rebuilt_job_asks_for_every_parameter() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    let service = fixture.start_anew(who).await;
    until(&service, "k1", |_| true).await;
    let some = Rerun { parameters: parameters(json!({"who": "Ada"})), ..Rerun::default() };
    let Err(E::ParametersNeeded { names, .. }) = service.rerun(&id("k1"), some).await else { panic!() };
    assert_eq!(names, ["password", "times"]);
    let all = parameters(json!({"who": "Ada", "times": null, "password": null}));
    let all = Rerun { id: Some(id("k2")), parameters: all, ..Rerun::default() };
    let again = service.rerun(&id("k1"), all).await.unwrap().job;
    assert_eq!(again.rerun_of, Some(id("k1")));
    assert_eq!(again.parameters.unwrap()["times"], 1);
}

#[tokio::test]
async fn nothing_is_launched_or_deleted_before_it_is_known_which_jobs_there_are() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    fixture.executor.hide(usize::MAX);
    let service = fixture.start_anew(who).await;
    let Err(E::Rebuilding) = service.launch(request("k1")).await else { panic!() };
    let Err(E::Rebuilding) = service.report(&id("k1"), report("Done")).await else { panic!() };
    let Err(E::Rebuilding) = service.cancel(&id("k1"), None).await else { panic!() };
    let Err(E::Rebuilding) = service.delete(&id("k1")).await else { panic!() };
    assert!(matches!(service.unknown(id("k1")), E::Rebuilding));
    let told = service.readiness().await.executor.unwrap_err();
    assert!(told.contains("has not shown yet which jobs there are"), "{told}");
    // It is still to be done after a restart, and done as soon as it can be.
    let who = identity(&service);
    end(service).await;
    fixture.executor.hide(2);
    let service = fixture.start_as(who).await;
    until(&service, "k1", |_| true).await;
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn a_job_that_was_deleted_does_not_come_back() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    let service = fixture.start_anew(who.clone()).await;
    fixture.executor.exit(&id("k1"), 0, &[]);
    until(&service, "k1", |job| job.status.log_kept).await;
    service
        .store()
        .submit(crate::store::Change::delete(id("k1"), Timestamp::now(), crate::job::Source::User))
        .await
        .unwrap();
    end(service).await;
    // Its object is still there, as where its deletion is under way.
    let service = fixture.start_as(who).await;
    service.launch(request("k2")).await.unwrap();
    until_phase(&service, "k2", Phase::Waiting).await;
    assert_eq!(service.store().job(&id("k1")).unwrap(), None);
}

#[tokio::test]
async fn records_from_a_backup_are_made_whole_when_that_is_asked_for() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    let service = fixture.start_as(who.clone()).await;
    service.launch(request("k2")).await.unwrap();
    end(service).await;
    let service = fixture.start_anew(who.clone()).await;
    complete(&service).await;
    // As if the backup did not have it.
    service
        .store()
        .submit(crate::store::Change::delete(id("k2"), Timestamp::now(), crate::job::Source::User))
        .await
        .unwrap();
    service.store().set_rebuild_due(true).await.unwrap();
    let known = history(&service, "k1").len();
    end(service).await;
    let service = fixture.start_as(who).await;
    let again = until(&service, "k2", |_| true).await;
    assert!(again.rebuilt.is_some());
    let new = history(&service, "k1").into_iter().skip(known);
    assert!(new.into_iter().all(|event| event.kind != EventKind::Rebuilt), "what is on record is not rebuilt");
}

#[tokio::test]
async fn objects_of_other_installations_and_broken_ones_are_left_alone() {
    let fixture = Fixture::new([]);
    let (job, who) = launched(&fixture).await;
    let stranger = fixture.start_anew(Identity::default()).await;
    stranger.launch(request("k2")).await.unwrap();
    assert_eq!(stranger.store().job(&id("k1")).unwrap(), None);
    end(stranger).await;
    fixture.executor.tamper(&job.object.unwrap().name, |marked| {
        marked.annotations.insert(stamp::JOB_ID.to_owned(), "k3".to_owned());
    });
    let service = fixture.start_anew(who).await;
    service.launch(request("k4")).await.unwrap();
    for job in ["k1", "k2", "k3"] {
        assert_eq!(service.store().job(&id(job)).unwrap(), None, "{job}");
    }
}

#[tokio::test]
async fn an_installation_without_jobs_can_still_be_given_its_id() {
    let fixture = Fixture::new([]);
    let (_, who) = launched(&fixture).await;
    // Started without its ID, it took one at random, and launched nothing.
    end(fixture.start_anew(Identity::default()).await).await;
    let service = fixture.start_as(who.clone()).await;
    until(&service, "k1", |_| true).await;
    assert_eq!(identity(&service), who);
    end(service).await;
    let other = Options {
        identity: Identity { installation: Some("other".parse().unwrap()), key: None },
        ..Options::default()
    };
    let refused = Store::open(&fixture.folder.path().join("data"), other).unwrap_err().to_string();
    assert!(refused.contains("they are those of installation"), "{refused}");
    let other = Options { identity: Identity { key: Some([7; 32]), ..Identity::default() }, ..Options::default() };
    let refused = Store::open(&fixture.folder.path().join("data"), other).unwrap_err().to_string();
    assert!(refused.contains("signs with another key") && !refused.contains("0707"), "{refused}");
}

#[tokio::test]
async fn thousands_of_records_are_rebuilt_at_once() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let who = identity(&service);
    let template = service.catalog().get("task").unwrap();
    let parameters = template.check(&request("k").parameters).unwrap();
    for number in 0..2500 {
        let name = format!("k{number}");
        let intent = service.intent(&template, &parameters, id(&name), &request(&name), None).unwrap();
        let _ = fixture.executor.create(&intent).await;
    }
    end(service).await;
    let service = fixture.start_anew(who).await;
    complete(&service).await;
    assert_eq!(service.store().counts().map(|(_, count)| count).sum::<u64>(), 2500);
}
