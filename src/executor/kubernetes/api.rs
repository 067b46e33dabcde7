//! Calls to the API server whose answer is told in full: what was said, what was warned of, and whether there was an
//! answer at all.
//!
//! `kube`'s own calls drop warnings, cannot ask for strict validation, and turn whatever went wrong into one error.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::core::Status;
use kube::core::params::DeleteParams;
use serde_json::Value;

use super::client::Connection;
use crate::crash::{self, Point};

/// The largest answer that is read: a Job is far smaller, etcd takes 1.5 MiB.
const LARGEST_ANSWER: usize = 16 << 20;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was done.
    Done {
        /// The object.
        body: Value,
        /// What the server warned of.
        warnings: Vec<String>,
    },
    /// It was refused or failed, by the server's own word.
    Failed(Failure),
    /// There was no answer that could be understood. Whether the call was carried out is not known.
    Silence(String),
    /// No connection came about, so that nothing was sent.
    Unsent(String),
}

/// A refusal, or a failure that the server itself tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The HTTP status.
    pub(super) code: u16,
    /// One word: `AlreadyExists`, `Forbidden`, `Invalid`, …
    pub(super) reason: String,
    /// The server's own sentence.
    pub(super) message: String,
    /// Field and message of each single fault, where they are told apart.
    pub(super) causes: Vec<(String, String)>,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Whether the API server itself said so, and not a proxy in between.
    pub(super) by_server: bool,
}

impl Failure {
    /// Whether the API server itself says that there is no such thing. A proxy that says so does not know.
    pub(super) fn is_not_found(&self) -> bool {
        self.by_server && self.code == 404
    }
}

/// Creates an object from JSON, under strict field validation. `dry_run` goes all the way but for storing it.
pub(super) async fn create(connection: &Connection, collection: &str, object: &Value, dry_run: bool) -> Answer {
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    let path = format!("{collection}?fieldManager=jobwright&fieldValidation=Strict{dry_run}");
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Body::from(object.to_string().into_bytes()));
    call(connection, request).await
}

/// Gets something.
pub(super) async fn get(connection: &Connection, path: &str) -> Answer {
    call(connection, http::Request::get(path).body(Body::empty())).await
}

/// Deletes an object, in the manner that the parameters say.
pub(super) async fn delete(connection: &Connection, path: &str, how: &DeleteParams) -> Answer {
    let body = match serde_json::to_vec(how) {
        Ok(body) => body,
        Err(error) => return Answer::Silence(error.to_string()),
    };
    let request =
        http::Request::delete(path).header(http::header::CONTENT_TYPE, "application/json").body(Body::from(body));
    call(connection, request).await
}

async fn call(connection: &Connection, request: http::Result<http::Request<Body>>) -> Answer {
    let request = match request {
        Ok(request) => request,
        Err(error) => return Answer::Silence(format!("the request cannot be made: {error}")),
    };
    let limit = connection.timeouts.call;
    let answered = tokio::time::timeout(limit, answer(connection, request)).await;
    let silence = || Answer::Silence(format!("no answer within {} s", limit.as_secs_f32()));
    answered.unwrap_or_else(|_| silence())
}

async fn answer(connection: &Connection, request: http::Request<Body>) -> Answer {
    let steps = steps(&request);
    crash_at(steps.map(|it| it[0]));
    let response = match connection.calls.send(request).await {
        Ok(response) => response,
        Err(kube::Error::Service(error)) if is_unsent(&*error) => return Answer::Unsent(chain(&*error)),
        Err(kube::Error::Service(error)) => return Answer::Silence(chain(&*error)),
        Err(error) => return Answer::Silence(chain(&error)),
    };
    crash_at(steps.map(|it| it[1]));
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, LARGEST_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Answer::Silence(format!("the answer broke off: {error}")),
    };
    crash_at(steps.map(|it| it[2]));
    if head.status.is_success() {
        return match serde_json::from_slice(&body) {
            Ok(body) => Answer::Done { body, warnings: warnings(&head.headers) },
            Err(error) => Answer::Silence(format!("the answer cannot be read: {error}")),
        };
    }
    Answer::Failed(failure(head.status, &head.headers, &body))
}

/// Whether a call failed before there was a connection. Nothing else proves that the request is not on its way.
fn is_unsent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(it) = error {
        if let Some(error) = it.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        error = it.source();
    }
    false
}

/// Where tests kill the program in a call that changes a Job: before it, with its answer begun, and read.
fn steps(request: &http::Request<Body>) -> Option<[Point; 3]> {
    match *request.method() {
        http::Method::POST if request.uri().path().ends_with("/jobs") => {
            Some([Point::PostSending, Point::PostAnswering, Point::PostAnswered])
        }
        http::Method::DELETE => Some([Point::DeleteSending, Point::DeleteAnswering, Point::DeleteAnswered]),
        _ => None,
    }
}

fn crash_at(point: Option<Point>) {
    if let Some(point) = point {
        crash::reached(point);
    }
}

/// A failure in the server's own words, or in those of whoever stands between.
pub(super) fn failure(status: http::StatusCode, headers: &http::HeaderMap, body: &Bytes) -> Failure {
    // A proxy in between answers in its own words, which may be JSON too.
    let said = serde_json::from_slice::<Status>(body).ok();
    let said = said.filter(|said| !said.message.is_empty() && said.code == status.as_u16());
    let by_server = said.is_some();
    let said = said.unwrap_or_else(|| {
        let words = String::from_utf8_lossy(&body[..body.len().min(300)]).trim().to_owned();
        let message = if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
        Status { reason: status.canonical_reason().unwrap_or("Error").replace(' ', ""), message, ..Status::default() }
    });
    let (causes, wait) = said.details.map(|it| (it.causes, it.retry_after_seconds)).unwrap_or_default();
    let header = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let seconds = header.or((wait > 0).then_some(u64::from(wait)));
    Failure {
        code: status.as_u16(),
        reason: said.reason,
        message: said.message,
        causes: causes.into_iter().map(|cause| (cause.field, cause.message)).collect(),
        retry_after: seconds.map(Duration::from_secs),
        by_server,
    }
}

/// The texts of `Warning: 299 - "TEXT"` headers (RFC 7234, section 5.5).
fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    let values = headers.get_all(http::header::WARNING).into_iter();
    values.filter_map(|value| warning_text(&String::from_utf8_lossy(value.as_bytes()))).collect()
}

fn warning_text(value: &str) -> Option<String> {
    let quoted = value.splitn(3, ' ').nth(2)?.strip_prefix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '\\' => text.push(characters.next()?),
            '"' => return Some(text),
            other => text.push(other),
        }
    }
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    // A word of the client's own that says nothing to anybody.
    let mut text = text.strip_prefix("ServiceError: ").unwrap_or(&text).to_owned();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_warning_is_what_stands_in_quotes() {
        let text = |value| warning_text(value);
        assert_eq!(text(r#"299 - "unknown field""#).as_deref(), Some("unknown field"));
        assert_eq!(text(r#"299 - "field \"a\" is odd" "Mon""#).as_deref(), Some(r#"field "a" is odd"#));
        for wrong in ["", "299", "299 -", "299 - text", r#"299 - "open"#, r#"299 - "open\"#] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_failure_is_told_in_the_servers_words_or_in_those_of_whoever_stands_between() {
        let mut headers = http::HeaderMap::new();
        let body = br#"{"kind":"Status","message":"too many","reason":"TooManyRequests","code":429,
                        "details":{"retryAfterSeconds":7,"causes":[{"field":"spec","message":"bad","reason":"X"}]}}"#;
        let of = |headers: &_, body: &'static [u8]| {
            failure(http::StatusCode::TOO_MANY_REQUESTS, headers, &Bytes::from_static(body))
        };
        let told = of(&headers, body);
        assert_eq!((told.code, told.reason.as_str(), told.message.as_str()), (429, "TooManyRequests", "too many"));
        assert!(told.by_server);
        assert_eq!(told.causes, [("spec".to_owned(), "bad".to_owned())]);
        assert_eq!(told.retry_after, Some(Duration::from_secs(7)));
        headers.insert("retry-after", "3".parse().unwrap());
        let told = of(&headers, b"<html>slow down</html>");
        assert_eq!(told.message, "429 Too Many Requests: <html>slow down</html>");
        assert!(!told.by_server);
        assert_eq!(told.reason, "TooManyRequests");
        assert_eq!(told.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(of(&headers, b"").message, "429 Too Many Requests");
        let of_a_gateway = of(&headers, br#"{"message":"no route matched"}"#);
        assert!(!of_a_gateway.by_server, "{of_a_gateway:?}");
    }
}
