//! What a launch has come to, from what the API server said. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::api::{Answer, Failure};
use super::refusals::is_of_quota;
use crate::executor::{Cause, CreateOutcome, DryRun, DryRunError, ExecutorError};
use crate::job::labels::{INSTALLATION, JOB_ID};
use crate::job::{InstallationId, Intent, ObjectRef, Refusal};

/// The next step of a launch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This is what it came to.
    Outcome(CreateOutcome),
    /// The name is taken: look at who has it.
    Look,
}

/// What the answer to a create tells.
pub(super) fn of_create(answer: Answer, now: Timestamp) -> Step {
    Step::Outcome(match answer {
        Answer::Done { body, warnings } => match reference(&body) {
            Some(object) => CreateOutcome::Created { object, warnings },
            None => unknown("the API server's answer shows no object".to_owned()),
        },
        Answer::Failed(failure) if failure.code == 409 && failure.reason == "AlreadyExists" => return Step::Look,
        Answer::Failed(failure) if is_final(&failure) => CreateOutcome::Refused(refusal(failure, now)),
        Answer::Failed(failure) => {
            CreateOutcome::Unknown { message: failure.message, retry_after: failure.retry_after }
        }
        Answer::Silence(message) | Answer::Unsent(message) => unknown(message),
    })
}

/// Whether a failure is the API server's last word: the same request would come to the same again. Not so where it
/// did not look at the request (401: our own credentials are renewed; 408, 429), where it met another one half way (409:
/// two Pods or Jobs counted against one quota at once), nor where it broke off (5xx). And a proxy's word is none.
fn is_final(failure: &Failure) -> bool {
    failure.by_server && (400..500).contains(&failure.code) && !matches!(failure.code, 401 | 408 | 409 | 429)
}

/// What looking at the object that has a job's name tells.
pub(super) fn of_look(answer: Answer, intent: &Intent, installation: &InstallationId, now: Timestamp) -> CreateOutcome {
    match answer {
        Answer::Done { body, .. } => match reference(&body) {
            Some(object) if owner(&body) == Some((installation.as_str(), intent.id.as_str())) => {
                if body.pointer("/metadata/deletionTimestamp").is_some_and(|it| !it.is_null()) {
                    CreateOutcome::Leaving { object }
                } else {
                    CreateOutcome::Created { object, warnings: Vec::new() }
                }
            }
            Some(_) => CreateOutcome::Refused(Refusal {
                at: now,
                reason: "NameTaken".to_owned(),
                message: format!(
                    "there is a Job {} in namespace {} already, {}",
                    intent.object_name,
                    intent.namespace,
                    whose(&body)
                ),
            }),
            None => unknown("the API server's answer shows no object".to_owned()),
        },
        Answer::Failed(failure) if failure.is_not_found() => CreateOutcome::Vanished,
        Answer::Failed(failure) => {
            CreateOutcome::Unknown { message: failure.message, retry_after: failure.retry_after }
        }
        Answer::Silence(message) | Answer::Unsent(message) => unknown(message),
    }
}

/// What the answer to a dry run tells.
pub(super) fn of_dry_run(answer: Answer) -> Result<DryRun, DryRunError> {
    match answer {
        Answer::Done { warnings, .. } => Ok(DryRun { warnings }),
        Answer::Failed(failure) if is_final(&failure) => {
            let named = failure.causes.into_iter().filter(|(field, _)| !field.is_empty());
            let mut causes: Vec<_> = named.map(|(field, message)| Cause { field, message }).collect();
            if causes.is_empty() {
                causes = undecoded(&failure.message);
            }
            Err(DryRunError::Refused { reason: failure.reason, message: failure.message, causes })
        }
        Answer::Failed(failure) => Err(ExecutorError::Unreachable(failure.message).into()),
        Answer::Silence(message) | Answer::Unsent(message) => Err(ExecutorError::Unreachable(message).into()),
    }
}

/// The fields that strict decoding refuses. They are told in the message alone: `… strict decoding error: unknown field
/// "spec.x", duplicate field "spec.y"`.
fn undecoded(message: &str) -> Vec<Cause> {
    let Some((_, list)) = message.split_once("strict decoding error: ") else {
        return Vec::new();
    };
    let fault = |item: &str| {
        let (what, field) = item.split_once(" field \"")?;
        let field = field.strip_suffix('"')?;
        Some(Cause { field: field.to_owned(), message: format!("{what} field") })
    };
    list.split(", ").filter_map(fault).collect()
}

/// What went wrong with any other call.
pub(super) fn trouble(answer: Answer) -> ExecutorError {
    match answer {
        Answer::Done { .. } => ExecutorError::Unreachable("the API server's answer shows no object".to_owned()),
        Answer::Failed(failure) if failure.is_not_found() => ExecutorError::NotFound(failure.message),
        Answer::Failed(failure) if is_final(&failure) => ExecutorError::Refused(failure.message),
        Answer::Failed(failure) => ExecutorError::Unreachable(failure.message),
        Answer::Silence(message) | Answer::Unsent(message) => ExecutorError::Unreachable(message),
    }
}

/// An answer that tells nothing of a launch.
pub(super) fn unanswered(answer: Answer) -> CreateOutcome {
    match answer {
        Answer::Failed(failure) => {
            CreateOutcome::Unknown { message: failure.message, retry_after: failure.retry_after }
        }
        Answer::Silence(message) | Answer::Unsent(message) => unknown(message),
        Answer::Done { .. } => unknown("the API server's answer shows no object".to_owned()),
    }
}

fn unknown(message: String) -> CreateOutcome {
    CreateOutcome::Unknown { message, retry_after: None }
}

fn refusal(failure: Failure, at: Timestamp) -> Refusal {
    let quota = failure.code == 403 && is_of_quota(&failure.message);
    let reason = if quota { "QuotaExceeded".to_owned() } else { failure.reason };
    Refusal { at, reason: if reason.is_empty() { "Refused".to_owned() } else { reason }, message: failure.message }
}

/// Name, namespace and UID of an object.
fn reference(object: &Value) -> Option<ObjectRef> {
    let text = |field: &str| Some(object.get("metadata")?.get(field)?.as_str()?.to_owned());
    Some(ObjectRef { name: text("name")?, namespace: text("namespace")?, uid: text("uid")? })
}

/// The installation and the job that an object says it belongs to.
fn owner(object: &Value) -> Option<(&str, &str)> {
    let metadata = object.get("metadata")?;
    let installation = metadata.get("labels")?.get(INSTALLATION)?.as_str()?;
    Some((installation, metadata.get("annotations")?.get(JOB_ID)?.as_str()?))
}

fn whose(object: &Value) -> String {
    match owner(object) {
        Some((installation, job)) => format!("of job {job} of installation {installation}"),
        None => "which Jobwright did not make".to_owned(),
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
