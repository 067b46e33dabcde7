//! Object metadata, labels, annotations and label selectors
//! (k8s.io/apimachinery `pkg/api/validation`, `pkg/apis/meta/v1/validation`).

use std::collections::BTreeMap;

use super::field::{Findings, Node};
use super::names;

/// All annotations of one object together, keys and values, in bytes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;
/// What the server keeps of `generateName` before it adds five characters.
const GENERATE_NAME_LIMIT: usize = 58;

/// The name that the server would give the object. With `generateName` the five random letters at
/// its end are stood in for by `xxxxx`, which no check can tell from real ones.
pub(super) fn effective_name(meta: &Node<'_>) -> String {
    let name = meta.get("name");
    if !name.str().is_empty() {
        return name.str().to_owned();
    }
    let generate = meta.get("generateName");
    match generate.str() {
        "" => String::new(),
        stem => {
            let end = (0..=stem.len().min(GENERATE_NAME_LIMIT)).rev().find(|i| stem.is_char_boundary(*i));
            format!("{}xxxxx", &stem[..end.unwrap_or(0)])
        }
    }
}

/// The metadata of an object in a namespace whose name is a DNS subdomain.
pub(super) fn validate_object_meta(meta: &Node<'_>, out: &mut Findings) {
    let generate = meta.get("generateName");
    if !generate.str().is_empty() {
        out.all_invalid(&generate, generate.str(), names::generate_name(generate.str()));
    }
    let name = meta.get("name");
    let effective = effective_name(meta);
    if effective.is_empty() {
        out.required(&name, "name or generateName is required");
    } else {
        out.all_invalid(&name, &effective, names::dns_subdomain(&effective));
    }
    let namespace = meta.get("namespace");
    if !namespace.str().is_empty() {
        out.all_invalid(&namespace, namespace.str(), names::dns_label(namespace.str()));
    }
    out.non_negative(&meta.get("generation"));
    validate_labels(&meta.get("labels"), out);
    validate_annotations(&meta.get("annotations"), out);
    validate_owners(&meta.get("ownerReferences"), out);
    validate_finalizers(&meta.get("finalizers"), out);
}

fn validate_owners(owners: &Node<'_>, out: &mut Findings) {
    let mut controller: Option<String> = None;
    for owner in owners.items() {
        let version = owner.get("apiVersion");
        let version = version.str().rsplit('/').next().unwrap_or("");
        if version.is_empty() {
            out.invalid(&owners.named("apiVersion"), version, "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if owner.get(field).str().is_empty() {
                out.invalid(&owners.named(field), "", "must not be empty");
            }
        }
        if owner.get("controller").is_true() {
            let own = format!("{}/{}", owner.get("kind").str(), owner.get("name").str());
            if let Some(first) = controller.replace(own.clone()) {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {own}"
                );
                out.invalid_json(owners, owners.value(), &detail);
            }
        }
    }
}

fn validate_finalizers(finalizers: &Node<'_>, out: &mut Findings) {
    const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
    for item in finalizers.items() {
        out.all_invalid(finalizers, item.str(), names::qualified_name(item.str()));
    }
    let has = |name| finalizers.items().any(|f| f.str() == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        out.invalid_json(finalizers, finalizers.value(), detail);
    }
    for item in finalizers.items() {
        if !item.str().contains('/') && !STANDARD.contains(&item.str()) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            out.invalid(&item, item.str(), detail);
        }
    }
}

/// Keys and values of a label map, reported at the map.
pub(super) fn validate_labels(labels: &Node<'_>, out: &mut Findings) {
    for (key, value) in labels.entries() {
        out.all_invalid(labels, key, names::qualified_name(key));
        out.all_invalid(labels, value.str(), names::label_value(value.str()));
    }
}

/// Keys of an annotation map, which may hold capitals, and its size.
pub(super) fn validate_annotations(annotations: &Node<'_>, out: &mut Findings) {
    let mut size = 0;
    for (key, value) in annotations.entries() {
        out.all_invalid(annotations, key, names::qualified_name(&key.to_lowercase()));
        size += key.len() + value.str().len();
    }
    if size > ANNOTATIONS_LIMIT {
        out.too_long(annotations, ANNOTATIONS_LIMIT);
    }
}

/// The key of a label where one is asked for.
pub(super) fn validate_label_name(at: &Node<'_>, out: &mut Findings) {
    out.all_invalid(at, at.str(), names::qualified_name(at.str()));
}

/// A label selector; absent is fine.
pub(super) fn validate_selector(selector: &Node<'_>, out: &mut Findings) {
    validate_labels(&selector.get("matchLabels"), out);
    let expressions = selector.get("matchExpressions");
    for expression in expressions.items() {
        let operator = expression.get("operator");
        let values = expression.get("values");
        match operator.str() {
            "In" | "NotIn" if values.list().is_empty() => {
                out.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.list().is_empty() => {
                out.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => out.invalid(&operator, other, "not a valid selector operator"),
        }
        validate_label_name(&expression.get("key"), out);
        for value in values.items() {
            out.all_invalid(&value, value.str(), names::label_value(value.str()));
        }
    }
}

/// Whether a selector selects these labels; `None` when the selector itself is not valid. An absent
/// selector selects nothing.
pub(super) fn selects(selector: &Node<'_>, labels: &BTreeMap<String, String>) -> Option<bool> {
    if !selector.is_present() {
        return Some(false);
    }
    let mut unheard = Findings::default();
    validate_selector(selector, &mut unheard);
    if unheard.len() > 0 {
        return None;
    }
    let equal = selector
        .get("matchLabels")
        .entries()
        .all(|(key, value)| labels.get(key).is_some_and(|have| have == value.str()));
    let expressed = selector.get("matchExpressions").items().all(|expression| {
        let have = labels.get(expression.get("key").str());
        let listed = have.is_some_and(|have| expression.get("values").items().any(|v| v.str() == have));
        match expression.get("operator").str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => have.is_some(),
            _ => have.is_none(),
        }
    });
    Some(equal && expressed)
}

/// The entries of a label map.
pub(super) fn label_map(labels: &Node<'_>) -> BTreeMap<String, String> {
    labels.entries().map(|(key, value)| (key.to_owned(), value.str().to_owned())).collect()
}
