//! Who may do what by the word of a cluster.

use serde_json::{Value, json};

use crate::review_server::ReviewServer;
use crate::support::{Setup, TestApp};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A service that goes by a cluster's word, and that cluster.
fn start() -> (TestApp, ReviewServer) {
    let cluster = ReviewServer::start();
    let setup = Setup::new();
    let file = setup.path().join("kubeconfig");
    cluster.kubeconfig(&file);
    let setup = setup.with(&["--auth", "kubernetes", "--namespace", "jobs-here"]).env("KUBECONFIG", file);
    (setup.start(), cluster)
}

fn launch(app: &TestApp, id: &str) -> u16 {
    let body = json!({"template": "typed", "id": id, "parameters": {"day": "2026-01-31"}});
    app.post("/api/v1/jobs", &body).status
}

#[test]
fn whoever_may_list_may_not_launch() {
    let (mut app, cluster) = start();
    cluster.grant("viewer", &["list", "get"]);
    app.sign_in("viewer");
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    assert_eq!(app.get("/api/v1/templates/typed").status, 200);
    assert_eq!(app.get("/api/v1/jobs/k1").status, 404);
    for path in ["/api/v1/jobs", "/api/v1/templates/typed/render", "/api/v1/jobs/k1/rerun", "/api/v1/jobs/k1/cancel"] {
        let refused = app.post(path, &json!({}));
        assert_eq!((refused.status, &*refused.problem()), (403, "forbidden"), "{path}");
    }
    let refused = app.post("/api/v1/jobs", &json!({}));
    let told: Value = refused.json();
    assert_eq!(
        (&told["user"], &told["verb"], &told["namespace"]),
        (&json!("viewer"), &json!("create"), &json!("jobs-here"))
    );
    assert!(
        refused.detail().starts_with("the user viewer may not create jobs in the namespace jobs-here"),
        "{refused:?}"
    );
}

#[test]
fn whoever_may_do_everything_does_and_is_named() {
    let (mut app, cluster) = start();
    cluster.grant("ada@example.org", &["list", "get", "create", "delete"]);
    app.sign_in("ada@example.org");
    app.launch_gate("k1");
    app.wait_for_phase("k1", "Running");
    app.request("POST", "/api/v1/jobs/k1/cancel").send();
    let job = app.wait_for_phase("k1", "Cancelled");
    assert_eq!(job["message"], "cancelled by ada@example.org");
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
}

#[test]
fn nobody_gets_in_whom_the_cluster_does_not_know() {
    let (mut app, cluster) = start();
    assert_eq!(app.get("/api/v1/jobs").status, 401);
    assert_eq!(cluster.asked(), [json!(null); 0], "without a token there is nothing to be asked");
    app.sign_in("eve");
    let refused = app.get("/api/v1/jobs");
    assert_eq!((refused.status, &*refused.problem()), (401, "unauthorized"));
    assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"), "{refused:?}");
    assert_eq!(cluster.asked(), [json!({"token": "eve"})]);
    app.sign_out();
    for path in ["/healthz", "/readyz", "/metrics", "/login", "/api/v1/openapi.json"] {
        assert_eq!(app.get(path).status, 200, "{path}");
    }
}

#[test]
fn the_cluster_is_asked_once_for_many_requests() {
    let (mut app, cluster) = start();
    cluster.grant("ada", &["list"]);
    app.sign_in("ada");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(app.get("/api/v1/jobs").status, 200));
        }
    });
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    let asked = cluster.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let expected = json!({
        "user": "ada", "uid": "7", "groups": ["dev", "system:authenticated"], "extra": {},
        "resourceAttributes": {"group": "batch", "resource": "jobs", "namespace": "jobs-here", "verb": "list"},
    });
    assert_eq!(asked[1], expected);
}

#[test]
fn while_the_cluster_is_away_nobody_is_let_through() {
    let (mut app, cluster) = start();
    cluster.grant("ada", &["list"]);
    cluster.set_away(true);
    app.sign_in("ada");
    let refused = app.get("/api/v1/jobs");
    assert_eq!((refused.status, &*refused.problem()), (503, "unreviewed"));
    assert!(refused.header("retry-after").is_some());
    assert!(!refused.body.contains("stub"), "what went wrong is for the log: {refused:?}");
    let form = app.request("POST", "/login").header("accept", HTML).form("token=ada");
    assert_eq!((form.status, form.header("set-cookie")), (503, None));
    assert!(form.body.contains("The cluster cannot be asked now"), "{}", form.body);
    cluster.set_away(false);
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    let words = app.stop().words;
    assert!(words.contains("the stub is away"), "{words}");
}

#[test]
fn a_right_that_is_taken_away_is_gone_soon() {
    let (mut app, cluster) = start();
    cluster.grant("ada", &["list"]);
    app.sign_in("ada");
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    cluster.grant("ada", &[]);
    app.until(|| (app.get("/api/v1/jobs").status == 403).then_some(()));
    cluster.forget("ada");
    app.until(|| (app.get("/api/v1/jobs").status == 401).then_some(()));
}

#[test]
fn a_browser_signs_in_with_a_token_of_the_cluster() {
    let (app, cluster) = start();
    cluster.grant("ada", &["list"]);
    let away = app.request("GET", "/index").header("accept", HTML).send();
    assert_eq!((away.status, away.header("location")), (303, Some("/login?next=%2Findex")));
    let wrong = app.request("POST", "/login").header("accept", HTML).form("token=eve");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));

    let right = app.request("POST", "/login").form("token=ada&next=%2Findex");
    assert_eq!((right.status, right.header("location")), (303, Some("/index")));
    let cookie = right.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{attribute}: {cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let page = |path| app.request("GET", path).header("accept", HTML).header("cookie", pair).send();
    let index = page("/index");
    assert_eq!(index.status, 200);
    assert!(index.body.contains("<bdi>ada</bdi>"), "{}", index.body);

    let refused = page("/jobs/k1");
    assert_eq!((refused.status, refused.header("content-type")), (403, Some("text/html; charset=utf-8")));
    for words in ["The user ada may not get jobs in the namespace jobs-here", "Sign in as somebody else"] {
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    let forged = format!("{pair}0");
    assert_eq!(app.request("GET", "/api/v1/jobs").header("cookie", &forged).send().status, 401);
}

#[test]
fn workers_report_with_their_own_tokens() {
    let (mut app, cluster) = start();
    cluster.grant("ada", &["list", "get", "create"]);
    app.sign_in("ada");
    app.launch_gate("k1");
    let callback = app.callback_path("k1");
    app.sign_out();
    assert_eq!(app.request("POST", &callback).form("status=a").status, 200);
    assert_eq!(app.request("POST", "/updatejobstatus").form("job-id=k1&status=b").status, 403);
    let token = callback.rsplit('/').next().unwrap();
    assert_eq!(app.request("POST", "/updatejobstatus").form(&format!("token={token}&status=b")).status, 200);
    app.sign_in("ada");
    assert_eq!(app.request("POST", "/updatejobstatus").form("job-id=k1&status=c").status, 403);
    assert_eq!(launch(&app, "k2"), 201);
    app.sign_in(token);
    assert_eq!(launch(&app, "k3"), 401);
}

#[test]
fn processes_alone_are_no_cluster_that_could_be_asked() {
    let (code, words) = Setup::new().with(&["--auth", "kubernetes"]).fail();
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("--executor kubernetes") && words.contains("--namespace"), "{words}");
}
