//! The HTTP service: a router over [`crate::service`], and nothing that decides about jobs.
//!
//! | room | what it holds |
//! |---|---|
//! | [`error`], [`problem`] | the one error type, and how it is told to clients |
//! | [`auth`] | who a caller is, browser sessions, refusal of cross-site requests |
//! | [`state`] | what the handlers share |
//! | `gate` | what every request but a callback passes through |
//! | `api` | the JSON API under `/api/v1` |
//! | [`dashboard`] | the pages |
//! | [`callback`] | reports of workers: the busy route, outside the gate |
//! | [`migration`] | the routes of the system that this one replaces |
//! | [`openapi`] | the description of the API, generated from the handlers |
//! | [`server`] | connections: their limits and their orderly end |
//!
//! A new route is a handler with `#[utoipa::path]` in its room, its line in that room's router, and its line in the
//! table of `auth::access`, which says what a caller must be allowed to do for it.

pub mod accept;
mod api;
pub mod auth;
pub mod callback;
pub mod dashboard;
pub mod error;
pub mod extract;
pub mod fields;
mod gate;
mod health;
mod metrics;
pub mod migration;
pub mod openapi;
mod page;
pub mod problem;
mod routes;
pub mod server;
pub mod state;
pub mod streams;
mod unique;
mod vitals;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use auth::Caller;
pub use error::ApiError;
pub use problem::Problem;
pub use state::{AppState, Settings};

/// Every route, ready to be served.
pub fn router(app: AppState) -> Router {
    let routes = gated_routes()
        .fallback(routes::unknown)
        .layer(from_fn_with_state(app.clone(), auth::admit))
        .layer(from_fn(gate::note_route))
        .with_state(app.clone());
    // Around the router as a whole, so that the gate sees answers as they leave it, with the `Allow` of a wrong method.
    let gated = Router::new().fallback_service(routes).layer(from_fn_with_state(app.clone(), gate::pass));
    let (busy, _) = busy_routes().split_for_parts();
    busy.with_state(app).merge(gated)
}

/// The routes that pass through the gate. What each needs of a caller, the table in `auth::access` says.
fn gated_routes() -> Router<AppState> {
    let (described, _) = described_routes().split_for_parts();
    described
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/metrics", get(metrics::show))
        .route("/login", get(auth::login::form).post(auth::login::sign_in))
        .route("/logout", post(auth::login::sign_out))
        .merge(dashboard::router())
}

/// The route of workers' reports alone, for who runs a job without serving anything else.
pub fn callback_router(app: AppState) -> Router {
    let (busy, _) = busy_routes().split_for_parts();
    busy.with_state(app)
}

/// The routes that the description holds.
fn described_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(api::router())
        .routes(utoipa_axum::routes!(callback::update_job_status))
        .routes(utoipa_axum::routes!(migration::run_a_job))
        .routes(utoipa_axum::routes!(health::alive))
        .routes(utoipa_axum::routes!(health::ready))
}

/// The routes that do not pass through the gate.
fn busy_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(utoipa_axum::routes!(callback::report))
}

#[cfg(test)]
mod tests;
