//! Every way to launch a job, and what its worker says from within its pod.

use std::process::Command;

use serde_json::{Value, json};

use super::{Deployed, JOBS, SERVICE, kubectl, service_pod, shared, until};
use crate::support::{Answer, TestApp};

/// What a job's worker has reported, in order.
fn reports(app: &TestApp, id: &str) -> Vec<String> {
    let history = app.history(id);
    let reports = history.iter().filter(|event| event["type"] == "report");
    reports.map(|event| event["report"]["status"].as_str().unwrap().to_owned()).collect()
}

/// Launches through the API.
fn launch(deployed: &Deployed, template: &str, id: &str, parameters: Value) -> Value {
    let answer = deployed.app.post("/api/v1/jobs", &json!({"template": template, "id": id, "parameters": parameters}));
    assert_eq!(answer.status, 201, "{answer:?}");
    deployed.app.wait_for_end(id)
}

#[test]
#[ignore = "needs a cluster"]
fn a_worker_reports_through_the_name_of_the_service() {
    let deployed = shared();
    let job = launch(&deployed, "hello", "by-api", json!({"name": "Ada"}));
    assert_eq!((&job["phase"], &job["disputed"]), (&json!("Succeeded"), &json!(false)));
    assert_eq!(job["report"]["status"], "Hello, Ada!");
    assert_eq!(job["report"]["progress"], 100);
    assert_eq!(job["object"]["namespace"], JOBS);
    let manifest = deployed.app.get("/api/v1/jobs/by-api/manifest").body;
    assert!(manifest.contains(&format!("http://jobwright.{SERVICE}.svc/callback/")), "{manifest}");
    deployed.app.wait_for_log("by-api");
    assert!(deployed.app.log("by-api").contains("Hello, Ada!"));
}

#[test]
#[ignore = "needs a cluster"]
fn a_browser_signs_in_and_launches_by_the_form() {
    let deployed = shared();
    let browser = deployed.stranger();
    let page = |path: &str| browser.request("GET", path).header("accept", "text/html");
    let asked = page("/templates/hello").send();
    assert_eq!(asked.status, 303, "{asked:?}");
    assert!(asked.header("location").unwrap().starts_with("/login?next="), "{asked:?}");

    let signed_in = browser.request("POST", "/login").form(&format!("token={}", deployed.token));
    assert_eq!(signed_in.status, 303, "{signed_in:?}");
    let cookie = signed_in.header("set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let form = page("/templates/hello").header("cookie", cookie).send();
    assert_eq!(form.status, 200, "{form:?}");
    let once = between(&form.body, "name=\"token\" value=\"", "\"");
    let field = between(&form.body, "id=\"p-name\" name=\"", "\"");
    let body = format!("token={once}&{field}=Grace&id=by-form&name=From+the+page");
    let sent = browser.request("POST", "/templates/hello/launch").header("cookie", cookie).form(&body);
    assert_eq!((sent.status, sent.header("location")), (303, Some("/jobs/by-form")), "{sent:?}");
    let job = deployed.app.wait_for_end("by-form");
    assert_eq!((&job["phase"], &job["name"]), (&json!("Succeeded"), &json!("From the page")));
    assert_eq!(job["report"]["status"], "Hello, Grace!");
    let shown = page("/jobs/by-form").header("cookie", cookie).send();
    assert!(shown.body.contains("Hello, Grace!"), "{shown:?}");
}

/// The text between two others.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap().0
}

#[test]
#[ignore = "needs a cluster"]
fn the_command_line_launches_and_follows() {
    let deployed = shared();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
        command.env("JOBWRIGHT_TOKEN", &deployed.token).arg("run").args(arguments);
        command.args(["--follow", "--server", &deployed.app.url]).output().unwrap()
    };
    let hello = run(&["hello", "-p", "name=Ada", "--id", "by-cli"]);
    let told = String::from_utf8_lossy(&hello.stderr).into_owned() + &String::from_utf8_lossy(&hello.stdout);
    assert_eq!(hello.status.code(), Some(0), "{told}");
    assert!(told.contains("Hello, Ada!") && told.contains("succeeded"), "{told}");
    let error = run(&["dummy-error"]);
    assert_eq!(error.status.code(), Some(1), "a job that fails is no success of `run`");
}

#[test]
#[ignore = "needs a cluster"]
fn the_dummy_jobs_words_and_its_phase_agree() {
    let deployed = shared();
    let steps = ["Start Processing", "Processing..."];
    for (template, last, phase, code) in [("dummy-done", "Done", "Succeeded", 0), ("dummy-error", "ERROR", "Failed", 1)]
    {
        let job = launch(&deployed, template, template, json!({}));
        let story = || deployed.app.story(template);
        assert_eq!((&job["phase"], &job["disputed"]), (&json!(phase), &json!(false)), "{}", story());
        assert_eq!(job["exit_code"], code, "{}", story());
        assert_eq!(reports(&deployed.app, template), [steps[0], steps[1], last], "{}", story());
    }
}

#[test]
#[ignore = "needs a cluster"]
fn the_old_form_launches_the_old_worker_by_the_old_contract() {
    let deployed = shared();
    let sent = deployed.app.request("POST", "/runajob").form("job-id=by-runajob&job-name=My+first+job");
    assert_eq!((sent.status, sent.header("location")), (303, Some("/index")), "{sent:?}");
    let job = deployed.app.wait_for_end("by-runajob");
    // It fails three times in ten, and says so.
    let (said, phase) = (job["report"]["status"].as_str().unwrap(), job["phase"].as_str().unwrap());
    assert!(
        matches!((said, phase), ("Done", "Succeeded") | ("ERROR", "Failed")),
        "{}",
        deployed.app.story("by-runajob")
    );
    assert_eq!(reports(&deployed.app, "by-runajob").len(), 3);
    let object = job["object"]["name"].as_str().unwrap();
    let object = kubectl(&["--namespace", JOBS, "get", "job", object, "--output=json"]);
    let container = &serde_json::from_str::<Value>(&object).unwrap()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["/app/dummyjob"]));
    let args: Vec<&str> = container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(matches!(args[..], ["--api-end-point", _, "--job-id", "by-runajob"]), "{args:?}");
    let list = deployed.app.get("/index");
    assert!(list.body.contains("My first job") && list.body.contains(said), "{list:?}");
}

#[test]
#[ignore = "needs a cluster"]
fn templates_follow_their_config_map_without_a_restart() {
    let deployed = shared();
    let before = service_pod();
    let find = || deployed.app.get("/api/v1/templates/added");
    let config_map: Value =
        serde_json::from_str(&kubectl(&["--namespace", SERVICE, "get", "configmap", "job-templates", "--output=json"]))
            .unwrap();
    let text = config_map["data"]["dummy-done.yaml"].as_str().unwrap().replace("name: dummy-done", "name: added");
    let change = |text: Option<&str>| {
        let patch = json!({"data": {"added.yaml": text}}).to_string();
        kubectl(&["--namespace", SERVICE, "patch", "configmap", "job-templates", "--type=merge", "--patch", &patch]);
        // The kubelet looks at a pod that changes at once, and at others within a minute or so.
        let now = format!("jobwright.dev/looked-at={:?}", std::time::Instant::now());
        let pod = before["metadata"]["name"].as_str().unwrap();
        let poke = now.replace([' ', '{', '}', ':', ','], "");
        kubectl(&["--namespace", SERVICE, "annotate", "pod", pod, &poke, "--overwrite"]);
    };
    assert_eq!(find().status, 404);
    change(Some(&text));
    until("the new template", || Some(find()).filter(|answer: &Answer| answer.status == 200));
    let job = launch(&deployed, "added", "of-an-added-template", json!({}));
    assert_eq!(job["phase"], "Succeeded");
    change(None);
    until("the end of the template", || Some(find()).filter(|answer| answer.status == 404));
    let after = service_pod();
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert_eq!(after["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[test]
#[ignore = "needs a cluster"]
fn the_image_asks_for_its_own_health() {
    let _deployed = shared();
    let health = ["exec", "deployment/jobwright", "--", "/usr/local/bin/jobwright", "health"];
    let answer = kubectl(&[&["--namespace", SERVICE], &health[..]].concat());
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["status"], "ok");
}
