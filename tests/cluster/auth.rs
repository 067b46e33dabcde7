//! Who may do what, by real accounts, Roles and tokens.

use serde_json::json;

use crate::house::{Cluster, script};
use crate::support::{Answer, TestApp};

/// A service that asks the cluster who may do what.
fn serve(cluster: &Cluster) -> TestApp {
    cluster.setup().with(&["--auth", "kubernetes"]).start()
}

/// An account with some rights on Jobs, and a token of it.
fn account(cluster: &Cluster, name: &str, verbs: &str) -> String {
    cluster.kubectl(&["create", "serviceaccount", name]);
    if !verbs.is_empty() {
        let verbs = format!("--verb={verbs}");
        cluster.kubectl(&["create", "role", name, &verbs, "--resource=jobs.batch"]);
        let account = format!("--serviceaccount={}:{name}", cluster.namespace());
        cluster.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &account]);
    }
    cluster.kubectl(&["create", "token", name]).trim().to_owned()
}

fn launch(app: &TestApp, id: &str) -> Answer {
    app.try_launch(id, &script("true"))
}

#[test]
#[ignore = "needs a cluster"]
fn a_viewer_looks_and_an_operator_launches_and_cancels() {
    let cluster = Cluster::new();
    let viewer = account(&cluster, "viewer", "get,list");
    let operator = account(&cluster, "operator", "get,list,create,delete");
    let mut app = serve(&cluster);

    app.sign_in(&viewer);
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    let refused = launch(&app, "k1");
    assert_eq!((refused.status, &*refused.problem()), (403, "forbidden"));
    let told = refused.json();
    let name = |account: &str| format!("system:serviceaccount:{}:{account}", cluster.namespace());
    assert_eq!(told["user"], name("viewer"));
    assert_eq!((&told["verb"], &told["resource"], &told["group"]), (&json!("create"), &json!("jobs"), &json!("batch")));
    assert_eq!(told["namespace"], cluster.namespace());
    assert_eq!(cluster.list("jobs"), [json!(null); 0], "nothing was launched");

    app.sign_in(&operator);
    assert_eq!(launch(&app, "k1").status, 201);
    app.wait_for_phase("k1", "Succeeded");
    assert_eq!(app.try_launch("k2", &script("sleep 600")).status, 201);
    app.wait_for_phase("k2", "Running");

    app.sign_in(&viewer);
    assert_eq!(app.job("k1")["phase"], "Succeeded");
    for (method, path) in [("POST", "/api/v1/jobs/k2/cancel"), ("DELETE", "/api/v1/jobs/k1")] {
        let refused = app.request(method, path).send();
        assert_eq!((refused.status, refused.json()["verb"].clone()), (403, json!("delete")), "{method} {path}");
    }
    app.sign_in(&operator);
    assert_eq!(app.request("POST", "/api/v1/jobs/k2/cancel").send().status, 200);
    let job = app.wait_for_phase("k2", "Cancelled");
    assert_eq!(job["message"], format!("cancelled by {}", name("operator")));
    assert_eq!(app.request("DELETE", "/api/v1/jobs/k1").send().status, 204);
}

#[test]
#[ignore = "needs a cluster"]
fn an_account_without_rights_sees_nothing_until_it_gets_them() {
    let cluster = Cluster::new();
    let token = account(&cluster, "newcomer", "");
    let mut app = serve(&cluster);
    app.sign_in(&token);
    for (path, verb) in [("/api/v1/jobs", "list"), ("/api/v1/events", "list"), ("/api/v1/jobs/k1/logs", "get")] {
        let refused = app.get(path);
        assert_eq!((refused.status, refused.json()["verb"].clone()), (403, json!(verb)), "{path}");
    }
    let account = format!("--serviceaccount={}:newcomer", cluster.namespace());
    cluster.kubectl(&["create", "rolebinding", "newcomer", "--clusterrole=view", &account]);
    cluster.until("the right", || (app.get("/api/v1/jobs").status == 200).then_some(()));
    assert_eq!(launch(&app, "k1").status, 403);
}

#[test]
#[ignore = "needs a cluster"]
fn a_token_that_is_nobodys_opens_nothing() {
    let cluster = Cluster::new();
    let good = account(&cluster, "leaver", "get,list");
    let for_others = cluster.kubectl(&["create", "token", "leaver", "--audience=https://other.example"]);
    let mut app = serve(&cluster);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for token in ["garbage", for_others.trim(), &forged] {
        app.sign_in(token);
        let refused = app.get("/api/v1/jobs");
        assert_eq!((refused.status, &*refused.problem()), (401, "unauthorized"), "{token}");
    }
    app.sign_in(&good);
    assert_eq!(app.get("/api/v1/jobs").status, 200);
    cluster.kubectl(&["delete", "serviceaccount", "leaver"]);
    cluster.until("the end of the token", || (app.get("/api/v1/jobs").status == 401).then_some(()));
}

#[test]
#[ignore = "needs a cluster"]
fn a_browsers_session_has_the_rights_of_its_user_and_ends_with_the_token() {
    let cluster = Cluster::new();
    account(&cluster, "viewer", "get,list");
    let token = cluster.kubectl(&["create", "token", "viewer", "--duration=20m"]);
    let app = serve(&cluster);
    let signed_in = app.request("POST", "/login").form(&format!("token={}&next=%2Findex", token.trim()));
    assert_eq!((signed_in.status, signed_in.header("location")), (303, Some("/index")));
    let cookie = signed_in.header("set-cookie").unwrap();
    let age = cookie.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap();
    let age: u64 = age.parse().unwrap();
    assert!((1..=1200).contains(&age), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(app.request("GET", "/index").header("cookie", pair).send().status, 200);
    let launch = app.request("POST", "/runajob").header("cookie", pair).form("job-id=k1");
    assert_eq!((launch.status, &*launch.problem()), (403, "forbidden"));
    cluster.kubectl(&["delete", "rolebinding", "viewer"]);
    let status = || app.request("GET", "/index").header("cookie", pair).send().status;
    cluster.until("the loss of the right", || (status() == 403).then_some(()));
}
