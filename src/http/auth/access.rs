//! What a caller must be allowed to do for each route: the one table of it. A route that is not in there is served to
//! nobody.

use axum::http::Method;

use self::Access::{Public, Rights};
use crate::executor::review::Verb;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Access {
    /// Nothing.
    Public,
    /// Somebody who is known, since nothing is shown or done.
    Known,
    /// Somebody who may do all this with jobs.
    Rights(&'static [Verb]),
}

const LIST: Access = Rights(&[Verb::List]);
const GET: Access = Rights(&[Verb::Get]);
const CREATE: Access = Rights(&[Verb::Create]);
/// A rerun shows the parameters of the job before it.
const RERUN: Access = Rights(&[Verb::Get, Verb::Create]);
/// What is cancelled from the list is named there.
const CANCEL: Access = Rights(&[Verb::List, Verb::Delete]);
const DELETE: Access = Rights(&[Verb::Delete]);

/// Method and path of every route within the gate, and what it needs. `HEAD` needs what `GET` needs.
const TABLE: &[(&str, &str, Access)] = &[
    // Shows nothing of any job, or checks a token of its own.
    ("GET", "/healthz", Public),
    ("GET", "/readyz", Public),
    ("GET", "/metrics", Public),
    ("GET", "/login", Public),
    ("POST", "/login", Public),
    ("POST", "/logout", Public),
    ("GET", "/favicon.ico", Public),
    ("GET", "/assets/{name}", Public),
    ("GET", "/api/v1/openapi.json", Public),
    ("POST", "/updatejobstatus", Public),
    // Shows all jobs, or what could be launched.
    ("GET", "/", LIST),
    ("GET", "/index", LIST),
    ("GET", "/jobs", LIST),
    ("GET", "/templates", LIST),
    ("GET", "/templates/{name}", LIST),
    ("GET", "/templates/{name}/launch", LIST),
    ("GET", "/templates/{name}/preview", LIST),
    ("GET", "/api/v1/events", LIST),
    ("GET", "/api/v1/jobs", LIST),
    ("GET", "/api/v1/templates", LIST),
    ("GET", "/api/v1/templates/{name}", LIST),
    // Shows one job.
    ("GET", "/jobs/{id}", GET),
    ("GET", "/jobs/{id}/rerun", GET),
    ("GET", "/api/v1/jobs/{id}", GET),
    ("GET", "/api/v1/jobs/{id}/events", GET),
    ("GET", "/api/v1/jobs/{id}/logs", GET),
    ("GET", "/api/v1/jobs/{id}/manifest", GET),
    // Launches a job, or shows what that would give.
    ("POST", "/runajob", CREATE),
    ("POST", "/templates/{name}/launch", CREATE),
    ("POST", "/templates/{name}/preview", CREATE),
    ("POST", "/api/v1/jobs", CREATE),
    ("POST", "/api/v1/templates/{name}/render", CREATE),
    ("POST", "/jobs/{id}/rerun", RERUN),
    ("POST", "/jobs/{id}/rerun/preview", RERUN),
    ("POST", "/selected/rerun", RERUN),
    ("POST", "/api/v1/jobs/{id}/rerun", RERUN),
    // Ends a job, or its record.
    ("POST", "/jobs/{id}/cancel", DELETE),
    ("POST", "/jobs/{id}/delete", DELETE),
    ("POST", "/selected/cancel", CANCEL),
    ("POST", "/api/v1/jobs/{id}/cancel", DELETE),
    ("DELETE", "/api/v1/jobs/{id}", DELETE),
];

/// What a request needs, by its method and the pattern of its route; where it matches no route, whoever asks must be
/// known to learn that.
///
/// # Errors
/// If it is not in the table.
pub(super) fn of(method: &Method, route: Option<&str>) -> Result<Access, Unlisted> {
    let Some(route) = route else {
        return Ok(Access::Known);
    };
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let on_route = || TABLE.iter().filter(|(_, known, _)| *known == route);
    match on_route().find(|(known, ..)| *known == method) {
        Some((.., access)) => Ok(*access),
        None => Err(Unlisted {
            needs: on_route().map(|(.., access)| *access).find(|it| *it == Public).unwrap_or(Access::Known),
            allowed: on_route().map(|(method, ..)| *method).collect(),
        }),
    }
}

/// A request that the table does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unlisted {
    /// What it takes to be told so.
    pub(super) needs: Access,
    /// The methods that its route has; none if the route is not in the table at all.
    pub(super) allowed: Vec<&'static str>,
}

impl Unlisted {
    /// As in an `Allow` header.
    pub(super) fn allow(&self) -> String {
        let with_head = |method: &&'static str| if *method == "GET" { "GET, HEAD" } else { *method };
        self.allowed.iter().map(with_head).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
