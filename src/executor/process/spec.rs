//! Reads a manifest into what this executor runs, or lists every fault.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};
use serde_json::Value;

use super::fields::{self, Fault};
use super::image::{ImageMapping, Resolved, resolve};
use super::progress::Limits;

/// The most completions of one Job.
const MOST_COMPLETIONS: u32 = 10_000;
/// How many attempts may fail where a Job does not say, as in Kubernetes.
pub(super) const DEFAULT_BACKOFF_LIMIT: u32 = 6;

/// A Job as this executor runs it.
#[derive(Debug, Clone)]
pub(super) struct JobSpec {
    pub(super) limits: Limits,
    pub(super) suspended: bool,
    /// How long the Job may take as a whole.
    pub(super) deadline: Option<Duration>,
    pub(super) pod: PodTemplate,
}

/// What every pod of a Job is made from.
#[derive(Debug, Clone)]
pub(super) struct PodTemplate {
    pub(super) init: Vec<ContainerSpec>,
    pub(super) containers: Vec<ContainerSpec>,
    /// Whether a failed container is started again in its pod.
    pub(super) restart_on_failure: bool,
    /// How long containers have to end after SIGTERM.
    pub(super) grace: Duration,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// One container.
#[derive(Debug, Clone)]
pub(super) struct ContainerSpec {
    pub(super) name: String,
    pub(super) program: Resolved,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, EnvSource)>,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone)]
pub(super) enum EnvSource {
    Value(String),
    Field(PodField),
}

/// A field of a pod that an environment variable can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PodField {
    Name,
    Namespace,
    Uid,
    Node,
    Label(String),
    Annotation(String),
}

/// Reads a manifest. `grace` is for manifests that give none.
pub(super) fn read(manifest: &Value, images: &[ImageMapping], grace: Duration) -> Result<JobSpec, Vec<Fault>> {
    let mut faults = fields::check(manifest);
    let job: Job = match serde_json::from_value(manifest.clone()) {
        Ok(job) => job,
        Err(error) => {
            faults.push(("manifest".to_owned(), format!("is no Job: {error}")));
            return Err(faults);
        }
    };
    let mut reader = Reader { images, faults };
    let spec = reader.job(job, grace);
    match spec {
        Some(spec) if reader.faults.is_empty() => Ok(spec),
        _ => Err(reader.faults),
    }
}

struct Reader<'a> {
    images: &'a [ImageMapping],
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.faults.push((path.into(), message.into()));
    }

    fn job(&mut self, job: Job, grace: Duration) -> Option<JobSpec> {
        let Some(spec) = job.spec else {
            self.fault("spec", "is missing");
            return None;
        };
        let completions = self.count("spec.completions", spec.completions, 1);
        let parallelism = self.count("spec.parallelism", spec.parallelism, 1);
        if spec.completions.is_none() && parallelism > 1 {
            self.fault(
                "spec.completions",
                "is missing, and spec.parallelism is more than 1; the process executor runs a fixed number of completions, so give that number",
            );
        }
        if completions > MOST_COMPLETIONS {
            self.fault(
                "spec.completions",
                format!("is {completions}; the process executor runs at most {MOST_COMPLETIONS}"),
            );
        }
        for (path, count) in [("spec.completions", completions), ("spec.parallelism", parallelism)] {
            if count == 0 {
                self.fault(path, "is 0, so that nothing would ever run");
            }
        }
        let indexed = match spec.completion_mode.as_deref() {
            None | Some("NonIndexed") => false,
            Some("Indexed") => true,
            Some(other) => {
                let message = format!("is {other:?}; expected `Indexed` or `NonIndexed`");
                self.fault("spec.completionMode", message);
                false
            }
        };
        let deadline = spec.active_deadline_seconds;
        let deadline = deadline.map(|it| self.seconds("spec.activeDeadlineSeconds", it));
        let per_index = spec.backoff_limit_per_index.map(|it| self.count("spec.backoffLimitPerIndex", Some(it), 0));
        let default = per_index.map_or(DEFAULT_BACKOFF_LIMIT, |_| u32::MAX);
        let backoff_limit = self.count("spec.backoffLimit", spec.backoff_limit, default);
        let max_failed_indexes = spec.max_failed_indexes.map(|it| self.count("spec.maxFailedIndexes", Some(it), 0));
        if per_index.is_some() && !indexed {
            self.fault("spec.backoffLimitPerIndex", "needs completionMode `Indexed`");
        }
        if max_failed_indexes.is_some() && per_index.is_none() {
            self.fault("spec.maxFailedIndexes", "needs spec.backoffLimitPerIndex as well");
        }
        let metadata = spec.template.metadata.unwrap_or_default();
        let Some(pod) = spec.template.spec else {
            self.fault("spec.template.spec", "is missing");
            return None;
        };
        let restart_on_failure = pod.restart_policy.as_deref() == Some("OnFailure");
        if pod.restart_policy.is_none() {
            self.fault("spec.template.spec.restartPolicy", "is missing; a Job's pods restart `Never` or `OnFailure`");
        }
        if restart_on_failure && per_index.is_some() {
            self.fault("spec.backoffLimitPerIndex", "needs restartPolicy `Never`, as in Kubernetes");
        }
        let grace = match pod.termination_grace_period_seconds {
            Some(given) => self.seconds("spec.template.spec.terminationGracePeriodSeconds", given),
            None => grace,
        };
        let (init, containers) = self.containers(pod);
        Some(JobSpec {
            limits: Limits {
                completions,
                parallelism,
                indexed,
                backoff_limit,
                backoff_limit_per_index: per_index,
                max_failed_indexes,
                restarts_in_place: restart_on_failure,
                backoff: Duration::ZERO,
            },
            suspended: spec.suspend.unwrap_or(false),
            deadline,
            pod: PodTemplate {
                init,
                containers,
                restart_on_failure,
                grace,
                labels: metadata.labels.unwrap_or_default(),
                annotations: metadata.annotations.unwrap_or_default(),
            },
        })
    }

    fn count(&mut self, path: &str, given: Option<i32>, default: u32) -> u32 {
        match given.map(u32::try_from) {
            None => default,
            Some(Ok(count)) => count,
            Some(Err(_)) => {
                self.fault(path, "is negative");
                default
            }
        }
    }

    fn seconds(&mut self, path: &str, given: i64) -> Duration {
        u64::try_from(given).map_or_else(
            |_| {
                self.fault(path, "is negative");
                Duration::ZERO
            },
            Duration::from_secs,
        )
    }

    fn containers(&mut self, pod: PodSpec) -> (Vec<ContainerSpec>, Vec<ContainerSpec>) {
        if pod.containers.is_empty() {
            self.fault("spec.template.spec.containers", "is empty");
        }
        let mut names = std::collections::BTreeSet::new();
        let mut read = |list: &str, containers: Vec<Container>| -> Vec<ContainerSpec> {
            let mut specs = Vec::new();
            for (index, container) in containers.into_iter().enumerate() {
                let path = format!("spec.template.spec.{list}[{index}]");
                if !is_label(&container.name) {
                    let message = format!(
                        "is {:?}; expected 1 to 63 lower-case letters, digits and inner dashes",
                        container.name
                    );
                    self.fault(format!("{path}.name"), message);
                } else if !names.insert(container.name.clone()) {
                    let message = format!("{:?} is the name of two containers", container.name);
                    self.fault(format!("{path}.name"), message);
                }
                specs.extend(self.container(&path, container));
            }
            specs
        };
        let init = read("initContainers", pod.init_containers.unwrap_or_default());
        let main = read("containers", pod.containers);
        (init, main)
    }

    fn container(&mut self, path: &str, container: Container) -> Option<ContainerSpec> {
        let command = container.command.unwrap_or_default();
        let env: Vec<(String, EnvSource)> = container
            .env
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .filter_map(|(index, var)| self.variable(&format!("{path}.env[{index}]"), var))
            .collect();
        let image = container.image.unwrap_or_default();
        let args = container.args.unwrap_or_default();
        for (field, words) in [("command", &command), ("args", &args)] {
            if let Some(index) = words.iter().position(|word| word.contains('\0')) {
                self.fault(format!("{path}.{field}[{index}]"), "holds a NUL character, which no argument can");
            }
        }
        let program = match resolve(self.images, &image, &command) {
            Ok(program) => program,
            Err((field, message)) => {
                self.fault(format!("{path}.{field}"), message);
                return None;
            }
        };
        Some(ContainerSpec {
            name: container.name,
            program,
            args: command.into_iter().skip(1).chain(args).collect(),
            env,
        })
    }

    fn variable(&mut self, path: &str, var: EnvVar) -> Option<(String, EnvSource)> {
        let value = var.value.unwrap_or_default();
        if var.name.is_empty() || var.name.contains(['=', '\0']) {
            let message = format!("is {:?}; expected a name without `=`", var.name);
            self.fault(format!("{path}.name"), message);
            return None;
        }
        if value.contains('\0') {
            self.fault(format!("{path}.value"), "holds a NUL character, which no variable can");
            return None;
        }
        let Some(reference) = var.value_from.and_then(|from| from.field_ref) else {
            // Other references are faults already.
            return Some((var.name, EnvSource::Value(value)));
        };
        match PodField::read(&reference.field_path) {
            Some(field) => Some((var.name, EnvSource::Field(field))),
            None => {
                let message = format!(
                    "is {:?}; the process executor knows metadata.name, .namespace, .uid, .labels['KEY'], .annotations['KEY'] and spec.nodeName",
                    reference.field_path
                );
                self.fault(format!("{path}.valueFrom.fieldRef.fieldPath"), message);
                None
            }
        }
    }
}

/// Whether text is a DNS label, as names of containers are.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

impl PodField {
    fn read(path: &str) -> Option<Self> {
        let key = |prefix: &str| {
            let inner = path.strip_prefix(prefix)?.strip_prefix("['")?;
            inner.strip_suffix("']").map(str::to_owned)
        };
        match path {
            "metadata.name" => Some(Self::Name),
            "metadata.namespace" => Some(Self::Namespace),
            "metadata.uid" => Some(Self::Uid),
            "spec.nodeName" => Some(Self::Node),
            _ => key("metadata.labels").map(Self::Label).or_else(|| key("metadata.annotations").map(Self::Annotation)),
        }
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
