//! The routes of the system that Jobwright replaces, field for field.

use serde_json::json;

use crate::support::{Setup, TestApp};

/// The service with a default template that takes no parameters, as the former one's.
fn start(args: &[&str]) -> TestApp {
    let setup = Setup::new().with(&["--default-template", "plain"]).with(args);
    let template = crate::support::TYPED
        .replace("title: Typed", "title: Plain")
        .replace("  required: [day]\n", "")
        .replace("{type: string, format: date, description: The day}", "{type: string, default: none}")
        .replace("example: one: {day: 2026-01-31}", "example: one: {}");
    std::fs::write(setup.path().join("templates/plain.yaml"), template).unwrap();
    setup.start()
}

#[test]
fn a_form_without_scripts_launches_the_default_template() {
    let app = start(&[]);
    let answer = app.request("POST", "/runajob").form("job-id=k1&job-name=T%C3%A4glich+%231+100%25");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/index")), "{answer:?}");
    let job = app.get("/api/v1/jobs/k1").json();
    assert_eq!((&job["template"], &job["name"]), (&json!("plain"), &json!("Täglich #1 100%")));
    let index = app.get("/index");
    assert_eq!(index.status, 200);
    assert!(index.body.contains("Täglich #1 100%"), "{}", index.body);

    // The same form again is the same job.
    let again = app.request("POST", "/runajob").form("job-id=k1&job-name=T%C3%A4glich+%231+100%25");
    assert_eq!(again.status, 303);
    assert_eq!(app.get("/api/v1/jobs").json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn fields_that_the_template_declares_are_parameters_and_others_are_passed_over() {
    let app = start(&[]);
    let answer = app.request("POST", "/runajob").form("job-id=k1&copies=3&submit=Run");
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(app.get("/api/v1/jobs/k1").json()["parameters"]["copies"], 3);
}

#[test]
fn a_form_that_cannot_be_used_comes_back_with_what_was_typed() {
    let app = start(&[]);
    let post = |body: &str| {
        app.request("POST", "/runajob").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").form(body)
    };
    let page = post("job-id=no+spaces&job-name=%3Cb%3EBold%3C%2Fb%3E");
    assert_eq!(page.status, 400);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.body.contains("no spaces"), "{}", page.body);
    assert!(!page.body.contains("<b>Bold"), "{}", page.body);
    assert!(page.body.contains("expected 1 to 100 letters"), "{}", page.body);

    let program = app.request("POST", "/runajob").form("job-id=no+spaces");
    assert_eq!((program.status, &*program.problem()), (400, "invalid-input"));
    assert_eq!(app.request("POST", "/runajob").form("job-id=k1&job-name=a").status, 303);
    let other = post("job-id=k1&job-name=b");
    assert_eq!(other.status, 409);
    assert!(other.body.contains("k1 exists already"), "{}", other.body);
}

#[test]
fn a_status_is_updated_in_three_ways() {
    let app = start(&[]);
    app.request("POST", "/runajob").form("job-id=k1");
    let status = || app.get("/api/v1/jobs/k1").json()["report"]["status"].clone();
    let update = |path: &str| app.request("POST", path);

    let form = update("/updatejobstatus").form("job-id=k1&status=Start+Processing%20%C3%BC");
    assert_eq!((form.status, &*form.body), (200, "\"ok\""), "{form:?}");
    assert_eq!(status(), "Start Processing ü");
    let json = app.post("/updatejobstatus", &json!({"job-id": "k1", "status": "Processing..."}));
    assert_eq!((json.status, &*json.body), (200, "\"ok\""));
    assert_eq!(status(), "Processing...");
    let query = update("/updatejobstatus?job-id=k1&status=Done").send();
    assert_eq!((query.status, &*query.body), (200, "\"ok\""));
    assert_eq!(status(), "Done");

    let unknown = update("/updatejobstatus").form("job-id=nobody&status=Done");
    assert_eq!((unknown.status, &*unknown.problem()), (404, "unknown-job"));
    let nameless = update("/updatejobstatus").form("status=Done");
    assert_eq!((nameless.status, &*nameless.problem()), (400, "invalid-input"));
}

#[test]
fn with_authentication_a_status_needs_the_jobs_own_token() {
    let (setup, token) = crate::auth::with_token(Setup::new());
    let mut app = setup.start();
    app.sign_in(&token);
    let gate = app.launch_gate("k1");
    let callback = app.callback_path("k1");
    let job_token = callback.strip_prefix("/callback/").unwrap().to_owned();
    // The caller's own token is not the job's.
    let callers = app.request("POST", "/updatejobstatus").form("job-id=k1&status=a");
    assert_eq!((callers.status, &*callers.problem()), (403, "invalid-token"));
    app.sign_in(&job_token);
    let bearer = app.request("POST", "/updatejobstatus").form("job-id=k1&status=by+bearer");
    assert_eq!((bearer.status, &*bearer.body), (200, "\"ok\""));
    let other = app.request("POST", "/updatejobstatus").form("job-id=k2&status=a");
    assert_eq!((other.status, &*other.problem()), (400, "job-mismatch"));
    app.sign_out();
    let open = app.request("POST", "/updatejobstatus").form("job-id=k1&status=a");
    assert_eq!((open.status, &*open.problem()), (403, "invalid-token"));
    let field = app.request("POST", "/updatejobstatus").form(&format!("token={job_token}&status=by+field"));
    assert_eq!((field.status, &*field.body), (200, "\"ok\""));
    app.sign_in(&token);
    assert_eq!(app.get("/api/v1/jobs/k1").json()["report"]["status"], "by field");
    gate.open(0);
}
