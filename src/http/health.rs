//! Liveness and readiness.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::fields::Pairs;
use super::{ApiError, AppState};

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
    /// Whether all of them can, but for those that were not to count.
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

/// The parts by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum PartName {
    Store,
    Templates,
    Executor,
}

impl PartName {
    fn of(name: &str) -> Option<Self> {
        match name {
            "store" => Some(Self::Store),
            "templates" => Some(Self::Templates),
            "executor" => Some(Self::Executor),
            _ => None,
        }
    }
}

/// The parts that are not to count, from a query such as `exclude=executor&exclude=templates`. A name that is not known
/// is an error: a probe with a misspelt one would look at more than it was meant to.
fn excluded(query: &str) -> Result<Vec<PartName>, ApiError> {
    let mut parts = Vec::new();
    for pair in Pairs::new(query.as_bytes()) {
        let (name, value) = pair?;
        if name != "exclude" {
            return Err(ApiError::in_query(&name, "there is no such parameter; there is `exclude`"));
        }
        let unknown = || {
            ApiError::in_query("exclude", format!("there is no part {value:?}; there are store, templates, executor"))
        };
        parts.push(PartName::of(&value).ok_or_else(unknown)?);
    }
    Ok(parts)
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
/// Looks at the store, the templates and the executor, and says of each what is wrong. A part that is excluded is shown
/// all the same, but does not count: a probe that decides whether reports and pages reach the service should leave the
/// executor out, since an API server that is away is no reason to keep them from it.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    params(("exclude" = Option<Vec<PartName>>, Query, description = "A part that does not count; may be repeated")),
    responses(
        (status = OK, description = "Everything that counts can do its work", body = Readiness),
        (status = SERVICE_UNAVAILABLE, description = "Something cannot", body = Readiness),
    ))]
pub(super) async fn ready(
    State(app): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<Readiness>), ApiError> {
    let excluded = excluded(query.as_deref().unwrap_or_default())?;
    let mut state = app.service.readiness().await;
    if app.shutdown.is_cancelled() {
        state.store = Err("the service is shutting down".to_owned());
    }
    let parts = [
        (PartName::Store, &state.store),
        (PartName::Templates, &state.templates),
        (PartName::Executor, &state.executor),
    ];
    let ready = parts.iter().all(|(name, part)| part.is_ok() || excluded.contains(name));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Readiness {
        ready,
        store: state.store.into(),
        templates: state.templates.into(),
        executor: state.executor.into(),
    };
    Ok((status, Json(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_excluded_by_name() {
        assert_eq!(excluded("").unwrap(), []);
        assert_eq!(excluded("exclude=executor").unwrap(), [PartName::Executor]);
        assert_eq!(excluded("exclude=store&exclude=templates").unwrap(), [PartName::Store, PartName::Templates]);
        for wrong in ["exclude=etcd", "exclude=", "exclud=executor"] {
            assert!(excluded(wrong).is_err(), "{wrong}");
        }
    }
}
