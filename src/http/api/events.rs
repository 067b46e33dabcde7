//! The stream of all changes.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Deserialize;

use super::super::auth::Admission;
use super::super::extract::{Params, parsed};
use super::super::{ApiError, AppState, Problem};
use super::feed::Feed;
use crate::job::{Event, JobId, JobView};

/// Which changes are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only changes of this job.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    job: Option<JobId>,
    /// First the events on record with a greater number than this, then those to come. The header `Last-Event-ID`
    /// stands before it.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<u64>)]
    after: Option<u64>,
}

/// The data of one event of the stream.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the stream")]
pub(super) struct Change {
    /// What happened.
    event: Event,
    /// The job after it: as it was then for a change that comes, as it is now for one that is on record already. Null
    /// if its record is gone.
    job: Option<JobView>,
}

/// Follow all changes
///
/// Server-sent events: `id` is the event's number, `event` its type, `data` a `Change`. A client that comes back with
/// `Last-Event-ID` gets what it missed, and then what comes, without a gap and nothing twice. A client that is too
/// slow is cut off, and can come back in the same way.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(Wanted, ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that the client has")),
    responses(
        (status = OK, body = Change, content_type = "text/event-stream"),
        (status = SERVICE_UNAVAILABLE, description = "Too many streams are open", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn follow(
    State(app): State<AppState>,
    admission: Admission,
    Params(wanted): Params<Wanted>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = last_event_id(&headers)?.or(wanted.after);
    let permit = app.streams.enter()?;
    let feed = Feed::new(app.service.store().clone(), wanted.job, after, app.shutdown.clone());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
    ];
    let stream = feed.into_stream(permit).take_until(Box::pin(admission.lapsed()));
    Ok((headers, Body::from_stream(stream)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if text.is_empty() => Ok(None),
        Err(_) => Err(ApiError::InvalidInput {
            place: "header",
            name: "Last-Event-ID".to_owned(),
            message: "it is no number of an event".to_owned(),
        }),
    }
}
