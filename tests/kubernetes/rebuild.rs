//! Records that are lost, and the Jobs from which they are rebuilt.

use std::fs;
use std::time::Instant;

use jobwright::executor::{Executor, ExecutorError};
use jobwright::job::labels::{FINGERPRINT, INSTALLATION, JOB_ID};
use jobwright::job::object_name;
use serde_json::{Value, json};

use crate::api_server::{ApiServer, Fault, Kind};
use crate::house::{House, exited, running};
use crate::serve::{launch, setup};
use crate::support::{Ended, Setup, TestApp};

fn named(server: &ApiServer) -> Setup {
    let setup = setup(server);
    fs::write(setup.path().join("key"), "0f".repeat(32)).unwrap();
    let key = setup.path().join("key");
    setup.env("JOBWRIGHT_INSTALLATION", "mine").env("JOBWRIGHT_KEY_FILE", key)
}

fn lose_records(ended: Ended) -> Setup {
    fs::remove_dir_all(ended.setup.data()).unwrap();
    ended.setup
}

fn name_of(job: &Value) -> String {
    job["object"]["name"].as_str().unwrap().to_owned()
}

fn list(app: &TestApp) -> Vec<String> {
    let page = app.get("/api/v1/jobs?limit=500").json();
    let mut ids: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn a_volume_that_is_lost_costs_no_job() {
    let server = ApiServer::start();
    let app = named(&server).start();
    let names: Vec<_> = ["runs", "ends", "leaves"].iter().map(|id| name_of(&launch(&app, id))).collect();
    for (index, name) in names.iter().enumerate() {
        server.add_pod(name, &format!("p{index}"), running());
    }
    let before = app.wait_for_phase("ends", "Running");
    let url = server.get(Kind::Job, &names[0]).unwrap();
    let url = url.pointer("/spec/template/spec/containers/0/env/0/value").unwrap().as_str().unwrap();
    let callback = url.strip_prefix(&app.url).unwrap().to_owned();
    let setup = lose_records(app.kill());
    // What comes to pass meanwhile is found too.
    server.log("p1", "main", "2026-01-31T09:00:01Z", "its last words");
    server.end_log("p1", "main");
    server.set_pod("p1", exited(3));
    server.conclude(&names[1], "Failed", "BackoffLimitExceeded");
    let deleting =
        json!({"metadata": {"deletionTimestamp": "2026-01-31T09:00:02Z", "finalizers": ["foregroundDeletion"]}});
    server.change(Kind::Job, &names[2], deleting);

    let app = setup.start();
    app.wait_for_phase("runs", "Running");
    let ended = app.wait_for_phase("ends", "Failed");
    assert_eq!((&ended["exit_code"], &ended["object"]), (&json!(3), &before["object"]));
    assert_eq!((&ended["created"], &ended["digest"]), (&before["created"], &before["digest"]));
    assert!(ended["rebuilt"].is_string() && ended["parameters"].is_null(), "{ended}");
    app.until(|| Some(app.get("/api/v1/jobs/ends/logs")).filter(|answer| answer.body.contains("its last words")));
    server.remove(Kind::Job, &names[2]);
    app.wait_for_phase("leaves", "Cancelled");
    assert_eq!(app.post(&callback, &json!({"status": "still here"})).status, 200);

    // Whoever asks again gets the same job, and no second object is made of it.
    for id in ["runs", "ends", "leaves"] {
        launch(&app, id);
    }
    assert_eq!(server.created(), names);
    assert_eq!(list(&app), ["ends", "leaves", "runs"]);
}

#[test]
fn a_job_that_is_deleted_while_its_object_still_goes_does_not_come_back() {
    let server = ApiServer::start();
    let app = named(&server).start();
    let name = name_of(&launch(&app, "k1"));
    server.conclude(&name, "Complete", "");
    app.wait_for_phase("k1", "Succeeded");
    let object = server.get(Kind::Job, &name).unwrap();
    app.until(|| Some(app.request("DELETE", "/api/v1/jobs/k1").send()).filter(|answer| answer.status == 204));
    // As after a list that is old, or a deletion that takes its time.
    server.add(Kind::Job, object);
    let app = app.kill().setup.start();
    launch(&app, "k2");
    assert_eq!(list(&app), ["k2"]);
}

#[test]
fn jobs_are_launched_only_when_it_is_known_which_there_are() {
    let server = ApiServer::start();
    let app = named(&server).start();
    let name = name_of(&launch(&app, "k1"));
    let setup = lose_records(app.kill());
    server.script_times(1000, "GET /jobs?", Fault::Later(503, 0));
    let app = setup.start_unready();
    // A template of another name would make a second object for the job.
    let refused = app.post("/api/v1/jobs", &json!({"template": "typed", "id": "k1"}));
    assert_eq!(refused.problem(), "invalid-parameters");
    let asked = json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31"}});
    let refused = app.post("/api/v1/jobs", &asked);
    assert_eq!((refused.status, refused.problem().as_str()), (503, "rebuilding"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(app.get("/api/v1/jobs/k1").problem(), "rebuilding", "it is not unknown");
    // It is killed in the middle, and goes on at the next start.
    let setup = app.kill().setup;
    server.heal();
    let app = setup.start();
    assert_eq!(app.get("/api/v1/jobs/k1").json()["object"]["name"], json!(name));
    assert_eq!(app.post("/api/v1/jobs", &asked).problem(), "job-conflict");
    assert_eq!(server.created(), [name]);
}

#[test]
fn objects_that_are_not_beyond_doubt_are_left_alone_and_told_of_once() {
    let server = ApiServer::start();
    let app = named(&server).start();
    let ours = name_of(&launch(&app, "k1"));
    let object = server.get(Kind::Job, &ours).unwrap();
    let setup = lose_records(app.kill());
    let copy = |name: String, path: &str, key: &str, value: &str| {
        let mut copy = object.clone();
        copy["metadata"]["name"] = json!(name);
        copy["metadata"].as_object_mut().unwrap().remove("uid");
        copy["metadata"][path][key] = json!(value);
        server.add(Kind::Job, copy);
    };
    let mine = "mine".parse().unwrap();
    copy(object_name("hello", &mine, &"k2".parse().unwrap()), "annotations", JOB_ID, "k3");
    copy("hello-copied-by-hand".to_owned(), "annotations", "note", "x");
    copy(object_name("hello", &"theirs".parse().unwrap(), &"k4".parse().unwrap()), "labels", INSTALLATION, "theirs");
    copy(object_name("hello", &mine, &"k5".parse().unwrap()), "annotations", JOB_ID, "k5");
    server.change(Kind::Job, &ours, json!({"metadata": {"annotations": {FINGERPRINT: "00000000.00"}}}));
    let app = setup.start();
    assert_eq!(list(&app), ["k1", "k5"]);
    let same = app.post("/api/v1/jobs", &json!({"template": "hello", "id": "k1"}));
    assert_eq!(same.problem(), "job-rebuilt", "its annotation tells nothing any more");
    let words = app.stop().words;
    assert_eq!(words.matches("its job is not recorded").count(), 2, "{words}");
    assert!(words.contains("hello-copied-by-hand") && words.contains("job k3 of template hello"), "{words}");
    assert!(!words.contains("--installation"), "it has its own, and found them: {words}");
}

#[test]
fn ten_thousand_jobs_are_recorded_again_in_seconds() {
    let server = ApiServer::start();
    let app = named(&server).start();
    let object = server.get(Kind::Job, &name_of(&launch(&app, "k1"))).unwrap();
    let setup = lose_records(app.kill());
    let mine = "mine".parse().unwrap();
    for number in 0..10_000 {
        let id = format!("many-{number}");
        let mut copy = object.clone();
        copy["metadata"]["name"] = json!(object_name("hello", &mine, &id.parse().unwrap()));
        copy["metadata"].as_object_mut().unwrap().remove("uid");
        copy["metadata"]["annotations"][JOB_ID] = json!(id);
        server.add(Kind::Job, copy);
    }
    let began = Instant::now();
    let app = setup.start_unready();
    let all = |app: &TestApp| {
        let metrics = app.get("/metrics").body;
        let waiting = metrics.lines().find(|line| line.starts_with("jobwright_jobs{phase=\"Waiting\"}"));
        waiting.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()) == Some(10_001)
    };
    app.until(|| all(&app).then_some(()));
    eprintln!("10,001 jobs were recorded again within {:?} of the start", began.elapsed());
    // No promise of a time: only that it is no matter of one round trip a job.
    let asked = server.arrived("GET /jobs?").len();
    assert!(asked < 100, "{asked} lists");
}

#[tokio::test]
async fn a_survey_shows_every_installation_page_by_page_or_fails_whole() {
    let house = House::new();
    for number in 0..3 {
        house.launch(&format!("k{number}")).await;
    }
    let shown = house.executor.survey().await.unwrap();
    let names: Vec<_> = shown.iter().map(|it| it.annotations[JOB_ID].as_str()).collect();
    assert_eq!(names, ["k0", "k1", "k2"]);
    assert!(shown.iter().all(|it| it.installation() == Some("here") && !it.object.uid.is_empty()));
    house.server.script("GET /jobs?", Fault::Later(500, 0));
    let Err(ExecutorError::Unreachable(_)) = house.executor.survey().await else { panic!() };
    house.server.script("GET /jobs?", Fault::Cut);
    let Err(ExecutorError::Unreachable(_)) = house.executor.survey().await else { panic!() };
    house.server.script("GET /jobs?", Fault::Hang);
    let Err(ExecutorError::Unreachable(_)) = house.executor.survey().await else { panic!() };
    assert_eq!(house.executor.survey().await.unwrap(), shown);
}
