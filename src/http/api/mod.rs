//! The JSON API, `/api/v1`.

mod events;
mod feed;
mod history;
mod jobs;
mod logs;
mod templates;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

/// The routes of the API, with their descriptions.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(templates::list))
        .routes(routes!(templates::show))
        .routes(routes!(templates::render))
        .routes(routes!(jobs::list, jobs::launch))
        .routes(routes!(jobs::show, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::rerun))
        .routes(routes!(history::events))
        .routes(routes!(history::manifest))
        .routes(routes!(logs::logs))
        .routes(routes!(events::follow))
}
