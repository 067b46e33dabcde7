//! Templates: what can be launched, and what a launch would give.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::extract::{NamePath, OptionalJson, Params};
use super::super::unique;
use super::super::{ApiError, AppState, Problem};
use super::history::{manifest_response, manifest_type};
use crate::job::{JobId, JobName};
use crate::service::{Approved, RenderRequest, ServiceError};
use crate::template::{Entry, Template};

const DIGEST: HeaderName = HeaderName::from_static("jobwright-digest");

const WARNING: HeaderName = HeaderName::from_static("jobwright-warning");

/// A template.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Template)]
pub(super) struct TemplateView {
    /// Its name: the file's, without `.yaml`.
    name: String,
    /// A title for people.
    title: String,
    /// What it is for.
    description: Option<String>,
    /// Whether it can be launched. A broken one can, if an earlier version of it was good.
    usable: bool,
    /// What is wrong with the file as it is now; nothing, if it loaded.
    #[schema(value_type = Option<Vec<Object>>)]
    problems: Option<Value>,
    /// The parameters, as JSON Schema 2020-12; null if no version ever loaded.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// Parameters by the name of an example.
    #[schema(value_type = BTreeMap<String, Object>)]
    examples: BTreeMap<String, Map<String, Value>>,
    /// Digest over template, partials and settings: `sha256:…`.
    digest: Option<String>,
    /// The commit of the templates' folder, where it is in git.
    commit: Option<String>,
    /// Whether the folder differs from that commit.
    dirty: bool,
}

/// All templates.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TemplateList {
    /// The templates, by name.
    items: Vec<TemplateView>,
    /// Always null: the list comes whole.
    next: Option<String>,
}

impl TemplateView {
    fn of(entry: &Entry) -> Self {
        let template: Option<&Template> = entry.template().map(AsRef::as_ref);
        let provenance = template.map(Template::provenance).unwrap_or_default();
        Self {
            name: entry.name.clone(),
            title: entry.title().to_owned(),
            description: entry.description().map(str::to_owned),
            usable: template.is_some(),
            problems: entry.error().map(|error| serde_json::json!(error.problems)),
            parameters: template.map(|template| template.schema().clone()),
            examples: template.map(|template| template.examples().clone()).unwrap_or_default(),
            digest: template.map(|template| template.digest().to_owned()),
            commit: provenance.commit,
            dirty: provenance.dirty,
        }
    }
}

/// List templates
#[utoipa::path(get, path = "/api/v1/templates", tag = "templates",
    responses((status = OK, body = TemplateList)))]
pub(super) async fn list(State(app): State<AppState>) -> Json<TemplateList> {
    let catalog = app.service.catalog();
    Json(TemplateList { items: catalog.entries().map(TemplateView::of).collect(), next: None })
}

/// One template
#[utoipa::path(get, path = "/api/v1/templates/{name}", tag = "templates",
    params(("name" = String, Path, description = "The template's name")),
    responses(
        (status = OK, body = TemplateView),
        (status = NOT_FOUND, description = "There is no such template", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(app): State<AppState>,
    NamePath(name): NamePath,
) -> Result<Json<TemplateView>, ApiError> {
    let catalog = app.service.catalog();
    if let Some(entry) = catalog.entry(&name) {
        return Ok(Json(TemplateView::of(entry)));
    }
    let suggestion = catalog.get(&name).err().and_then(|error| error.suggestion);
    Err(ServiceError::UnknownTemplate { name, suggestion }.into())
}

/// What to render a template with. Everything may be left out.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Render {
    /// The job ID to render with.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    id: Option<JobId>,
    /// The job name to render with.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<JobName>,
    /// The parameters.
    #[serde(default, deserialize_with = "unique::object")]
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
}

/// Who is asked about a manifest.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Whether the executor is asked too: it is shown the very object that a launch would create, and creates nothing.
    #[serde(default)]
    server: bool,
}

/// See what a launch would give
///
/// Checks parameters and manifest as a launch does, and launches nothing. The manifest comes as YAML or JSON, by
/// `Accept`, with secrets masked. With `server=true` the executor has its say as well: on Kubernetes the API server with
/// all its admission, by a strict dry run. What it warns of comes in headers `Jobwright-Warning`, one for each warning.
#[utoipa::path(post, path = "/api/v1/templates/{name}/render", tag = "templates",
    params(("name" = String, Path, description = "The template's name"), Asked),
    request_body = Option<Render>,
    responses(
        (status = OK, content((String = "application/yaml"), (serde_json::Value = "application/json")),
            headers(("Jobwright-Digest" = String, description = "Digest over template, partials and settings"),
                ("Jobwright-Warning" = String, description = "What the executor warns of; there may be several"))),
        (status = NOT_FOUND, description = "There is no such template", body = Problem, content_type = "application/problem+json"),
        (status = UNPROCESSABLE_ENTITY, description = "The parameters do not fit, or the executor would not take the manifest; `faults` lists everything", body = Problem, content_type = "application/problem+json"),
        (status = NOT_IMPLEMENTED, description = "The executor can do no dry run: jobs run as processes here", body = Problem, content_type = "application/problem+json"),
        (status = SERVICE_UNAVAILABLE, description = "The executor cannot be reached", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn render(
    State(app): State<AppState>,
    NamePath(template): NamePath,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    OptionalJson(wanted): OptionalJson<Render>,
) -> Result<Response, ApiError> {
    let media_type = manifest_type(&headers)?;
    let request = RenderRequest { template, id: wanted.id, name: wanted.name, parameters: wanted.parameters };
    let Approved { rendered, warnings } = if asked.server {
        app.service.dry_run(&request).await?
    } else {
        Approved { rendered: app.service.render(&request)?, warnings: Vec::new() }
    };
    let mut response = manifest_response(media_type, rendered.masked());
    let digest = HeaderValue::from_str(rendered.digest()).map_err(ApiError::internal)?;
    response.headers_mut().insert(DIGEST, digest);
    for warning in &warnings {
        response.headers_mut().append(WARNING, one_line(warning)?);
    }
    Ok(response)
}

/// A text as the value of a header, which holds no line breaks.
fn one_line(text: &str) -> Result<HeaderValue, ApiError> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    HeaderValue::from_bytes(text.trim().as_bytes()).map_err(ApiError::internal)
}
