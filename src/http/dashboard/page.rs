//! The pages as HTML: one type for each template, with all that it shows.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::view::changes::Changes;
use super::view::form::{Input, Part};
use super::view::job::JobPage;
use super::view::launch::{Card, LaunchPage, Preview};
use super::view::list::List;
use super::view::row::Row;
use super::view::selected::DonePage;
use super::view::url;
use crate::http::{ApiError, Problem};

/// The frame around every page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chrome {
    /// The part of the site that the page is in.
    pub(crate) at: &'static str,
    /// Whether to show the menu: not before somebody has signed in.
    pub(crate) menu: bool,
    /// Who is signed in, where that is asked for at all.
    pub(crate) signed_in: Option<String>,
}

impl Chrome {
    fn is_at(&self, part: &str) -> bool {
        self.at == part
    }
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident($path:literal, $cache:expr) { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Template)]
        #[template(path = $path)]
        pub(crate) struct $name {
            pub(crate) chrome: Chrome,
            $(pub(crate) $field: $type,)*
        }

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                html(&self, $cache)
            }
        }
    )*};
}

pages! {
    /// `/`.
    JobsHtml("jobs.html", PRESENT) { list: List }
    /// `/jobs/{id}`.
    JobHtml("job.html", PRESENT) { job: JobPage }
    /// `/selected/cancel` and `/selected/rerun`.
    SelectedHtml("selected.html", PRESENT) { page: DonePage }
    /// `/templates`.
    TemplatesHtml("templates.html", PRESENT) { window: usize, cards: Vec<Card> }
    /// `/templates/{name}` and `/jobs/{id}/rerun`.
    LaunchHtml("launch.html", RETURN) { page: LaunchPage }
    /// `/index`.
    IndexHtml("index.html", PRESENT) {
        template: String,
        rows: Vec<Row>,
        more: bool,
        id: String,
        name: String,
        wrong: Option<String>,
    }
    /// Something went wrong.
    ErrorHtml("error.html", PRESENT) {
        status: u16,
        title: String,
        detail: String,
        next: (String, String),
    }
    /// `/login`.
    LoginHtml("login.html", PRESENT) { error: Option<String>, next: String }
}

/// Most pages show the present: no cache keeps them.
const PRESENT: &str = "no-store";
/// Who goes back to a form finds the form that was sent, with its token, so that sending it again launches nothing new.
/// A fresh one would.
const RETURN: &str = "private, no-cache";

/// A page as a response.
fn html(page: &impl Template, cache: &'static str) -> Response {
    match page.render() {
        Ok(text) => ([(header::CACHE_CONTROL, cache)], Html(text)).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// A problem as a page: what is wrong, in full, and where to go from there.
pub fn problem_page(problem: &Problem) -> Response {
    let page = ErrorHtml {
        chrome: Chrome { menu: true, ..Chrome::default() },
        status: problem.status.as_u16(),
        title: problem.title.to_owned(),
        detail: told(problem),
        next: next_step(problem),
    };
    (problem.status, page).into_response()
}

/// Where to go from a problem: an address and its words.
fn next_step(problem: &Problem) -> (String, String) {
    let meant = problem.members.get("suggestion").and_then(serde_json::Value::as_str);
    match (problem.kind, meant) {
        ("unknown-template", Some(name)) => (url::template(name), format!("Go to {name}")),
        ("forbidden", _) => ("/login".to_owned(), "Sign in as somebody else".to_owned()),
        ("unknown-template", None) => ("/templates".to_owned(), "Show the templates".to_owned()),
        (_, Some(path)) if path.starts_with('/') && !path.starts_with("//") => {
            (path.to_owned(), format!("Go to {path}"))
        }
        _ => ("/".to_owned(), "Show the jobs".to_owned()),
    }
}

/// What is wrong, in whole sentences.
fn told(problem: &Problem) -> String {
    let detail = sentence(&problem.detail);
    let stop = if detail.ends_with(['.', '?', '!', ':']) { "" } else { "." };
    let more = match problem.kind {
        "unknown-job" => " Its ID may be misspelt, or its record may have been deleted.",
        _ => "",
    };
    format!("{detail}{stop}{more}")
}

/// A text that begins like a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// The sign-in page: with what was wrong with the last try, and the address to go on to.
pub fn login_page(error: Option<&str>, next: &str) -> Response {
    let page = LoginHtml { chrome: Chrome::default(), error: error.map(str::to_owned), next: next.to_owned() };
    let status = match error {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNAUTHORIZED,
    };
    (status, page).into_response()
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
