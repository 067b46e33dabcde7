//! Requests and limits of containers and pods.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Findings, Node};
use super::names;
use super::quantity::{FORM, Quantity};

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
const HUGEPAGES: &str = "hugepages-";

fn is_hugepages(name: &str) -> bool {
    name.starts_with(HUGEPAGES)
}

/// A resource of Kubernetes itself: without a domain, or of `kubernetes.io`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.")
}

/// Whether more of it may be requested in total than there is.
fn is_overcommitted(name: &str) -> bool {
    is_native(name) && !is_hugepages(name)
}

/// The quantities of a map; what is no quantity is reported and left out.
fn quantities<'a>(map: &'a Node<'a>, out: &mut Findings) -> BTreeMap<&'a str, Quantity> {
    let mut found = BTreeMap::new();
    for (name, amount) in map.entries() {
        // To the server an amount of `null` is none at all.
        let Some(value) = amount.value() else {
            found.insert(name, Quantity::default());
            continue;
        };
        match Quantity::from_json(value) {
            Ok(quantity) => {
                found.insert(name, quantity);
            }
            Err(_) => out.invalid_json(&amount, Some(value), FORM),
        }
    }
    found
}

/// The resources of one container.
pub(super) fn validate_requirements(resources: &Node<'_>, claims: &BTreeSet<&str>, out: &mut Findings) {
    if !resources.is_present() {
        return;
    }
    let limits_node = resources.get("limits");
    let requests_node = resources.get("requests");
    let limits = quantities(&limits_node, out);
    let requests = quantities(&requests_node, out);
    for (node, amounts) in [(&limits_node, &limits), (&requests_node, &requests)] {
        for (name, quantity) in amounts {
            let at = node.key(name);
            validate_resource_name(&at, name, out);
            validate_amount(&at, name, quantity, out);
        }
    }
    validate_against_limits(&requests_node, &requests, &limits_node, &limits, out);
    let all = || limits.keys().chain(requests.keys());
    if all().any(|n| is_hugepages(n)) && !all().any(|n| matches!(*n, "cpu" | "memory")) {
        out.forbidden(resources, "HugePages require cpu or memory");
    }
    validate_claims(&resources.get("claims"), claims, out);
}

fn validate_against_limits(
    requests_node: &Node<'_>,
    requests: &BTreeMap<&str, Quantity>,
    limits_node: &Node<'_>,
    limits: &BTreeMap<&str, Quantity>,
    out: &mut Findings,
) {
    for (name, request) in requests {
        match limits.get(name) {
            Some(limit) if request != limit && !is_overcommitted(name) => {
                let detail = format!("must be equal to {name} limit of {limit}");
                out.invalid(requests_node, &request.to_string(), &detail);
            }
            Some(limit) if request > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                out.invalid(requests_node, &request.to_string(), &detail);
            }
            None if !is_overcommitted(name) && !limits_node.key(name).is_present() => {
                out.required(limits_node, "Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
    }
}

fn validate_amount(at: &Node<'_>, name: &str, quantity: &Quantity, out: &mut Findings) {
    if quantity.is_negative() {
        out.invalid(at, &quantity.to_string(), NOT_NEGATIVE);
    }
    if is_extended(name) && !quantity.is_whole() {
        out.invalid(at, &quantity.to_string(), "must be an integer");
    }
    if let Some(size) = name.strip_prefix(HUGEPAGES).and_then(|s| s.parse::<Quantity>().ok()) {
        let page = size.whole();
        let divisible = page > 0 && quantity.whole() % page == 0;
        if !divisible {
            let detail = format!("{quantity} is not positive integer multiple of {name}");
            out.invalid(at, &quantity.to_string(), &detail);
        }
    }
}

/// A name that a container may use: one of Kubernetes' own for containers, or one with a domain.
fn validate_resource_name(at: &Node<'_>, name: &str, out: &mut Findings) {
    out.all_invalid(at, name, names::qualified_name(name));
    if name.contains('/') {
        if !is_native(name) && !is_valid_extended(name) {
            out.invalid(at, name, "doesn't follow extended resource name standard");
        }
        return;
    }
    let for_containers = matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_hugepages(name);
    let standard = for_containers
        || matches!(name, "storage" | "pods" | "services" | "secrets" | "configmaps" | "persistentvolumeclaims")
        || name.starts_with("requests.")
        || name.starts_with("limits.");
    if !standard && names::qualified_name(name).is_empty() {
        out.invalid(at, name, "must be a standard resource type or fully qualified");
    }
    if !for_containers {
        out.invalid(at, name, "must be a standard resource for containers");
    }
}

/// Quota puts `requests.` before it, and the whole must still be a qualified name.
fn is_valid_extended(name: &str) -> bool {
    !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

fn validate_claims(claims: &Node<'_>, known: &BTreeSet<&str>, out: &mut Findings) {
    let mut seen = BTreeSet::new();
    for claim in claims.items() {
        let name = claim.get("name").str().to_owned();
        if name.is_empty() {
            out.required(&claim, "");
            continue;
        }
        if !known.contains(name.as_str()) {
            let mut detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            if known.is_empty() {
                detail.push_str(" which is empty");
            } else {
                let names: Vec<&str> = known.iter().copied().collect();
                detail.push_str(": ");
                detail.push_str(&names.join(", "));
            }
            out.not_found(&claim, &name, &detail);
        }
        let request = claim.get("request").str().to_owned();
        if !seen.insert((name.clone(), request)) {
            out.duplicate(&claim, &name);
        }
    }
}

/// What a pod takes beside its containers. The server reports it as limits.
pub(super) fn validate_overhead(overhead: &Node<'_>, out: &mut Findings) {
    let at = overhead.named("limits");
    for (name, quantity) in &quantities(overhead, out) {
        let at = at.key(name);
        validate_resource_name(&at, name, out);
        validate_amount(&at, name, quantity, out);
    }
}

/// The resources of a whole pod, and its containers' against them.
pub(super) fn validate_pod_resources(spec: &Node<'_>, out: &mut Findings) {
    let resources = spec.get("resources");
    if !resources.is_present() {
        return;
    }
    if spec.get("os").get("name").str() == "windows" {
        return out.forbidden(&resources, "may not be set for a windows pod");
    }
    let limits_node = resources.get("limits");
    let requests_node = resources.get("requests");
    let limits = quantities(&limits_node, out);
    let requests = quantities(&requests_node, out);
    for (node, amounts) in [(&limits_node, &limits), (&requests_node, &requests)] {
        for (name, quantity) in amounts {
            let at = node.key(name);
            if !matches!(*name, "cpu" | "memory") && !is_hugepages(name) {
                out.unsupported(&at, name, &["cpu", HUGEPAGES, "memory"]);
            }
            validate_amount(&at, name, quantity, out);
        }
    }
    validate_against_limits(&requests_node, &requests, &limits_node, &limits, out);

    let containers = spec.get("containers");
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut unheard = Findings::default();
    for container in containers.items() {
        let own = container.get("resources");
        let own_limits_node = own.get("limits");
        let own_requests_node = own.get("requests");
        let own_limits = quantities(&own_limits_node, &mut unheard);
        for (name, quantity) in &quantities(&own_requests_node, &mut unheard) {
            let sum = total.get(*name).map_or(*quantity, |t| t.plus(*quantity));
            total.insert((*name).to_owned(), sum);
        }
        for (name, limit) in own_limits {
            if let Some(most) = limits.get(name).filter(|most| limit > **most) {
                // The server's own path: `resources.containers[0][cpu].limits`.
                let detail = format!("must be less than or equal to pod limits of {most}");
                let index = container.path().rsplit_once("containers").map_or(String::new(), |(_, i)| i.to_owned());
                let container_step = format!("containers{index}");
                let at = resources.named(&container_step);
                let at = at.key(name);
                out.invalid(&at.named("limits"), &limit.to_string(), &detail);
            }
        }
    }
    for (name, sum) in &total {
        if let Some(request) = requests.get(name.as_str()).filter(|request| *sum > **request) {
            let detail = format!("must be greater than or equal to aggregate container requests of {sum}");
            out.invalid(&requests_node.key(name), &request.to_string(), &detail);
        }
    }
}
