//! A job as everybody outside sees it: the same JSON on every route, stream and in `-o json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Job, JobId, JobName, ObjectRef, Phase, Report};

/// A job as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The caller's (or generated) key.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Free text for people.
    #[schema(value_type = Option<String>)]
    pub name: Option<JobName>,
    /// The template's name.
    pub template: String,
    /// Where it stands, by evidence.
    pub phase: Phase,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// Whether the worker's words and the evidence contradict each other.
    pub disputed: bool,
    /// The exit code that decided, where there is one.
    pub exit_code: Option<i32>,
    /// The worker's latest words.
    pub report: Option<Report>,
    /// The object that carries it.
    pub object: Option<ObjectRef>,
    /// The parameters with their defaults, secret ones masked; null where the record was rebuilt, and nobody knows them.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Digest over template, partials and settings.
    pub digest: String,
    /// The commit of the templates' folder.
    pub commit: Option<String>,
    /// The job that this one repeats.
    #[schema(value_type = Option<String>)]
    pub rerun_of: Option<JobId>,
    /// When the record was rebuilt from the job's object, if it had been lost; null otherwise.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub rebuilt: Option<Timestamp>,
    /// What the executor warned of when it took the manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether a cancellation was asked for.
    pub cancel_requested: bool,
    /// When the request was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When its first container started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let verdict = job.status.verdict();
        let intent = &job.intent;
        Self {
            id: intent.id.clone(),
            name: intent.name.clone(),
            template: intent.template.clone(),
            phase: verdict.phase,
            reason: verdict.reason,
            message: verdict.message,
            disputed: verdict.disputed,
            exit_code: verdict.exit_code,
            report: job.status.reports.latest().cloned(),
            object: job.status.object.clone(),
            parameters: intent.parameters.clone(),
            digest: intent.digest.clone(),
            commit: intent.commit.clone(),
            rerun_of: intent.rerun_of.clone(),
            rebuilt: intent.rebuilt,
            warnings: job.status.warnings.iter().cloned().collect(),
            cancel_requested: job.status.cancellation.is_some(),
            created: intent.created,
            started: verdict.started,
            ended: verdict.ended,
        }
    }
}
