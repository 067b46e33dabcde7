//! The values of a form as text: from a schema's defaults or known values into the form, and from the form back into
//! values. What a text means follows from the schema, by the same rules as for a value on the command line; here it is
//! only decided whether an empty one was meant.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::control::{Kind, is, is_secret, kind, properties, required};
use crate::template::yaml;

/// Before each parameter's name in the form, so that no parameter can be taken for one of the form's own fields.
pub(crate) const PREFIX: &str = "p.";

/// What was sent: the text of each parameter's control, by parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts(BTreeMap<String, String>);

impl Texts {
    /// Picks the parameters out of a form's pairs. A browser ends every line with CR LF, whatever was typed.
    pub(crate) fn read(pairs: &[(String, String)]) -> Self {
        let parameters = pairs.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?;
            Some((name.to_owned(), value.replace("\r\n", "\n")))
        });
        Self(parameters.collect())
    }

    /// What a fresh form holds: the defaults.
    pub(crate) fn defaults(schema: &Value) -> Self {
        let of_parameter =
            properties(schema).filter_map(|(name, of)| Some((name.clone(), text(of.get("default")?, of))));
        Self(of_parameter.collect())
    }

    /// What a form holds that starts from known values. Secret ones are masked there, and are left empty.
    pub(crate) fn of_values(schema: &Value, values: &Map<String, Value>) -> Self {
        let known = properties(schema).filter_map(|(name, of)| {
            let value = values.get(name)?;
            (!is_secret(of)).then(|| (name.clone(), text(value, of)))
        });
        Self(known.collect())
    }

    /// These texts, with those of another form over them.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The text of a parameter.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The values that were meant. An empty control means that nothing is given, unless the parameter is a text that
    /// has to be given, or whose default was deleted by hand. `object` reads the text of a parameter with properties.
    pub(crate) fn values(
        &self,
        schema: &Value,
        object: impl Fn(&str) -> Option<Map<String, Value>>,
    ) -> Map<String, Value> {
        let mut values = Map::new();
        let required = required(schema);
        for (name, of) in properties(schema) {
            let kind = kind(of);
            let value = match (kind, self.0.get(name).map(String::as_str)) {
                // A box that is not ticked is not sent.
                (Kind::Check, given) => Value::Bool(given == Some("true")),
                (_, None) => continue,
                (_, Some("")) => {
                    let meant = matches!(kind, Kind::Line("text" | "password") | Kind::Area)
                        && (required.contains(&name.as_str()) || of.get("default").is_some());
                    if !meant {
                        continue;
                    }
                    Value::String(String::new())
                }
                (Kind::Line("datetime-local"), Some(given)) => Value::String(with_zone(given)),
                (Kind::Yaml, Some(given)) => match object(given) {
                    Some(map) => Value::Object(map),
                    None => Value::String(given.to_owned()),
                },
                (_, Some(given)) => Value::String(given.to_owned()),
            };
            values.insert(name.clone(), value);
        }
        // A form that was made for an older version of the template may send more: let the check name it.
        for (name, given) in &self.0 {
            if properties(schema).all(|(known, _)| known != name) {
                values.insert(name.clone(), Value::String(given.clone()));
            }
        }
        values
    }
}

/// A value as its control shows it.
pub(crate) fn text(value: &Value, of: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null if is(of, "null") || value.is_null() => String::new(),
        Value::Array(items) => lines(items),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(_) => yaml::write(value),
        other => other.to_string(),
    }
}

/// A list, one item a line; as JSON where a line could not stand for an item.
fn lines(items: &[Value]) -> String {
    let plain = |item: &Value| match item {
        Value::String(text) => {
            !text.trim().is_empty() && !text.contains(['\n', '\r']) && !text.trim_start().starts_with('[')
        }
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    };
    if items.iter().all(plain) {
        let each = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
        each.collect::<Vec<_>>().join("\n")
    } else {
        serde_json::to_string_pretty(items).unwrap_or_default()
    }
}

/// A browser's date and time has no zone; the form says that it is UTC.
fn with_zone(text: &str) -> String {
    let civil: Result<jiff::civil::DateTime, _> = text.parse();
    match (text.parse::<Timestamp>(), civil) {
        (Err(_), Ok(time)) => format!("{}Z", time.strftime("%Y-%m-%dT%H:%M:%S")),
        _ => text.to_owned(),
    }
}

/// A moment as a browser's date and time, in UTC.
pub(crate) fn without_zone(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}
