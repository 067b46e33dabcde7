//! A JSON Schema in words: what a value is, and what is allowed.

use serde_json::Value;

use super::texts::text;

/// What a value is: `date`, `whole number`, `list of email addresses`.
pub(crate) fn kind(of: &Value) -> String {
    noun(of, false)
}

fn noun(of: &Value, many: bool) -> String {
    let pick = |one: &str, more: &str| if many { more } else { one }.to_owned();
    if of.get("enum").is_some() || of.get("const").is_some() {
        return pick("choice", "choices");
    }
    let types: Vec<&str> = match of.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words = types.iter().map(|name| match (*name, of.get("format").and_then(Value::as_str)) {
        ("string", Some("date")) => pick("date", "dates"),
        ("string", Some("date-time")) => pick("date and time", "dates and times"),
        ("string", Some("time")) => pick("time", "times"),
        ("string", Some("duration")) => pick("duration", "durations"),
        ("string", Some("email")) => pick("email address", "email addresses"),
        ("string", Some("hostname")) => pick("host name", "host names"),
        ("string", Some("ipv4")) => pick("IPv4 address", "IPv4 addresses"),
        ("string", Some("ipv6")) => pick("IPv6 address", "IPv6 addresses"),
        ("string", Some("uri")) => pick("URI", "URIs"),
        ("string", Some("uuid")) => pick("UUID", "UUIDs"),
        ("string", Some("multiline")) => pick("text of several lines", "texts of several lines"),
        ("string", Some("regex")) => pick("regular expression", "regular expressions"),
        ("string", Some(other)) => format!("{} ({other})", pick("text", "texts")),
        ("string", None) => pick("text", "texts"),
        ("integer", _) => pick("whole number", "whole numbers"),
        ("number", _) => pick("number", "numbers"),
        ("boolean", _) => "true or false".to_owned(),
        ("array", _) => match of.get("items").filter(|items| items.is_object()) {
            Some(items) => format!("{} of {}", pick("list", "lists"), noun(items, true)),
            None => pick("list", "lists"),
        },
        ("object", _) => pick("object", "objects"),
        (other, _) => other.to_owned(),
    });
    match words.collect::<Vec<_>>().join(" or ") {
        words if words.is_empty() && of.get("$ref").is_some() => pick("object", "objects"),
        words if words.is_empty() => pick("any value", "any values"),
        words => words,
    }
}

/// The same as a sentence: `A host name.`
pub(crate) fn sentence(of: &Value) -> String {
    let words = kind(of);
    let article = if words.starts_with('I') { "An" } else { "A" };
    format!("{article} {words}.")
}

/// The rule that no item of a list is there twice.
pub(crate) const ONCE: &str = "Each once.";

/// What is allowed, beyond what kind of value it is: a sentence for each rule.
pub(crate) fn rules(of: &Value) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(value) = of.get("const") {
        words.push(format!("Always {}.", text(value)));
    }
    words.extend(range(of));
    if let Some(step) = shown(of, "multipleOf") {
        words.push(format!("A multiple of {step}."));
    }
    words.extend(amount(of, "minLength", "maxLength", "character", "characters"));
    words.extend(amount(of, "minItems", "maxItems", "item", "items"));
    words.extend(amount(of, "minProperties", "maxProperties", "entry", "entries"));
    if of.get("uniqueItems") == Some(&Value::Bool(true)) {
        words.push(ONCE.to_owned());
    }
    if let Some(pattern) = shown(of, "pattern") {
        words.push(format!("Matches {pattern}"));
    }
    for key in ["items", "additionalProperties"] {
        let within = of.get(key).map(rules).unwrap_or_default();
        words.extend(within.into_iter().map(|rule| format!("Each: {}", lower(&rule))));
    }
    words
}

/// What may be chosen, where that is said.
pub(crate) fn options(of: &Value) -> Vec<String> {
    let list = |of: &Value| of.get("enum").and_then(Value::as_array).map(|options| options.iter().map(text).collect());
    list(of).or_else(|| list(of.get("items")?)).unwrap_or_default()
}

fn range(of: &Value) -> Option<String> {
    let least = shown(of, "minimum");
    let most = shown(of, "maximum");
    let above = shown(of, "exclusiveMinimum");
    let below = shown(of, "exclusiveMaximum");
    Some(match (least, above, most, below) {
        (Some(least), _, Some(most), _) => format!("From {least} to {most}."),
        (Some(least), _, None, Some(below)) => format!("From {least} to less than {below}."),
        (Some(least), _, None, None) => format!("{least} or more."),
        (None, Some(above), Some(most), _) => format!("More than {above}, up to {most}."),
        (None, Some(above), None, Some(below)) => format!("More than {above}, less than {below}."),
        (None, Some(above), None, None) => format!("More than {above}."),
        (None, None, Some(most), _) => format!("{most} or less."),
        (None, None, None, Some(below)) => format!("Less than {below}."),
        (None, None, None, None) => return None,
    })
}

fn amount(of: &Value, least: &str, most: &str, one: &str, many: &str) -> Option<String> {
    let count = |key: &str| of.get(key).and_then(Value::as_u64);
    let words = |n: u64| format!("{n} {}", if n == 1 { one } else { many });
    Some(match (count(least).unwrap_or(0), count(most)) {
        (0, None) => return None,
        (0, Some(most)) => format!("At most {}.", words(most)),
        (1, None) if one == "character" => "Not empty.".to_owned(),
        (least, None) => format!("At least {}.", words(least)),
        (least, Some(most)) if least == most => format!("Exactly {}.", words(most)),
        (least, Some(most)) => format!("{least} to {}.", words(most)),
    })
}

fn shown(of: &Value, key: &str) -> Option<String> {
    of.get(key).filter(|value| value.is_number() || value.is_string()).map(text)
}

/// A sentence that goes on after a colon.
fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first = chars.next().map(|first| first.to_lowercase().collect::<String>()).unwrap_or_default();
    first + chars.as_str()
}

/// Whether the kind of a text says what its control does not.
pub(crate) fn says_more(of: &Value) -> bool {
    let format = of.get("format").and_then(Value::as_str);
    matches!(format, Some("time" | "duration" | "hostname" | "ipv4" | "ipv6" | "uuid" | "regex"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_has_a_name_that_people_use() {
        for (of, words) in [
            (json!({"type": "string", "format": "date"}), "date"),
            (json!({"type": "integer"}), "whole number"),
            (json!({"type": ["string", "null"]}), "text or null"),
            (json!({"type": "array", "items": {"type": "string", "format": "email"}}), "list of email addresses"),
            (json!({"type": "array", "items": {"type": "array", "items": {"enum": [1]}}}), "list of lists of choices"),
            (json!({"enum": ["a"]}), "choice"),
            (json!({"type": "string", "format": "multiline"}), "text of several lines"),
            (json!({}), "any value"),
        ] {
            assert_eq!(kind(&of), words);
        }
    }

    #[test]
    fn every_rule_is_a_sentence() {
        for (of, words) in [
            (json!({"minimum": 1, "maximum": 9}), "From 1 to 9."),
            (json!({"minimum": 0}), "0 or more."),
            (json!({"exclusiveMinimum": 0, "maximum": 0.5}), "More than 0, up to 0.5."),
            (json!({"exclusiveMaximum": 10, "multipleOf": 5}), "Less than 10. A multiple of 5."),
            (json!({"minLength": 1}), "Not empty."),
            (json!({"minLength": 2, "maxLength": 2}), "Exactly 2 characters."),
            (json!({"maxItems": 1, "uniqueItems": true}), "At most 1 item. Each once."),
            (json!({"items": {"pattern": "^a$"}}), "Each: matches ^a$"),
            (json!({"const": "v1"}), "Always v1."),
            (json!({}), ""),
        ] {
            assert_eq!(rules(&of).join(" "), words);
        }
    }

    #[test]
    fn choices_are_those_of_the_value_or_of_its_items() {
        assert_eq!(options(&json!({"enum": ["a", 1]})), ["a", "1"]);
        assert_eq!(options(&json!({"items": {"enum": [true]}})), ["true"]);
        assert!(options(&json!({"type": "string"})).is_empty());
    }
}
