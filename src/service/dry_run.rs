//! Dry runs: what the executor would say of a launch, with nothing recorded and nothing created.

use std::fmt;

use super::launcher::check;
use super::{LaunchRequest, RenderRequest, Service, ServiceError};
use crate::executor::{Cause, DryRun, DryRunError, ExecutorError};
use crate::job::JobId;
use crate::template::{Checked, MASK, Problem, Rendered, Template};

/// A manifest that the executor would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved {
    /// The manifest, as [`Service::render`] gives it.
    pub rendered: Rendered,
    /// What the executor warns of.
    pub warnings: Vec<String>,
}

/// What an executor says against a manifest, told in terms of the template and without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// One word: `Invalid`, `Forbidden`, …
    pub reason: String,
    /// The executor's own message.
    pub message: String,
    /// The single faults, where the executor tells them apart, with their places in the template.
    pub faults: Vec<Problem>,
}

impl Objection {
    /// The faults, one a line; the message where there are none.
    pub fn lines(&self) -> Vec<String> {
        match self.faults.as_slice() {
            [] => vec![self.message.clone()],
            faults => faults.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

/// A template with the values that a manifest was made of.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The template.
    pub template: &'a Template,
    /// The parameters.
    pub checked: &'a Checked,
    /// What it gave.
    pub rendered: &'a Rendered,
}

impl Made<'_> {
    /// What a dry run's outcome is to whoever asked for it: warnings or an objection, without the manifest's secrets.
    ///
    /// # Errors
    /// If the executor did not say.
    pub fn told(&self, outcome: Result<DryRun, DryRunError>) -> Result<Result<Vec<String>, Objection>, ExecutorError> {
        let review = |message: &str, faults: &[(String, String)]| {
            self.template.review(self.checked, self.rendered, message, faults)
        };
        match outcome {
            Ok(DryRun { warnings }) => Ok(Ok(warnings.iter().map(|text| review(text, &[]).0).collect())),
            Err(DryRunError::Refused { reason, message, causes }) => {
                let causes: Vec<_> = causes.into_iter().map(|Cause { field, message }| (field, message)).collect();
                let (message, faults) = review(&message, &causes);
                Ok(Err(Objection { reason, message, faults }))
            }
            Err(DryRunError::Executor(error)) => Err(error),
        }
    }
}

impl Service {
    /// Whether the executor can be asked what it would say of a manifest.
    pub fn can_dry_run(&self) -> bool {
        self.0.executor.can_dry_run()
    }

    /// The manifest that a template gives, and what the executor makes of it: it is shown the very object that a launch
    /// would create, secrets and labels included.
    ///
    /// # Errors
    /// As for [`Service::render`]; and if the executor would not take the manifest, did not say, or has no such thing as
    /// a dry run.
    pub async fn dry_run(&self, request: &RenderRequest) -> Result<Approved, ServiceError> {
        let rendered = self.render(request)?;
        let template = self.template(&request.template)?;
        let checked = check(&template, &request.parameters)?;
        let id = request.id.clone().unwrap_or_else(JobId::example);
        let launch = LaunchRequest { name: request.name.clone(), ..LaunchRequest::default() };
        let intent = self.intent(&template, &checked, id.clone(), &launch, None)?;
        let outcome = self.0.executor.dry_run(&intent.manifest).await;
        let made = Made { template: &template, checked: &checked, rendered: &rendered };
        let token = self.callback_token(&id);
        let masked = |text: String| text.replace(&token, MASK);
        match made.told(outcome)? {
            Ok(warnings) => Ok(Approved { rendered, warnings: warnings.into_iter().map(masked).collect() }),
            Err(Objection { reason, message, faults }) => {
                let faults = faults.into_iter().map(|it| Problem { message: masked(it.message), ..it }).collect();
                let objection = Objection { reason, message: masked(message), faults };
                Err(ServiceError::Refused { template: request.template.clone(), objection: Box::new(objection) })
            }
        }
    }
}
