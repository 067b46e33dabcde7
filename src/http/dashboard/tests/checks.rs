//! What the executor says of a manifest, before a launch and by it, as it comes over HTTP.

use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::{Answer, Site};
use crate::executor::fake::{Create, WARNING};
use crate::executor::{Cause, DryRunError, ExecutorError};

impl Site {
    /// Asks for a manifest, and the executor about it.
    async fn render(&self, query: &str) -> Answer {
        let request = Request::post(format!("/api/v1/templates/task/render{query}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request, json!({"parameters": {"who": "Ada", "password": "hunter2"}}).to_string()).await
    }
}

fn problem(answer: &Answer) -> Value {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    serde_json::from_str(&answer.html).unwrap()
}

#[tokio::test]
async fn a_manifest_that_the_executor_would_take_comes_with_its_warnings() {
    let site = Site::new().await;
    let plain = site.render("").await;
    assert!(plain.status == StatusCode::OK && !plain.headers.contains_key("jobwright-warning"));
    assert!(site.executor.shown().is_empty(), "nobody asked for it");
    let asked = site.render("?server=true").await;
    assert_eq!((asked.status, &asked.html), (StatusCode::OK, &plain.html));
    assert_eq!(asked.headers["jobwright-warning"], WARNING);
    assert_eq!(site.executor.shown().len(), 1);
    assert!(site.executor.creations().is_empty());
}

#[tokio::test]
async fn a_manifest_that_the_executor_would_not_take_is_a_problem_with_every_fault() {
    let site = Site::new().await;
    let field = "spec.template.spec.containers[0].image".to_owned();
    site.executor.object(DryRunError::Refused {
        reason: "Invalid".to_owned(),
        message: "Job.batch is invalid".to_owned(),
        causes: vec![Cause { field, message: "must be signed, hunter2".to_owned() }],
    });
    let answer = site.render("?server=true").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = problem(&answer);
    assert_eq!(problem["type"], "https://jobwright.dev/problems/refused-manifest");
    assert_eq!((&problem["reason"], &problem["message"]), (&json!("Invalid"), &json!("Job.batch is invalid")));
    let fault = &problem["faults"][0];
    assert_eq!(fault["path"], "spec.template.spec.containers[0].image");
    assert_eq!((&fault["file"], &fault["message"]), (&json!("task.yaml"), &json!("must be signed, ••••••")));
    assert!(fault["line"].is_u64());
}

#[tokio::test]
async fn an_executor_that_does_not_answer_is_never_taken_for_consent() {
    let site = Site::new().await;
    for (error, status, kind) in [
        (ExecutorError::Unreachable("gone".to_owned()), StatusCode::SERVICE_UNAVAILABLE, "executor-unavailable"),
        (ExecutorError::NotOffered("no".to_owned()), StatusCode::NOT_IMPLEMENTED, "not-offered"),
    ] {
        site.executor.object(error.into());
        let answer = site.render("?server=true").await;
        assert_eq!(answer.status, status);
        assert_eq!(problem(&answer)["type"], format!("https://jobwright.dev/problems/{kind}"));
    }
    assert_eq!(site.render("?server=perhaps").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_the_executor_warned_of_at_a_launch_is_in_the_answer_and_on_the_page() {
    let site = Site::scripted([Create::Warned]).await;
    let request = Request::post("/api/v1/jobs").header(header::CONTENT_TYPE, "application/json");
    let body = json!({"template": "task", "id": "k1", "parameters": {"who": "Ada"}}).to_string();
    let answer = site.send(request, body).await;
    let job: Value = serde_json::from_str(&answer.html).unwrap();
    assert_eq!(job["warnings"], json!([WARNING]));
    site.until(&"k1".parse().unwrap(), |status| !status.warnings.is_empty()).await;
    let page = site.get("/jobs/k1").await.html;
    assert!(page.contains("The executor warned when it took the manifest"), "{page}");
    assert!(page.contains("<bdi>would violate PodSecurity"), "{page}");
}
