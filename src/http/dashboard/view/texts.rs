//! The values of a form as text: from defaults or known values into the form, and from the form back into values. What
//! a text means follows from the schema, by the same rules as for a value on the command line; here it is only decided
//! whether an empty one was meant.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::control::{Declared, Kind, fits, is};
use super::form::Wrong;
use crate::template::yaml;

/// Before each parameter's name in the form, so that no parameter can be taken for one of the form's own fields.
pub(crate) const PREFIX: &str = "p.";

/// What stands in the place of a group's own text, where its object is given even if its fields are as they were.
const GIVEN: &str = "{}";

/// What was sent: the text of each control, by the path of its parameter or property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts(BTreeMap<String, String>);

/// What was meant by a form.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Values {
    pub(crate) map: Map<String, Value>,
    /// The texts that were to be YAML, and are none.
    pub(crate) unreadable: Vec<Wrong>,
}

impl Texts {
    /// Picks the parameters out of a form's pairs. A browser ends every line with CR LF, whatever was typed. What
    /// comes more than once is a list of what was ticked.
    pub(crate) fn read(pairs: &[(String, String)]) -> Self {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in pairs {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let text = texts.entry(path.to_owned()).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&value.replace("\r\n", "\n"));
        }
        Self(texts)
    }

    /// What a fresh form holds: the defaults.
    pub(crate) fn defaults(declared: &[Declared]) -> Self {
        let mut texts = Self::default();
        declared.iter().for_each(|it| texts.put_default(it));
        texts
    }

    /// What a form holds that starts from known values, and is empty otherwise. Secret ones are masked there, and are
    /// left empty.
    pub(crate) fn of_values(declared: &[Declared], values: &Map<String, Value>) -> Self {
        let mut texts = Self::default();
        for it in declared {
            if let Some(value) = values.get(&it.name) {
                texts.put(it, value);
            }
        }
        texts
    }

    /// These texts, with those of another form over them.
    pub(crate) fn with(mut self, declared: &[Declared], other: Self) -> Self {
        let within = |path: &str, it: &Declared| path == it.path || path.starts_with(&format!("{}.", it.path));
        for it in declared {
            if other.0.keys().any(|path| within(path, it)) {
                self.0.retain(|path, _| !within(path, it));
            }
        }
        self.0.extend(other.0);
        self
    }

    /// These texts without those of secrets, which no page and no address may hold.
    pub(crate) fn without_secrets(mut self, declared: &[Declared]) -> Self {
        for it in declared {
            match &it.kind {
                Kind::Group(fields) if it.secret => self = self.without_secrets(fields),
                _ if it.secret => drop(self.0.remove(&it.path)),
                _ => {}
            }
        }
        self
    }

    fn put_default(&mut self, it: &Declared) {
        match (it.of.get("default"), &it.kind) {
            (Some(default), _) => self.put(it, default),
            (None, Kind::Group(fields)) => fields.iter().for_each(|field| self.put_default(field)),
            (None, _) => {}
        }
    }

    fn put(&mut self, it: &Declared, value: &Value) {
        match (&it.kind, value) {
            (Kind::Group(fields), Value::Object(value)) if fits(fields, value) => {
                self.0.insert(it.path.clone(), GIVEN.to_owned());
                for field in fields {
                    match value.get(&field.name) {
                        Some(value) => self.put(field, value),
                        None => self.put_default(field),
                    }
                }
            }
            _ if it.secret => {}
            (Kind::Yaml | Kind::Group(_), _) => drop(self.0.insert(it.path.clone(), whole(value))),
            _ => drop(self.0.insert(it.path.clone(), text(value))),
        }
    }

    /// The text of a parameter or property.
    pub(crate) fn get(&self, path: &str) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }

    /// Whether the fields of a group stand for its object: not where it has been written as a whole.
    pub(crate) fn by_fields(&self, path: &str) -> bool {
        matches!(self.get(path), "" | GIVEN)
    }

    /// The values that were meant. An empty control means that nothing is given, unless the parameter is a text that
    /// has to be given, or whose default was deleted by hand.
    pub(crate) fn values(&self, declared: &[Declared]) -> Values {
        let mut values = Values::default();
        for it in declared {
            if let Some(value) = self.value(it, &mut values.unreadable) {
                values.map.insert(it.name.clone(), value);
            }
        }
        // A form that was made for an older version of the template may send more: let the check name it.
        for (path, given) in &self.0 {
            if !knows(declared, path) {
                values.map.insert(path.clone(), Value::String(given.clone()));
            }
        }
        values
    }

    fn value(&self, it: &Declared, unreadable: &mut Vec<Wrong>) -> Option<Value> {
        let given = self.0.get(&it.path).map(String::as_str);
        match (&it.kind, given) {
            // A box that is not ticked is not sent.
            (Kind::Check, given) => Some(Value::Bool(given == Some("true"))),
            (Kind::Group(fields), _) if self.by_fields(&it.path) => self.object(it, fields, unreadable),
            (_, None) => None,
            (Kind::Ticks(_), Some(given)) => {
                let ticked = given.lines().filter(|line| !line.is_empty());
                Some(ticked.map(|line| Value::String(line.to_owned())).collect())
            }
            (kind, Some("")) => {
                let text = matches!(kind, Kind::Line("text" | "password") | Kind::Area)
                    && !is(&it.of, "array")
                    && !is(&it.of, "object");
                let meant = text && (it.required || it.of.get("default").is_some());
                meant.then(|| Value::String(String::new()))
            }
            (Kind::Line("datetime-local"), Some(given)) => Some(Value::String(with_zone(given))),
            (Kind::Yaml | Kind::Group(_), Some(given)) => match yaml::read_value(given) {
                Ok(Value::Null) => None,
                Ok(value) => Some(value),
                Err(message) => {
                    unreadable.push(Wrong { path: it.path.clone(), message: format!("this is no YAML: {message}") });
                    Some(Value::String(given.to_owned()))
                }
            },
            (_, Some(given)) => Some(Value::String(given.to_owned())),
        }
    }

    /// The object that a group's fields stand for. One that need not be given is not, as long as its fields are as
    /// they are in a fresh form; nor if all of them were emptied.
    fn object(&self, it: &Declared, fields: &[Declared], unreadable: &mut Vec<Wrong>) -> Option<Value> {
        let inside = format!("{}.", it.path);
        if !self.0.keys().any(|path| *path == it.path || path.starts_with(&inside)) {
            return None;
        }
        let mark = self.get(&it.path);
        let optional = !it.required && it.of.get("default").is_none();
        let fresh = Self::defaults(fields);
        let touched = fields.iter().any(|field| self.differs(&fresh, field));
        let emptied = fields.iter().all(|field| !self.differs(&Self::default(), field));
        if optional && (emptied || !touched && mark != GIVEN) {
            return None;
        }
        let given = fields.iter().filter_map(|field| Some((field.name.clone(), self.value(field, unreadable)?)));
        Some(Value::Object(given.collect()))
    }

    /// Whether a field holds anything else than in another form.
    fn differs(&self, other: &Self, it: &Declared) -> bool {
        match &it.kind {
            Kind::Group(fields) if self.by_fields(&it.path) => fields.iter().any(|field| self.differs(other, field)),
            Kind::Check => (self.get(&it.path) == "true") != (other.get(&it.path) == "true"),
            Kind::Line("datetime-local") => with_zone(self.get(&it.path)) != with_zone(other.get(&it.path)),
            _ => self.get(&it.path) != other.get(&it.path),
        }
    }
}

/// Whether a path is one of a form's controls.
fn knows(declared: &[Declared], path: &str) -> bool {
    declared.iter().any(|it| match &it.kind {
        Kind::Group(fields) => it.path == path || knows(fields, path),
        _ => it.path == path,
    })
}

/// A value as a control shows it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => lines(items),
        Value::Object(_) => whole(value),
        other => other.to_string(),
    }
}

/// A value as YAML.
fn whole(value: &Value) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Null => String::new(),
        value => yaml::write(value),
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
