//! The Job itself (k8s.io/kubernetes `pkg/apis/batch/validation`, and the selector that
//! `pkg/registry/batch/job` generates).

use super::field::{Findings, Node};
use super::{meta, names, pod, policy};

const MODES: [&str; 2] = ["NonIndexed", "Indexed"];
const MAX_INDEXED_PARALLELISM: i64 = 100_000;
const MAX_FAILED_INDEXES: i64 = 100_000;
/// Above this many completions tighter limits hold for `backoffLimitPerIndex`.
const MANY_COMPLETIONS: i64 = 100_000;
const PARALLELISM_OF_MANY: i64 = 10_000;
const FAILED_INDEXES_OF_MANY: i64 = 10_000;
const MANAGED_BY_LIMIT: usize = 63;
/// Stands for the UID that the server gives the Job, which no manifest can know.
const UID: &str = "\u{0}uid";

/// What checks of the Job's parts need to know of its spec, after defaulting.
pub(super) struct JobFacts {
    pub(super) indexed: bool,
    pub(super) completions: Option<i64>,
    pub(super) parallelism: i64,
    pub(super) backoff_limit_per_index: bool,
    pub(super) pod_failure_policy: bool,
}

impl JobFacts {
    fn of(spec: &Node<'_>) -> Self {
        let completions = spec.get("completions").int();
        let parallelism = spec.get("parallelism").int();
        JobFacts {
            indexed: spec.get("completionMode").str() == "Indexed",
            // Without either the server runs one pod once.
            completions: if parallelism.is_none() { completions.or(Some(1)) } else { completions },
            parallelism: parallelism.unwrap_or(1),
            backoff_limit_per_index: spec.get("backoffLimitPerIndex").is_present(),
            pod_failure_policy: spec.get("podFailurePolicy").is_present(),
        }
    }
}

/// A whole Job.
pub(super) fn validate_job(job: &Node<'_>, out: &mut Findings) {
    let metadata = job.get("metadata");
    let spec = job.get("spec");
    let facts = JobFacts::of(&spec);
    let name = meta::effective_name(&metadata);
    meta::validate_object_meta(&metadata, out);
    if !spec.get("manualSelector").is_true() {
        validate_generated_selector(&spec, &name, out);
    }
    validate_spec(&spec, &facts, &name, out);
    if let Some(completions) = facts.completions.filter(|n| facts.indexed && *n > 0) {
        // The pods' host names are the Job's name and their index.
        let hostname = format!("{name}-{}", completions - 1);
        if !names::dns_label(&hostname).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {hostname}");
            out.invalid(&metadata.get("name"), &name, &detail);
        }
    }
}

/// Without `manualSelector` the server writes selector and pod labels itself; what the manifest says
/// of them must not contradict that.
fn validate_generated_selector(spec: &Node<'_>, name: &str, out: &mut Findings) {
    let template = spec.get("template");
    let metadata = template.get("metadata");
    let labels = metadata.get("labels");
    let own = generated_labels(name);
    for (key, expected) in own {
        let label = labels.key(key);
        // A label of `null` is there, and empty.
        if labels.has(key) && label.str() != expected {
            let said = if expected == UID { "the UID that the Job is given" } else { expected };
            out.invalid_json(&label, labels.value(), &format!("must be '{said}'"));
        }
    }
    let selector = spec.get("selector");
    if selector.is_present() {
        let expected = own.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if meta::selects(&selector, &expected) == Some(false) {
            out.invalid_json(&selector, selector.value(), "`selector` not auto-generated");
        }
    }
}

fn validate_spec(spec: &Node<'_>, facts: &JobFacts, name: &str, out: &mut Findings) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        out.non_negative(&spec.get(field));
    }
    if spec.get("maxFailedIndexes").is_present() && !facts.backoff_limit_per_index {
        out.required(&spec.get("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    validate_managed_by(&spec.get("managedBy"), out);
    let mode = spec.get("completionMode");
    if let Some(value) = mode.text().filter(|value| !MODES.contains(value)) {
        out.unsupported(&mode, value, &MODES);
    }
    if facts.indexed {
        validate_indexed(spec, facts, out);
    } else if mode.text().is_none_or(|mode| mode == "NonIndexed") {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            let field = spec.get(field);
            if let Some(n) = field.int() {
                out.invalid_shown(&field, n, "requires indexed completion mode");
            }
        }
    }
    policy::validate_policies(spec, facts, out);

    let template = spec.get("template");
    // The server adds the Job's name to the pods' labels, so it has to be a label value too.
    let generated = (!spec.get("manualSelector").is_true()).then_some(name);
    pod::validate_template(&template, generated, out);
    validate_restart_policy(&template, facts, out);
    validate_selector(spec, &template, name, out);
}

fn validate_managed_by(managed_by: &Node<'_>, out: &mut Findings) {
    let Some(value) = managed_by.text() else {
        return;
    };
    if value.is_empty() {
        out.required(managed_by, "");
    } else if !names::is_domain_prefixed_path(value) {
        out.invalid(managed_by, value, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
    if value.len() > MANAGED_BY_LIMIT {
        out.too_long(managed_by, MANAGED_BY_LIMIT);
    }
}

fn validate_indexed(spec: &Node<'_>, facts: &JobFacts, out: &mut Findings) {
    let parallelism = spec.get("parallelism");
    let max_failed = spec.get("maxFailedIndexes");
    if facts.completions.is_none() {
        out.required(&spec.get("completions"), "when completion mode is Indexed");
    }
    if facts.parallelism > MAX_INDEXED_PARALLELISM {
        let detail = "must be less than or equal to 100000 when completion mode is Indexed";
        out.invalid_shown(&parallelism, facts.parallelism, detail);
    }
    let failed = max_failed.int();
    if let (Some(failed), Some(completions)) = (failed, facts.completions)
        && failed > completions
    {
        out.invalid_shown(&max_failed, failed, "must be less than or equal to completions");
    }
    if let Some(failed) = failed.filter(|n| *n > MAX_FAILED_INDEXES) {
        out.invalid_shown(&max_failed, failed, "must be less than or equal to 100000");
    }
    if facts.completions.is_some_and(|n| n > MANY_COMPLETIONS) && facts.backoff_limit_per_index {
        let detail = "must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index";
        if failed.is_none() {
            out.required(&max_failed, "must be specified when completions is above 100000");
        }
        if facts.parallelism > PARALLELISM_OF_MANY {
            out.invalid_shown(&parallelism, facts.parallelism, detail);
        }
        if let Some(failed) = failed.filter(|n| *n > FAILED_INDEXES_OF_MANY) {
            out.invalid_shown(&max_failed, failed, detail);
        }
    }
}

fn validate_restart_policy(template: &Node<'_>, facts: &JobFacts, out: &mut Findings) {
    let spec = template.get("spec");
    let policy = spec.get("restartPolicy");
    match policy.str() {
        "" | "Always" => out.required(&policy, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" if !facts.pod_failure_policy => {}
        "OnFailure" => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            out.invalid(&policy, "OnFailure", detail);
        }
        other => out.unsupported(&policy, other, &["OnFailure", "Never"]),
    }
}

fn validate_selector(spec: &Node<'_>, template: &Node<'_>, name: &str, out: &mut Findings) {
    let selector = spec.get("selector");
    let manual = spec.get("manualSelector").is_true();
    if manual && !selector.is_present() {
        out.required(&selector, "");
    }
    meta::validate_selector(&selector, out);
    let metadata = template.get("metadata");
    let labels = metadata.get("labels");
    let mut have = meta::label_map(&labels);
    let mut matches = true;
    if !manual {
        for (key, value) in generated_labels(name) {
            have.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        // The server adds the UID to whatever selector there is.
        matches = have.get(CONTROLLER_UID).is_some_and(|uid| uid == UID);
    }
    if selector.is_present() || manual {
        matches &= meta::selects(&selector, &have) != Some(false);
    }
    if !matches {
        out.invalid_json(&labels, labels.value(), "`selector` does not match template `labels`");
    }
}

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

/// The labels that the server gives the pods of the Job of that name.
fn generated_labels(name: &str) -> [(&'static str, &str); 4] {
    [("controller-uid", UID), ("job-name", name), (CONTROLLER_UID, UID), ("batch.kubernetes.io/job-name", name)]
}
