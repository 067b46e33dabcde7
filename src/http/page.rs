//! Where the service answers a browser with a page of its own accord: a problem, the sign-in, and the form of `/index`
//! with what was typed into it.

use axum::response::Response;

use super::migration::RunAJob;
use super::problem::Problem;
use super::{ApiError, AppState, Caller, dashboard};

/// A problem as a page.
pub(super) fn of_problem(problem: &Problem) -> Response {
    dashboard::problem_page(problem)
}

/// The sign-in, with what was wrong about the last try.
pub(super) fn of_login(next: &str, error: Option<&str>) -> Response {
    dashboard::login_page(error, next)
}

/// The form of `/index` again, with what was typed and what is wrong with it.
pub(super) fn of_index(app: &AppState, caller: &Caller, form: &RunAJob, error: &ApiError) -> Response {
    dashboard::index_page(app, caller, &form.job_id, &form.job_name, error)
}

/// A text that begins like a sentence, and ends like one.
pub(super) fn sentence(text: &str) -> String {
    let text = dashboard::sentence(text);
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}
