//! Why a server did not do what was asked, in plain words and with what to do about it.

use std::io;

use serde::Deserialize;
use serde_json::{Map, Value};
use ureq::http::StatusCode;

use super::failure::advise;
use crate::template::MISSING;

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
        /// How far it came.
        silence: Silence,
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

/// How far a request came that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listens there.
    Closed,
    /// The host's name is not known.
    UnknownHost,
    /// There was no connection.
    Unreachable,
    /// The server's certificate is not accepted.
    Certificate,
    /// What answered does not speak TLS, or not as it should.
    NotTls,
    /// It may have arrived.
    Lost,
}

impl Silence {
    /// What an error of the HTTP client comes to.
    pub(super) fn of(error: &ureq::Error) -> Self {
        let text = error.to_string();
        if text.contains("certificate") {
            return Self::Certificate;
        }
        if text.contains("corrupt message") || text.contains("wrong version number") {
            return Self::NotTls;
        }
        match error {
            ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Self::Closed,
            ureq::Error::HostNotFound => Self::UnknownHost,
            ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => Self::Unreachable,
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => Self::Unreachable,
            ureq::Error::Io(cause) if cause.to_string().contains("lookup address") => Self::UnknownHost,
            _ => Self::Lost,
        }
    }

    /// Whether it is certain that the request did not get there.
    pub(super) fn is_unsent(self) -> bool {
        self != Self::Lost
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Closed | Self::Lost => {
                "is it running? `jobwright serve` starts one; --server, --context or JOBWRIGHT_SERVER names another"
            }
            Self::UnknownHost => "is its name spelt right? --server, --context or JOBWRIGHT_SERVER names another",
            Self::Unreachable => "is the address right, and nothing in between that stops the connection?",
            Self::Certificate => {
                "if the server is the right one, name the certificates that its own is signed by: --ca-file FILE"
            }
            Self::NotTls => "does it speak HTTPS? Otherwise its URL begins with http://",
        }
    }
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
    /// Where the token came from that was shown with the request, if one was.
    #[serde(skip)]
    pub token_from: Option<String>,
    /// What else it says.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Refusal {
    /// The problem's name: `unknown-template`, …
    pub fn name(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    /// What the caller can do about it.
    fn advice(&self) -> Option<String> {
        let text = match (self.name(), &self.token_from) {
            ("unauthorized", None) => {
                "give a token: --token-file FILE, JOBWRIGHT_TOKEN, or a context that has one (`jobwright context add`)"
            }
            ("unauthorized", Some(from)) => {
                return Some(format!("the token came from {from}: it is wrong, has expired, or is another server's"));
            }
            ("forbidden", Some(from)) => {
                return Some(format!("the token came from {from}; whoever runs the server can give you the right"));
            }
            ("unknown-template", _) => "the templates are those of the server: its page lists them under Templates",
            ("broken-template", _) => "`jobwright lint` in the templates' folder shows what is wrong, with its place",
            ("unknown-job", _) => "`jobwright jobs list` shows the jobs that there are",
            ("job-conflict", _) => {
                "an ID stands for one request: give another --id, or leave it out and a new one is made"
            }
            ("invalid-parameters", _) => return self.parameters_advice(),
            ("secrets-needed" | "parameters-needed", _) => "give them with -p NAME=VALUE, or in a file with -f",
            ("job-not-ended", _) => "`jobwright jobs cancel ID --wait` ends it",
            ("unknown-host", _) => "the server must know the name that it is called by: `serve --allowed-host HOST`",
            ("too-many-streams", _) => "others follow jobs there: try again, or raise `serve --max-streams`",
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn parameters_advice(&self) -> Option<String> {
        let missing: Vec<_> = items(&self.members, "faults")
            .filter(|fault| fault["message"].as_str().is_some_and(|text| text.starts_with(MISSING)))
            .filter_map(|fault| fault["path"].as_str())
            .filter(|path| !path.contains(['.', '[']))
            .collect();
        how_to_give(&missing)
    }
}

/// How to give parameters that are missing.
pub(super) fn how_to_give(missing: &[&str]) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let flags: Vec<_> = missing.iter().map(|name| format!("-p {name}=VALUE")).collect();
    Some(format!("give what is missing with {}, or in a YAML file with -f FILE", flags.join(" ")))
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
            Self::NoAnswer { silence, .. } => !matches!(silence, Silence::Certificate | Silence::NotTls),
            Self::Refused(refusal) => [502, 503, 504].contains(&refusal.status),
            Self::Stranger { status, .. } => status.is_server_error(),
        }
    }

    /// What the caller can do about it.
    fn advice(&self) -> Option<String> {
        match self {
            Self::NoAnswer { silence, .. } => Some(silence.advice().to_owned()),
            Self::Stranger { .. } => {
                Some("is it the right URL, https:// or http:// included? Check --server or JOBWRIGHT_SERVER".to_owned())
            }
            Self::Refused(refusal) => refusal.advice(),
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
