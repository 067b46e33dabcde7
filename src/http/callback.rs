//! Reports of workers: the one busy route, so that nothing but what it needs lies on its way.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::auth::bearer;
use super::extract::{content_type, read_body};
use super::fields::{Fields, Scalar, number, shortened};
use super::{ApiError, AppState};
use crate::job::report::InvalidReport;
use crate::job::{JobId, Report};

/// The largest report, in bytes.
pub const MAX_REPORT: usize = 64 * 1024;

/// How long a report may wait to become durable.
const DURABLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A worker's report
///
/// The values come as a form, as JSON or in the query; the body stands before the query. The token names the job, so
/// `job-id` is not needed; if it is there, it has to be the token's. The answer comes when the report is durable.
///
/// A report never moves a job's phase, and one that comes after the job's end is kept in its history.
#[utoipa::path(post, path = "/callback/{token}", tag = "workers", security(()),
    params(("token" = String, Path, description = "The job's callback token")),
    request_body(content(
        (Fields = "application/x-www-form-urlencoded"),
        (Fields = "application/json"),
    )),
    responses(
        (status = OK, description = "It is on record", body = String, content_type = "application/json", example = "ok"),
        (status = BAD_REQUEST, description = "It cannot be read, or names another job", body = super::Problem, content_type = "application/problem+json"),
        (status = FORBIDDEN, description = "The token is wrong", body = super::Problem, content_type = "application/problem+json"),
        (status = PAYLOAD_TOO_LARGE, description = "It is larger than 64 KiB", body = super::Problem, content_type = "application/problem+json"),
        (status = UNPROCESSABLE_ENTITY, description = "A value is beyond its limit", body = super::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn report(State(app): State<AppState>, Path(token): Path<String>, request: Request) -> Response {
    let recorded = receive(&app, &token, request).await;
    finish(&app, recorded)
}

async fn receive(app: &AppState, token: &str, request: Request) -> Result<(), ApiError> {
    let id = app.service.verify_token(token).ok_or(ApiError::InvalidToken)?;
    let (_, fields) = read(request).await?;
    record(app, &id, fields).await
}

/// A worker's report, by the route of the system that this one replaces
///
/// Without authentication it is open, as it was there. Otherwise it needs the job's callback token: as a bearer token,
/// or as the field `token`.
#[utoipa::path(post, path = "/updatejobstatus", tag = "migration", security((), ("token" = [])),
    request_body(content(
        (Fields = "application/x-www-form-urlencoded"),
        (Fields = "application/json"),
    )),
    responses(
        (status = OK, description = "It is on record", body = String, content_type = "application/json", example = "ok"),
        (status = BAD_REQUEST, description = "It cannot be read, or names another job", body = super::Problem, content_type = "application/problem+json"),
        (status = FORBIDDEN, description = "The token is wrong or missing", body = super::Problem, content_type = "application/problem+json"),
        (status = NOT_FOUND, description = "There is no such job", body = super::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn update_job_status(State(app): State<AppState>, request: Request) -> Response {
    let recorded = receive_open(&app, request).await;
    finish(&app, recorded)
}

async fn receive_open(app: &AppState, request: Request) -> Result<(), ApiError> {
    let (headers, fields) = read(request).await?;
    let token = fields.token.as_ref().map(|token| token.0.as_str());
    let id = match bearer(&headers).or(token) {
        Some(token) => app.service.verify_token(token).ok_or(ApiError::InvalidToken)?,
        None if app.auth.is_required() => return Err(ApiError::InvalidToken),
        None => match &fields.job_id {
            Some(Scalar(text)) => text.parse().map_err(|error| ApiError::in_field("job-id", error))?,
            None => return Err(ApiError::in_field("job-id", "it is missing")),
        },
    };
    record(app, &id, fields).await
}

async fn read(request: Request) -> Result<(HeaderMap, Fields), ApiError> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, MAX_REPORT).await?;
    let fields = Fields::parse(content_type(&parts.headers), parts.uri.query(), &body)?;
    Ok((parts.headers, fields))
}

async fn record(app: &AppState, id: &JobId, fields: Fields) -> Result<(), ApiError> {
    if let Some(Scalar(given)) = &fields.job_id
        && given != id.as_str()
    {
        return Err(ApiError::JobMismatch { expected: id.clone(), given: shortened(given).into_owned() });
    }
    let report = into_report(fields, Timestamp::now())?;
    let recorded = app.service.report(id, report);
    tokio::time::timeout(DURABLE_TIMEOUT, recorded).await.map_err(|_| ApiError::Overdue(DURABLE_TIMEOUT))??;
    Ok(())
}

fn into_report(fields: Fields, at: Timestamp) -> Result<Report, ApiError> {
    let progress = number("progress", fields.progress.as_ref())?;
    let sequence = number("sequence", fields.sequence.as_ref())?;
    let status = fields.status.map(|it| it.0).unwrap_or_default();
    let message = fields.message.map(|it| it.0).filter(|it| !it.is_empty());
    Ok(Report::new(at, sequence, status, message, progress)?)
}

/// `"ok"` with its quotes, as the workers know it.
fn finish(app: &AppState, recorded: Result<(), ApiError>) -> Response {
    app.metrics.reported(recorded.is_ok());
    match recorded {
        Ok(()) => {
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], "\"ok\"").into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl From<InvalidReport> for ApiError {
    fn from(error: InvalidReport) -> Self {
        Self::InvalidReport(error)
    }
}
