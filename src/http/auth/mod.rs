//! Who may do what: authentication, browser sessions, and the refusal of requests that another site makes a browser
//! send.

mod guard;
pub(super) mod login;
mod session;
mod tokens;

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;

pub use guard::{Hosts, is_loopback_name};
pub use session::{COOKIE, Sessions};
pub use tokens::{InvalidTokenFile, TokenFile};

use super::ApiError;

/// How callers show who they are.
pub enum Mode {
    /// Not at all. Fit for loopback only.
    None,
    /// By a bearer token out of a file; a browser by a cookie that it got for one.
    Token(TokenFile),
}

/// Decides who a caller is.
pub struct Auth {
    mode: Mode,
    hosts: Hosts,
    sessions: Sessions,
}

/// Who sends a request: an extractor, which gives a nameless caller where nobody needs to sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The name that belongs to the token.
    pub name: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

impl Auth {
    /// Puts it together.
    pub fn new(mode: Mode, hosts: Hosts, sessions: Sessions) -> Self {
        Self { mode, hosts, sessions }
    }

    /// Whether callers have to show who they are.
    pub fn is_required(&self) -> bool {
        matches!(self.mode, Mode::Token(_))
    }

    /// Refuses what a browser was made to send by another site, or through a name that was bound to our address.
    pub fn guard(
        &self,
        method: &axum::http::Method,
        headers: &HeaderMap,
        authority: Option<&str>,
    ) -> Result<(), ApiError> {
        let host = headers.get(header::HOST).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let host = authority.map(str::to_owned).or(host).unwrap_or_default();
        if !self.is_required() {
            self.hosts.check(&host)?;
        }
        self.hosts.check_origin(method, headers, &host)
    }

    /// Who sends a request with these headers.
    pub fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, ApiError> {
        let Mode::Token(file) = &self.mode else {
            return Ok(Caller::default());
        };
        if let Some(token) = bearer(headers) {
            let name = file.name_of(token).ok_or(ApiError::Unauthorized { given: true })?;
            return Ok(Caller { name: Some(name) });
        }
        let cookie = session::cookie(headers).ok_or(ApiError::Unauthorized { given: false })?;
        let name = self
            .sessions
            .name_of(cookie, now, |name| file.digest_of(name))
            .ok_or(ApiError::Unauthorized { given: false })?;
        Ok(Caller { name: Some(name) })
    }

    /// The `Set-Cookie` of a session for the owner of a token.
    pub fn sign_in(&self, token: &str, now: Timestamp) -> Result<String, ApiError> {
        let Mode::Token(file) = &self.mode else {
            return Ok(self.sessions.clear());
        };
        let wrong = ApiError::Unauthorized { given: true };
        let name = file.name_of(token).ok_or(wrong)?;
        let wrong = ApiError::Unauthorized { given: true };
        let digest = file.digest_of(&name).ok_or(wrong)?;
        Ok(self.sessions.issue(&name, &digest, now))
    }

    /// The `Set-Cookie` that ends a session.
    pub fn sign_out(&self) -> String {
        self.sessions.clear()
    }
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
