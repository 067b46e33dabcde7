//! Which routes there are, for what somebody may have meant.

use axum::http::Uri;

use super::ApiError;

/// The routes that people and programs type.
const KNOWN: [&str; 14] = [
    "/",
    "/index",
    "/jobs",
    "/templates",
    "/runajob",
    "/updatejobstatus",
    "/login",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/jobs",
    "/api/v1/templates",
    "/api/v1/events",
    "/api/v1/openapi.json",
];

/// The answer where there is no route.
pub(super) async fn unknown(uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::UnknownRoute { path: path.to_owned(), suggestion: suggestion(path) }
}

/// A route that looks like the start of a path, with the path's rest behind it.
fn suggestion(path: &str) -> Option<String> {
    let trimmed = path.trim_end_matches('/');
    let (_, whole, rest) = KNOWN
        .into_iter()
        .filter(|known| *known != "/")
        .flat_map(|known| {
            let depth = known.matches('/').count();
            // The path may lack the `/api/v1` of the route, so fewer of its segments are tried as well.
            (1..=depth).map(move |taken| (known, taken))
        })
        .filter_map(|(known, taken)| {
            let end = trimmed.match_indices('/').nth(taken).map_or(trimmed.len(), |(at, _)| at);
            let (start, rest) = trimmed.split_at(end);
            let distance = strsim::damerau_levenshtein(&start.to_lowercase(), known);
            (distance <= 3 && distance * 3 < known.len()).then_some((distance, known, rest))
        })
        .min_by_key(|(distance, ..)| *distance)?;
    let found = format!("{whole}{rest}");
    (found != path).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_looks_alike_is_found() {
        for (path, found) in [
            ("/api/v1/job", Some("/api/v1/jobs")),
            ("/api/v1/job/k1/events", Some("/api/v1/jobs/k1/events")),
            ("/api/v1/jobs/", Some("/api/v1/jobs")),
            ("/api/jobs", Some("/api/v1/jobs")),
            ("/API/V1/jobs", Some("/api/v1/jobs")),
            ("/runjob", Some("/runajob")),
            ("/updateJobStatus", Some("/updatejobstatus")),
            ("/healthy", Some("/healthz")),
            ("/wp-login.php", None),
            ("/nothing/like/it", None),
        ] {
            assert_eq!(suggestion(path).as_deref(), found, "{path}");
        }
    }
}
