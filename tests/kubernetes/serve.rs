//! The whole program over the server: what it launches, records and says.

use serde_json::{Value, json};

use crate::api_server::{ApiServer, Fault, Kind};
use crate::house::{exited, running};
use crate::support::{Setup, TestApp};

/// A template with nothing to it.
pub(crate) const HELLO: &str = r#"---
title: Hello
examples: {one: {}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: "localhost/hello:1"
          env: [{name: URL, value: "{{callback.url}}"}]
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

pub(crate) fn setup(server: &ApiServer) -> Setup {
    let setup = Setup::new().with(&["--executor", "kubernetes"]).template("hello", HELLO);
    let kubeconfig = server.kubeconfig(setup.path());
    setup.env("KUBECONFIG", kubeconfig)
}

pub(crate) fn launch(app: &TestApp, id: &str) -> Value {
    let answer = app.post("/api/v1/jobs", &json!({"template": "hello", "id": id}));
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.json()
}

pub(crate) fn object_name(job: &Value) -> String {
    job["object"]["name"].as_str().unwrap().to_owned()
}

pub(crate) fn ended(job: &Value) -> bool {
    !job["ended"].is_null()
}

fn problem(app: &TestApp) -> String {
    app.get("/readyz").json()["executor"]["problem"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_job_is_launched_followed_and_on_record_with_its_log() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    let job = launch(&app, "k1");
    let name = object_name(&job);
    assert_eq!(job["object"]["namespace"], "jobs");
    server.add_pod(&name, "p1", running());
    app.wait_for_phase("k1", "Running");
    server.log("p1", "main", "2026-01-31T09:00:01Z", "hello");
    server.end_log("p1", "main");
    server.set_pod("p1", exited(0));
    server.wait_for(1, "GET /pods/p1/log?");
    server.conclude(&name, "Complete", "");
    app.wait_for_phase("k1", "Succeeded");
    app.until(|| Some(app.get("/api/v1/jobs/k1/events")).filter(|answer| answer.body.contains("logKept")));
    // The watch has shown which pods there are: nobody asks for them again.
    assert!(server.arrived("GET /pods? controller-uid").is_empty());
    app.until(|| Some(app.get("/api/v1/jobs/k1/logs")).filter(|answer| answer.body.contains("hello")));
    assert_eq!(server.created(), [name]);
}

#[test]
fn a_launch_whose_answers_are_lost_comes_to_one_object() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    server.script("POST /jobs?", Fault::CutAfterwards);
    server.script_times(3, "POST /jobs?", Fault::Later(503, 0));
    server.script("GET /jobs/hello-", Fault::Cut);
    launch(&app, "k1");
    let job = app.wait("k1", |job| !job["object"].is_null());
    assert_eq!(server.created(), [object_name(&job)]);
    let there = server.get(Kind::Job, &object_name(&job)).unwrap();
    assert_eq!(there["metadata"]["uid"], job["object"]["uid"]);
}

/// Launches `k1`, and kills the service when the object is made and before it could know: gives the object's name, and what
/// the next service starts from.
fn killed_in_a_launch(server: &ApiServer, app: TestApp) -> (String, Setup) {
    server.script_times(100, "GET /jobs? watch=true", Fault::Cut);
    server.script_times(100, "GET /jobs?", Fault::Hang);
    server.script("POST /jobs?", Fault::HangAfterwards);
    let (url, body) = (format!("{}/api/v1/jobs", app.url), json!({"template": "hello", "id": "k1"}));
    let asking = std::thread::spawn(move || {
        ureq::post(&url).header("content-type", "application/json").send(body.to_string()).is_ok()
    });
    let name = server.wait_for_creations(1).remove(0);
    let ended_service = app.kill();
    asking.join().unwrap();
    server.heal();
    (name, ended_service.setup)
}

#[test]
fn a_service_that_is_killed_between_request_and_answer_finds_its_object_again() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    let (name, setup) = killed_in_a_launch(&server, app);
    let app = setup.start();
    let job = app.wait("k1", |job| !job["object"].is_null());
    assert_eq!(object_name(&job), name);
    assert_eq!(server.created(), [name], "and makes no second one");
}

#[test]
fn refusals_are_on_record_in_the_servers_words() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    let quota = r#"jobs.batch "x" is forbidden: exceeded quota: none, requested: count/jobs.batch=1"#;
    server.script("POST /jobs?", Fault::Refuse(403, "Forbidden", quota));
    let job = launch(&app, "k1");
    assert_eq!(
        (&job["phase"], &job["reason"], &job["message"]),
        (&json!("Rejected"), &json!("QuotaExceeded"), &json!(quota))
    );
    server.script("POST /jobs?", Fault::Warn(vec!["would violate PodSecurity"]));
    launch(&app, "k2");
    let events = app.get("/api/v1/jobs/k2/events").body;
    assert!(events.contains("would violate PodSecurity"), "{events}");
}

#[test]
fn a_record_stays_until_its_object_is_gone_so_that_its_id_means_one_object() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    let job = launch(&app, "k1");
    let name = object_name(&job);
    // Somebody deletes the object, which has to wait for its pods; then it completes.
    server.change(
        Kind::Job,
        &name,
        json!({"metadata": {"deletionTimestamp": "2026-01-31T09:00:07Z", "finalizers": ["foregroundDeletion"]}}),
    );
    server.conclude(&name, "Complete", "");
    app.wait_for_phase("k1", "Succeeded");
    server.script("DELETE", Fault::Refuse(404, "NotFound", "as scripted"));
    let kept = app.request("DELETE", "/api/v1/jobs/k1").send();
    assert_eq!(kept.status, 503, "{kept:?}");
    let words = format!("the object {name} is still being deleted; try again when it is gone");
    assert!(kept.detail().contains(&words), "{kept:?}");
    server.remove(Kind::Job, &name);
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
    let again = launch(&app, "k1");
    assert_ne!(again["object"]["uid"], job["object"]["uid"]);
    assert_eq!(again["phase"], "Waiting");
}

#[test]
fn cancelling_stops_the_pods_and_is_confirmed_by_their_end() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    let name = object_name(&launch(&app, "k1"));
    server.add_pod(&name, "p1", running());
    app.wait_for_phase("k1", "Running");
    assert!(app.request("POST", "/api/v1/jobs/k1/cancel").send().status < 300);
    server.wait_until(Kind::Job, &name, |it| it["metadata"]["deletionTimestamp"].is_string());
    server.set_pod("p1", exited(143));
    server.conclude(&name, "Failed", "BackoffLimitExceeded");
    server.collect(&name);
    let job = app.wait("k1", ended);
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Cancelled"), &json!("Cancelled")));
}

#[test]
fn what_was_deleted_while_the_server_was_away_is_lost() {
    let mut server = ApiServer::start();
    let app = setup(&server).start();
    let name = object_name(&launch(&app, "k1"));
    app.wait_for_phase("k1", "Waiting");
    server.go_away();
    server.remove(Kind::Job, &name);
    server.come_back();
    let job = app.wait("k1", ended);
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Lost"), &json!("ObjectGone")));
}

#[test]
fn an_object_that_was_made_and_deleted_before_anybody_saw_it_is_on_record_as_deleted() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    // Nothing of it is seen, and nobody can look for it, until it is gone.
    server.script_times(1000, "GET /jobs? labelSelector=", Fault::Refuse(500, "InternalError", "as scripted"));
    server.cut_streams();
    server.script("POST /jobs?", Fault::CutAfterwards);
    server.script("GET /jobs? fieldSelector= resourceVersion=0", Fault::Double);
    server.script_times(1000, "GET /jobs? fieldSelector=", Fault::Refuse(500, "InternalError", "as scripted"));
    std::thread::scope(|scope| {
        scope.spawn(|| launch(&app, "k1"));
        let name = server.wait_for_creations(1).remove(0);
        server.remove(Kind::Job, &name);
        server.heal();
    });
    let job = app.wait("k1", ended);
    assert_eq!((&job["phase"], &job["reason"]), (&json!("Cancelled"), &json!("Deleted")));
    assert_eq!(server.created_uids(), [(object_name(&job), job["object"]["uid"].as_str().unwrap().to_owned())]);
}

#[test]
fn a_server_that_asks_for_time_is_given_it() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    server.script("POST /jobs?", Fault::Later(429, 2));
    launch(&app, "k1");
    let job = app.wait("k1", |job| !job["object"].is_null());
    let sent = server.arrived("POST /jobs?");
    assert_eq!(sent.len(), 2);
    assert!(sent[1].at.duration_since(sent[0].at) >= std::time::Duration::from_secs(2));
    assert_eq!(server.created(), [object_name(&job)]);
}

#[test]
fn a_cancellation_that_a_restored_server_has_forgotten_is_asked_for_again() {
    let mut server = ApiServer::start();
    let app = setup(&server).start();
    let object = object_name(&launch(&app, "a"));
    server.add_pod(&object, "p1", running());
    app.wait_for_phase("a", "Running");
    let backup = server.version();
    assert_eq!(app.post("/api/v1/jobs/a/cancel", &json!({})).status, 200);
    let is_going = |job: &Value| job["metadata"]["deletionTimestamp"].is_string();
    server.wait_until(Kind::Job, &object, is_going);
    server.go_away();
    server.restore(backup);
    server.come_back();
    server.wait_until(Kind::Job, &object, is_going);
    server.set_pod("p1", exited(143));
    server.collect(&object);
    assert_eq!(app.wait("a", ended)["phase"], "Cancelled");
}

#[test]
fn a_server_that_is_restored_from_a_backup_gets_no_second_object_of_a_job() {
    let mut server = ApiServer::start();
    let app = setup(&server).start();
    let before = object_name(&launch(&app, "before"));
    server.add_pod(&before, "p1", running());
    app.wait_for_phase("before", "Running");
    let backup = server.version();
    let ends = [("forgotten", "Lost", "ObjectGone"), ("stopped", "Cancelled", "Cancelled")];
    for (id, ..) in ends {
        launch(&app, id);
    }
    app.wait_for_phase("forgotten", "Waiting");
    assert_eq!(app.post("/api/v1/jobs/stopped/cancel", &json!({})).status, 200);
    server.go_away();
    server.restore(backup);
    server.come_back();
    for (id, phase, reason) in ends {
        let job = app.wait(id, ended);
        assert_eq!((&job["phase"], &job["reason"]), (&json!(phase), &json!(reason)), "{id}");
        assert_eq!(launch(&app, id)["phase"], phase, "the same launch again is the same job");
    }
    assert_eq!(server.created().len(), 3, "although their names are free");
    // What was there goes on, under versions that were there before.
    assert_eq!(app.get("/api/v1/jobs/before").json()["phase"], "Running");
    server.set_pod("p1", exited(0));
    server.conclude(&before, "Complete", "");
    assert_eq!(app.wait("before", ended)["phase"], "Succeeded");
    let after = object_name(&launch(&app, "after"));
    server.conclude(&after, "Complete", "");
    assert_eq!(app.wait("after", ended)["phase"], "Succeeded");
}

#[test]
fn a_list_that_is_wrongly_empty_loses_no_job() {
    let mut server = ApiServer::start();
    let app = setup(&server).start();
    let name = object_name(&launch(&app, "k1"));
    // The first list is behind it, and was begun before there was a job to be missed.
    server.wait_for(1, "GET /jobs? watch=true");
    // No watch shows it either, until it was missed.
    server.script_times(1000, "GET /jobs? watch=true", Fault::Refuse(500, "InternalError", "as scripted"));
    server.script_times(1000, "GET /jobs? limit=", Fault::Stale(0));
    server.go_away();
    server.come_back();
    // It is not in the list, and so it is asked for by its name.
    server.wait_for(1, &format!("GET /jobs/{name}"));
    server.heal();
    server.conclude(&name, "Complete", "");
    assert_eq!(app.wait("k1", ended)["phase"], "Succeeded");
}

#[test]
fn records_can_be_read_while_the_server_is_away_and_launches_follow_when_it_is_back() {
    let mut server = ApiServer::start();
    let app = setup(&server).start();
    launch(&app, "k1");
    let setup = app.stop().setup;
    server.go_away();
    let app = setup.start_unready();
    assert_eq!(app.get("/api/v1/jobs/k1").json()["id"], "k1");
    assert_eq!(app.get("/healthz").status, 200);
    let answer = app.get("/readyz");
    assert_eq!(answer.status, 503);
    let said = problem(&app);
    assert!(said.starts_with("the API server cannot be reached: "), "{said}");
    assert_eq!(app.post("/api/v1/jobs", &json!({"template": "hello", "id": "k2"})).status, 201, "it is on record");
    server.come_back();
    app.until(|| Some(app.get("/readyz")).filter(|answer| answer.status == 200));
    app.wait("k2", |job| !job["object"].is_null());
    assert_eq!(server.created().len(), 2);
}

#[test]
fn readiness_names_what_is_missing() {
    let server = ApiServer::start();
    server.deny("create jobs");
    let app = setup(&server).start_unready();
    let missing = "may not create jobs in namespace jobs, which is needed to launch, watch and end jobs";
    app.until(|| Some(problem(&app)).filter(|said| said == missing));
    let words = app.stop().words;
    assert!(words.contains(&format!("jobs cannot be launched: {missing}")), "{words}");
}

#[test]
fn what_was_never_sent_can_be_cancelled_and_is_never_made() {
    let mut server = ApiServer::start();
    let app = setup(&server).start();
    server.go_away();
    assert_eq!(launch(&app, "k1")["phase"], "Pending");
    assert_eq!(app.post("/api/v1/jobs/k1/cancel", &json!({})).status, 200);
    let job = app.wait("k1", ended);
    assert_eq!((&job["phase"], &job["object"]), (&json!("Cancelled"), &json!(null)));
    server.come_back();
    launch(&app, "k2");
    app.wait("k2", |job| !job["object"].is_null());
    assert_eq!(server.created().len(), 1);
}

#[test]
fn a_quota_that_the_jobs_own_object_has_used_up_does_not_reject_it() {
    let server = ApiServer::start();
    let app = setup(&server).start();
    let (name, setup) = killed_in_a_launch(&server, app);
    server.script_times(100, "GET /jobs? labelSelector=", Fault::Refuse(500, "InternalError", "as scripted"));
    server.script("POST /jobs?", Fault::Refuse(403, "Forbidden", "exceeded quota: jobs, used: count/jobs.batch=1"));
    let app = setup.start_unready();
    let job = app.wait("k1", |job| !job["object"].is_null());
    assert_eq!((object_name(&job), &job["phase"]), (name.clone(), &json!("Waiting")));
    server.heal();
    server.conclude(&name, "Complete", "");
    assert_eq!(app.wait("k1", ended)["phase"], "Succeeded");
    assert_eq!(server.created(), [name]);
}
