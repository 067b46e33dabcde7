//! Values made up from a schema, for a template that has no example.

use serde_json::{Map, Value, json};

use crate::template::{Parameter, Template};

/// Texts that are tried where a pattern is asked for.
const TEXTS: [&str; 14] =
    ["example", "a", "A", "1", "a1", "a-1", "1.0.0", "v1.0.0", "01", "10", "aaaaaaaa", "a.b", "a/b", "example.com"];

/// Parameters that the template's own schema accepts, if such can be made up.
pub(super) fn parameters(template: &Template) -> Option<Map<String, Value>> {
    let mut values = Map::new();
    for parameter in template.parameters().iter().filter(|p| p.required && p.default.is_none()) {
        values.insert(parameter.name.clone(), value(&parameter.schema, 0));
    }
    if template.check(&values).is_ok() {
        return Some(values);
    }
    // Patterns and the like: each text parameter may take any of the texts.
    for parameter in template.parameters() {
        let made = match values.get(&parameter.name) {
            Some(made) if made.is_string() => made.clone(),
            _ => continue,
        };
        let own_faults = |values: &Map<String, Value>| match template.check(values) {
            Ok(_) => 0,
            Err(faults) => faults.iter().filter(|fault| fault.path == parameter.name).count(),
        };
        let fits = std::iter::once(made).chain(TEXTS.iter().map(|text| json!(text))).find(|candidate| {
            values.insert(parameter.name.clone(), candidate.clone());
            own_faults(&values) == 0
        });
        fits?;
    }
    template.check(&values).is_ok().then_some(values)
}

/// A value for a setting that has none.
pub(super) fn setting(parameter: &Parameter) -> Value {
    value(&parameter.schema, 0)
}

fn value(schema: &Value, depth: usize) -> Value {
    const DEEPEST: usize = 8;
    if let Some(given) = schema.get("default").or_else(|| schema.get("const")) {
        return given.clone();
    }
    for list in ["examples", "enum"] {
        if let Some(first) = schema.get(list).and_then(Value::as_array).and_then(|l| l.first()) {
            return first.clone();
        }
    }
    if depth > DEEPEST {
        return Value::Null;
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("string"),
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    };
    match kind {
        "integer" | "number" => number(schema),
        "boolean" => json!(false),
        "null" => Value::Null,
        "array" => {
            let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(100);
            let item = schema.get("items").map_or(json!("example"), |items| value(items, depth + 1));
            (0..count).map(|_| item.clone()).collect()
        }
        "object" => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let property = |name: &str| {
                let schema = schema.get("properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null);
                (name.to_owned(), value(schema, depth + 1))
            };
            Value::Object(required.filter_map(Value::as_str).map(property).collect())
        }
        _ => text(schema).into(),
    }
}

fn number(schema: &Value) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|n| n.saturating_add(1)));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|n| n.saturating_sub(1)));
    let step = bound("multipleOf").filter(|n| *n > 0).unwrap_or(1);
    let start = least.unwrap_or_else(|| most.map_or(1, |most| most.min(1)));
    let over = start.rem_euclid(step);
    json!(if over == 0 { start } else { start.saturating_add(step - over) })
}

fn text(schema: &Value) -> String {
    let made = match schema.get("format").and_then(Value::as_str).unwrap_or("") {
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T09:00:00Z",
        "time" => "09:00:00Z",
        "duration" => "PT1H",
        "email" | "idn-email" => "ada@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" => "https://example.com/",
        "uri-reference" | "iri-reference" => "/",
        "uuid" => "01890a5d-ac96-774b-bcce-b302099a8057",
        "regex" => "a",
        _ => "example",
    };
    let length = |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let mut made: String = made.chars().take(length("maxLength").unwrap_or(usize::MAX)).collect();
    let least = length("minLength").unwrap_or(0).min(10_000);
    while made.chars().count() < least {
        made.push('a');
    }
    made
}
