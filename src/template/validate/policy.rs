//! What a Job says about failed, replaced and sufficient pods: `podFailurePolicy`,
//! `podReplacementPolicy` and `successPolicy`.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::job::JobFacts;
use super::names;

const MAX_RULES: usize = 20;
const MAX_EXIT_CODES: usize = 255;
const MAX_CONDITIONS: usize = 20;
const MAX_INDEXES_LENGTH: usize = 64 * 1024;

pub(super) fn validate_policies(spec: &Node<'_>, facts: &JobFacts, out: &mut Findings) {
    let failure = spec.get("podFailurePolicy");
    if failure.is_present() {
        validate_pod_failure_policy(&failure, spec, facts, out);
    }
    let success = spec.get("successPolicy");
    if success.is_present() {
        if facts.indexed {
            validate_success_policy(&success, facts, out);
        } else {
            out.invalid_json(&success, success.value(), "requires indexed completion mode");
        }
    }
    let replacement = spec.get("podReplacementPolicy");
    let supported: &[&str] = if facts.pod_failure_policy { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    // An empty text is given, and so not filled in.
    if let Some(value) = replacement.text().filter(|value| !supported.contains(value)) {
        out.unsupported(&replacement, value, supported);
    }
}

fn validate_pod_failure_policy(policy: &Node<'_>, spec: &Node<'_>, facts: &JobFacts, out: &mut Findings) {
    let template = spec.get("template");
    let pod = template.get("spec");
    let mut containers = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        containers.extend(pod.get(list).items().map(|c| c.get("name").str().to_owned()));
    }
    let rules = policy.get("rules");
    if rules.list().len() > MAX_RULES {
        out.too_many(&rules, rules.list().len(), MAX_RULES);
    }
    for rule in rules.items() {
        validate_action(&rule.get("action"), facts, out);
        let codes = rule.get("onExitCodes");
        let conditions = rule.get("onPodConditions");
        if codes.is_present() {
            validate_exit_codes(&codes, &containers, out);
        }
        validate_conditions(&conditions, out);
        match (codes.is_present(), !conditions.list().is_empty()) {
            (true, true) => {
                out.invalid_unseen(&rule, "specifying both OnExitCodes and OnPodConditions is not supported");
            }
            (false, false) => {
                out.invalid_unseen(&rule, "specifying one of OnExitCodes and OnPodConditions is required");
            }
            _ => {}
        }
    }
}

fn validate_action(action: &Node<'_>, facts: &JobFacts, out: &mut Findings) {
    const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
    match action.str() {
        "" => out.required(action, r#"valid values: ["Count" "FailIndex" "FailJob" "Ignore"]"#),
        "FailIndex" if !facts.backoff_limit_per_index => {
            out.invalid(action, "FailIndex", "requires the backoffLimitPerIndex to be set");
        }
        known if ACTIONS.contains(&known) => {}
        other => out.unsupported(action, other, &ACTIONS),
    }
}

fn validate_exit_codes(codes: &Node<'_>, containers: &BTreeSet<String>, out: &mut Findings) {
    let operator = codes.get("operator");
    if operator.str().is_empty() {
        out.required(&operator, r#"valid values: ["In" "NotIn"]"#);
    }
    out.one_of(&operator, &["In", "NotIn"]);
    let container = codes.get("containerName");
    if let Some(name) = container.text().filter(|name| !containers.contains(*name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        out.invalid(&container, name, detail);
    }
    let values = codes.get("values");
    if values.list().is_empty() {
        out.invalid_shown(&values, "[]", "at least one value is required");
    } else if values.list().len() > MAX_EXIT_CODES {
        out.too_many(&values, values.list().len(), MAX_EXIT_CODES);
    }
    let mut seen = BTreeSet::new();
    for value in values.items() {
        let code = value.int().unwrap_or(0);
        if code == 0 && operator.str() == "In" {
            out.invalid_shown(&value, code, "must not be 0 for the In operator");
        }
        if !seen.insert(code) {
            out.duplicate_shown(&value, code);
        }
    }
    if !values.items().map(|v| v.int().unwrap_or(0)).is_sorted() {
        out.invalid_json(&values, values.value(), "must be ordered");
    }
}

fn validate_conditions(conditions: &Node<'_>, out: &mut Findings) {
    let count = conditions.list().len();
    if count > MAX_CONDITIONS {
        out.too_many(conditions, count, MAX_CONDITIONS);
    }
    for condition in conditions.items() {
        let kind = condition.get("type");
        out.all_invalid(&kind, kind.str(), names::qualified_name(kind.str()));
        // Without one the server fills in `True`.
        out.one_of(&condition.get("status"), &["False", "True", "Unknown"]);
    }
}

fn validate_success_policy(policy: &Node<'_>, facts: &JobFacts, out: &mut Findings) {
    let rules = policy.get("rules");
    let count = rules.list().len();
    if count == 0 {
        out.required(&rules, "at least one rules must be specified when the successPolicy is specified");
    }
    if count > MAX_RULES {
        out.too_many(&rules, count, MAX_RULES);
    }
    let completions = facts.completions.unwrap_or(0);
    for rule in rules.items() {
        let indexes = rule.get("succeededIndexes");
        let wanted = rule.get("succeededCount");
        if !indexes.is_present() && !wanted.is_present() {
            out.required(&rule, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let mut total = None;
        if let Some(text) = indexes.text() {
            if text.len() > MAX_INDEXES_LENGTH {
                out.too_long(&indexes, MAX_INDEXES_LENGTH);
            }
            match count_indexes(text, completions) {
                Ok(n) => total = Some(n),
                Err(why) => {
                    total = Some(0);
                    out.invalid(&indexes, text, &format!("error parsing succeededIndexes: {why}"));
                }
            }
        }
        let Some(n) = wanted.int() else { continue };
        out.non_negative(&wanted);
        if n > completions {
            let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
            out.invalid_shown(&wanted, n, &detail);
        }
        if let Some(total) = total.filter(|total| n > *total) {
            let detail = format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            );
            out.invalid_shown(&wanted, n, &detail);
        }
    }
}

/// How many indexes `0,2-4` names, when it is ordered and within `completions`.
fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let mut previous: Option<i64> = None;
    let mut total: i64 = 0;
    for interval in text.split(',') {
        let limits: Vec<&str> = interval.split('-').collect();
        if limits.len() > 2 {
            return Err(format!(
                "the fragment {interval:?} violates the requirement that an index interval can have at most two parts separated by '-'"
            ));
        }
        let mut parsed = Vec::with_capacity(2);
        for limit in limits {
            let index =
                limit.parse::<i64>().map_err(|_| format!("cannot convert string to integer for index: {limit:?}"))?;
            if index >= completions {
                return Err(format!("too large index: {limit:?}"));
            }
            if let Some(previous) = previous.filter(|p| *p >= index) {
                return Err(format!("non-increasing order, previous: {previous}, current: {index}"));
            }
            previous = Some(index);
            parsed.push(index);
        }
        total += match parsed[..] {
            [first, last] => last - first + 1,
            _ => 1,
        };
    }
    Ok(total)
}
