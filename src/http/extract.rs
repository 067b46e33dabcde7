//! Extractors that refuse with an [`ApiError`], where axum's own would answer in plain text.

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::ApiError;
use super::fields::is_json;
use crate::job::JobId;

/// The largest body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// How much more than allowed is read and thrown away, so that a client that is still sending sees the answer.
const MAX_DISCARD: usize = 4 * 1024 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads a whole body of at most `limit` bytes.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let reading = tokio::time::timeout(BODY_TIMEOUT, collect(body, limit));
    reading.await.map_err(|_| ApiError::RequestTimeout(BODY_TIMEOUT))?
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let declared = body.size_hint().lower();
    if declared > (limit + MAX_DISCARD) as u64 {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let mut first = Bytes::new();
    let mut all = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ApiError::BodyBroken)?.into_data() else {
            continue;
        };
        length += data.len();
        if length > limit + MAX_DISCARD {
            break;
        } else if length > limit {
            all = Vec::new();
        } else if first.is_empty() && all.is_empty() {
            // Most bodies come in one piece, which need not be copied.
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    match length {
        _ if length > limit => Err(ApiError::BodyTooLarge { limit }),
        _ if all.is_empty() => Ok(first),
        _ => Ok(all.into()),
    }
}

/// The `Content-Type` of a request.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

/// A body of JSON, or what stands for none where `T` has a default and the body is empty.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, MAX_BODY).await?;
        json(&parts.headers, &body).map(Self)
    }
}

/// A body of JSON that may be left out.
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, MAX_BODY).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        json(&parts.headers, &body).map(Self)
    }
}

fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, ApiError> {
    let given = content_type(headers);
    let essence = given.and_then(|given| given.split(';').next());
    if !essence.is_some_and(|essence| is_json(essence.trim())) {
        return Err(ApiError::UnsupportedMediaType {
            given: given.map(str::to_owned),
            expected: &["application/json"],
        });
    }
    serde_json::from_slice(body).map_err(|error| ApiError::json(&error))
}

/// The query, as a struct.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(query_error(&rejection.body_text())),
        }
    }
}

/// Says of axum's words `Failed to deserialize query string: NAME: PROBLEM` what they are about.
fn query_error(text: &str) -> ApiError {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    match text.split_once(": ") {
        Some((name, problem)) if !name.contains(' ') => ApiError::in_query(name, problem),
        _ => match text.split('`').nth(1) {
            Some(name) => ApiError::in_query(name, text),
            None => ApiError::in_query("?", text),
        },
    }
}

/// Reads a query parameter by its own grammar, so that its error is in its own words. An empty one counts as absent, as
/// a form sends it.
pub fn parsed<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let Some(text) = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// The job ID in a path.
pub struct JobPath(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(path_error)?;
        let id = text.parse().map_err(|error| ApiError::in_path("id", error))?;
        Ok(Self(id))
    }
}

/// A name in a path.
pub struct NamePath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(path_error)?;
        Ok(Self(name))
    }
}

fn path_error(rejection: PathRejection) -> ApiError {
    let text = rejection.body_text();
    let text = text.strip_prefix("Invalid URL: ").unwrap_or(&text);
    ApiError::in_path("name", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_bounded_and_whole() {
        let pieces = |sizes: &[usize]| {
            let pieces: Vec<_> =
                sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; *size]))).collect();
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        for sizes in [&[][..], &[10], &[4, 6], &[4, 0, 3, 3]] {
            let body = read_body(pieces(sizes), 10).await.unwrap();
            assert_eq!(body.len(), sizes.iter().sum::<usize>(), "{sizes:?}");
        }
        for sizes in [&[11][..], &[10, 1], &[4, 4, 4]] {
            let error = read_body(pieces(sizes), 10).await.unwrap_err();
            assert!(matches!(error, ApiError::BodyTooLarge { limit: 10 }), "{sizes:?}");
        }
    }

    #[test]
    fn a_query_error_names_its_parameter() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            #[serde(default, deserialize_with = "parsed")]
            limit: Option<u16>,
        }
        let read = |query: &str| {
            let uri = format!("http://h/?{query}").parse().unwrap();
            Query::<Wanted>::try_from_uri(&uri)
                .map(|Query(wanted)| wanted.limit)
                .map_err(|rejection| query_error(&rejection.body_text()).to_string())
        };
        assert_eq!(read("limit=3"), Ok(Some(3)));
        assert_eq!(read("limit="), Ok(None));
        assert_eq!(read("limit=x"), Err("query parameter `limit`: invalid digit found in string".to_owned()));
        assert_eq!(read("limti=3"), Err("query parameter `limti`: unknown field `limti`, expected `limit`".to_owned()));
    }
}
