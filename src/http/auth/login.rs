//! Signing in and out, for browsers.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::super::extract::read_body;
use super::super::fields::Pairs;
use super::super::{ApiError, AppState, page};

/// The largest sign-in, in bytes.
const MAX_FORM: usize = 16 * 1024;

/// Where to go after the sign-in.
#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct Target {
    #[serde(default)]
    next: Option<String>,
}

/// `GET /login`.
pub(in super::super) async fn form(
    State(app): State<AppState>,
    target: Result<Query<Target>, QueryRejection>,
) -> Response {
    let next = target.ok().and_then(|Query(target)| target.next);
    let next = safe_target(next.as_deref()).to_owned();
    if !app.auth.is_required() {
        return Redirect::to(&next).into_response();
    }
    page::of_login(&next, None)
}

/// `POST /login`: a token for a cookie.
pub(in super::super) async fn sign_in(State(app): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let body = read_body(request.into_body(), MAX_FORM).await?;
    let (mut token, mut next) = (String::new(), String::new());
    for pair in Pairs::new(&body) {
        let (name, value) = pair?;
        match &*name {
            "token" => token = value.trim().to_owned(),
            "next" => next = value.into_owned(),
            _ => {}
        }
    }
    let next = safe_target(Some(&next)).to_owned();
    match app.auth.sign_in(&token, Timestamp::now()).await {
        Ok(cookie) => with_cookie(Redirect::to(&next), &cookie),
        Err(error) => Ok(form_again(&next, error)),
    }
}

/// The form, with what was wrong.
fn form_again(next: &str, error: ApiError) -> Response {
    let words = match &error {
        ApiError::Unauthorized { .. } => "This token is not known here. Check that it was copied in full.".to_owned(),
        error => page::sentence(&error.to_string()),
    };
    let mut response = page::of_login(next, Some(&words));
    let refused = error.into_response();
    *response.status_mut() = refused.status();
    if let Some(seconds) = refused.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
    }
    response
}

/// `POST /logout`.
pub(in super::super) async fn sign_out(State(app): State<AppState>) -> Result<Response, ApiError> {
    with_cookie(Redirect::to("/login"), &app.auth.sign_out())
}

fn with_cookie(redirect: Redirect, cookie: &str) -> Result<Response, ApiError> {
    let cookie = HeaderValue::from_str(cookie).map_err(ApiError::internal)?;
    Ok(([(header::SET_COOKIE, cookie)], redirect).into_response())
}

/// A path on this server, whatever was asked for: nobody is sent to another site after the sign-in.
fn safe_target(next: Option<&str>) -> &str {
    let Some(next) = next else { return "/" };
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if is_path && is_plain && !next.starts_with("/login") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (next, target) in [
            ("/jobs?phase=Failed", "/jobs?phase=Failed"),
            ("", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("/\t/evil.example/", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("/login?next=/login", "/"),
        ] {
            assert_eq!(safe_target(Some(next)), target, "{next}");
        }
        assert_eq!(safe_target(None), "/");
    }
}
