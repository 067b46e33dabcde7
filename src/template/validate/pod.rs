//! The pod template: its metadata and the fields of the pod itself.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::{container, dns, meta, names, os, resources, scheduling, security, volume};

const APPARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const MIRROR_POD: &str = "kubernetes.io/config.mirror";
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// What checks of containers need to know of their pod, after defaulting.
pub(super) struct PodFacts<'a> {
    pub(super) volumes: volume::Volumes<'a>,
    pub(super) claims: BTreeSet<&'a str>,
    pub(super) grace_seconds: i64,
    pub(super) host_users: bool,
    pub(super) restart_never: bool,
}

/// The template of a Job's pods. `job_name` is the name that the server adds to their labels.
pub(super) fn validate_template(template: &Node<'_>, job_name: Option<&str>, out: &mut Findings) {
    let metadata = template.get("metadata");
    let spec = template.get("spec");
    validate_metadata(template, &metadata, &spec, job_name, out);
    validate_spec(&spec, out);
    let ephemeral = spec.get("ephemeralContainers");
    if !ephemeral.list().is_empty() {
        out.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}

/// The server reports these at `spec.template.labels`, without `metadata`.
fn validate_metadata(
    template: &Node<'_>,
    metadata: &Node<'_>,
    spec: &Node<'_>,
    job_name: Option<&str>,
    out: &mut Findings,
) {
    let labels_at = template.named("labels");
    let labels = metadata.get("labels");
    if let Some(name) = job_name.filter(|name| !name.is_empty()) {
        for key in ["batch.kubernetes.io/job-name", "job-name"] {
            if !labels.has(key) {
                out.all_invalid(&labels_at, name, names::label_value(name));
            }
        }
    }
    for (key, value) in labels.entries() {
        out.all_invalid(&labels_at, key, names::qualified_name(key));
        out.all_invalid(&labels_at, value.str(), names::label_value(value.str()));
    }
    let at = template.named("annotations");
    let annotations = metadata.get("annotations");
    let before = out.len();
    meta::validate_annotations(&annotations, out);
    out.move_since(before, &at);
    validate_pod_annotations(&annotations, &at, spec, out);
}

fn validate_pod_annotations(annotations: &Node<'_>, at: &Node<'_>, spec: &Node<'_>, out: &mut Findings) {
    for (key, value) in annotations.entries() {
        let value = value.str();
        if key == MIRROR_POD && spec.get("nodeName").str().is_empty() {
            let detail = "must set spec.nodeName if mirror pod annotation is set";
            out.invalid(&at.key(key), value, detail);
        }
        if key == DELETION_COST && !is_deletion_cost(value) {
            out.invalid(&at.key(key), value, "must be a 32bit integer");
        }
        if let Some(name) = key.strip_prefix(APPARMOR_ANNOTATION) {
            let known = ["containers", "initContainers"]
                .iter()
                .any(|list| spec.get(list).items().any(|c| c.get("name").str() == name));
            if !known {
                out.invalid(&at.key(key), name, "container not found");
            }
            if !matches!(value, "" | "runtime/default" | "unconfined") && !value.starts_with("localhost/") {
                let detail = format!("invalid AppArmor profile name: {value:?}");
                out.invalid(&at.key(key), value, &detail);
            }
        }
    }
}

/// A 32-bit integer without a plus sign or needless zeros.
fn is_deletion_cost(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let plain = digits == "0" && !value.starts_with('-') || !digits.starts_with('0');
    plain && !value.starts_with('+') && value.parse::<i32>().is_ok()
}

fn validate_spec(spec: &Node<'_>, out: &mut Findings) {
    let volumes_node = spec.get("volumes");
    let volumes = volume::validate_volumes(&volumes_node, out);
    let claims_node = spec.get("resourceClaims");
    let claim_items: Vec<Node<'_>> = claims_node.items().collect();
    let claims = claim_items.iter().map(|c| c.get("name").str()).filter(|n| !n.is_empty()).collect();
    validate_resource_claims(&claims_node, out);

    let facts = PodFacts {
        volumes,
        claims,
        grace_seconds: spec.get("terminationGracePeriodSeconds").int().unwrap_or(DEFAULT_GRACE_SECONDS),
        host_users: spec.get("hostUsers").bool() != Some(false),
        restart_never: spec.get("restartPolicy").str() == "Never",
    };
    container::validate_all(spec, &facts, out);
    resources::validate_pod_resources(spec, out);
    validate_host_network(spec, out);
    out.one_of(&spec.get("restartPolicy"), &["Always", "OnFailure", "Never"]);
    out.one_of(&spec.get("dnsPolicy"), &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    meta::validate_labels(&spec.get("nodeSelector"), out);
    security::validate_pod_context(spec, out);
    scheduling::validate_affinity(&spec.get("affinity"), out);
    dns::validate_dns_config(spec, out);
    validate_gates(spec, out);
    scheduling::validate_topology_spread(&spec.get("topologySpreadConstraints"), out);
    validate_host_users(spec, out);
    validate_names(spec, out);
    scheduling::validate_tolerations(&spec.get("tolerations"), out);
    dns::validate_host_aliases(&spec.get("hostAliases"), out);
    out.one_of(&spec.get("preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
    resources::validate_overhead(&spec.get("overhead"), out);
    os::validate_os(spec, out);
}

/// Names of other objects, host names and the pod's own deadline.
fn validate_names(spec: &Node<'_>, out: &mut Findings) {
    for field in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        let node = spec.get(field);
        if !node.str().is_empty() {
            out.all_invalid(&node, node.str(), names::dns_subdomain(node.str()));
        }
    }
    let deadline = spec.get("activeDeadlineSeconds");
    if let Some(n) = deadline.int().filter(|n| !(1..=i64::from(i32::MAX)).contains(n)) {
        out.invalid_shown(&deadline, n, "must be between 1 and 2147483647, inclusive");
    }
    for field in ["hostname", "subdomain"] {
        let node = spec.get(field);
        if !node.str().is_empty() {
            out.all_invalid(&node, node.str(), names::dns_label(node.str()));
        }
    }
}

fn validate_gates(spec: &Node<'_>, out: &mut Findings) {
    for gate in spec.get("readinessGates").items() {
        let condition = gate.get("conditionType");
        out.all_invalid(&condition, condition.str(), names::qualified_name(condition.str()));
    }
    let mut seen = BTreeSet::new();
    for gate in spec.get("schedulingGates").items() {
        let name = gate.get("name").str().to_owned();
        out.all_invalid(&gate, &name, names::qualified_name(&name));
        if seen.contains(&name) {
            out.duplicate(&gate, &name);
        }
        seen.insert(name);
    }
}

fn validate_resource_claims(claims: &Node<'_>, out: &mut Findings) {
    let mut seen = BTreeSet::new();
    for claim in claims.items() {
        let name = claim.get("name");
        if name.str().is_empty() {
            out.required(&name, "");
        } else if !seen.insert(name.str().to_owned()) {
            out.duplicate(&name, name.str());
        } else {
            out.all_invalid(&name, name.str(), names::dns_label(name.str()));
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        match sources.iter().filter(|s| claim.get(s).is_present()).count() {
            0 => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                out.invalid_json(&claim, claim.value(), detail);
            }
            2 => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                out.invalid_json(&claim, claim.value(), detail);
            }
            _ => {}
        }
        for source in sources {
            let node = claim.get(source);
            if let Some(name) = node.text() {
                out.all_invalid(&node, name, names::dns_subdomain(name));
            }
        }
    }
}

/// With the host's network a host port must be the container's own.
fn validate_host_network(spec: &Node<'_>, out: &mut Findings) {
    if !spec.get("hostNetwork").is_true() {
        return;
    }
    for container in spec.get("containers").items() {
        for port in container.get("ports").items() {
            let host = port.get("hostPort");
            let own = port.get("containerPort").int().unwrap_or(0);
            if let Some(n) = host.int().filter(|n| *n != 0 && *n != own) {
                out.invalid_shown(&host, n, "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

/// User namespaces and the host's other namespaces exclude each other. The server names two of the
/// fields in capitals.
fn validate_host_users(spec: &Node<'_>, out: &mut Findings) {
    if spec.get("hostUsers").bool() != Some(false) {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.get(field).is_true() {
            out.forbidden(&spec.named(shown), "when `hostUsers` is false");
        }
    }
}
