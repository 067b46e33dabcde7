//! Which control of a form a JSON Schema asks for.

use serde_json::Value;

/// A control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One line, of this `type`.
    Line(&'static str),
    /// Several lines of text.
    Area,
    /// One item a line.
    Lines,
    /// An object.
    Yaml,
    /// A box to tick.
    Check,
    /// One of a list.
    Select,
}

/// Which control a parameter gets.
pub(crate) fn kind(of: &Value) -> Kind {
    if of.get("enum").is_some_and(Value::is_array) {
        return Kind::Select;
    }
    if is_secret(of) {
        return Kind::Line("password");
    }
    if is(of, "string") {
        let long = of.get("maxLength").and_then(Value::as_u64).unwrap_or(0) > 200;
        return match of.get("format").and_then(Value::as_str) {
            Some("date") => Kind::Line("date"),
            Some("date-time") => Kind::Line("datetime-local"),
            Some("email") => Kind::Line("email"),
            Some("uri") => Kind::Line("url"),
            Some("multiline") => Kind::Area,
            None if long => Kind::Area,
            _ if of.get("contentMediaType").is_some() => Kind::Area,
            _ => Kind::Line("text"),
        };
    }
    if is(of, "integer") || is(of, "number") {
        Kind::Line("number")
    } else if is(of, "boolean") {
        // Without a default there are three answers: yes, no, and none.
        if of.get("default").is_some() { Kind::Check } else { Kind::Select }
    } else if is(of, "array") {
        Kind::Lines
    } else if is(of, "object") {
        Kind::Yaml
    } else {
        Kind::Line("text")
    }
}

/// The parameters of a schema, with references to its own definitions resolved.
pub(crate) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, of)| {
        let target =
            of.get("$ref").and_then(Value::as_str).and_then(|reference| schema.pointer(reference.strip_prefix('#')?));
        (name, target.unwrap_or(of))
    })
}

/// The parameters that have to be given.
pub(crate) fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether values of this type are accepted.
pub(crate) fn is(of: &Value, name: &str) -> bool {
    match of.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(names)) => names.iter().any(|it| it == name),
        _ => false,
    }
}

/// Whether the value is to be masked.
pub(crate) fn is_secret(of: &Value) -> bool {
    of.get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
}
