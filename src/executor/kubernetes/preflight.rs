//! Whether jobs can be launched here: looked at before the first one is, and for `/readyz`.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api::{self, Answer};
use crate::executor::ExecutorError;

/// The minor versions of Kubernetes 1 that this program knows: it is built with the types of the last one.
const KNOWN_MINORS: std::ops::RangeInclusive<u32> = 31..=34;
/// How long the API server may take to show that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// For how long a look around that found nothing wrong is good.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What must be allowed in the jobs' namespace, and what it is for.
const RIGHTS: [(&str, &str, Option<&str>, &[&str], &str); 4] = [
    ("batch", "jobs", None, &["create", "get", "list", "watch", "delete"], "to launch, watch and end jobs"),
    ("", "pods", None, &["list", "watch"], "to see what becomes of jobs"),
    ("", "pods", Some("log"), &["get"], "to show and keep logs"),
    ("", "events", None, &["list", "watch"], "to tell why no pod comes for a job"),
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
    client: Client,
    namespace: String,
    /// When a look around last found nothing wrong.
    good: Mutex<Option<Instant>>,
}

impl Preflight {
    pub(super) fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace, good: Mutex::new(None) }
    }

    /// Looks around.
    pub(super) async fn look(&self) -> Vec<Finding> {
        let version = version_finding(api::get(&self.client, "/version").await);
        if version.grade == Grade::Bad {
            // Nothing else would get an answer either.
            return vec![version];
        }
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let namespace = namespace_finding(&self.namespace, &api::get(&self.client, &path).await);
        let rights = join_all(RIGHTS.iter().map(|right| self.right(right))).await;
        [version, namespace].into_iter().chain(rights).collect()
    }

    /// Whether jobs could be launched now.
    pub(super) async fn ready(&self) -> Result<(), ExecutorError> {
        let mut good = self.good.lock().await;
        if good.is_some_and(|at| at.elapsed() < GOOD_FOR) {
            let ping = tokio::time::timeout(PING_TIMEOUT, api::get(&self.client, "/version")).await;
            let silence = || Answer::Silence(format!("no answer within {} s", PING_TIMEOUT.as_secs()));
            let version = version_finding(ping.unwrap_or_else(|_| silence()));
            return match version.grade {
                Grade::Bad => Err(ExecutorError::Unreachable(version.text)),
                Grade::Good | Grade::Doubtful => Ok(()),
            };
        }
        let looked = tokio::time::timeout(PING_TIMEOUT, self.look()).await;
        let late = || vec![finding(Grade::Bad, format!("no answer within {} s", PING_TIMEOUT.as_secs()))];
        let bad: Vec<_> = looked
            .unwrap_or_else(|_| late())
            .into_iter()
            .filter(|it| it.grade == Grade::Bad)
            .map(|it| it.text)
            .collect();
        if bad.is_empty() {
            *good = Some(Instant::now());
            return Ok(());
        }
        Err(ExecutorError::Refused(bad.join("; ")))
    }

    async fn right(&self, right: &(&str, &str, Option<&str>, &[&str], &str)) -> Finding {
        let (group, resource, subresource, verbs, purpose) = *right;
        let answers = join_all(verbs.iter().map(|verb| self.may(group, resource, subresource, verb))).await;
        let shown = subresource.map_or_else(|| resource.to_owned(), |sub| format!("{resource}/{sub}"));
        right_finding(&shown, &self.namespace, purpose, verbs.iter().copied().zip(answers))
    }

    async fn may(&self, group: &str, resource: &str, subresource: Option<&str>, verb: &str) -> Result<bool, String> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(self.namespace.clone()),
                    group: Some(group.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource: subresource.map(str::to_owned),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        match api::create(&self.client, path, &json!(review), false).await {
            Answer::Done { body, .. } => Ok(body.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false)),
            Answer::Failed(failure) => Err(failure.message),
            Answer::Silence(message) => Err(message),
        }
    }
}

fn version_finding(answer: Answer) -> Finding {
    let body = match answer {
        Answer::Done { body, .. } => body,
        Answer::Failed(failure) => {
            return finding(Grade::Bad, format!("the API server refuses to answer: {}", failure.message));
        }
        Answer::Silence(message) => {
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
        Answer::Silence(message) => {
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
