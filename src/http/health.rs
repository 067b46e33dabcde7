//! Liveness and readiness.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::AppState;

/// That the process answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of the program.
    version: &'static str,
}

/// Whether each part can do its work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Readiness {
    /// Whether all of them can.
    ready: bool,
    /// Records can be written.
    store: Part,
    /// There are templates.
    templates: Part,
    /// Jobs can be launched.
    executor: Part,
}

/// Whether one part can do its work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Part {
    /// Whether it can.
    ready: bool,
    /// What is wrong, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl From<Result<(), String>> for Part {
    fn from(state: Result<(), String>) -> Self {
        Self { ready: state.is_ok(), problem: state.err() }
    }
}

/// Whether the process is alive
///
/// Answers as long as the process can answer at all; it looks at nothing else.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = OK, body = Health)))]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the service can do its work
///
/// Looks at the store, the templates and the executor, and says of each what is wrong.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses(
        (status = OK, description = "Everything can do its work", body = Readiness),
        (status = SERVICE_UNAVAILABLE, description = "Something cannot", body = Readiness),
    ))]
pub(super) async fn ready(State(app): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let mut state = app.service.readiness().await;
    if app.shutdown.is_cancelled() {
        state.store = Err("the service is shutting down".to_owned());
    }
    let ready = state.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Readiness {
        ready,
        store: state.store.into(),
        templates: state.templates.into(),
        executor: state.executor.into(),
    };
    (status, Json(body))
}
