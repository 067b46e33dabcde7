//! Lets a request in: its one way to a handler, past the table of what each route needs.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::super::{ApiError, AppState};
use super::access::{self, Access};
use super::{Auth, Caller, Credential};

/// How often it is checked whether whoever follows a stream still may.
const CHECK_AGAIN: Duration = Duration::from_secs(60);
/// How many of these checks in a row may go without an answer.
const UNANSWERED: u32 = 5;

/// The middleware, within the router, where the route of a request is known.
pub(in super::super) async fn admit(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let listed = access::of(request.method(), route.map(MatchedPath::as_str));
    let needed = listed.as_ref().map_or_else(|unlisted| unlisted.needs, |access| *access);
    let shown = Credential::of(request.headers());
    let caller = match app.auth.admit(&shown, needed, Timestamp::now()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    if let Err(unlisted) = listed {
        return refusal(&request, &unlisted).into_response();
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Admission(Some(Admitted { app, shown, needed })));
    next.run(request).await
}

fn refusal(request: &Request, unlisted: &access::Unlisted) -> ApiError {
    if unlisted.allowed.is_empty() {
        return ApiError::UnknownRoute { path: request.uri().path().to_owned(), suggestion: None };
    }
    ApiError::MethodNotAllowed { method: request.method().clone(), allow: unlisted.allow() }
}

/// That a request was let in, for a stream to find out when that is over: an extractor.
#[derive(Clone, Default)]
pub(in super::super) struct Admission(Option<Admitted>);

#[derive(Clone)]
struct Admitted {
    app: AppState,
    shown: Credential,
    needed: Access,
}

impl Admission {
    /// Waits until whoever sent the request may no longer send it.
    pub(in super::super) async fn lapsed(self) {
        match self.0 {
            Some(it) => lapsed(&it.app.auth, &it.shown, it.needed, CHECK_AGAIN).await,
            None => std::future::pending().await,
        }
    }
}

async fn lapsed(auth: &Auth, shown: &Credential, needed: Access, every: Duration) {
    let mut unanswered = 0;
    while unanswered < UNANSWERED {
        tokio::time::sleep(every).await;
        match auth.admit(shown, needed, Timestamp::now()).await {
            Ok(Caller { .. }) => unanswered = 0,
            Err(ApiError::Unreviewed) => unanswered += 1,
            Err(_) => return,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Admission {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
