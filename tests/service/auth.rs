//! Who may do what.

use serde_json::json;

use crate::support::{Setup, TestApp};

/// A service that wants a token, and the token.
pub(crate) fn with_token(setup: Setup) -> (Setup, String) {
    let token = "correct horse battery staple";
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let file = setup.path().join("tokens");
    std::fs::write(&file, format!("# people\nada:{digest}\n")).unwrap();
    let setup = setup.with(&["--auth", "token", "--token-file", file.to_str().unwrap()]);
    (setup, token.to_owned())
}

fn start() -> (TestApp, String) {
    let (setup, token) = with_token(Setup::new());
    (setup.start(), token)
}

#[test]
fn without_a_token_nothing_is_shown() {
    let (app, _) = start();
    for path in
        ["/api/v1/jobs", "/api/v1/jobs/k1", "/api/v1/templates", "/api/v1/events", "/api/v1/nothing", "/", "/index"]
    {
        let answer = app.get(path);
        assert_eq!((answer.status, &*answer.problem()), (401, "unauthorized"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"jobwright\""), "{path}");
    }
    let launch = app.post("/api/v1/jobs", &json!({"template": "typed", "parameters": {"day": "2026-01-31"}}));
    assert_eq!(launch.status, 401);
    let run = app.request("POST", "/runajob").form("job-id=k1");
    assert_eq!(run.status, 401);
    for path in ["/healthz", "/readyz", "/metrics", "/login", "/api/v1/openapi.json"] {
        assert_eq!(app.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_token_opens_the_api() {
    let (mut app, token) = start();
    app.sign_in("a wrong one");
    let wrong = app.get("/api/v1/jobs");
    assert_eq!((wrong.status, &*wrong.problem()), (401, "unauthorized"));
    assert!(wrong.header("www-authenticate").unwrap().contains("invalid_token"));
    app.sign_in(&token);
    assert_eq!(app.get("/api/v1/jobs").status, 200);
}

#[test]
fn whoever_cancels_is_named() {
    let (mut app, token) = start();
    app.sign_in(&token);
    app.launch_gate("k1");
    app.wait_for_phase("k1", "Running");
    app.request("POST", "/api/v1/jobs/k1/cancel").send();
    let job = app.wait_for_phase("k1", "Cancelled");
    assert_eq!(job["message"], "cancelled by ada");
}

#[test]
fn a_browser_signs_in_and_out() {
    let (app, token) = start();
    let html = "text/html,application/xhtml+xml,*/*;q=0.8";
    let away = app.request("GET", "/index").header("accept", html).send();
    assert_eq!((away.status, away.header("location")), (303, Some("/login?next=%2Findex")));
    let form = app.request("GET", "/login?next=%2Findex").header("accept", html).send();
    assert_eq!(form.status, 200);
    assert!(form.body.contains("value=\"/index\""), "{}", form.body);

    let wrong = app.request("POST", "/login").header("accept", html).form("token=wrong&next=%2Findex");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let right = app.request("POST", "/login").form(&format!("token={token}&next=%2Findex").replace(' ', "+"));
    assert_eq!((right.status, right.header("location")), (303, Some("/index")));
    let cookie = right.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{attribute}: {cookie}");
    }
    assert!(!cookie.contains(&token));
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(app.request("GET", "/api/v1/jobs").header("cookie", pair).send().status, 200);
    let forged = pair.replace("=ada:", "=bob:");
    assert_eq!(app.request("GET", "/api/v1/jobs").header("cookie", &forged).send().status, 401);

    let out = app.request("POST", "/logout").header("cookie", pair).send();
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    let elsewhere = app.request("POST", "/login").form("token=wrong&next=https%3A%2F%2Fevil.example");
    assert!(!elsewhere.body.contains("evil"), "{}", elsewhere.body);
}

#[test]
fn a_token_that_is_taken_away_opens_nothing_any_more() {
    let (setup, token) = with_token(Setup::new());
    let file = setup.path().join("tokens");
    let mut app = setup.start();
    app.sign_in(&token);
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    std::fs::write(&file, format!("bob:{}\n", "0".repeat(64))).unwrap();
    app.until(|| (app.get("/api/v1/jobs").status == 401).then_some(()));
}

#[test]
fn another_site_cannot_make_a_browser_act() {
    let app = TestApp::start();
    let body = "job-id=k1";
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = app.request("POST", "/runajob").header(name, value).form(body);
        assert_eq!((answer.status, &*answer.problem()), (403, "cross-site"), "{name}: {value}");
        let status = app.request("POST", "/updatejobstatus").header(name, value).form("job-id=k1&status=a");
        assert_eq!(status.status, 403);
    }
    assert_eq!(app.get("/api/v1/jobs").json()["items"], json!([]));
    let own = app.request("POST", "/api/v1/jobs").header("origin", &app.url);
    let own = own.json(&json!({"template": "typed", "parameters": {"day": "2026-01-31"}}));
    assert_eq!(own.status, 201, "{own:?}");
}

#[test]
fn a_foreign_name_for_this_machine_is_refused() {
    let app = TestApp::start();
    let answer = app.request("GET", "/api/v1/jobs").header("host", "evil.example").send();
    assert_eq!((answer.status, &*answer.problem()), (421, "unknown-host"));
    let allowed = Setup::new().with(&["--allowed-host", "jobs.example.org"]).start();
    let answer = allowed.request("GET", "/api/v1/jobs").header("host", "jobs.example.org").send();
    assert_eq!(answer.status, 200);
}

#[test]
fn every_answer_keeps_browsers_safe() {
    let app = TestApp::start();
    for path in ["/", "/api/v1/jobs", "/nothing", "/healthz"] {
        let answer = app.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    }
}
