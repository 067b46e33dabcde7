//! The client of a Jobwright server: requests, errors in plain words, and streams.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::failure::advise;
use super::refusal::Silence;
pub use super::refusal::{ClientError, Refusal};
use super::sse::Messages;
pub use super::target::ServerArgs;
use super::target::{Target, Token};
use crate::template::suggest;

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
    named_by: Option<String>,
    token: Option<Token>,
    agent: Agent,
    streams: Agent,
}

/// What a request gives.
type Outcome<T> = Result<T, ClientError>;

impl Client {
    /// A client of the server that the arguments name. Connects on the first request.
    pub fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let Target { server: base, named_by, token, ca_file } = args.target()?;
        let tls = match ca_file {
            Some(file) => TlsConfig::builder().root_certs(certificates(&file)?).build(),
            None => TlsConfig::default(),
        };
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .tls_config(tls.clone())
                .user_agent(concat!("jobwright/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(Duration::from_secs(5)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
        };
        Ok(Self {
            base,
            named_by,
            token,
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
        self.exchange(&Method::GET, path, None).map(|(_, value)| value).map_err(|error| self.report(error))
    }

    /// An error as a command reports it: what to do about it, and which job was probably meant.
    pub fn report(&self, error: ClientError) -> anyhow::Error {
        let extra = match &error {
            ClientError::Refused(refusal) if refusal.name() == "unknown-job" => {
                let near = refusal.members.get("job").and_then(Value::as_str).and_then(|id| self.job_near(id));
                near.map(|near| format!("did you mean {near}?"))
            }
            ClientError::NoAnswer { .. } | ClientError::Stranger { .. } => {
                self.named_by.as_ref().map(|by| format!("the server comes from {by}"))
            }
            ClientError::Refused(_) => None,
        };
        let report = error.into_report();
        match extra {
            Some(hint) => advise(report, hint),
            None => report,
        }
    }

    /// One of the newest jobs whose ID is nearly this one.
    fn job_near(&self, id: &str) -> Option<String> {
        let newest = self.exchange(&Method::GET, "/api/v1/jobs?limit=200", None).ok()?.1;
        let ids = newest["items"].as_array()?.iter().filter_map(|job| job["id"].as_str());
        suggest::nearest(id, ids).map(str::to_owned)
    }

    /// Has something done, once.
    pub fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.exchange(&Method::POST, path, Some(body)).map(|(_, value)| value)
    }

    /// Has something done that may be asked for again without harm; so it is, as long as the outcome is not known.
    /// Only a server that is not there at the first attempt is taken at its word. Gives the answer's status as well.
    pub fn post_until_known(&self, path: &str, body: &Value) -> Outcome<(StatusCode, Value)> {
        let mut wait = Duration::from_millis(200);
        let mut attempt = 1;
        loop {
            let outcome = self.exchange(&Method::POST, path, Some(body));
            let again = match &outcome {
                Err(ClientError::NoAnswer { silence, .. }) if attempt == 1 && silence.is_unsent() => false,
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
        self.exchange(&Method::DELETE, path, None).map(|(_, value)| value)
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

    fn exchange(&self, method: &Method, path: &str, body: Option<&Value>) -> Outcome<(StatusCode, Value)> {
        let response = self.send(&self.agent, method, path, body, &[("accept", "application/json")])?;
        let mut response = self.expect_success(response)?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok((status, Value::Null));
        }
        let bytes = self.read(&mut response)?;
        serde_json::from_slice(&bytes).map(|value| (status, value)).map_err(|_| self.stranger(status))
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
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.value));
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
        match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => {
                let token_from = self.token.as_ref().map(|token| token.from.clone());
                Err(ClientError::Refused(Refusal { token_from, ..refusal }))
            }
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
        let silence = Silence::of(&error);
        ClientError::NoAnswer { server: self.base.clone(), cause: error.into_io(), silence }
    }
}

/// The certificates of a PEM file.
fn certificates(file: &Path) -> anyhow::Result<RootCerts> {
    let shown = file.display();
    let pem = std::fs::read(file).with_context(|| format!("cannot read the certificates in {shown}"))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        // A key that stands beside them is of no use here.
        if let PemItem::Certificate(certificate) =
            item.with_context(|| format!("the certificates in {shown} cannot be read"))?
        {
            found.push(certificate);
        }
    }
    anyhow::ensure!(!found.is_empty(), "there is no certificate in {shown}: expected PEM");
    Ok(RootCerts::from(found))
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
