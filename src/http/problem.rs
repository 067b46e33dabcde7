//! Problem details (RFC 9457): what a client is told when something fails.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Where every problem type is described: `https://jobwright.dev/problems/NAME`, also `docs/problems.md`.
pub const TYPE_BASE: &str = "https://jobwright.dev/problems/";

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One problem, as `application/problem+json`.
///
/// Every response that carries one also holds it as an extension, so that an outer layer can show the same problem as
/// a page to a browser.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind of problem it is: a stable URI.
    #[serde(rename = "type", serialize_with = "type_uri")]
    #[schema(value_type = String, example = "https://jobwright.dev/problems/unknown-template")]
    pub kind: &'static str,
    /// The kind in a few words, the same for all problems of that kind.
    pub title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16, example = 404)]
    pub status: StatusCode,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// What a program may want of it: `faults`, `differences`, `suggestion`, …
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub members: Map<String, Value>,
}

fn type_uri<S: Serializer>(kind: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{TYPE_BASE}{kind}"))
}

fn status_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem without further members.
    pub fn new(kind: &'static str, title: &'static str, status: StatusCode, detail: impl Into<String>) -> Self {
        Self { kind, title, status, detail: detail.into(), members: Map::new() }
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A problem is strings, numbers and JSON values only: there is nothing in it that JSON cannot hold.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}
