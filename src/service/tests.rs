//! The service over an executor that does as the test tells it, and a real store in a temporary folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::executor::fake::{Create, FakeExecutor, WARNING};
use crate::executor::{Executor as _, LogOptions};
use crate::job::{ContainerState, Phase};
use crate::store::Options;
use crate::template::{MASK, TemplateSource};

mod dry_run;
mod outcomes;
mod rebuild;
mod unseen;
mod upkeep;

const TEMPLATE: &str = r#"---
title: A task
description: Greets someone, with a password.
parameters:
  type: object
  required: [who]
  properties:
    who: {type: string, description: Whom to greet}
    times: {type: integer, default: 1, description: How often}
    password: {type: string, writeOnly: true, default: "", description: A secret}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: task
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: TTL
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: localhost/task:1
          args: ["{{params.who}}", "{{params.times}}"]
          env:
            - {name: URL, value: "{{callback.url}}"}
            - {name: PASSWORD, value: "{{params.password}}"}
"#;

struct Fixture {
    folder: TempDir,
    executor: FakeExecutor,
    attempts: UnboundedReceiver<JobId>,
}

impl Fixture {
    fn new(script: impl IntoIterator<Item = Create>) -> Self {
        Self::with_ttl(script, "3600")
    }

    fn with_ttl(script: impl IntoIterator<Item = Create>, ttl: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("job-templates");
        std::fs::create_dir(&templates).unwrap();
        std::fs::write(templates.join("task.yaml"), TEMPLATE.replace("TTL", ttl)).unwrap();
        let (executor, attempts) = FakeExecutor::new(script);
        Self { folder, executor, attempts }
    }

    /// Starts the service over this store and executor: again, after one that was stopped or dropped.
    async fn start(&self) -> Service {
        self.start_with(Options::default(), Config::new("http://127.0.0.1:8080/")).await
    }

    /// Opens the store as soon as the tasks of an earlier service have let go of it.
    async fn open(&self, options: Options) -> Store {
        let data = self.folder.path().join("data");
        tokio::task::spawn_blocking(move || Store::open(&data, options).unwrap()).await.unwrap()
    }

    async fn start_with(&self, options: Options, config: Config) -> Service {
        let store = self.open(options).await;
        let executor: SharedExecutor = Arc::new(self.executor.clone());
        Service::start(config, store, catalog(self.folder.path()), executor).await.unwrap()
    }
}

fn catalog(folder: &Path) -> LiveCatalog {
    LiveCatalog::start(TemplateSource::Folder(folder.join("job-templates")), Map::new()).unwrap()
}

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

fn parameters(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn request(job: &str) -> LaunchRequest {
    LaunchRequest {
        template: "task".into(),
        id: Some(id(job)),
        parameters: parameters(json!({"who": "Ada"})),
        ..LaunchRequest::default()
    }
}

/// Waits until a job is as wanted on record. Every change is an event; the time limit is for what never comes.
async fn until(service: &Service, job: &str, wanted: impl Fn(&crate::job::Job) -> bool) -> JobView {
    let mut changes = service.store().subscribe();
    let waiting = async {
        loop {
            if let Some(job) = service.store().job(&id(job)).unwrap()
                && wanted(&job)
            {
                return JobView::from(&job);
            }
            let _ = changes.recv().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it did not come to pass")
}

async fn until_phase(service: &Service, job: &str, phase: Phase) -> JobView {
    until(service, job, |job| job.status.verdict().phase == phase).await
}

fn running() -> ContainerState {
    ContainerState::Running { started: Timestamp::now() }
}

#[tokio::test]
async fn a_job_goes_from_request_to_success_and_its_log_stays() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let launched = service.launch(request("k1")).await.unwrap();
    assert!(launched.created);
    assert_eq!(launched.job.phase, Phase::Waiting);
    let known = launched.job.parameters.unwrap();
    assert_eq!(known, parameters(json!({"who": "Ada", "times": 1, "password": MASK})));

    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    fixture.executor.exit(&id("k1"), 0, &["one", "two"]);
    let done = until(&service, "k1", |job| job.status.log_kept).await;
    assert_eq!((done.phase, done.exit_code), (Phase::Succeeded, Some(0)));
    let kept = service.store().log(&id("k1")).unwrap().unwrap();
    assert_eq!(kept.lines.iter().map(|line| &*line.text).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn the_same_request_again_gives_the_same_job_and_another_one_is_refused() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    assert!(service.launch(request("k1")).await.unwrap().created);
    assert!(!service.launch(request("k1")).await.unwrap().created);
    let mut other = request("k1");
    other.parameters = parameters(json!({"who": "Bob", "times": "2"}));
    let Err(ServiceError::Conflict { differences, .. }) = service.launch(other).await else { panic!() };
    let found: Vec<_> = differences.iter().map(|it| (&*it.field, &it.recorded, &it.requested)).collect();
    assert_eq!(found, [("parameters.times", &json!(1), &json!(2)), ("parameters.who", &json!("Ada"), &json!("Bob"))]);
    let mut secret = request("k1");
    secret.parameters.insert("password".into(), json!("open sesame"));
    let Err(error) = service.launch(secret).await else { panic!() };
    assert_eq!(error.to_string(), "job k1 exists already and differs in parameters.password");
    assert!(!format!("{error:?}").contains("sesame"));
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn many_launches_of_one_id_at_once_make_one_object() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let all = (0..200).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { service.launch(request("k1")).await.unwrap().created })
    });
    let mut created = 0;
    for one in all.collect::<Vec<_>>() {
        created += usize::from(one.await.unwrap());
    }
    assert_eq!((created, fixture.executor.creations().len()), (1, 1));
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_the_same_create() {
    for script in [
        vec![Create::AnswerLost],
        vec![Create::RequestLost],
        vec![Create::RequestLost, Create::AnswerLost, Create::RequestLost],
    ] {
        let mut fixture = Fixture::new(script.clone());
        let service = fixture.start().await;
        service.launch(request("k1")).await.unwrap();
        until_phase(&service, "k1", Phase::Waiting).await;
        assert_eq!(fixture.executor.creations().len(), 1, "{script:?}");
        for _ in 0..=script.len() {
            assert_eq!(fixture.attempts.recv().await, Some(id("k1")));
        }
    }
}

#[tokio::test]
async fn what_the_executor_warned_of_is_told_to_whoever_launched() {
    let fixture = Fixture::new([Create::Warned]);
    let service = fixture.start().await;
    let launched = service.launch(request("k1")).await.unwrap();
    assert_eq!(launched.job.warnings, [WARNING]);
    assert_eq!(service.launch(request("k1")).await.unwrap().job.warnings, [WARNING], "and again when asked again");
}

#[tokio::test]
async fn a_refusal_is_the_jobs_end_and_says_why() {
    let fixture = Fixture::new([Create::Refused]);
    let service = fixture.start().await;
    let job = service.launch(request("k1")).await.unwrap().job;
    assert_eq!((job.phase, job.reason.as_deref()), (Phase::Rejected, Some("Forbidden")));
    assert_eq!(job.message.as_deref(), Some("exceeded quota"));
    assert!(fixture.executor.creations().is_empty());
}

#[tokio::test]
async fn a_launch_that_was_cut_off_is_taken_up_from_the_record() {
    let mut fixture = Fixture::new([Create::Hangs]);
    let service = fixture.start().await;
    let launching = tokio::spawn({
        let service = service.clone();
        async move { service.launch(request("k1")).await }
    });
    // The create was sent, so that the intent is on record.
    assert_eq!(fixture.attempts.recv().await, Some(id("k1")));
    launching.abort();
    let _ = launching.await;
    service.shutdown().await;
    drop(service);

    let service = fixture.start().await;
    until_phase(&service, "k1", Phase::Waiting).await;
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn what_came_to_pass_while_the_service_was_down_is_found_at_start() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    for job in ["ended", "gone", "running"] {
        service.launch(request(job)).await.unwrap();
        fixture.executor.show(&id(job), running(), None);
        until_phase(&service, job, Phase::Running).await;
    }
    service.shutdown().await;
    drop(service);
    fixture.executor.exit(&id("ended"), 1, &["failed"]);
    fixture.executor.vanish(&id("gone"), false);

    let service = fixture.start().await;
    assert_eq!(until_phase(&service, "ended", Phase::Failed).await.reason.as_deref(), Some("Error"));
    assert_eq!(until_phase(&service, "gone", Phase::Lost).await.reason.as_deref(), Some("ObjectGone"));
    assert_eq!(until_phase(&service, "running", Phase::Running).await.reason, None);
}

#[tokio::test]
async fn an_object_that_someone_deletes_ends_its_job_as_cancelled() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    fixture.executor.vanish(&id("k1"), true);
    let job = until_phase(&service, "k1", Phase::Cancelled).await;
    assert_eq!(job.reason.as_deref(), Some("Deleted"));
}

#[tokio::test]
async fn a_cancelled_job_ends_when_the_executor_confirms() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    service.cancel(&id("k1"), Some("ada".into())).await.unwrap();
    let job = until_phase(&service, "k1", Phase::Cancelled).await;
    assert_eq!(job.message.as_deref(), Some("cancelled by ada"));
    let Err(ServiceError::Ended { phase: Phase::Cancelled, .. }) = service.cancel(&id("k1"), None).await else {
        panic!()
    };
}

#[tokio::test]
async fn reports_are_the_workers_words_and_end_nothing() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let report = |status: &str| Report::new(Timestamp::now(), None, status.into(), None, Some(40)).unwrap();
    let job = service.report(&id("k1"), report("Done")).await.unwrap();
    assert_eq!((job.phase, job.report.unwrap().status.as_str()), (Phase::Waiting, "Done"));
    fixture.executor.exit(&id("k1"), 1, &[]);
    assert!(until_phase(&service, "k1", Phase::Failed).await.disputed);
    let Err(ServiceError::UnknownJob(_)) = service.report(&id("k2"), report("Done")).await else { panic!() };
}

#[tokio::test]
async fn the_object_goes_at_its_time_to_live_after_its_log_is_kept() {
    let fixture = Fixture::with_ttl([], "0");
    let service = fixture.start().await;
    let object = service.launch(request("k1")).await.unwrap().job.object.unwrap();
    fixture.executor.exit(&id("k1"), 0, &["kept"]);
    until(&service, "k1", |job| job.status.object_deleted).await;
    assert_eq!(fixture.executor.deletions(), [object.name]);
    let lines: Vec<_> = service.logs(&id("k1"), LogOptions::default()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(lines[0].text, "kept");
}

#[tokio::test]
async fn the_manifest_of_a_job_stays_on_record_through_all_that_is_learned_of_it() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let manifest = |service: &Service| service.store().job(&id("k1")).unwrap().unwrap().intent.manifest;
    // With the object its secrets are masked, and from then on it stays as it is.
    until(&service, "k1", |job| job.status.object.is_some()).await;
    let first = manifest(&service);
    assert_eq!(first.pointer("/metadata/annotations/jobwright.dev~1job-id"), Some(&json!("k1")));
    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    service.shutdown().await;
    drop(service);
    let service = fixture.start().await;
    fixture.executor.exit(&id("k1"), 0, &[]);
    until(&service, "k1", |job| job.status.log_kept).await;
    service.shutdown().await;
    assert_eq!(manifest(&service), first);
}

fn ended(exit_code: i32) -> ContainerState {
    let finished = Timestamp::now();
    let reason = "Error".to_owned();
    ContainerState::Terminated { exit_code, signal: None, reason, message: None, started: Some(finished), finished }
}

async fn log_of(service: &Service, job: &str) -> Vec<String> {
    let lines: Vec<_> = service.logs(&id(job), LogOptions::default()).await.unwrap().try_collect().await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

/// Waits until the log on record ends in a line.
async fn until_kept(service: &Service, job: &str, last: &str) {
    let is_last = |tail: crate::job::LogTail| tail.lines.last().is_some_and(|line| line.text == last);
    until(service, job, |_| service.store().log(&id(job)).unwrap().is_some_and(is_last)).await;
}

#[tokio::test]
async fn a_log_is_on_record_as_soon_as_its_container_ends_and_outlives_whatever_becomes_of_the_object() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    fixture.executor.write(&id("k1"), &["one", "two"]);
    fixture.executor.show(&id("k1"), ended(3), None);
    until_kept(&service, "k1", "two").await;
    assert_eq!(until_phase(&service, "k1", Phase::Running).await.reason.as_deref(), Some("Finishing"));
    fixture.executor.vanish(&id("k1"), true);
    until(&service, "k1", |job| job.status.log_kept).await;
    assert_eq!(log_of(&service, "k1").await, ["one", "two"]);
}

#[tokio::test]
async fn a_pod_that_is_told_to_stop_is_followed_to_its_last_line() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    fixture.executor.write(&id("k1"), &["works"]);
    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    fixture.executor.tell_to_stop(&id("k1"));
    // What was there when it was told is on record at once.
    until_kept(&service, "k1", "works").await;
    fixture.executor.write(&id("k1"), &["cleans up"]);
    fixture.executor.end_log(&id("k1"));
    until_kept(&service, "k1", "cleans up").await;
    fixture.executor.vanish(&id("k1"), true);
    until(&service, "k1", |job| job.status.log_kept).await;
    assert_eq!(log_of(&service, "k1").await, ["works", "cleans up"]);
}

#[tokio::test]
async fn what_a_cancelled_job_writes_last_is_on_record() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    fixture.executor.write(&id("k1"), &["works"]);
    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    service.cancel(&id("k1"), None).await.unwrap();
    until_phase(&service, "k1", Phase::Cancelled).await;
    fixture.executor.write(&id("k1"), &["cleans up"]);
    fixture.executor.end_log(&id("k1"));
    until(&service, "k1", |job| job.status.log_kept).await;
    assert_eq!(log_of(&service, "k1").await, ["works", "cleans up"]);
}

#[tokio::test]
async fn neither_secret_nor_callback_token_stays_on_record() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let mut request = request("k1");
    request.parameters.insert("password".into(), json!("open sesame"));
    service.launch(request).await.unwrap();
    let job = until(&service, "k1", |job| job.status.object.is_some()).await;
    let token = service.callback_token(&job.id);
    service.shutdown().await;
    let record = service.store().job(&id("k1")).unwrap().unwrap();
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains("sesame") && !text.contains(&token), "{text}");
    let Err(ServiceError::SecretsNeeded { names }) = service.rerun(&id("k1"), Rerun::default()).await else { panic!() };
    assert_eq!(names, ["password"]);
}

#[tokio::test]
async fn only_a_job_that_has_ended_can_be_deleted() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let Err(ServiceError::NotEnded { phase: Phase::Waiting, .. }) = service.delete(&id("k1")).await else { panic!() };
    fixture.executor.exit(&id("k1"), 0, &[]);
    until(&service, "k1", |job| job.status.log_kept).await;
    service.delete(&id("k1")).await.unwrap();
    let Err(ServiceError::UnknownJob(_)) = service.delete(&id("k1")).await else { panic!() };
    assert_eq!(fixture.executor.deletions().len(), 1);
}

#[tokio::test]
async fn an_intent_that_was_thought_lost_is_taken_up_when_it_is_asked_for_again() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    let template = service.catalog().get("task").unwrap();
    let parameters = template.check(&request("k1").parameters).unwrap();
    let intent = service.intent(&template, &parameters, id("k1"), &request("k1"), None).unwrap();
    // As after a write that failed and reached the disk all the same: on record, and nobody knows.
    let job = crate::job::Job { intent, status: crate::job::Status::default() };
    let _ = service.store().submit(crate::store::Change::insert(&job, vec![])).await.unwrap();

    assert!(!service.launch(request("k1")).await.unwrap().created);
    until_phase(&service, "k1", Phase::Waiting).await;
    assert_eq!(fixture.executor.creations().len(), 1);
}

#[tokio::test]
async fn a_rerun_needs_only_the_secrets_that_were_given() {
    let fixture = Fixture::new([]);
    let service = fixture.start().await;
    service.launch(request("k1")).await.unwrap();
    let change = Rerun { id: Some(id("k2")), ..Rerun::default() };
    let second = service.rerun(&id("k1"), change).await.unwrap();
    assert_eq!(second.job.rerun_of, Some(id("k1")));
    assert_eq!(second.job.parameters, service.store().view(&id("k1")).unwrap().unwrap().parameters);

    let mut with_secret = request("k3");
    with_secret.parameters.insert("password".into(), json!("open sesame"));
    service.launch(with_secret).await.unwrap();
    let Err(ServiceError::SecretsNeeded { names }) = service.rerun(&id("k3"), Rerun::default()).await else { panic!() };
    assert_eq!(names, ["password"]);
}

#[tokio::test]
async fn what_is_left_of_a_lost_job_goes_at_its_time_to_live() {
    let fixture = Fixture::with_ttl([], "0");
    let service = fixture.start().await;
    let object = service.launch(request("k1")).await.unwrap().job.object.unwrap();
    fixture.executor.show(&id("k1"), running(), None);
    until_phase(&service, "k1", Phase::Running).await;
    fixture.executor.vanish(&id("k1"), true);
    until(&service, "k1", |job| job.status.object_deleted).await;
    assert_eq!(fixture.executor.deletions(), [object.name]);
}
