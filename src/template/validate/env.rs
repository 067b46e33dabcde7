//! Environment variables and references to fields of the pod and its containers.

use super::field::{Findings, Node};
use super::names;
use super::quantity::{FORM, Quantity};

const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// The fields that a volume may show.
pub(super) const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Every field that has a name in the downward API at all.
const KNOWN_FIELDS: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "spec.host",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

pub(super) fn validate_env(vars: &Node<'_>, out: &mut Findings) {
    for var in vars.items() {
        let name = var.get("name");
        if out.non_empty(&name) {
            out.all_invalid(&name, name.str(), names::env_name(name.str()));
        }
        let from = var.get("valueFrom");
        if from.is_present() {
            validate_value_from(&from, !var.get("value").str().is_empty(), out);
        }
    }
}

fn validate_value_from(from: &Node<'_>, has_value: bool, out: &mut Findings) {
    let mut sources = 0;
    let field = from.get("fieldRef");
    if field.is_present() {
        sources += 1;
        validate_field_ref(&field, &ENV_FIELDS, out);
    }
    let resource = from.get("resourceFieldRef");
    if resource.is_present() {
        sources += 1;
        validate_resource_ref(&resource, false, out);
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let reference = from.get(kind);
        if reference.is_present() {
            sources += 1;
            validate_key_ref(&reference, out);
        }
    }
    // A kind that is younger than these rules is for the server to judge.
    let known = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"];
    if from.entries().any(|(key, value)| value.is_present() && !known.contains(&key)) {
        return;
    }
    if sources == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        out.invalid(from, "", detail);
    } else if has_value {
        out.invalid(from, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        out.invalid(from, "", "may not have more than one field specified at a time");
    }
}

fn validate_key_ref(reference: &Node<'_>, out: &mut Findings) {
    let name = reference.get("name");
    out.all_invalid(&name, name.str(), names::dns_subdomain(name.str()));
    let key = reference.get("key");
    if out.non_empty(&key) {
        out.all_invalid(&key, key.str(), names::config_key(key.str()));
    }
}

/// A reference to a field of the pod, which must be one of `allowed` or a key of labels or
/// annotations.
pub(super) fn validate_field_ref(field: &Node<'_>, allowed: &[&str], out: &mut Findings) {
    let path = field.get("fieldPath");
    let wanted = path.str();
    if wanted.is_empty() {
        return out.required(&path, "");
    }
    let version = field.get("apiVersion");
    if !matches!(version.str(), "" | "v1") {
        let detail = format!("error converting fieldPath: unsupported pod version: {}", version.str());
        return out.invalid(&path, wanted, &detail);
    }
    let subscript = wanted.strip_suffix("']").and_then(|rest| rest.split_once("['"));
    if let Some((map, key)) = subscript.filter(|(map, _)| !map.is_empty()) {
        match map {
            "metadata.annotations" => {
                out.all_invalid(field, &key.to_lowercase(), names::qualified_name(&key.to_lowercase()))
            }
            "metadata.labels" => out.all_invalid(field, key, names::qualified_name(key)),
            _ => {
                let detail = format!("error converting fieldPath: field label does not support subscript: {wanted}");
                out.invalid(&path, wanted, &detail);
            }
        }
        return;
    }
    if !KNOWN_FIELDS.contains(&wanted) {
        let detail = format!("error converting fieldPath: field label not supported: {wanted}");
        return out.invalid(&path, wanted, &detail);
    }
    // `spec.host` is the old name of `spec.nodeName`.
    let wanted = if wanted == "spec.host" { "spec.nodeName" } else { wanted };
    if !allowed.contains(&wanted) {
        out.unsupported(&path, wanted, allowed);
    }
}

/// A reference to a container's resources. Only in a volume has it to name the container.
pub(super) fn validate_resource_ref(reference: &Node<'_>, in_volume: bool, out: &mut Findings) {
    let container = reference.get("containerName");
    let resource = reference.get("resource");
    let wanted = resource.str();
    let hugepages = wanted.starts_with("limits.hugepages-") || wanted.starts_with("requests.hugepages-");
    if in_volume && container.str().is_empty() {
        out.required(&container, "");
    } else if wanted.is_empty() {
        out.required(&resource, "");
    } else if !RESOURCES.contains(&wanted) && !hugepages {
        out.unsupported(&resource, wanted, &RESOURCES);
    }
    let divisor = reference.get("divisor");
    let Some(given) = divisor.value() else { return };
    let Ok(quantity) = Quantity::from_json(given) else {
        return out.invalid_json(&divisor, Some(given), FORM);
    };
    if quantity.is_zero() {
        return;
    }
    let (allowed, what): (&[&str], &str) = match wanted {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu"),
        "limits.memory" | "requests.memory" => (&SIZES, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (&SIZES, "local ephemeral storage"),
        _ if hugepages => (&SIZES, "hugepages"),
        _ => return,
    };
    if !allowed.contains(&quantity.to_string().as_str()) {
        let list = if what == "cpu" { "1m and 1".to_owned() } else { SIZES.join(", ") };
        let detail = format!("only divisor's values {list} are supported with the {what} resource");
        out.invalid(&divisor, wanted, &detail);
    }
}

pub(super) fn validate_env_from(list: &Node<'_>, out: &mut Findings) {
    for source in list.items() {
        let prefix = source.get("prefix");
        if !prefix.str().is_empty() {
            out.all_invalid(&prefix, prefix.str(), names::env_name(prefix.str()));
        }
        let mut sources = 0;
        for kind in ["configMapRef", "secretRef"] {
            let reference = source.get(kind);
            if reference.is_present() {
                sources += 1;
                let name = reference.get("name");
                if out.non_empty(&name) {
                    out.all_invalid(&name, name.str(), names::generate_name(name.str()));
                }
            }
        }
        // The server reports these at the list.
        if sources == 0 {
            out.invalid(list, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if sources > 1 {
            out.invalid(list, "", "may not have more than one field specified at a time");
        }
    }
}
