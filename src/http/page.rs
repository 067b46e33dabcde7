//! Where the service answers a browser with a page of its own accord: a problem, the sign-in, and the form of `/index`
//! with what was typed into it.

use axum::response::{Html, IntoResponse, Response};

use super::migration::RunAJob;
use super::problem::Problem;
use super::{ApiError, AppState};

/// A problem as a page.
pub(super) fn of_problem(problem: &Problem) -> Response {
    let title = escape(problem.title);
    let detail = escape(&problem.detail);
    let status = problem.status.as_u16();
    let page = document(
        &title,
        &format!("<p>{status}</p><h1>{title}</h1><p>{detail}</p>"),
    );
    (problem.status, Html(page)).into_response()
}

/// The sign-in, with what was wrong about the last try.
pub(super) fn of_login(next: &str, error: Option<&str>) -> Response {
    let error = error.map_or(String::new(), |words| {
        format!("<p role=\"alert\">{}</p>", escape(words))
    });
    let next = escape(next);
    Html(document(
        "Sign in",
        &format!(
            "<h1>Sign in</h1>{error}<form method=\"post\" action=\"/login\">\
             <input type=\"hidden\" name=\"next\" value=\"{next}\">\
             <label>Token <input type=\"password\" name=\"token\" required autofocus></label>\
             <button>Sign in</button></form>"
        ),
    ))
    .into_response()
}

/// The form of `/index` again, with what was typed and what is wrong with it.
pub(super) fn of_index(_: &AppState, form: &RunAJob, error: &ApiError) -> Response {
    let problem = error.problem();
    let (id, name) = (escape(&form.job_id), escape(&form.job_name));
    let page = document(
        "Run a job",
        &format!(
            "<p role=\"alert\">{}</p><form method=\"post\" action=\"/runajob\">\
             <label>Job ID <input name=\"job-id\" value=\"{id}\"></label>\
             <label>Job name <input name=\"job-name\" value=\"{name}\"></label>\
             <button>Run</button></form>",
            escape(&problem.detail)
        ),
    );
    (problem.status, Html(page)).into_response()
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} · Jobwright</title>\
         <main>{main}</main></html>"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
