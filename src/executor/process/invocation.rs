//! What a container of one pod is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::expand::expand;
use super::spec::{ContainerSpec, EnvSource, PodField, PodTemplate};

/// The variable that tells a container its completion index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// What is particular to one pod.
#[derive(Debug, Clone)]
pub(super) struct PodIdentity<'a> {
    pub(super) job_name: &'a str,
    pub(super) job_uid: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) node: &'a str,
    pub(super) index: Option<u32>,
}

/// A program with all that it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    /// The program; the one of Jobwright itself if there is none.
    pub(super) program: Option<PathBuf>,
    pub(super) arg0: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

impl PodTemplate {
    fn value(&self, field: &PodField, pod: &PodIdentity<'_>) -> String {
        let index = || pod.index.map(|index| index.to_string());
        match field {
            PodField::Name => pod.name.to_owned(),
            PodField::Namespace => pod.namespace.to_owned(),
            // A pod's name holds its object's, and an object its attempts' numbers: this is as unique as it is.
            PodField::Uid => format!("{}.{}", pod.job_uid, pod.name),
            PodField::Node => pod.node.to_owned(),
            PodField::Label(key) | PodField::Annotation(key) if key == "batch.kubernetes.io/job-completion-index" => {
                index().unwrap_or_default()
            }
            PodField::Label(key) => match key.as_str() {
                "job-name" | "batch.kubernetes.io/job-name" => pod.job_name.to_owned(),
                "controller-uid" | "batch.kubernetes.io/controller-uid" => pod.job_uid.to_owned(),
                key => self.labels.get(key).cloned().unwrap_or_default(),
            },
            PodField::Annotation(key) => self.annotations.get(key).cloned().unwrap_or_default(),
        }
    }

    /// What to start for a container of a pod. `base` is the environment that every container has.
    pub(super) fn invocation(
        &self,
        container: &ContainerSpec,
        pod: &PodIdentity<'_>,
        base: &[(String, String)],
    ) -> Invocation {
        // As in Kubernetes, references are to what the manifest itself declares, before or within the list.
        let mut declared: BTreeMap<&str, String> = BTreeMap::new();
        for (name, source) in &container.env {
            let value = match source {
                EnvSource::Value(text) => expand(text, |name| declared.get(name).map(String::as_str)),
                EnvSource::Field(field) => self.value(field, pod),
            };
            declared.insert(name, value);
        }
        if let Some(index) = pod.index {
            let value = || index.to_string();
            declared.entry(INDEX_VARIABLE).or_insert_with(value);
        }
        let lookup = |name: &str| declared.get(name).map(String::as_str);
        let args = container.args.iter().map(|arg| expand(arg, lookup));
        let args = container.program.lead.iter().cloned().chain(args).collect();
        let mut env: BTreeMap<String, String> = base.iter().cloned().collect();
        env.insert("HOSTNAME".to_owned(), pod.name.to_owned());
        env.extend(declared.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Invocation {
            program: container.program.program.clone(),
            arg0: container.program.arg0.clone(),
            args,
            env: env.into_iter().collect(),
        }
    }
}
