//! What holds for the router as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::executor::review::Verb;
use crate::executor::{ExecutorError, Unsupported};
use crate::job::report::{InvalidReport, Report};
use crate::job::{JobId, Phase};
use crate::service::{Difference, Objection, ServiceError};
use crate::store::StoreError;
use crate::template::{Code, Fault, RenderError};

fn id() -> JobId {
    "k1".parse().unwrap()
}

/// Every kind of error once.
fn every_error() -> Vec<ApiError> {
    use ServiceError as E;
    let fault = Fault {
        path: "day".to_owned(),
        message: "expected a date".to_owned(),
        given: Some("\"x\"".to_owned()),
        suggestion: None,
    };
    let difference = Difference { field: "name".to_owned(), recorded: json!("a"), requested: json!("b") };
    let text = str::to_owned;
    let service = [
        E::UnknownTemplate { name: text("helo"), suggestion: Some(text("hello")) },
        E::BrokenTemplate { name: text("hello"), error: text("hello.yaml:1: no front matter") },
        E::InvalidParameters { template: text("nightly-report"), faults: vec![fault] },
        E::Render {
            template: text("hello"),
            error: Box::new(RenderError {
                template: text("hello"),
                problems: vec![crate::template::Problem::new(Code::Invalid, "no name")],
            }),
        },
        E::Unsupported {
            template: text("hello"),
            unsupported: Unsupported { faults: vec![(text("spec.template.spec.volumes"), text("not here"))] },
        },
        E::Refused {
            template: text("hello"),
            objection: Box::new(Objection {
                reason: text("Invalid"),
                message: text("Job.batch \"hello-3f9c0a1b2c3d\" is invalid: …"),
                faults: vec![crate::template::Problem::new(Code::Invalid, "Required value").on("spec.template")],
            }),
        },
        E::Conflict { id: id(), differences: vec![difference] },
        E::UnknownJob(id()),
        E::NotEnded { id: id(), phase: Phase::Running },
        E::Ended { id: id(), phase: Phase::Failed },
        E::SecretsNeeded { names: vec![text("password")] },
        E::ParametersNeeded { id: id(), names: vec![text("day"), text("copies")] },
        E::NoManifest(id()),
        E::Incomparable(id()),
        E::Rebuilding,
        E::NoLog(id()),
        E::Store(StoreError::Full),
        E::Executor(ExecutorError::Unreachable(text("gone"))),
        E::Executor(ExecutorError::NotFound(text("no such object"))),
        E::Executor(ExecutorError::NotOffered(text("there is no API server that could be asked"))),
        E::ShuttingDown,
    ];
    let own = [
        ApiError::MalformedJson { message: text("expected value"), line: 2, column: 5 },
        ApiError::InvalidBody(text("the body does not fit: unknown field `parameter`")),
        ApiError::in_query("limit", "\"x\" is no whole number from 1 to 500"),
        ApiError::UnsupportedMediaType { given: None, expected: &["application/json"] },
        ApiError::NotAcceptable { offered: &["application/yaml", "application/json"] },
        ApiError::BodyTooLarge { limit: 65536 },
        ApiError::RequestTimeout(Duration::from_secs(15)),
        ApiError::BodyBroken(axum::Error::new("connection reset")),
        ApiError::Overdue(Duration::from_secs(30)),
        ApiError::Unauthorized { given: false },
        ApiError::Unauthorized { given: true },
        ApiError::Forbidden(Box::new(auth::Missing {
            user: text("system:serviceaccount:team:viewer"),
            verb: Verb::Create,
            namespace: text("jobwright-jobs"),
            reason: None,
        })),
        ApiError::Unreviewed,
        ApiError::SessionTooLarge { groups: 300 },
        ApiError::CrossSite { origin: text("https://evil.example") },
        ApiError::UnknownHost { host: text("evil.example") },
        ApiError::InvalidToken,
        ApiError::JobMismatch { expected: id(), given: text("k2") },
        ApiError::InvalidReport(InvalidReport::Progress(101)),
        ApiError::UnknownRoute { path: text("/api/v1/job"), suggestion: Some(text("/api/v1/jobs")) },
        ApiError::MethodNotAllowed { method: Method::PUT, allow: text("GET, HEAD, POST") },
        ApiError::TooManyStreams { limit: 256 },
        ApiError::Internal { id: text("0199") },
    ];
    own.into_iter().chain(service.into_iter().map(ApiError::from)).collect()
}

#[test]
fn every_error_is_told_as_a_problem() {
    let table: String = every_error().iter().map(|error| format!("{:#}\n", json!(error.problem()))).collect();
    insta::assert_snapshot!(table);
}

#[test]
fn every_type_of_problem_is_described() {
    let page = include_str!("../../docs/problems.md");
    let described: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let told: BTreeSet<&str> = every_error().iter().map(|error| error.problem().kind).collect();
    assert_eq!(described, told);
}

#[test]
fn what_can_be_tried_again_says_when() {
    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse;
    for error in every_error() {
        let words = error.to_string();
        let response = error.into_response();
        let unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE;
        let told = response.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(unavailable, told, "{words}");
    }
}

#[test]
fn the_committed_description_is_the_one_of_the_handlers() {
    let committed = include_str!("../../docs/openapi.json");
    let generated = crate::cli::openapi::document();
    assert!(
        committed == generated,
        "docs/openapi.json is not up to date; renew it with: cargo run -- openapi > docs/openapi.json"
    );
}

#[test]
fn a_report_has_the_limits_that_its_description_tells() {
    let at = Timestamp::UNIX_EPOCH;
    let long = "x".repeat(Report::MAX_STATUS + 1);
    assert!(Report::new(at, None, long, None, None).is_err());
    let description = json!(openapi::document());
    let status = &description["components"]["schemas"]["ReportFields"]["properties"]["status"];
    let words = status["description"].as_str().unwrap();
    assert!(words.contains(&Report::MAX_STATUS.to_string()), "{words}");
}
