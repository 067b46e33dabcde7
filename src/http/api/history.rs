//! What one job went through, and what was launched for it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::extract::{JobPath, Params, parsed};
use super::super::{ApiError, AppState, Problem, accept};
use super::jobs::Limit;
use crate::job::Event;
use crate::service::ServiceError;

/// The types that a manifest comes in; the first is given where the client does not care.
const MANIFEST_TYPES: &[&str] = &["application/yaml", "application/json"];

/// Which events are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Only events with a greater number.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<u64>)]
    after: Option<u64>,
    /// How many at most.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Option<Limit>,
}

/// A part of a job's history, oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EventPage {
    /// The events.
    items: Vec<Event>,
    /// What to ask for the next part with, as `after`; null if there is none now.
    next: Option<u64>,
}

/// A job's history
///
/// Oldest first, page by page: every change with its time and its source.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID"), Part),
    responses(
        (status = OK, body = EventPage),
        (status = NOT_FOUND, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn events(
    State(app): State<AppState>,
    JobPath(id): JobPath,
    Params(part): Params<Part>,
) -> Result<Json<EventPage>, ApiError> {
    app.view(&id)?;
    let after = part.after.unwrap_or(0);
    let limit = part.limit.map_or(100, |limit| limit.0);
    let mut items = app.read(move |store| store.job_events(&id, after, limit + 1)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|event| event.sequence);
    Ok(Json(EventPage { items, next }))
}

/// A job's manifest
///
/// As it was launched, with secrets masked; YAML or JSON, by `Accept`.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/manifest", tag = "jobs",
    params(("id" = String, Path, description = "The job's ID")),
    responses(
        (status = OK, content((String = "application/yaml"), (serde_json::Value = "application/json"))),
        (status = NOT_FOUND, description = "There is no such job, or its record was rebuilt without a manifest", body = Problem, content_type = "application/problem+json"),
        (status = NOT_ACCEPTABLE, description = "The client takes neither", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn manifest(
    State(app): State<AppState>,
    JobPath(id): JobPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = accept::choose(&headers, MANIFEST_TYPES)?;
    let intent = app.service.store().intent(&id);
    let intent = intent.map_err(ServiceError::Store)?.ok_or_else(|| app.service.unknown(id))?;
    let manifest = intent.shown_manifest().ok_or_else(|| ServiceError::NoManifest(intent.id.clone()))?;
    Ok(manifest_response(wanted, manifest))
}

/// Chooses between YAML and JSON.
pub(super) fn manifest_type(headers: &HeaderMap) -> Result<&'static str, ApiError> {
    accept::choose(headers, MANIFEST_TYPES)
}

/// A manifest as the client wants it.
pub(super) fn manifest_response(wanted: &'static str, manifest: &serde_json::Value) -> Response {
    let text =
        if wanted == "application/json" { format!("{manifest:#}\n") } else { crate::template::yaml::write(manifest) };
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(wanted)), (header::VARY, HeaderValue::from_static("accept"))];
    (headers, text).into_response()
}
