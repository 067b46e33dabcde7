use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use tower::ServiceExt;

use super::super::fixture::{Cluster, app, auth_by};
use super::super::{Auth, Hosts, Mode, Sessions};
use super::*;
use crate::http::{gated_routes, router};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const EVERY_VERB: [Verb; 4] = [Verb::List, Verb::Get, Verb::Create, Verb::Delete];

/// The paths that a router has, as it shows them itself, but for those of its fallback.
fn paths<S>(router: &Router<S>) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let routes = shown.split("fallback_router").next().unwrap();
    let quoted = routes.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

async fn send(router: &Router, method: &str, path: &str, token: Option<&str>) -> Response {
    let path = path.replace("{id}", "k1").replace("{name}", "n1");
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_table_has_every_route_and_no_other() {
    let auth = Auth::new(Mode::None, Hosts::default(), Sessions::new(&[7; 32], false));
    let (app, _folder) = app(auth).await;
    let bare = gated_routes().with_state(app);
    let paths = paths(&bare);
    assert!(paths.len() > 30, "{paths:?}");
    let mut served = BTreeSet::new();
    for path in &paths {
        for method in METHODS {
            if send(&bare, method, path, None).await.status() != StatusCode::METHOD_NOT_ALLOWED {
                served.insert((method, path.as_str()));
            }
        }
    }
    let listed: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(served, listed);
    assert_eq!(TABLE.len(), listed.len(), "a route is in the table twice");
}

#[tokio::test]
async fn each_route_takes_the_rights_that_the_table_says_and_no_fewer() {
    let cluster = Cluster::default();
    cluster.grant("all", &EVERY_VERB);
    cluster.grant("none", &[]);
    for missing in EVERY_VERB {
        let others: Vec<_> = EVERY_VERB.into_iter().filter(|verb| *verb != missing).collect();
        cluster.grant(&format!("all-but-{missing}"), &others);
    }
    let (app, _folder) = app(auth_by(&cluster)).await;
    let router = router(app);
    for (method, path, access) in TABLE {
        let status = async |token: Option<&str>| send(&router, method, path, token).await.status();
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let Rights(verbs) = access else {
            // These two ask for a token of their own.
            if !["/updatejobstatus", "/login"].contains(path) {
                assert!(!refused.contains(&status(None).await), "{method} {path}");
            }
            continue;
        };
        assert!(!refused.contains(&status(Some("all")).await), "{method} {path}");
        assert_eq!(status(None).await, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(status(Some("nobody")).await, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(status(Some("none")).await, StatusCode::FORBIDDEN, "{method} {path}");
        for verb in EVERY_VERB {
            let token = format!("all-but-{verb}");
            let is_refused = status(Some(&token)).await == StatusCode::FORBIDDEN;
            assert_eq!(is_refused, verbs.contains(&verb), "{method} {path}: {token}");
        }
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_is_served_to_nobody() {
    let none = of(&Method::GET, Some("/new")).unwrap_err();
    assert_eq!((none.needs, none.allowed.as_slice()), (Access::Known, &[][..]));
    let wrong = of(&Method::PUT, Some("/api/v1/jobs/{id}")).unwrap_err();
    assert_eq!((wrong.needs, wrong.allow().as_str()), (Access::Known, "GET, HEAD, DELETE"));
    assert_eq!(of(&Method::DELETE, Some("/healthz")).unwrap_err().needs, Public);
    assert_eq!(of(&Method::HEAD, Some("/api/v1/jobs")), Ok(LIST));

    let cluster = Cluster::default();
    cluster.grant("none", &[]);
    let (app, _folder) = app(auth_by(&cluster)).await;
    let router = router(app);
    for (method, path, token, status) in [
        ("GET", "/api/v1/nothing", None, 401),
        ("GET", "/api/v1/nothing", Some("none"), 404),
        ("PUT", "/api/v1/jobs", None, 401),
        ("PUT", "/api/v1/jobs", Some("none"), 405),
        ("PUT", "/healthz", None, 405),
    ] {
        let answer = send(&router, method, path, token).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {path} {token:?}");
        assert!(status != 405 || answer.headers().contains_key(header::ALLOW), "{method} {path}");
    }
}

#[test]
fn reports_of_workers_alone_are_outside_of_the_gate() {
    let (busy, _) = crate::http::busy_routes().split_for_parts();
    assert_eq!(paths(&busy), ["/callback/{token}".to_owned()].into());
}
