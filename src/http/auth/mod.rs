//! Who may do what: authentication, browser sessions, and the refusal of requests that another site makes a browser
//! send.
//!
//! | room | what it holds |
//! |---|---|
//! | `access` | what each route needs: the one table of it |
//! | `admission` | the middleware that lets a request in, and lets a stream go on |
//! | `tokens` | the file of tokens |
//! | `reviews`, `recent` | a cluster's word on who a caller is and what they may do, remembered for a short time |
//! | `session`, `jwt`, [`login`] | browsers: cookies, how long they last, signing in and out |
//! | `guard` | requests that a browser was made to send |

mod access;
mod admission;
#[cfg(test)]
mod fixture;
mod guard;
mod jwt;
pub(super) mod login;
mod recent;
mod reviews;
mod session;
mod tokens;

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;

pub(super) use admission::{Admission, admit};
pub use guard::{Hosts, is_loopback_name};
pub use reviews::{Missing, Reviews};
pub use session::{COOKIE, Sessions};
pub use tokens::{InvalidTokenFile, TokenFile};

use self::access::Access;
use super::ApiError;

/// How callers show who they are.
pub enum Mode {
    /// Not at all. Fit for loopback only.
    None,
    /// By a bearer token out of a file; a browser by a cookie that it got for one. Whoever has one may do everything.
    Token(TokenFile),
    /// By a bearer token of a cluster, whose access control says what they may do; a browser by a cookie that it got
    /// for one.
    Cluster(Reviews),
}

/// Decides who a caller is, and what they may do.
pub struct Auth {
    mode: Mode,
    hosts: Hosts,
    sessions: Sessions,
}

/// What a request shows of whoever sends it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// A bearer token.
    Bearer(String),
    /// A session cookie.
    Cookie(String),
    /// Nothing.
    None,
}

impl Credential {
    /// A token stands before a cookie.
    fn of(headers: &HeaderMap) -> Self {
        match (bearer(headers), session::cookie(headers)) {
            (Some(token), _) => Self::Bearer(token.to_owned()),
            (None, Some(cookie)) => Self::Cookie(cookie.to_owned()),
            (None, None) => Self::None,
        }
    }
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
        !matches!(self.mode, Mode::None)
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

    /// Who shows this, if they may do what is needed.
    async fn admit(&self, shown: &Credential, needed: Access, now: Timestamp) -> Result<Caller, ApiError> {
        if needed == Access::Public {
            return Ok(Caller::default());
        }
        let name = match &self.mode {
            Mode::None => return Ok(Caller::default()),
            Mode::Token(file) => self.owner(file, shown, now)?,
            Mode::Cluster(reviews) => self.user(reviews, shown, needed, now).await?,
        };
        Ok(Caller { name: Some(name) })
    }

    fn owner(&self, file: &TokenFile, shown: &Credential, now: Timestamp) -> Result<String, ApiError> {
        match shown {
            Credential::Bearer(token) => file.name_of(token).ok_or(ApiError::Unauthorized { given: true }),
            Credential::Cookie(cookie) => {
                let name = self.sessions.name_of(cookie, now, |name| file.digest_of(name));
                name.ok_or(ApiError::Unauthorized { given: false })
            }
            Credential::None => Err(ApiError::Unauthorized { given: false }),
        }
    }

    async fn user(
        &self,
        reviews: &Reviews,
        shown: &Credential,
        needed: Access,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let user = match shown {
            Credential::Bearer(token) => reviews.user(token).await?,
            Credential::Cookie(cookie) => {
                let user = self.sessions.user_of(cookie, now);
                user.ok_or(ApiError::Unauthorized { given: false })?.into()
            }
            Credential::None => return Err(ApiError::Unauthorized { given: false }),
        };
        if let Access::Rights(verbs) = needed {
            reviews.check(&user, verbs).await?;
        }
        Ok(user.name.clone())
    }

    /// The `Set-Cookie` of a session for the owner of a token.
    pub(super) async fn sign_in(&self, token: &str, now: Timestamp) -> Result<String, ApiError> {
        let wrong = || ApiError::Unauthorized { given: true };
        match &self.mode {
            Mode::None => Ok(self.sessions.clear()),
            Mode::Token(file) => {
                let name = file.name_of(token).ok_or_else(wrong)?;
                let digest = file.digest_of(&name).ok_or_else(wrong)?;
                Ok(self.sessions.issue(&name, &digest, now))
            }
            Mode::Cluster(reviews) => {
                let user = reviews.user(token).await?;
                let expiry = jwt::expiry(token);
                if expiry.is_some_and(|expiry| expiry <= now.as_second()) {
                    return Err(wrong());
                }
                let cookie = self.sessions.issue_to_user(&user, expiry, now);
                cookie.map_err(|_| ApiError::SessionTooLarge { groups: user.groups.len() })
            }
        }
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
