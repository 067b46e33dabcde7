//! Launching, looking, cancelling, running again, deleting.

use serde_json::json;

use crate::support::TestApp;

#[test]
fn a_job_from_launch_to_end() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    let running = app.wait_for_phase("k1", "Running");
    assert_eq!(running["template"], "gate");
    assert_eq!(running["ended"], json!(null));
    gate.open(0);
    let ended = app.wait_for_phase("k1", "Succeeded");
    assert_eq!(ended["exit_code"], 0);
    assert_eq!(app.get("/api/v1/jobs/k1").json(), ended);

    let history = app.get("/api/v1/jobs/k1/events").json();
    let kinds: Vec<&str> =
        history["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "recorded");
    for kind in ["created", "containerStarted", "containerEnded", "phase"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
}

#[test]
fn a_failed_job_says_how() {
    let app = TestApp::start();
    app.launch_gate("k1").open(7);
    let ended = app.wait_for_phase("k1", "Failed");
    assert_eq!(ended["exit_code"], 7);
    assert_eq!(ended["reason"], "Error");
}

#[test]
fn the_same_launch_again_gets_the_same_job() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "name": "Daily", "parameters": {"day": "2026-01-31"}});
    let first = app.post("/api/v1/jobs", &body);
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.header("location"), Some("/api/v1/jobs/k1"));
    let again = app.post("/api/v1/jobs", &body);
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json()["object"]["uid"], app.get("/api/v1/jobs/k1").json()["object"]["uid"]);

    // What is left out is the default, so this is the same request as well.
    let spelt_out = json!({"template": "typed", "id": "k1", "name": "Daily",
        "parameters": {"day": "2026-01-31", "copies": "1", "secret": ""}});
    assert_eq!(app.post("/api/v1/jobs", &spelt_out).status, 200);
    assert_eq!(app.get("/api/v1/jobs").json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn another_launch_under_the_same_id_is_refused_with_what_differs() {
    let app = TestApp::start();
    let body = |name: &str, day: &str, secret: &str| json!({"template": "typed", "id": "k1", "name": name, "parameters": {"day": day, "secret": secret}});
    assert_eq!(app.post("/api/v1/jobs", &body("a", "2026-01-31", "hunter2")).status, 201);
    let answer = app.post("/api/v1/jobs", &body("b", "2026-02-01", "hunter3"));
    assert_eq!((answer.status, &*answer.problem()), (409, "job-conflict"));
    let differences = answer.json()["differences"].clone();
    let fields: Vec<&str> =
        differences.as_array().unwrap().iter().map(|difference| difference["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"name") && fields.contains(&"parameters.day"), "{fields:?}");
    assert!(!answer.body.contains("hunter"), "{}", answer.body);
}

#[test]
fn many_at_once_under_one_id_make_one_job() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31"}});
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| app.post("/api/v1/jobs", &body).status)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let created = answers.iter().filter(|status| **status == 201).count();
    let repeated = answers.iter().filter(|status| **status == 200).count();
    assert_eq!((created, repeated), (1, 15), "{answers:?}");
    app.wait_for_phase("k1", "Succeeded");
    let history = app.get("/api/v1/jobs/k1/events").body;
    assert_eq!(history.matches(r#""type":"created""#).count(), 1, "{history}");
}

#[test]
fn a_job_without_an_id_gets_one() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "parameters": {"day": "2026-01-31"}});
    let (first, second) = (app.post("/api/v1/jobs", &body), app.post("/api/v1/jobs", &body));
    assert_eq!((first.status, second.status), (201, 201));
    let (first, second) = (first.json(), second.json());
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["id"].as_str().unwrap().len(), 36);
}

#[test]
fn a_job_is_cancelled() {
    let app = TestApp::start();
    app.launch_gate("k1");
    app.wait_for_phase("k1", "Running");
    let asked = app.request("POST", "/api/v1/jobs/k1/cancel").send();
    assert_eq!(asked.status, 200, "{asked:?}");
    assert_eq!(asked.json()["cancel_requested"], true);
    app.wait_for_phase("k1", "Cancelled");
    let again = app.request("POST", "/api/v1/jobs/k1/cancel").send();
    assert_eq!((again.status, &*again.problem()), (409, "job-ended"));
}

#[test]
fn a_job_runs_again_with_other_parameters() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "name": "n", "parameters": {"day": "2026-01-31", "copies": 2}});
    app.post("/api/v1/jobs", &body);
    app.wait_for_phase("k1", "Succeeded");
    let plain = app.post("/api/v1/jobs/k1/rerun", &json!({"parameters": {"secret": ""}}));
    assert_eq!(plain.status, 201, "{plain:?}");
    assert_eq!(plain.json()["rerun_of"], "k1");
    assert_eq!(plain.json()["parameters"]["copies"], 2);
    let changed = app.post("/api/v1/jobs/k1/rerun", &json!({"id": "k2", "parameters": {"copies": 3, "secret": ""}}));
    assert_eq!(changed.status, 201, "{changed:?}");
    assert_eq!(changed.header("location"), Some("/api/v1/jobs/k2"));
    let parameters = &changed.json()["parameters"];
    assert_eq!((&parameters["day"], &parameters["copies"]), (&json!("2026-01-31"), &json!(3)));
    let unknown = app.request("POST", "/api/v1/jobs/nobody/rerun").send();
    assert_eq!((unknown.status, &*unknown.problem()), (404, "unknown-job"));
}

#[test]
fn secrets_are_shown_to_nobody_and_needed_again() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31", "secret": "hunter2"}});
    app.post("/api/v1/jobs", &body);
    app.wait_for_phase("k1", "Succeeded");
    for path in ["", "/events", "/manifest", "/logs"] {
        let answer = app.get(&format!("/api/v1/jobs/k1{path}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.contains("hunter2"), "{path}: {}", answer.body);
    }
    let rerun = app.request("POST", "/api/v1/jobs/k1/rerun").send();
    assert_eq!((rerun.status, &*rerun.problem()), (422, "secrets-needed"));
    assert_eq!(rerun.json()["names"], json!(["secret"]));
}

#[test]
fn a_job_is_deleted_once_it_has_ended() {
    let app = TestApp::start();
    let gate = app.launch_gate("k1");
    app.wait_for_phase("k1", "Running");
    let early = app.request("DELETE", "/api/v1/jobs/k1").send();
    assert_eq!((early.status, &*early.problem()), (409, "job-not-ended"));
    gate.open(0);
    app.wait_for_phase("k1", "Succeeded");
    let deleted = app.request("DELETE", "/api/v1/jobs/k1").send();
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    for path in ["", "/events", "/manifest", "/logs"] {
        let gone = app.get(&format!("/api/v1/jobs/k1{path}"));
        assert_eq!((gone.status, &*gone.problem()), (404, "unknown-job"), "{path}");
    }
}

#[test]
fn lists_are_filtered_and_paged() {
    let app = TestApp::start();
    for number in 1..=5 {
        let body = json!({"template": "typed", "id": format!("k{number}"), "name": format!("Täglich {number}"),
            "parameters": {"day": "2026-01-31"}});
        assert_eq!(app.post("/api/v1/jobs", &body).status, 201);
    }
    let gate = app.launch_gate("g1");
    app.wait_for_phase("g1", "Running");
    for number in 1..=5 {
        app.wait_for_phase(&format!("k{number}"), "Succeeded");
    }
    let ids = |query: &str| -> (Vec<String>, serde_json::Value) {
        let answer = app.get(&format!("/api/v1/jobs?{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        let ids = page["items"].as_array().unwrap().iter();
        let ids = ids.map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next"].clone())
    };
    let (all, next) = ids("");
    assert_eq!((all.join(" "), next), ("g1 k5 k4 k3 k2 k1".to_owned(), json!(null)));
    assert_eq!(ids("phase=Running").0, ["g1"]);
    assert_eq!(ids("phase=running,succeeded&limit=2").0, ["g1", "k5"]);
    assert_eq!(ids("template=gate").0, ["g1"]);
    assert_eq!(ids("q=t%C3%A4glich+3").0, ["k3"]);
    assert_eq!(ids("until=2020-01-01T00:00:00Z").0, [""; 0]);
    assert_eq!(ids("since=2020-01-01T00:00:00Z&phase=&q=").0.len(), 6);

    let mut pages = Vec::new();
    let mut query = "limit=4".to_owned();
    loop {
        let (ids, next) = ids(&query);
        pages.extend(ids);
        let Some(cursor) = next.as_str() else { break };
        query = format!("limit=4&cursor={cursor}");
    }
    assert_eq!(pages, all);
    gate.open(0);
}

#[test]
fn a_history_is_paged() {
    let app = TestApp::start();
    app.launch_gate("k1").open(0);
    app.wait_for_phase("k1", "Succeeded");
    let whole = app.get("/api/v1/jobs/k1/events").json();
    let mut items = Vec::new();
    let mut after = json!(0);
    while let Some(number) = after.as_u64() {
        let page = app.get(&format!("/api/v1/jobs/k1/events?limit=1&after={number}")).json();
        items.extend(page["items"].as_array().unwrap().clone());
        after = page["next"].clone();
    }
    let begun = whole["items"].as_array().unwrap();
    assert_eq!(&items[..begun.len()], &begun[..]);
}

#[test]
fn a_manifest_is_yaml_or_json() {
    let app = TestApp::start();
    let body = json!({"template": "typed", "id": "k1", "parameters": {"day": "2026-01-31"}});
    app.post("/api/v1/jobs", &body);
    let yaml = app.get("/api/v1/jobs/k1/manifest");
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(yaml.body.starts_with("apiVersion: batch/v1\nkind: Job\n"), "{}", yaml.body);
    let json = app
        .request("GET", "/api/v1/jobs/k1/manifest")
        .header("accept", "application/yaml;q=0.4, application/json;q=0.5")
        .send();
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(json.json()["kind"], "Job");
    let neither = app.request("GET", "/api/v1/jobs/k1/manifest").header("accept", "image/png").send();
    assert_eq!((neither.status, &*neither.problem()), (406, "not-acceptable"));
}

#[test]
fn templates_are_listed_with_what_is_wrong() {
    let app = TestApp::start();
    let list = app.get("/api/v1/templates").json();
    let names: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|template| template["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["broken", "gate", "typed"]);
    let typed = app.get("/api/v1/templates/typed").json();
    assert_eq!(typed["parameters"]["properties"]["copies"]["maximum"], 5);
    assert_eq!(typed["examples"]["one"]["day"], "2026-01-31");
    assert_eq!(typed["usable"], true);
    let broken = app.get("/api/v1/templates/broken").json();
    assert_eq!((&broken["usable"], &broken["digest"]), (&json!(false), &json!(null)));
    assert!(!broken["problems"].as_array().unwrap().is_empty());
    let launch = app.post("/api/v1/jobs", &json!({"template": "broken"}));
    assert_eq!((launch.status, &*launch.problem()), (409, "broken-template"));
}

#[test]
fn a_render_launches_nothing() {
    let app = TestApp::start();
    let body = json!({"id": "k1", "parameters": {"day": "2026-01-31", "secret": "hunter2"}});
    let yaml = app.post("/api/v1/templates/typed/render", &body);
    assert_eq!(yaml.status, 200, "{yaml:?}");
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(yaml.header("jobwright-digest").unwrap().starts_with("sha256:"));
    assert!(yaml.body.contains("2026-01-31"), "{}", yaml.body);
    assert!(!yaml.body.contains("hunter2"));
    let asked = app.post("/api/v1/templates/typed/render?server=true", &body);
    assert_eq!((asked.status, &*asked.problem()), (501, "not-offered"));
    let faults = app.request("POST", "/api/v1/templates/typed/render").send();
    assert_eq!((faults.status, &*faults.problem()), (422, "invalid-parameters"));
    assert_eq!(app.get("/api/v1/jobs").json()["items"], json!([]));
}
