//! What is put on record before anything is launched, and whether a request is the one that was recorded.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::launcher::render;
use super::stamp::{Stamp, mask_text, ttl_seconds};
use super::{Difference, LaunchRequest, Service, ServiceError};
use crate::job::{Fingerprint, Intent, Job, JobId, JobName, object_name};
use crate::template::{Checked, Context, MASK, Template};

impl Service {
    /// What is put on record before anything is launched.
    pub(super) fn intent(
        &self,
        template: &Template,
        parameters: &Checked,
        id: JobId,
        request: &LaunchRequest,
        rerun_of: Option<JobId>,
    ) -> Result<Intent, ServiceError> {
        let name = request.name.clone();
        let token = self.callback_token(&id);
        let callback_url = format!("{}/callback/{token}", self.0.config.callback_base);
        let job_name = name.as_ref().map_or("", JobName::as_str).to_owned();
        let context = Context { job_id: id.to_string(), job_name, callback_url };
        let rendered = render(template, parameters, &context)?;
        self.check_support(template, &rendered)?;
        let object = object_name(template.name(), self.store().installation(), &id);
        let provenance = template.provenance();
        let mark = if provenance.dirty { "-dirty" } else { "" };
        let commit = provenance.commit.map(|commit| format!("{commit}{mark}"));
        let fingerprint = self.0.secrets.fingerprint(template.name(), name.as_ref(), parameters.values());
        let created = Timestamp::now();
        let stamp = Stamp {
            object_name: &object,
            namespace: self.0.executor.namespace(),
            installation: self.store().installation(),
            id: &id,
            name: name.as_ref(),
            template: template.name(),
            digest: template.digest(),
            commit: commit.as_deref(),
            rerun_of: rerun_of.as_ref(),
            created,
            fingerprint: &self.0.secrets.seal(&fingerprint),
            ttl_backstop_seconds: self.0.config.ttl_backstop_seconds,
        };
        let (secrets, default_secrets) =
            secret_names(parameters).into_iter().partition(|secret| request.parameters.contains_key(secret));
        let masked = mask_text(rendered.masked(), &token, MASK);
        Ok(Intent {
            fingerprint: Some(fingerprint),
            ttl_seconds: ttl_seconds(rendered.manifest()),
            masked: (masked != *rendered.manifest()).then(|| stamp.apply(masked)),
            manifest: stamp.apply(rendered.into_manifest()),
            namespace: self.0.executor.namespace().to_owned(),
            template: template.name().to_owned(),
            digest: template.digest().to_owned(),
            parameters: Some(parameters.masked().clone()),
            secrets,
            default_secrets,
            object_name: object,
            created,
            rebuilt: None,
            commit,
            rerun_of,
            name,
            id,
        })
    }
}

/// The parameters that hold a secret: those whose masked value is another one.
fn secret_names(parameters: &Checked) -> Vec<String> {
    let masked = parameters.masked();
    let names = parameters.values().iter().filter(|(name, value)| masked.get(*name) != Some(*value));
    names.map(|(name, _)| name.clone()).collect()
}

/// Refuses a request whose ID belongs to another one, and says in what they differ.
pub(super) fn same_request(
    job: &Job,
    template: &str,
    name: Option<&JobName>,
    parameters: &Checked,
    fingerprint: Option<&Fingerprint>,
) -> Result<(), ServiceError> {
    let recorded = &job.intent;
    if fingerprint.is_some() && recorded.fingerprint.as_ref() == fingerprint {
        return Ok(());
    }
    let text = |name: Option<&JobName>| name.map_or(Value::Null, |name| name.as_str().into());
    let mut differences = Vec::new();
    let mut compare = |field: String, recorded: Value, requested: Value| {
        if recorded != requested {
            differences.push(Difference { field, recorded, requested });
        }
    };
    compare("template".to_owned(), recorded.template.as_str().into(), template.into());
    compare("name".to_owned(), text(recorded.name.as_ref()), text(name));
    let requested = parameters.masked();
    let Some(known) = &recorded.parameters else {
        return Err(match (differences.is_empty(), &recorded.fingerprint) {
            (true, None) => ServiceError::Incomparable(recorded.id.clone()),
            (true, Some(_)) => {
                let requested = Value::Object(requested.clone());
                let other = Difference { field: "parameters".to_owned(), recorded: Value::Null, requested };
                ServiceError::Conflict { id: recorded.id.clone(), differences: vec![other] }
            }
            (false, _) => ServiceError::Conflict { id: recorded.id.clone(), differences },
        });
    };
    let names: std::collections::BTreeSet<_> = known.keys().chain(requested.keys()).collect();
    for name in names {
        let of = |from: &Map<String, Value>| from.get(name).cloned().unwrap_or_default();
        compare(format!("parameters.{name}"), of(known), of(requested));
    }
    if differences.is_empty() {
        // Only what is masked can differ now.
        let mut names = secret_names(parameters);
        names.extend(recorded.secrets.iter().chain(&recorded.default_secrets).cloned());
        names.sort();
        names.dedup();
        let names = names.into_iter().map(|name| format!("parameters.{name}"));
        let masked = || Value::from(MASK);
        differences.extend(names.map(|field| Difference { field, recorded: masked(), requested: masked() }));
    }
    Err(ServiceError::Conflict { id: recorded.id.clone(), differences })
}
