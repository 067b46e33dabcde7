//! Logs, as they are or as they come.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::auth::Admission;
use super::super::extract::{JobPath, Params, parsed};
use super::super::{ApiError, AppState, Problem, accept};
use crate::executor::{LogLine, LogOptions};

const TEXT: &str = "text/plain";
const JSON_LINES: &str = "application/x-ndjson";

/// Which part of a log is wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Whether to go on until the containers have ended.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<bool>)]
    follow: Option<bool>,
    /// Only this many last lines of what there is now.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<u32>)]
    tail: Option<usize>,
    /// Only lines from this time on (RFC 3339).
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

/// A job's log
///
/// As plain text, or with time, pod and container as a line of JSON each, by `Accept`. Once the object is gone, it is
/// the tail that was kept. An answer that breaks off without its end was cut by an error.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/logs", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID"), Part),
    responses(
        (status = OK, content((String = "text/plain"), (LogLine = "application/x-ndjson"))),
        (status = NOT_FOUND, description = "There is no such job, or no log of it", body = Problem, content_type = "application/problem+json"),
        (status = SERVICE_UNAVAILABLE, description = "The executor cannot be reached, or too many streams are open", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn logs(
    State(app): State<AppState>,
    admission: Admission,
    JobPath(id): JobPath,
    Params(part): Params<Part>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = accept::choose(&headers, &[TEXT, JSON_LINES])?;
    let permit = app.streams.enter()?;
    let options = LogOptions {
        follow: part.follow.unwrap_or(false),
        since: part.since,
        tail: part.tail,
        ..LogOptions::default()
    };
    let lines = app.service.logs(&id, options).await?;
    let as_json = wanted == JSON_LINES;
    let ended = app.shutdown.clone().cancelled_owned();
    // Lines that are there already go out together.
    let chunks = lines
        .ready_chunks(256)
        .map(move |lines| {
            let _lives_as_long_as_the_stream = &permit;
            chunk(lines, as_json)
        })
        .take_until(ended)
        .take_until(Box::pin(admission.lapsed()));
    let media_type = if as_json { JSON_LINES } else { "text/plain; charset=utf-8" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

type Lines = Vec<Result<LogLine, crate::executor::ExecutorError>>;

fn chunk(lines: Lines, as_json: bool) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = Vec::new();
    for line in lines {
        let line = line.inspect_err(|error| tracing::warn!(%error, "a log broke off"))?;
        if as_json {
            serde_json::to_writer(&mut bytes, &line)?;
        } else {
            bytes.extend_from_slice(line.text.as_bytes());
        }
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}
