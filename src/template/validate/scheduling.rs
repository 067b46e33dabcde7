//! Where pods may run: affinity, tolerations, topology spread.

use super::field::{Findings, Node};
use super::{meta, names};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn validate_tolerations(tolerations: &Node<'_>, out: &mut Findings) {
    for toleration in tolerations.items() {
        let key = toleration.get("key");
        let operator = toleration.get("operator");
        let value = toleration.get("value").str().to_owned();
        let effect = toleration.get("effect");
        if !key.str().is_empty() {
            meta::validate_label_name(&key, out);
        } else if operator.str() != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            out.invalid(&operator, operator.str(), detail);
        }
        if toleration.get("tolerationSeconds").is_present() && effect.str() != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            out.invalid(&effect, effect.str(), detail);
        }
        // Faults of the value are reported at the operator.
        match operator.str() {
            "" | "Equal" => {
                let messages = names::label_value(&value);
                if !messages.is_empty() {
                    out.invalid(&operator, &value, &messages.join(";"));
                }
            }
            "Exists" if !value.is_empty() => {
                out.invalid(&operator, &value, "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            other => out.unsupported(&operator, other, &["Equal", "Exists"]),
        }
        out.one_of(&effect, &EFFECTS);
    }
}

pub(super) fn validate_topology_spread(constraints: &Node<'_>, out: &mut Findings) {
    let kinds: Vec<(String, String)> = constraints
        .items()
        .map(|c| (c.get("topologyKey").str().to_owned(), c.get("whenUnsatisfiable").str().to_owned()))
        .collect();
    for (i, constraint) in constraints.items().enumerate() {
        let skew = constraint.get("maxSkew");
        let skew_value = skew.int().unwrap_or(0);
        if skew_value <= 0 {
            out.invalid_shown(&skew, skew_value, "must be greater than zero");
        }
        let key = constraint.get("topologyKey");
        if key.str().is_empty() {
            out.required(&key, "can not be empty");
        }
        let action = constraint.get("whenUnsatisfiable");
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        if !actions.contains(&action.str()) {
            out.unsupported(&action, action.str(), &actions);
        }
        if kinds[i + 1..].contains(&kinds[i]) {
            let value = format!("{{{}, {}}}", kinds[i].0, kinds[i].1);
            out.duplicate(&constraint.named("{topologyKey, whenUnsatisfiable}"), &value);
        }
        let domains = constraint.get("minDomains");
        if let Some(n) = domains.int() {
            if n <= 0 {
                out.invalid_shown(&domains, n, "must be greater than zero");
            }
            if action.str() != "DoNotSchedule" {
                let detail =
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", action.str());
                out.invalid_shown(&domains, n, &detail);
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            let policy = constraint.get(field);
            if let Some(value) = policy.text().filter(|v| !["Honor", "Ignore"].contains(v)) {
                out.unsupported(&policy, value, &["Honor", "Ignore"]);
            }
        }
        let selector = constraint.get("labelSelector");
        validate_label_keys(&constraint.get("matchLabelKeys"), &selector, out);
        meta::validate_selector(&selector, out);
    }
}

/// Keys whose values the server takes from the pod; they need a selector to add to.
fn validate_label_keys(keys: &Node<'_>, selector: &Node<'_>, out: &mut Findings) {
    if keys.list().is_empty() {
        return;
    }
    if !selector.is_present() {
        return out.forbidden(keys, "must not be specified when labelSelector is not set");
    }
    for key in keys.items() {
        meta::validate_label_name(&key, out);
    }
}

pub(super) fn validate_affinity(affinity: &Node<'_>, out: &mut Findings) {
    let node = affinity.get("nodeAffinity");
    let required = node.get(REQUIRED);
    if required.is_present() {
        let terms = required.get("nodeSelectorTerms");
        if terms.list().is_empty() {
            out.required(&terms, "must have at least one node selector term");
        }
        for term in terms.items() {
            validate_node_term(&term, true, out);
        }
    }
    for term in node.get(PREFERRED).items() {
        validate_weight(&term.get("weight"), out);
        validate_node_term(&term.get("preference"), false, out);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.get(kind);
        for term in pods.get(REQUIRED).items() {
            validate_pod_term(&term, out);
        }
        for weighted in pods.get(PREFERRED).items() {
            validate_weight(&weighted.get("weight"), out);
            validate_pod_term(&weighted.get("podAffinityTerm"), out);
        }
    }
}

fn validate_weight(weight: &Node<'_>, out: &mut Findings) {
    let n = weight.int().unwrap_or(0);
    if !(1..=100).contains(&n) {
        out.invalid_shown(weight, n, "must be in the range 1-100");
    }
}

/// Values are held to the grammar of labels only where they are required.
fn validate_node_term(term: &Node<'_>, required: bool, out: &mut Findings) {
    for expression in term.get("matchExpressions").items() {
        let operator = expression.get("operator");
        let values = expression.get("values");
        match operator.str() {
            "In" | "NotIn" if values.list().is_empty() => {
                out.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.list().is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                out.forbidden(&values, detail);
            }
            "Gt" | "Lt" if values.list().len() != 1 => {
                out.required(&values, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => out.invalid(&operator, other, "not a valid selector operator"),
        }
        meta::validate_label_name(&expression.get("key"), out);
        for value in values.items().filter(|_| required) {
            out.all_invalid(&value, value.str(), names::label_value(value.str()));
        }
    }
    for field in term.get("matchFields").items() {
        let operator = field.get("operator");
        let values = field.get("values");
        match operator.str() {
            "In" | "NotIn" if values.list().len() != 1 => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                out.required(&values, detail);
            }
            "In" | "NotIn" => {}
            other => out.invalid(&operator, other, "not a valid selector operator"),
        }
        let key = field.get("key");
        if key.str() == "metadata.name" {
            for value in values.items() {
                out.all_invalid(&value, value.str(), names::dns_subdomain(value.str()));
            }
        } else {
            out.invalid(&key, key.str(), "not a valid field selector key");
        }
    }
}

fn validate_pod_term(term: &Node<'_>, out: &mut Findings) {
    let selector = term.get("labelSelector");
    meta::validate_selector(&selector, out);
    meta::validate_selector(&term.get("namespaceSelector"), out);
    for namespace in term.get("namespaces").items() {
        let at = term.named("namespace");
        out.all_invalid(&at, namespace.str(), names::dns_label(namespace.str()));
    }
    let matched = term.get("matchLabelKeys");
    let mismatched = term.get("mismatchLabelKeys");
    validate_label_keys(&matched, &selector, out);
    validate_label_keys(&mismatched, &selector, out);
    for key in matched.items() {
        if mismatched.items().any(|other| other.str() == key.str()) {
            out.invalid(&key, key.str(), "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
    let topology = term.get("topologyKey");
    if topology.str().is_empty() {
        out.required(&topology, "can not be empty");
    }
    meta::validate_label_name(&topology, out);
}
