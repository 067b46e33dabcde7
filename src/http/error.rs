//! The one error of the HTTP service.

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::auth::Missing;
use super::problem::Problem;
use crate::executor::ExecutorError;
use crate::job::report::InvalidReport;
use crate::job::{InvalidId, JobId};
use crate::service::ServiceError;

/// What keeps a request from being answered. [`ApiError::problem`] says how each case is told to the client.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body is no JSON.
    #[error("the body is not valid JSON: {message} at line {line} column {column}")]
    MalformedJson {
        /// What the parser says, without the place.
        message: String,
        /// Where: the line, from 1.
        line: usize,
        /// Where: the column, from 1.
        column: usize,
    },
    /// The body is well-formed, but not what this route takes: an unknown member, a wrong type, a missing one.
    #[error("{0}")]
    InvalidBody(String),
    /// A part of the path, of the query or of a form cannot be used.
    #[error("{place} `{name}`: {message}")]
    InvalidInput {
        /// `path parameter`, `query parameter`, `field` or `header`.
        place: &'static str,
        /// Its name.
        name: String,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// The body is of a type that this route does not take.
    #[error("the body is of type {}; expected {}", given.as_deref().unwrap_or("unknown (there is no Content-Type)"), expected.join(" or "))]
    UnsupportedMediaType {
        /// The `Content-Type` that came.
        given: Option<String>,
        /// What the route takes.
        expected: &'static [&'static str],
    },
    /// The route has none of the types that the client accepts.
    #[error("nothing that the client accepts can be given; offered: {}", offered.join(", "))]
    NotAcceptable {
        /// What the route can give.
        offered: &'static [&'static str],
    },
    /// The body is larger than the route takes.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// How large it may be, in bytes.
        limit: usize,
    },
    /// The body did not come in time.
    #[error("the request did not arrive in full within {} s", .0.as_secs())]
    RequestTimeout(Duration),
    /// The connection failed while the body was read.
    #[error("the body could not be read: {0}")]
    BodyBroken(#[source] axum::Error),
    /// The answer took too long.
    #[error("no answer within {} s; try again", .0.as_secs())]
    Overdue(Duration),
    /// Nobody is signed in, or with a token that is not known.
    #[error("{}", if *.given { "this token is not known here" } else { "a token is needed: send it as `Authorization: Bearer TOKEN`" })]
    Unauthorized {
        /// Whether a token came, and was a wrong one.
        given: bool,
    },
    /// Somebody who is known may not do this.
    #[error(transparent)]
    Forbidden(Box<Missing>),
    /// The cluster gives no answer as to who somebody is, or whether they may do this.
    #[error(
        "the cluster cannot be asked now who you are and what you may do, so nothing was done; try again (the server's log says what is wrong)"
    )]
    Unreviewed,
    /// A browser's session would not fit into a cookie.
    #[error(
        "this user is in too many groups ({groups}) for a browser's session, which takes 4 KB; use the API or the command line with this token, or one of a service account"
    )]
    SessionTooLarge {
        /// How many groups there are.
        groups: usize,
    },
    /// A browser sent the request on behalf of another site.
    #[error("refused: the request was sent by a page of another site ({origin})")]
    CrossSite {
        /// What the browser says about where it comes from.
        origin: String,
    },
    /// The `Host` header names no host that is served: a sign of DNS rebinding.
    #[error(
        "this server does not answer for the host {host:?}; use its loopback address, or start it with --allowed-host"
    )]
    UnknownHost {
        /// The host asked for.
        host: String,
    },
    /// A callback's token is wrong, of another installation, or cut.
    #[error("the callback token is not valid: it is wrong, cut short, or of another installation")]
    InvalidToken,
    /// A callback names another job than its token.
    #[error("the token is the one of job {expected}, but the report is for job {given:?}")]
    JobMismatch {
        /// The token's job.
        expected: JobId,
        /// The job in the report.
        given: String,
    },
    /// A report breaks a limit.
    #[error(transparent)]
    InvalidReport(InvalidReport),
    /// The service refuses.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// There is no such route.
    #[error("there is no route {path}{}", suggestion.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownRoute {
        /// The path asked for.
        path: String,
        /// A route that looks alike.
        suggestion: Option<String>,
    },
    /// The route exists, but not with this method.
    #[error("{method} is not possible here; allowed: {allow}")]
    MethodNotAllowed {
        /// The method asked for.
        method: Method,
        /// The methods of the route, as in the `Allow` header.
        allow: String,
    },
    /// There are as many event or log streams as the server serves.
    #[error("there are {limit} open streams already, which is the limit; try again in a moment")]
    TooManyStreams {
        /// How many there may be.
        limit: usize,
    },
    /// Something is wrong on our side.
    #[error("an error on the server's side; its log has the details under {id}")]
    Internal {
        /// Under which ID the cause was logged.
        id: String,
    },
}

impl ApiError {
    /// Logs a cause that is none of the client's business, and gives the error that tells the client where it is.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let cause = cause.into();
        tracing::error!(error.id = %id, error = %chain(&*cause), "internal error");
        Self::Internal { id }
    }

    /// What `serde_json` says of a body: either it is no JSON, or it is JSON of another shape.
    pub fn json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        if error.is_data() {
            return Self::InvalidBody(format!("the body does not fit: {text}"));
        }
        Self::MalformedJson {
            message: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
            line: error.line(),
            column: error.column(),
        }
    }

    /// A part of the path that cannot be used.
    pub fn in_path(name: &str, message: impl ToString) -> Self {
        Self::invalid_input("path parameter", name, message)
    }

    /// A query parameter that cannot be used.
    pub fn in_query(name: &str, message: impl ToString) -> Self {
        Self::invalid_input("query parameter", name, message)
    }

    /// A member or form field that cannot be used.
    pub fn in_field(name: &str, message: impl ToString) -> Self {
        Self::invalid_input("field", name, message)
    }

    fn invalid_input(place: &'static str, name: &str, message: impl ToString) -> Self {
        Self::InvalidInput { place, name: name.to_owned(), message: message.to_string() }
    }

    /// The problem as the client sees it.
    pub fn problem(&self) -> Problem {
        let (kind, title, status) = self.kind();
        let problem = Problem::new(kind, title, status, self.to_string());
        match self {
            Self::MalformedJson { line, column, .. } => problem.with("line", *line).with("column", *column),
            Self::InvalidInput { place, name, .. } => problem.with("in", *place).with("name", name.as_str()),
            Self::UnsupportedMediaType { expected, .. } => problem.with("expected", json!(expected)),
            Self::NotAcceptable { offered } => problem.with("offered", json!(offered)),
            Self::BodyTooLarge { limit } | Self::TooManyStreams { limit } => problem.with("limit", *limit),
            Self::Forbidden(missing) => with_missing(problem, missing),
            Self::SessionTooLarge { groups } => problem.with("groups", *groups),
            Self::UnknownRoute { suggestion: Some(near), .. } => problem.with("suggestion", near.as_str()),
            Self::Internal { id } => problem.with("id", id.as_str()),
            Self::Service(error) => with_members(problem, error),
            _ => problem,
        }
    }

    /// The name of the kind, its title, and its status.
    fn kind(&self) -> (&'static str, &'static str, StatusCode) {
        use StatusCode as S;
        match self {
            Self::MalformedJson { .. } => ("malformed-json", "Malformed JSON", S::BAD_REQUEST),
            Self::InvalidBody(_) => ("invalid-body", "Invalid body", S::UNPROCESSABLE_ENTITY),
            Self::InvalidInput { .. } => ("invalid-input", "Invalid input", S::BAD_REQUEST),
            Self::UnsupportedMediaType { .. } => {
                ("unsupported-media-type", "Unsupported media type", S::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::NotAcceptable { .. } => ("not-acceptable", "Not acceptable", S::NOT_ACCEPTABLE),
            Self::BodyTooLarge { .. } => ("body-too-large", "Body too large", S::PAYLOAD_TOO_LARGE),
            Self::RequestTimeout(_) => ("request-timeout", "Request timeout", S::REQUEST_TIMEOUT),
            Self::BodyBroken(_) => ("body-broken", "Broken body", S::BAD_REQUEST),
            Self::Overdue(_) => ("overdue", "Overdue", S::SERVICE_UNAVAILABLE),
            Self::Unauthorized { .. } => ("unauthorized", "Unauthorized", S::UNAUTHORIZED),
            Self::Forbidden(_) => ("forbidden", "Forbidden", S::FORBIDDEN),
            Self::Unreviewed => ("unreviewed", "Access cannot be checked", S::SERVICE_UNAVAILABLE),
            Self::SessionTooLarge { .. } => ("session-too-large", "Session too large", S::UNPROCESSABLE_ENTITY),
            Self::CrossSite { .. } => ("cross-site", "Cross-site request", S::FORBIDDEN),
            Self::UnknownHost { .. } => ("unknown-host", "Unknown host", S::MISDIRECTED_REQUEST),
            Self::InvalidToken => ("invalid-token", "Invalid callback token", S::FORBIDDEN),
            Self::JobMismatch { .. } => ("job-mismatch", "Another job", S::BAD_REQUEST),
            Self::InvalidReport(_) => ("invalid-report", "Invalid report", S::UNPROCESSABLE_ENTITY),
            Self::Service(error) => service_kind(error),
            Self::UnknownRoute { .. } => ("unknown-route", "Unknown route", S::NOT_FOUND),
            Self::MethodNotAllowed { .. } => ("method-not-allowed", "Method not allowed", S::METHOD_NOT_ALLOWED),
            Self::TooManyStreams { .. } => ("too-many-streams", "Too many streams", S::SERVICE_UNAVAILABLE),
            Self::Internal { .. } => ("internal", "Internal error", S::INTERNAL_SERVER_ERROR),
        }
    }

    /// The header that goes with the problem, if any.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized { given } => {
                let challenge = if *given {
                    r#"Bearer realm="jobwright", error="invalid_token""#
                } else {
                    r#"Bearer realm="jobwright""#
                };
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)))
            }
            Self::MethodNotAllowed { allow, .. } => Some((header::ALLOW, HeaderValue::from_str(allow).ok()?)),
            _ if self.kind().2 == StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => None,
        }
    }
}

/// The name of the kind, its title, and its status, for what the service refuses.
fn service_kind(error: &ServiceError) -> (&'static str, &'static str, StatusCode) {
    use ServiceError as E;
    use StatusCode as S;
    match error {
        E::UnknownTemplate { .. } => ("unknown-template", "Unknown template", S::NOT_FOUND),
        E::BrokenTemplate { .. } => ("broken-template", "Broken template", S::CONFLICT),
        E::InvalidParameters { .. } => ("invalid-parameters", "Invalid parameters", S::UNPROCESSABLE_ENTITY),
        E::Render { .. } => ("invalid-manifest", "Invalid manifest", S::UNPROCESSABLE_ENTITY),
        E::Unsupported { .. } => ("unsupported-manifest", "Unsupported manifest", S::UNPROCESSABLE_ENTITY),
        E::Refused { .. } => ("refused-manifest", "Refused manifest", S::UNPROCESSABLE_ENTITY),
        E::Conflict { .. } => ("job-conflict", "Another job has this ID", S::CONFLICT),
        E::Incomparable(_) => ("job-rebuilt", "A rebuilt job has this ID", S::CONFLICT),
        E::Rebuilding => ("rebuilding", "Records are being rebuilt", S::SERVICE_UNAVAILABLE),
        E::UnknownJob(_) => ("unknown-job", "Unknown job", S::NOT_FOUND),
        E::NotEnded { .. } => ("job-not-ended", "The job has not ended", S::CONFLICT),
        E::Ended { .. } => ("job-ended", "The job has ended", S::CONFLICT),
        E::SecretsNeeded { .. } => ("secrets-needed", "Secret parameters needed", S::UNPROCESSABLE_ENTITY),
        E::ParametersNeeded { .. } => ("parameters-needed", "Parameters needed", S::UNPROCESSABLE_ENTITY),
        E::NoManifest(_) => ("no-manifest", "No manifest", S::NOT_FOUND),
        E::NoLog(_) => ("no-log", "No log", S::NOT_FOUND),
        E::Store(_) => ("store-unavailable", "Records unavailable", S::SERVICE_UNAVAILABLE),
        E::Executor(ExecutorError::NotFound(_)) => ("not-found", "Not found", S::NOT_FOUND),
        E::Executor(ExecutorError::NotOffered(_)) => ("not-offered", "Not offered", S::NOT_IMPLEMENTED),
        E::Executor(_) => ("executor-unavailable", "Executor unavailable", S::SERVICE_UNAVAILABLE),
        E::ShuttingDown => ("shutting-down", "Shutting down", S::SERVICE_UNAVAILABLE),
    }
}

/// What a program may want of a refusal of the service.
fn with_members(problem: Problem, error: &ServiceError) -> Problem {
    use ServiceError as E;
    match error {
        E::UnknownTemplate { name, suggestion } => {
            let problem = problem.with("template", name.as_str());
            match suggestion {
                Some(near) => problem.with("suggestion", near.as_str()),
                None => problem,
            }
        }
        E::BrokenTemplate { name, .. } => problem.with("template", name.as_str()),
        E::InvalidParameters { template, faults } => {
            problem.with("template", template.as_str()).with("faults", json!(faults))
        }
        E::Render { template, error } => {
            problem.with("template", template.as_str()).with("faults", json!(error.problems))
        }
        E::Unsupported { template, unsupported } => {
            let faults: Vec<Value> =
                unsupported.faults.iter().map(|(path, message)| json!({"path": path, "message": message})).collect();
            problem.with("template", template.as_str()).with("faults", faults)
        }
        E::Refused { template, objection } => problem
            .with("template", template.as_str())
            .with("reason", objection.reason.as_str())
            .with("message", objection.message.as_str())
            .with("faults", json!(objection.faults)),
        E::Conflict { id, differences } => problem.with("job", id.as_str()).with("differences", json!(differences)),
        E::UnknownJob(id) | E::NoLog(id) | E::NoManifest(id) | E::Incomparable(id) => problem.with("job", id.as_str()),
        E::NotEnded { id, phase } | E::Ended { id, phase } => {
            problem.with("job", id.as_str()).with("phase", phase.as_str())
        }
        E::SecretsNeeded { names } => problem.with("names", json!(names)),
        E::ParametersNeeded { id, names } => problem.with("job", id.as_str()).with("names", json!(names)),
        E::Store(_) | E::Executor(_) | E::Rebuilding | E::ShuttingDown => problem,
    }
}

/// Who lacks which right where, in the words of a Role.
fn with_missing(problem: Problem, missing: &Missing) -> Problem {
    problem
        .with("user", missing.user.as_str())
        .with("verb", missing.verb.as_str())
        .with("group", "batch")
        .with("resource", "jobs")
        .with("namespace", missing.namespace.as_str())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<InvalidId> for ApiError {
    fn from(error: InvalidId) -> Self {
        Self::InvalidBody(error.to_string())
    }
}

/// An error with all its causes, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
