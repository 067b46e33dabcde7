//! The dashboard: pages that the server renders, which work without scripts and stay true by themselves with them.
//!
//! | room | what it holds |
//! |---|---|
//! | `view` | what the pages show, as plain values: pure functions |
//! | `page` | the pages as HTML, one type for each file under `templates/` |
//! | `jobs`, `templates`, `launch`, `acts`, `selected`, `index` | the handlers |
//! | `figures` | what the list of templates keeps of their newest jobs |
//! | `sent` | a launch form that was sent, and what was wrong with it |
//! | `assets` | stylesheet, scripts and icon |
//!
//! A new page is a template, its type in `page`, a view with its tests, and a handler with its line in [`router`].
//! Text of jobs and workers reaches HTML through askama's escaping alone; `|safe` is used for the constant icons of
//! the phases and nothing else.

mod acts;
mod assets;
mod figures;
mod index;
mod jobs;
mod launch;
mod page;
mod selected;
mod sent;
mod templates;
mod view;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use uuid::Uuid;

pub use figures::Figures;
pub(super) use page::sentence;
pub use page::{login_page, problem_page};

use super::fields::Pairs;
use super::{ApiError, AppState, Caller};
use page::Chrome;

/// The pages and what belongs to them.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(jobs::list))
        .route("/jobs", get(jobs::list_from_jobs))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/cancel", post(acts::cancel))
        .route("/jobs/{id}/delete", post(acts::delete))
        .route("/jobs/{id}/rerun", get(launch::show_again).post(launch::launch_again))
        .route("/jobs/{id}/rerun/preview", post(launch::preview_again))
        .route("/selected/cancel", post(selected::cancel))
        .route("/selected/rerun", post(selected::rerun))
        .route("/templates", get(templates::list))
        .route("/templates/{name}", get(launch::show))
        .route("/templates/{name}/launch", get(launch::show_from_form).post(launch::launch))
        .route("/templates/{name}/preview", get(launch::show_from_form).post(launch::preview))
        .route("/index", get(index::show))
        .route("/assets/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
}

/// `/index` once more: with what was typed into its form, and what is wrong with that.
pub(super) fn index_page(app: &AppState, caller: &Caller, id: &str, name: &str, error: &ApiError) -> Response {
    let problem = error.problem();
    match index::page(app, caller, id, name, Some(problem.detail)) {
        Ok(page) => (problem.status, page).into_response(),
        Err(error) => error.into_response(),
    }
}

/// The frame of a page in this part of the site.
fn chrome(at: &'static str, caller: &Caller) -> Chrome {
    Chrome { at, menu: true, signed_in: caller.name.clone() }
}

/// A new ID for what a form launches: the same form sent again launches nothing more.
fn token() -> String {
    Uuid::now_v7().to_string()
}

/// The pairs of a query or form.
fn pairs(text: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    Pairs::new(text).map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned()))).collect()
}

#[cfg(test)]
mod tests;
