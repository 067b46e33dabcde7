//! What every request but a callback passes through, once: it gets an ID, is refused if a browser was made to send it,
//! may not take for ever, and is counted. Every answer gets its safety headers here, and every failure is a problem, or
//! a page for a browser. Who sends it, and whether they may, is asked further in ([`super::auth`]), where the route is
//! known.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::FutureExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::Instrument;

use super::problem::Problem;
use super::{ApiError, AppState, accept};

/// How long the head of an answer may take. A stream may go on after it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// No script, style or frame of anybody else, and none inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// The middleware.
pub(super) async fn pass(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let asked = Asked::of(&request);
    let span = tracing::info_span!("request", id = %id, method = %asked.method, path = %asked.path);
    let answer = Box::pin(answer(&app, &asked, request, next));
    let mut response = AssertUnwindSafe(answer)
        .catch_unwind()
        .instrument(span.clone())
        .await
        .unwrap_or_else(|panic| span.in_scope(|| ApiError::internal(panic_text(&*panic)).into_response()));
    let route = response.extensions_mut().remove::<MatchedPath>();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = not_allowed(&asked, &response);
    }
    if asked.is_browser {
        response = for_browser(&asked, response);
    }
    add_headers(response.headers_mut(), &id);
    let took = started.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, took.ms = took.as_millis(), "answered"));
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.answered(method_label(&asked.method), route, status, took);
    response
}

/// Says on the answer which route gave it, where the gate, which is outside of the router, can see it.
pub(super) async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// What is still to be known of a request when it has been handed on.
struct Asked {
    method: Method,
    path: String,
    is_browser: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let api = path.starts_with("/api/");
        Self {
            method: request.method().clone(),
            path: path.to_owned(),
            is_browser: !api && accept::wants_html(request.headers()),
        }
    }
}

async fn answer(app: &AppState, asked: &Asked, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(|it| it.as_str().to_owned());
    let headers = request.headers();
    if let Err(error) = app.auth.guard(&asked.method, headers, authority.as_deref()) {
        return error.into_response();
    }
    tokio::time::timeout(ANSWER_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| ApiError::Overdue(ANSWER_TIMEOUT).into_response())
}

/// axum answers a wrong method with the right header and no words.
fn not_allowed(asked: &Asked, response: &Response) -> Response {
    let allow = response
        .headers()
        .get(header::ALLOW)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .replace(',', ", ");
    let method = asked.method.clone();
    ApiError::MethodNotAllowed { method, allow }.into_response()
}

/// A problem as a page; for somebody who is not signed in, the way to the sign-in.
fn for_browser(asked: &Asked, response: Response) -> Response {
    let Some(problem) = response.extensions().get::<Problem>() else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED && asked.path != "/login" {
        let next = if asked.method.is_safe() { asked.path.as_str() } else { "/" };
        let next = utf8_percent_encode(next, NON_ALPHANUMERIC);
        return Redirect::to(&format!("/login?next={next}")).into_response();
    }
    super::page::of_problem(problem)
}

fn add_headers(headers: &mut HeaderMap, id: &str) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// The ID that a proxy gave the request, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    match given {
        Some(id) if (1..=100).contains(&id.len()) && id.bytes().all(plain) => id.to_owned(),
        _ => uuid::Uuid::now_v7().simple().to_string(),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("no message"))
}

/// A method as a label: what is not known is `other`, so that nobody can make up labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
