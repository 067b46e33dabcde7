//! Takes secrets out of words that are about a manifest: our own, and those of whoever the manifest was shown to.

use serde_json::Value;

use super::MASK;
use super::params::Checked;
use super::problem::Problem;
use super::rendered::Rendered;
use super::validate::quote;

/// What must not be said. Empty where the parameters hold no secret.
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    /// The longest first, so that no part of one is left standing.
    secrets: Vec<String>,
}

impl Scrub {
    /// The secret parameters themselves.
    pub(crate) fn of(checked: &Checked) -> Self {
        let mut secrets = Vec::new();
        if let Some(masked) = &checked.masked {
            for (name, value) in &checked.values {
                in_value(value, masked.get(name).unwrap_or(&Value::Null), &mut secrets);
            }
        }
        Self::new(secrets)
    }

    /// The secret parameters, and every text of the manifest that was made of one: in whatever way a helper changed it.
    pub(crate) fn of_manifest(checked: &Checked, rendered: &Rendered) -> Self {
        let mut secrets = Self::of(checked).secrets;
        in_manifest(rendered.manifest(), rendered.masked(), &mut secrets);
        Self::new(secrets)
    }

    fn new(secrets: Vec<String>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        let mut secrets: Vec<_> = secrets.flat_map(|secret| written(&secret)).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// A text without them.
    pub(crate) fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// A problem without them.
    pub(crate) fn problem(&self, mut problem: Problem) -> Problem {
        if self.secrets.is_empty() {
            return problem;
        }
        for text in
            [Some(&mut problem.message), problem.path.as_mut(), problem.suggestion.as_mut()].into_iter().flatten()
        {
            *text = self.text(text);
        }
        problem
    }
}

/// The ways in which a secret may show: as it is; with its dollars doubled, as it stands where Kubernetes expands
/// references; and either of them as Go writes it in quotes.
fn written(secret: &str) -> Vec<String> {
    let doubled = secret.replace('$', "$$");
    let inner = |text: &str| {
        let quoted = quote(text);
        quoted[1..quoted.len() - 1].to_owned()
    };
    vec![inner(&doubled), inner(secret), doubled, secret.to_owned()]
}

/// The texts in `value` that `masked` hides.
fn in_value(value: &Value, masked: &Value, secrets: &mut Vec<String>) {
    if masked.as_str() == Some(MASK) {
        match value {
            Value::String(text) => secrets.push(text.clone()),
            Value::Number(number) => secrets.push(number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| in_value(item, masked, secrets)),
            Value::Object(map) => map.values().for_each(|item| in_value(item, masked, secrets)),
            Value::Bool(_) | Value::Null => {}
        }
        return;
    }
    match (value, masked) {
        (Value::Object(map), Value::Object(masked)) => {
            for (key, value) in map {
                in_value(value, masked.get(key).unwrap_or(&Value::Null), secrets);
            }
        }
        (Value::Array(items), Value::Array(masked)) => {
            for (value, masked) in items.iter().zip(masked) {
                in_value(value, masked, secrets);
            }
        }
        _ => {}
    }
}

/// The texts of a manifest that its masked form has not.
fn in_manifest(value: &Value, masked: &Value, secrets: &mut Vec<String>) {
    match (value, masked) {
        (Value::Object(map), Value::Object(masked)) => {
            for (key, value) in map {
                in_manifest(value, masked.get(key).unwrap_or(&Value::Null), secrets);
            }
        }
        (Value::Array(items), Value::Array(masked)) if items.len() == masked.len() => {
            for (value, masked) in items.iter().zip(masked) {
                in_manifest(value, masked, secrets);
            }
        }
        (value, masked) if value == masked => {}
        // Another shape: all that is in it was made of a secret.
        (value, _) => in_value(value, &Value::from(MASK), secrets),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::template::digest::Digest;

    fn checked(values: &Value, masked: &Value) -> Checked {
        Checked { values: values.as_object().cloned().unwrap(), masked: masked.as_object().cloned() }
    }

    #[test]
    fn a_secret_is_taken_out_as_it_is_and_as_it_shows_in_quotes() {
        let scrub = Scrub::of(&checked(&json!({"p": "a\"b", "q": "open"}), &json!({"p": MASK, "q": "open"})));
        assert_eq!(
            scrub.text(r#"Invalid value: "a\"b": not a"b, open"#),
            format!(r#"Invalid value: "{MASK}": not {MASK}, open"#)
        );
    }

    #[test]
    fn what_a_helper_made_of_a_secret_is_taken_out_too() {
        let checked = checked(&json!({"p": "HuSh", "q": "Ada"}), &json!({"p": MASK, "q": "Ada"}));
        let rendered = Rendered::new(
            json!({"env": [{"name": "P", "value": "hush$$"}, {"name": "Q", "value": "Ada"}]}),
            Some(json!({"env": [{"name": "P", "value": MASK}, {"name": "Q", "value": "Ada"}]})),
            Digest::of("", &BTreeSet::new(), &BTreeMap::new(), &serde_json::Map::new()),
        );
        let scrub = Scrub::of_manifest(&checked, &rendered);
        assert_eq!(scrub.text("hush$$, HuSh, P and Ada"), format!("{MASK}, {MASK}, P and Ada"));
    }

    #[test]
    fn without_secrets_words_stay_as_they_are() {
        let checked = Checked { values: json!({"q": "Ada"}).as_object().cloned().unwrap(), masked: None };
        assert_eq!(Scrub::of(&checked).text("Ada"), "Ada");
    }
}
