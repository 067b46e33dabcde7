//! `POST /runajob`, the launch of the system that this one replaces; its two other routes are in
//! [`super::callback`] (`POST /updatejobstatus`) and on the dashboard (`GET /index`).

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use super::extract::{MAX_BODY, content_type, read_body};
use super::fields::{Pairs, is_json};
use super::{ApiError, AppState, Caller, accept, page};
use crate::job::{JobId, JobName};
use crate::service::LaunchRequest;

/// What the form on `/index` holds, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunAJob {
    /// `job-id`.
    pub job_id: String,
    /// `job-name`.
    pub job_name: String,
    /// Whatever else there is: parameters, as far as the template declares them.
    pub others: BTreeMap<String, String>,
}

/// The form of `POST /runajob`.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = RunAJob)]
#[expect(dead_code, reason = "describes the form")]
pub(super) struct RunAJobForm {
    /// The job's ID; a new one is made if it is left empty.
    #[schema(rename = "job-id")]
    job_id: Option<String>,
    /// The job's name.
    #[schema(rename = "job-name")]
    job_name: Option<String>,
}

/// Launches the default template, by the route of the system that this one replaces
///
/// Further fields are parameters, as far as the template declares them; others are passed over.
#[utoipa::path(post, path = "/runajob", tag = "migration",
    request_body(content((RunAJobForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = SEE_OTHER, description = "It is on record; `/index` shows it"),
        (status = BAD_REQUEST, description = "The form cannot be used", body = super::Problem, content_type = "application/problem+json"),
        (status = CONFLICT, description = "Another job has this ID", body = super::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn run_a_job(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match read_body(body, MAX_BODY).await {
        Ok(body) => read(&parts.headers, parts.uri.query(), &body),
        Err(error) => Err(error),
    };
    let form = match form {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    match launch(&app, &form, caller.clone()).await {
        Ok(()) => Redirect::to("/index").into_response(),
        Err(error) if accept::wants_html(&parts.headers) => page::of_index(&app, &caller, &form, &error),
        Err(error) => error.into_response(),
    }
}

/// Reads the form. JSON is taken as well, as it was there.
fn read(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Result<RunAJob, ApiError> {
    let mut values = BTreeMap::new();
    let essence = content_type(headers).and_then(|given| given.split(';').next()).map(str::trim);
    if essence.is_some_and(is_json) {
        values = serde_json::from_slice(body).map_err(|error| ApiError::json(&error))?;
    } else if essence.is_none_or(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        take_pairs(&mut values, body)?;
    } else if !body.is_empty() {
        return Err(ApiError::UnsupportedMediaType {
            given: essence.map(str::to_owned),
            expected: &["application/x-www-form-urlencoded"],
        });
    }
    take_pairs(&mut values, query.unwrap_or_default().as_bytes())?;
    let mut take = |names: [&str; 2]| {
        let [first, second] = names.map(|name| values.remove(name));
        first.or(second).unwrap_or_default()
    };
    Ok(RunAJob { job_id: take(["job-id", "job_id"]), job_name: take(["job-name", "job_name"]), others: values })
}

/// The first of two values of one name counts.
fn take_pairs(values: &mut BTreeMap<String, String>, text: &[u8]) -> Result<(), ApiError> {
    for pair in Pairs::new(text) {
        let (name, value) = pair?;
        values.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(())
}

async fn launch(app: &AppState, form: &RunAJob, caller: Caller) -> Result<(), ApiError> {
    let request = into_request(app, form, caller)?;
    let launched = app.service.launch(request).await;
    app.metrics.launched(&launched);
    launched?;
    Ok(())
}

fn into_request(app: &AppState, form: &RunAJob, caller: Caller) -> Result<LaunchRequest, ApiError> {
    let id: Option<JobId> = given(&form.job_id, "job-id")?;
    let name: Option<JobName> = given(&form.job_name, "job-name")?;
    let template = app.settings.default_template.clone();
    let declared = app.declared_parameters(&template);
    let parameters: Map<String, Value> = form
        .others
        .iter()
        .filter(|(name, _)| declared.contains(name.as_str()))
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    Ok(LaunchRequest { template, id, name, parameters, by: caller.name })
}

/// A field that may be left empty.
fn given<T>(text: &str, field: &str) -> Result<Option<T>, ApiError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| ApiError::in_field(field, error))
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn form(content_type: &str, query: Option<&str>, body: &str) -> RunAJob {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        read(&headers, query, body.as_bytes()).unwrap()
    }

    #[test]
    fn a_plain_form_is_read_as_browsers_send_it() {
        let read = form("application/x-www-form-urlencoded", None, "job-id=k1&job-name=T%C3%A4glich+%231&day=today");
        assert_eq!(read.job_id, "k1");
        assert_eq!(read.job_name, "Täglich #1");
        assert_eq!(read.others["day"], "today");
    }

    #[test]
    fn json_and_a_query_do_as_well() {
        let json = form("application/json", None, r#"{"job-id": "k1", "job-name": "n"}"#);
        let query = form("text/plain", Some("job_id=k1&job-name=n"), "");
        assert_eq!(json, query);
    }
}
