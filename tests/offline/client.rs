//! How the command line talks to a server.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::program::{jobwright, told};
use crate::stub::{Reply, Stub};

fn job(id: &str, phase: &str) -> Value {
    json!({
        "id": id, "name": "Daily", "template": "hello", "phase": phase, "reason": null, "message": null,
        "disputed": false, "exit_code": null,
        "report": {"status": "Processing...", "message": null, "progress": 40, "sequence": 3, "at": "2026-01-31T09:00:01Z"},
        "object": {"name": "hello-3f9c0a1b2c3d", "namespace": "local", "uid": "u"},
        "parameters": {"name": "Ada"}, "digest": "sha256:0", "commit": null, "rerun_of": null,
        "cancel_requested": false, "created": "2026-01-31T09:00:00Z", "started": "2026-01-31T09:00:00Z", "ended": null,
    })
}

fn problem(status: u16, name: &str, detail: &str, members: Value) -> Reply {
    let mut body = json!({
        "type": format!("https://jobwright.dev/problems/{name}"), "title": name, "status": status, "detail": detail,
    });
    let (Some(body_members), Value::Object(members)) = (body.as_object_mut(), members) else {
        unreachable!("both are objects")
    };
    body_members.extend(members);
    Reply::Problem(status, body)
}

#[test]
fn what_the_executor_warned_of_is_said_on_stderr() {
    let mut warned = job("k1", "Waiting");
    warned["warnings"] = json!(["would violate \u{1b}[31mPodSecurity"]);
    let stub = Stub::new(vec![Reply::Json(201, warned)]);
    let output =
        jobwright(&["run", "hello", "-p", "name=Ada", "-o", "name", "--server", &stub.server]).output().unwrap();
    let expected = "exit code 0\n--- stdout\nk1\n--- stderr\nwarning: would violate  [31mPodSecurity\n";
    assert_eq!(told(&output), expected);
}

#[test]
fn a_launch_whose_answer_was_lost_is_sent_again_under_the_same_id() {
    let stub = Stub::new(vec![
        Reply::Nothing,
        problem(503, "shutting-down", "it is about to stop", json!({})),
        Reply::Json(201, job("k1", "Pending")),
    ]);
    let output =
        jobwright(&["run", "hello", "-p", "name=Ada", "-o", "name", "--server", &stub.server]).output().unwrap();
    assert_eq!(told(&output), "exit code 0\n--- stdout\nk1\n--- stderr\n");
    let asked = stub.asked();
    let bodies: Vec<Value> = asked.iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    assert!(asked.iter().all(|asked| asked.what == "POST /api/v1/jobs"));
    assert_eq!(bodies[0]["template"], "hello");
    assert_eq!(bodies[0]["parameters"], json!({"name": "Ada"}));
    assert!(bodies[0]["id"].as_str().is_some_and(|id| id.len() == 36));
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn every_fault_of_the_parameters_is_told() {
    let stub = Stub::new(vec![problem(
        422,
        "invalid-parameters",
        "the parameters do not fit the template `hello`",
        json!({"faults": [
            {"path": "name", "message": "is required"},
            {"path": "nmae", "message": "is not a parameter of this template", "suggestion": "name"},
        ]}),
    )]);
    let output = jobwright(&["run", "hello", "--server", &stub.server]).output().unwrap();
    assert_snapshot!(told(&output));
}

#[test]
fn a_conflict_tells_what_differs() {
    let stub = Stub::new(vec![problem(
        409,
        "conflict",
        "the job k1 was another request",
        json!({"differences": [{"field": "parameters.name", "recorded": "Ada", "requested": "Grace"}]}),
    )]);
    let output = jobwright(&["run", "hello", "--id", "k1", "--server", &stub.server]).output().unwrap();
    assert_snapshot!(told(&output));
}

#[test]
fn a_token_comes_from_a_file_and_a_missing_one_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let stub = Stub::new(vec![
        Reply::Json(200, job("k1", "Running")),
        problem(401, "unauthorized", "a token is needed", json!({})),
    ]);
    let get = |more: &[&str]| {
        let mut args = vec!["jobs", "get", "k1", "-o", "name", "--server", &stub.server];
        args.extend(more);
        jobwright(&args).output().unwrap()
    };
    assert!(get(&["--token-file", file.to_str().unwrap()]).status.success());
    assert_snapshot!(told(&get(&[])));
    let asked = stub.asked();
    assert!(asked[0].has_header("authorization: Bearer s3cret"));
    assert!(!asked[1].headers.iter().any(|it| it.to_lowercase().starts_with("authorization")));
}

#[test]
fn a_list_is_read_page_by_page() {
    let pages = || {
        Stub::new(vec![
            Reply::Json(200, json!({"items": [job("k3", "Running"), job("k2", "Failed")], "next": "c1"})),
            Reply::Json(200, json!({"items": [job("k1", "Succeeded")], "next": null})),
        ])
    };
    let list = |stub: &Stub, format: &str| {
        let args = ["jobs", "list", "--all", "--phase", "running,failed", "-q", "a b&c", "-o", format];
        jobwright(&args).env("JOBWRIGHT_SERVER", &stub.server).output().unwrap()
    };
    let stub = pages();
    assert_eq!(told(&list(&stub, "name")), "exit code 0\n--- stdout\nk3\nk2\nk1\n--- stderr\n");
    let asked = stub.asked();
    assert_eq!(asked[0].what, "GET /api/v1/jobs?limit=500&phase=Running%2CFailed&q=a%20b%26c");
    assert!(asked[1].what.ends_with("&cursor=c1"), "{}", asked[1].what);

    let json = list(&pages(), "json");
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    let all = [job("k3", "Running"), job("k2", "Failed"), job("k1", "Succeeded")];
    assert_eq!(value, json!({"items": all, "next": null}));
    let yaml = String::from_utf8(list(&pages(), "yaml").stdout).unwrap();
    assert!(
        yaml.starts_with("items:\n- cancel_requested: false\n  commit: null\n  created: \"2026-01-31T09:00:00Z\"\n"),
        "{yaml}"
    );
}

#[test]
fn a_table_has_a_line_a_job() {
    let page = json!({"items": [job("k2", "Running"), job("a-long-job-id-2026-01-31", "Failed")], "next": "c1"});
    let stub = Stub::new(vec![Reply::Json(200, page)]);
    let output = jobwright(&["jobs", "list", "--limit", "2", "--server", &stub.server]).output().unwrap();
    let ages = |text: String| {
        let lines = text.lines().map(|line| match line.rsplit_once(' ') {
            Some((start, age)) if age.ends_with('d') => format!("{start} AGE"),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(ages(told(&output)));
}

#[test]
fn a_watch_survives_the_loss_of_its_connection() {
    let change = json!({
        "event": {"sequence": 7, "job": "k1", "at": "2026-01-31T09:00:02Z", "source": "executor",
            "type": "phase", "from": "Waiting", "to": "Running", "reason": null, "message": null},
        "job": job("k1", "Running"),
    });
    let stub = Stub::new(vec![
        Reply::Events("retry: 1000\n: following\n\n".to_owned() + &format!("id: 7\nevent: phase\ndata: {change}\n\n")),
        Reply::Json(200, job("k1", "Waiting")),
        Reply::Nothing,
        Reply::Events(": following\n\n".to_owned()),
        Reply::Json(200, job("k1", "Succeeded")),
    ]);
    let output = jobwright(&["jobs", "watch", "k1", "-o", "json", "--server", &stub.server]).output().unwrap();
    stub.asked();
    let phases: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["phase"].to_string())
        .collect();
    assert_eq!(phases, ["\"Waiting\"", "\"Running\"", "\"Succeeded\""]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("is lost; trying again").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("again\n").count(), 2, "{stderr}");
}

#[test]
fn what_goes_wrong_with_one_job_does_not_keep_others_from_it() {
    let stub = Stub::new(vec![
        problem(404, "unknown-job", "there is no job k1", json!({})),
        Reply::Json(200, job("k2", "Running")),
    ]);
    let output = jobwright(&["jobs", "cancel", "k1", "k2", "--server", &stub.server]).output().unwrap();
    assert_snapshot!(told(&output));
}
