//! Whether jobs can be launched here: looked at before the first one is, and for `/readyz`.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api::{self, Answer};
use super::client::Connection;
use crate::executor::ExecutorError;

/// The minor versions of Kubernetes 1 that this program knows: it is built with the types of the last one.
const KNOWN_MINORS: std::ops::RangeInclusive<u32> = 31..=34;
/// For how long a look around that found nothing wrong is good.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Something that must be allowed in the jobs' namespace.
struct Right {
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
    verbs: &'static [&'static str],
    /// What it is for.
    purpose: &'static str,
}

const RIGHTS: [Right; 4] = [
    Right {
        group: "batch",
        resource: "jobs",
        subresource: None,
        verbs: &["create", "get", "list", "watch", "delete"],
        purpose: "to launch, watch and end jobs",
    },
    Right {
        group: "",
        resource: "pods",
        subresource: None,
        verbs: &["list", "watch"],
        purpose: "to see what becomes of jobs",
    },
    Right { group: "", resource: "pods", subresource: Some("log"), verbs: &["get"], purpose: "to show and keep logs" },
    Right {
        group: "",
        resource: "events",
        subresource: None,
        verbs: &["list", "watch"],
        purpose: "to tell why no pod comes for a job",
    },
];

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub grade: Grade,
    /// What was found, in a sentence.
    pub text: String,
}

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Jobs can be launched, but something may be missing.
    Doubtful,
    /// Jobs cannot be launched.
    Bad,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn finding(grade: Grade, text: impl Into<String>) -> Finding {
    Finding { grade, text: text.into() }
}

pub(super) struct Preflight {
    connection: Connection,
    namespace: String,
    /// When a look around last found nothing wrong.
    good: Mutex<Option<Instant>>,
}

impl Preflight {
    pub(super) fn new(connection: Connection, namespace: String) -> Self {
        Self { connection, namespace, good: Mutex::new(None) }
    }

    /// Looks around.
    pub(super) async fn look(&self) -> Vec<Finding> {
        let version = version_finding(api::get(&self.connection, "/version").await);
        if version.grade == Grade::Bad {
            // Nothing else would get an answer either.
            return vec![version];
        }
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let namespace = namespace_finding(&self.namespace, &api::get(&self.connection, &path).await);
        let rights = join_all(RIGHTS.iter().map(|right| self.right(right))).await;
        [version, namespace].into_iter().chain(rights).collect()
    }

    /// Whether jobs could be launched now.
    pub(super) async fn ready(&self) -> Result<(), ExecutorError> {
        let mut good = self.good.lock().await;
        let limit = self.connection.timeouts.ping;
        let looked = if good.is_some_and(|at| at.elapsed() < GOOD_FOR) {
            let ping = api::get(&self.connection, "/version").map(|answer| vec![version_finding(answer)]);
            tokio::time::timeout(limit, ping).await
        } else {
            tokio::time::timeout(limit, self.look()).await
        };
        let late = |_| {
            let silence = Answer::Silence(format!("no answer within {} s", limit.as_secs_f32()));
            vec![version_finding(silence)]
        };
        let looked = looked.unwrap_or_else(late);
        let bad: Vec<_> = looked.iter().filter(|it| it.grade == Grade::Bad).map(|it| it.text.as_str()).collect();
        if !bad.is_empty() {
            *good = None;
            return Err(ExecutorError::NotReady(bad.join("; ")));
        }
        if looked.len() > 1 {
            *good = Some(Instant::now());
        }
        Ok(())
    }

    async fn right(&self, right: &Right) -> Finding {
        let answers = join_all(right.verbs.iter().map(|verb| self.may(right, verb))).await;
        let shown = match right.subresource {
            Some(subresource) => format!("{}/{subresource}", right.resource),
            None => right.resource.to_owned(),
        };
        right_finding(&shown, &self.namespace, right.purpose, right.verbs.iter().copied().zip(answers))
    }

    async fn may(&self, right: &Right, verb: &str) -> Result<bool, String> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(self.namespace.clone()),
                    group: Some(right.group.to_owned()),
                    resource: Some(right.resource.to_owned()),
                    subresource: right.subresource.map(str::to_owned),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        match api::create(&self.connection, path, &json!(review), false).await {
            Answer::Done { body, .. } => Ok(body.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false)),
            Answer::Failed(failure) => Err(failure.message),
            Answer::Silence(message) | Answer::Unsent(message) => Err(message),
        }
    }
}

fn version_finding(answer: Answer) -> Finding {
    let body = match answer {
        Answer::Done { body, .. } => body,
        Answer::Failed(failure) => {
            return finding(Grade::Bad, format!("the API server refuses to answer: {}", failure.message));
        }
        Answer::Silence(message) | Answer::Unsent(message) => {
            return finding(Grade::Bad, format!("the API server cannot be reached: {message}"));
        }
    };
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    // Some providers write a plus sign after the number.
    let number = |field: &str| text(field).trim_end_matches('+').parse::<u32>().ok();
    let shown = match text("gitVersion") {
        version if version.is_empty() => "a server that names no version".to_owned(),
        version => format!("Kubernetes {version}"),
    };
    let (first, last) = (KNOWN_MINORS.start(), KNOWN_MINORS.end());
    match (number("major"), number("minor")) {
        (Some(1), Some(minor)) if KNOWN_MINORS.contains(&minor) => {
            finding(Grade::Good, format!("the API server is {shown}"))
        }
        _ => finding(
            Grade::Doubtful,
            format!("the API server is {shown}; Jobwright knows 1.{first} to 1.{last}, and others may differ"),
        ),
    }
}

fn namespace_finding(namespace: &str, answer: &Answer) -> Finding {
    match answer {
        Answer::Done { body, .. } => match body.pointer("/status/phase").and_then(Value::as_str) {
            Some("Terminating") => finding(Grade::Bad, format!("the namespace {namespace} is being deleted")),
            _ => finding(Grade::Good, format!("the namespace {namespace} exists")),
        },
        Answer::Failed(failure) if failure.code == 404 => finding(
            Grade::Bad,
            format!("there is no namespace {namespace}: create it, or name another one with --namespace"),
        ),
        Answer::Failed(failure) if failure.code == 403 => finding(
            Grade::Doubtful,
            format!("whether there is a namespace {namespace} cannot be told: looking at it is not allowed"),
        ),
        Answer::Failed(failure) => {
            finding(Grade::Bad, format!("the namespace {namespace} cannot be looked at: {}", failure.message))
        }
        Answer::Silence(message) | Answer::Unsent(message) => {
            finding(Grade::Bad, format!("the namespace {namespace} cannot be looked at: {message}"))
        }
    }
}

fn right_finding<'a>(
    resource: &str,
    namespace: &str,
    purpose: &str,
    answers: impl Iterator<Item = (&'a str, Result<bool, String>)>,
) -> Finding {
    let (mut allowed, mut missing) = (Vec::new(), Vec::new());
    for (verb, answer) in answers {
        match answer {
            Ok(true) => allowed.push(verb),
            Ok(false) => missing.push(verb),
            Err(error) => {
                return finding(Grade::Bad, format!("whether {resource} may be used cannot be asked: {error}"));
            }
        }
    }
    if missing.is_empty() {
        return finding(Grade::Good, format!("may {} {resource} in namespace {namespace}", allowed.join(", ")));
    }
    // Without events all works but the reasons of refused pods.
    let grade = if resource == "events" { Grade::Doubtful } else { Grade::Bad };
    let missing = missing.join(", ");
    finding(grade, format!("may not {missing} {resource} in namespace {namespace}, which is needed {purpose}"))
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
