//! The client of a Jobwright server: requests, errors in plain words, and streams.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::{Agent, Body};

use super::failure::advise;
use super::sse::Messages;

/// Which server to talk to, and as whom.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// The server to talk to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", env = "JOBWRIGHT_SERVER")]
    server: String,

    /// A file with the token to sign in with; the token itself may be in JOBWRIGHT_TOKEN
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_CLIENT_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

/// The largest answer that is read, but for streams: 500 jobs of full size fit.
const LARGEST_ANSWER: u64 = 256 << 20;
/// How long a server may stay silent on a stream; it sends a sign of life well before.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a launch is sent again when its outcome is not known.
const ATTEMPTS: u32 = 6;

/// What must be escaped within one segment of a path: everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path, or as a value in a query.
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A connection to a server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    authorization: Option<String>,
    agent: Agent,
    streams: Agent,
}

/// Why a server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing came back.
    #[error("no answer from {server}")]
    NoAnswer {
        /// The server.
        server: String,
        /// What went wrong.
        #[source]
        cause: io::Error,
        /// Whether it is certain that the request did not get there.
        unsent: bool,
    },
    /// Something else than a Jobwright server answered.
    #[error("{server} answered {status}, but not as Jobwright does")]
    Stranger {
        /// The server.
        server: String,
        /// Its status.
        status: StatusCode,
    },
    /// It refused, and said why.
    #[error("{0}")]
    Refused(Refusal),
}

/// An RFC 9457 problem, as a server tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct Refusal {
    /// What kind of problem: a URI whose last segment is its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong.
    #[serde(default)]
    pub detail: String,
    /// What else it says.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Refusal {
    /// The problem's name: `unknown-template`, …
    pub fn name(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

impl std::fmt::Display for Refusal {
    /// The detail, and every fault and difference that it does not tell itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        for fault in items(&self.members, "faults") {
            let text = |member: &str| fault.get(member).and_then(Value::as_str);
            let message = text("message").unwrap_or_default();
            if self.detail.contains(message) {
                continue;
            }
            write!(f, "\n{}: {message}", text("path").unwrap_or("?"))?;
            if let Some(given) = text("given") {
                write!(f, ", but is {given}")?;
            }
            if let Some(suggestion) = text("suggestion") {
                write!(f, "; did you mean `{suggestion}`?")?;
            }
        }
        for difference in items(&self.members, "differences") {
            let field = difference.get("field").and_then(Value::as_str);
            let side = |member: &str| difference.get(member).unwrap_or(&Value::Null).to_string();
            write!(f, "\n{}: recorded {}, requested {}", field.unwrap_or("?"), side("recorded"), side("requested"))?;
        }
        Ok(())
    }
}

fn items<'a>(members: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    members.get(name).and_then(Value::as_array).into_iter().flatten()
}

impl ClientError {
    /// Whether the same request may well succeed when it is sent again.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused(refusal) => [502, 503, 504].contains(&refusal.status),
            Self::Stranger { status, .. } => status.is_server_error(),
        }
    }

    /// What the caller can do about it.
    fn advice(&self) -> Option<String> {
        match self {
            Self::NoAnswer { .. } => Some(
                "is it running? `jobwright serve` starts one; --server or JOBWRIGHT_SERVER names another".to_owned(),
            ),
            Self::Stranger { .. } => Some("check --server or JOBWRIGHT_SERVER".to_owned()),
            Self::Refused(refusal) => match refusal.name() {
                "unauthorized" => Some("give a token: --token-file FILE, or JOBWRIGHT_TOKEN".to_owned()),
                "unknown-template" => {
                    Some("the templates are those of the server: its page lists them under Templates".to_owned())
                }
                "unknown-job" => Some("`jobwright jobs list` shows the jobs that there are".to_owned()),
                _ => None,
            },
        }
    }

    /// The error as a command reports it.
    pub fn into_report(self) -> anyhow::Error {
        match self.advice() {
            Some(hint) => advise(self, hint),
            None => self.into(),
        }
    }
}

/// What a request gives.
type Outcome<T> = Result<T, ClientError>;

impl Client {
    /// A client of the server that the arguments name. Connects on the first request.
    pub fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let base = args.server.trim_end_matches('/').to_owned();
        anyhow::ensure!(
            base.starts_with("http://") || base.starts_with("https://"),
            super::failure::WrongUsage(format!(
                "{:?} is no server: expected a URL such as http://127.0.0.1:8080",
                args.server
            ))
        );
        let token = match &args.token_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the token file {}", path.display()))?,
            ),
            None => std::env::var("JOBWRIGHT_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim().to_owned());
        let authorization = token.filter(|it| !it.is_empty()).map(|token| format!("Bearer {token}"));
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .user_agent(concat!("jobwright/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(Duration::from_secs(5)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
        };
        Ok(Self {
            base,
            authorization,
            agent: config().timeout_global(Some(Duration::from_secs(120))).build().into(),
            streams: config().timeout_per_read(Some(SILENCE)).build().into(),
        })
    }

    /// The server's URL.
    pub fn server(&self) -> &str {
        &self.base
    }

    /// Asks for something.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.exchange(&Method::GET, path, None).map_err(ClientError::into_report)
    }

    /// Has something done, once.
    pub fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.exchange(&Method::POST, path, Some(body))
    }

    /// Has something done that may be asked for again without harm; so it is, as long as the outcome is not known.
    /// Only a server that is not there at the first attempt is taken at its word.
    pub fn post_until_known(&self, path: &str, body: &Value) -> Outcome<Value> {
        let mut wait = Duration::from_millis(200);
        let mut attempt = 1;
        loop {
            let outcome = self.post(path, body);
            let again = match &outcome {
                Err(ClientError::NoAnswer { unsent: true, .. }) if attempt == 1 => false,
                Err(error) => error.is_passing() && attempt < ATTEMPTS,
                Ok(_) => false,
            };
            if !again {
                return outcome;
            }
            pause(wait);
            wait *= 2;
            attempt += 1;
        }
    }

    /// Deletes something.
    pub fn delete(&self, path: &str) -> Outcome<Value> {
        self.exchange(&Method::DELETE, path, None)
    }

    /// A stream of server-sent events, after the one with this ID.
    pub fn events(&self, path: &str, after: Option<&str>) -> Outcome<Messages<BufReader<impl Read + use<>>>> {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(after.map(|id| ("last-event-id", id)));
        Ok(Messages::new(BufReader::new(self.stream(path, &headers)?)))
    }

    /// A body that comes bit by bit.
    pub fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Outcome<impl Read + use<>> {
        let response = self.send(&self.streams, &Method::GET, path, None, headers)?;
        let response = self.expect_success(response)?;
        Ok(response.into_body().into_reader())
    }

    fn exchange(&self, method: &Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let response = self.send(&self.agent, method, path, body, &[("accept", "application/json")])?;
        let mut response = self.expect_success(response)?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let bytes = self.read(&mut response)?;
        serde_json::from_slice(&bytes).map_err(|_| self.stranger(status))
    }

    fn send(
        &self,
        agent: &Agent,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Outcome<Response<Body>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string())
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| agent.run(request)),
        };
        answer.map_err(|error| self.no_answer(error))
    }

    fn expect_success(&self, mut response: Response<Body>) -> Outcome<Response<Body>> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = self.read(&mut response)?;
        match serde_json::from_slice(&bytes) {
            Ok(refusal) => Err(ClientError::Refused(refusal)),
            Err(_) => Err(self.stranger(status)),
        }
    }

    fn read(&self, response: &mut Response<Body>) -> Outcome<Vec<u8>> {
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER);
        body.read_to_vec().map_err(|error| self.no_answer(error))
    }

    fn stranger(&self, status: StatusCode) -> ClientError {
        ClientError::Stranger { server: self.base.clone(), status }
    }

    fn no_answer(&self, error: ureq::Error) -> ClientError {
        let unsent = match &error {
            ureq::Error::Io(cause) => cause.kind() == io::ErrorKind::ConnectionRefused,
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => true,
            ureq::Error::Timeout(kind) => *kind == ureq::Timeout::Connect,
            _ => false,
        };
        ClientError::NoAnswer { server: self.base.clone(), cause: error.into_io(), unsent }
    }
}

/// Waits before the next attempt.
#[expect(clippy::disallowed_methods, reason = "a server that was too busy or away is left alone for a while")]
pub fn pause(wait: Duration) {
    std::thread::sleep(wait);
}

/// A query string of the parameters that are given, with its `?`.
pub fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.push_str(&escape(&value));
    }
    query
}

/// The path of a job.
pub fn job_path(id: &str) -> String {
    format!("/api/v1/jobs/{}", escape(id))
}

/// A job ID from the command line, checked before it is sent.
pub fn job_id(text: &str) -> Result<String, String> {
    match text.parse::<crate::job::JobId>() {
        Ok(id) => Ok(id.into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The report on a stream that broke.
pub fn broken(server: &str, cause: io::Error) -> anyhow::Error {
    advise(
        anyhow::Error::new(cause).context(format!("the connection to {server} broke")),
        "the job goes on; look again with `jobwright jobs get`",
    )
}
