//! Jobs: launch, list, look, cancel, rerun, delete.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::extract::{self, JobPath, OptionalJson, Params, parsed};
use super::super::unique;
use super::super::{ApiError, AppState, Caller, Problem};
use crate::job::{JobId, JobName, JobView, Phase};
use crate::service::{LaunchRequest, Launched, Rerun, ServiceError};
use crate::store::{Cursor, Query};

/// A job to launch.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `template` and, where wanted, `id`, `name` and `parameters`")]
pub(super) struct Launch {
    /// The template's name.
    #[schema(example = "hello")]
    template: String,
    /// The caller's key for the job, which makes the request safe to repeat: 1 to 100 letters, digits, `.`, `_` or
    /// `-`, the first a letter or digit. Without one a UUID of version 7 is made.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "k1")]
    id: Option<JobId>,
    /// Free text for people: one line of up to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Daily")]
    name: Option<JobName>,
    /// The parameters, as the template's schema describes them. A string is taken for any type that it can be read as.
    #[serde(default, deserialize_with = "unique::object")]
    #[schema(value_type = Object, example = json!({"name": "Ada"}))]
    parameters: Map<String, Value>,
}

/// What a job that is launched again shall do otherwise. Everything may be left out.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with, where wanted, `id`, `name` and `parameters`")]
pub(super) struct RerunChange {
    /// The ID of the new job, which makes the request safe to repeat.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    id: Option<JobId>,
    /// Its name, if it shall have another one.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<JobName>,
    /// Parameters that replace those of the first job; the others stay. Secret ones are needed again.
    #[serde(default, deserialize_with = "unique::object")]
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
}

/// Which jobs are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Only jobs in this phase, or in one of several with commas between them.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, example = "Running,Waiting")]
    phase: Option<Phases>,
    /// Only jobs of this template.
    #[serde(default, deserialize_with = "parsed")]
    template: Option<String>,
    /// Only jobs with this text in their ID or name.
    #[serde(default, deserialize_with = "parsed")]
    q: Option<String>,
    /// Only jobs that were created at this time or later (RFC 3339).
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only jobs that were created before this time (RFC 3339).
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// How many at most.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// Phases with commas between them.
#[derive(Debug)]
struct Phases(Vec<Phase>);

impl std::str::FromStr for Phases {
    type Err = <Phase as std::str::FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let phases = text.split(',').map(|phase| phase.trim().parse());
        phases.collect::<Result<_, _>>().map(Self)
    }
}

/// How many entries a page may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub(super) usize);

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(limit @ 1..=Query::MAX_LIMIT) => Ok(Self(limit)),
            _ => Err(format!("{text:?} is no whole number from 1 to {}", Query::MAX_LIMIT)),
        }
    }
}

/// One page of jobs, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct JobPage {
    /// The jobs.
    items: Vec<JobView>,
    /// What to ask for the next page with, as `cursor`; null if there is none. A page may be short, or even empty, and
    /// still have a next one.
    next: Option<String>,
}

/// Launch a job
///
/// At most one object is ever created for a job ID: the same request again gets the job that is there (200), another
/// request under the same ID is refused (409).
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs",
    request_body = Launch,
    responses(
        (status = CREATED, description = "It is on record, and launched or about to be", body = JobView,
            headers(("Location" = String, description = "Where the job is"))),
        (status = OK, description = "The same request was made before; this is its job", body = JobView),
        (status = NOT_FOUND, description = "There is no such template", body = Problem, content_type = "application/problem+json"),
        (status = CONFLICT, description = "Another job has this ID; `differences` tells them apart", body = Problem, content_type = "application/problem+json"),
        (status = UNPROCESSABLE_ENTITY, description = "The parameters do not fit; `faults` lists everything", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn launch(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(wanted): extract::Json<Launch>,
) -> Result<Response, ApiError> {
    let request = LaunchRequest {
        template: wanted.template,
        id: wanted.id,
        name: wanted.name,
        parameters: wanted.parameters,
        by: caller.name,
    };
    let launched = app.service.launch(request).await;
    launched_response(&app, launched)
}

fn launched_response(app: &AppState, launched: Result<Launched, ServiceError>) -> Result<Response, ApiError> {
    app.metrics.launched(&launched);
    let Launched { job, created } = launched?;
    // The grammar of a job ID leaves nothing to be escaped.
    let location = format!("/api/v1/jobs/{}", job.id);
    let location = HeaderValue::from_str(&location).map_err(ApiError::internal)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::LOCATION, location)], Json(job)).into_response())
}

/// List jobs
///
/// Newest first, page by page.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs",
    params(Filters),
    responses(
        (status = OK, body = JobPage),
        (status = BAD_REQUEST, description = "A filter cannot be used", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    Params(filters): Params<Filters>,
) -> Result<Json<JobPage>, ApiError> {
    let query = Query {
        phases: filters.phase.map(|phases| phases.0).unwrap_or_default(),
        template: filters.template,
        text: filters.q,
        since: filters.since,
        until: filters.until,
        limit: filters.limit.map(|limit| limit.0),
        cursor: filters.cursor,
    };
    let page = app.read(move |store| store.page(&query)).await?;
    Ok(Json(JobPage { items: page.items, next: page.next.map(|cursor| cursor.to_string()) }))
}

/// One job
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID")),
    responses(
        (status = OK, body = JobView),
        (status = NOT_FOUND, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(State(app): State<AppState>, JobPath(id): JobPath) -> Result<Json<JobView>, ApiError> {
    app.view(&id).map(Json)
}

/// Cancel a job
///
/// The answer comes when the wish is on record; the job ends when its executor shows that it has.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID")),
    responses(
        (status = OK, body = JobView),
        (status = NOT_FOUND, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = CONFLICT, description = "It has ended already", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn cancel(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(app.service.cancel(&id, caller.name).await?))
}

/// Launch a job again
///
/// As a new job, of the template as it is now, with the same parameters but for those that are given.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/rerun", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID")),
    request_body = Option<RerunChange>,
    responses(
        (status = CREATED, description = "The new job", body = JobView,
            headers(("Location" = String, description = "Where the new job is"))),
        (status = OK, description = "The same request was made before; this is its job", body = JobView),
        (status = NOT_FOUND, description = "There is no such job, or its template is gone", body = Problem, content_type = "application/problem+json"),
        (status = CONFLICT, description = "Another job has the ID that was given", body = Problem, content_type = "application/problem+json"),
        (status = UNPROCESSABLE_ENTITY, description = "The parameters do not fit, or secret ones are missing", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn rerun(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
    OptionalJson(change): OptionalJson<RerunChange>,
) -> Result<Response, ApiError> {
    let change = Rerun { id: change.id, name: change.name, parameters: change.parameters, by: caller.name };
    let launched = app.service.rerun(&id, change).await;
    launched_response(&app, launched)
}

/// Delete a job
///
/// Its record, its log, and its object if that is still there. Only a job that has ended can be deleted.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID")),
    responses(
        (status = NO_CONTENT, description = "It is gone"),
        (status = NOT_FOUND, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = CONFLICT, description = "It has not ended", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(State(app): State<AppState>, JobPath(id): JobPath) -> Result<StatusCode, ApiError> {
    app.service.delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
