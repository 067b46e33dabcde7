//! A form from a JSON Schema, and the values that come back from it.
//!
//! The form sends every value as text; what a text means follows from the schema, by the same rules as for a value on
//! the command line. This module only decides which control a parameter gets, and whether an empty one was meant.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::list::Choice;

/// Before each parameter's name in the form, so that no parameter can be taken for one of the form's own fields.
const PREFIX: &str = "p.";

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
        let of_parameter = properties(schema)
            .filter_map(|(name, of)| Some((name.clone(), text(of.get("default")?, of))));
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

    fn get(&self, name: &str) -> &str {
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

/// One thing that is wrong: where (`to[1]`), and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// A form's fields, and what is wrong with none of them in particular.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<Field>,
    pub(crate) others: Vec<String>,
}

impl Fields {
    /// How many things are wrong.
    pub(crate) fn wrongs(&self) -> usize {
        let of_fields: usize = self.fields.iter().map(|field| field.wrongs.len()).sum();
        of_fields + self.others.len()
    }
}

/// One parameter in the form.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// The name of the form's control.
    pub(crate) control: String,
    /// Its ID in the page.
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) required: bool,
    pub(crate) help: Option<String>,
    /// What is allowed, in words.
    pub(crate) rule: Option<String>,
    pub(crate) input: Input,
    pub(crate) wrongs: Vec<String>,
}

impl Field {
    /// The elements that describe the control, for `aria-describedby`.
    pub(crate) fn described_by(&self) -> String {
        let parts = [
            (!self.wrongs.is_empty(), "wrong"),
            (self.help.is_some(), "help"),
            (self.rule.is_some(), "rule"),
        ];
        let ids = parts.iter().filter(|(there, _)| *there);
        ids.map(|(_, part)| format!("{}-{part}", self.id))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// The control of a parameter, with its present content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// One line of text, or a number or date.
    Line {
        kind: &'static str,
        value: String,
        min: Option<String>,
        max: Option<String>,
        step: Option<String>,
        min_length: Option<u64>,
        max_length: Option<u64>,
    },
    /// Several lines.
    Area {
        value: String,
        code: bool,
        rows: usize,
    },
    /// Yes or no.
    Check { checked: bool },
    /// One of a list.
    Select { choices: Vec<Choice> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Line(&'static str),
    Area,
    Lines,
    Yaml,
    Check,
    Select,
}

/// The form of a schema, with what is in it and what is wrong with that.
pub(crate) fn fields(schema: &Value, texts: &Texts, wrongs: &[Wrong]) -> Fields {
    let required = required(schema);
    let mut fields: Vec<_> = properties(schema)
        .map(|(name, of)| field(name, of, required.contains(&name.as_str()), texts, wrongs))
        .collect();
    // What has to be given comes first; else the order is the schema's.
    fields.sort_by_key(|field| !field.required);
    let known = |wrong: &&Wrong| properties(schema).any(|(name, _)| name == root(&wrong.path));
    let others = wrongs.iter().filter(|wrong| !known(wrong)).map(|wrong| {
        if wrong.path.is_empty() {
            wrong.message.clone()
        } else {
            format!("{}: {}", wrong.path, wrong.message)
        }
    });
    Fields {
        others: others.collect(),
        fields,
    }
}

fn field(name: &str, of: &Value, required: bool, texts: &Texts, wrongs: &[Wrong]) -> Field {
    let word = |key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let own = wrongs.iter().filter(|wrong| root(&wrong.path) == name);
    Field {
        control: format!("{PREFIX}{name}"),
        id: format!("p-{name}"),
        label: word("title").unwrap_or_else(|| name.to_owned()),
        required,
        help: word("description"),
        rule: rule(of, required),
        input: input(of, texts.get(name), required),
        wrongs: own
            .map(|wrong| match wrong.path.strip_prefix(name) {
                Some("") | None => wrong.message.clone(),
                Some(_) => format!("{}: {}", wrong.path, wrong.message),
            })
            .collect(),
    }
}

fn input(of: &Value, given: &str, required: bool) -> Input {
    let number = |key: &str| {
        of.get(key)
            .filter(|value| value.is_number())
            .map(Value::to_string)
    };
    let kind = kind(of);
    match kind {
        Kind::Check => Input::Check {
            checked: given == "true",
        },
        Kind::Select => Input::Select {
            choices: choices(of, given, required),
        },
        Kind::Area | Kind::Lines | Kind::Yaml => Input::Area {
            value: given.to_owned(),
            code: kind == Kind::Yaml,
            rows: given.lines().count().clamp(3, 16),
        },
        Kind::Line(line) => Input::Line {
            kind: line,
            value: match line {
                "datetime-local" => without_zone(given),
                "password" => String::new(),
                _ => given.to_owned(),
            },
            min: number("minimum").filter(|_| line == "number"),
            max: number("maximum").filter(|_| line == "number"),
            step: (line == "number").then(|| {
                let any = || if is(of, "integer") { "1" } else { "any" }.to_owned();
                number("multipleOf").unwrap_or_else(any)
            }),
            min_length: of.get("minLength").and_then(Value::as_u64),
            max_length: of.get("maxLength").and_then(Value::as_u64),
        },
    }
}

/// Which control a parameter gets.
fn kind(of: &Value) -> Kind {
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
        if of.get("default").is_some() {
            Kind::Check
        } else {
            Kind::Select
        }
    } else if is(of, "array") {
        Kind::Lines
    } else if is(of, "object") {
        Kind::Yaml
    } else {
        Kind::Line("text")
    }
}

fn choices(of: &Value, given: &str, required: bool) -> Vec<Choice> {
    let options: Vec<String> = match of.get("enum").and_then(Value::as_array) {
        Some(options) => options.iter().map(|option| text(option, of)).collect(),
        None => vec!["true".to_owned(), "false".to_owned()],
    };
    let known = options.iter().any(|option| option == given);
    let blank = if required { "Choose…" } else { "(not given)" };
    let mut choices = vec![Choice::new("", blank, given.is_empty())];
    choices.extend(
        options
            .iter()
            .map(|option| Choice::new(option, option, option == given)),
    );
    if !known && !given.is_empty() {
        choices.push(Choice::new(given, &format!("{given} (not allowed)"), true));
    }
    choices
}

/// What is allowed, in words.
fn rule(of: &Value, required: bool) -> Option<String> {
    let mut words = Vec::new();
    match kind(of) {
        Kind::Lines => words.push("One a line.".to_owned()),
        Kind::Yaml => words.push("YAML or JSON.".to_owned()),
        Kind::Line("datetime-local") => words.push("In UTC.".to_owned()),
        _ => {}
    }
    let shown = |key: &str| of.get(key).map(|value| text(value, of));
    match (shown("minimum"), shown("maximum")) {
        (Some(min), Some(max)) => words.push(format!("From {min} to {max}.")),
        (Some(min), None) => words.push(format!("{min} or more.")),
        (None, Some(max)) => words.push(format!("{max} or less.")),
        (None, None) => {}
    }
    if let Some(most) = shown("maxItems") {
        words.push(format!("At most {most}."));
    }
    if let Some(pattern) = shown("pattern") {
        words.push(format!("Matches {pattern}"));
    }
    let falls_back = !required
        && !is_secret(of)
        && !matches!(kind(of), Kind::Check | Kind::Line("text") | Kind::Area);
    if let Some(default) = shown("default").filter(|text| falls_back && !text.is_empty()) {
        words.push(format!("When left empty: {}.", default.replace('\n', ", ")));
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// The parameters of a schema, with references to its own definitions resolved.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, of)| {
        let target = of
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| schema.pointer(reference.strip_prefix('#')?));
        (name, target.unwrap_or(of))
    })
}

fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn is(of: &Value, name: &str) -> bool {
    match of.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(names)) => names.iter().any(|it| it == name),
        _ => false,
    }
}

fn is_secret(of: &Value) -> bool {
    of.get("writeOnly")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// The parameter that a path leads into.
fn root(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

/// A value as its control shows it.
fn text(value: &Value, of: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null if is(of, "null") || value.is_null() => String::new(),
        Value::Array(items) => lines(items),
        Value::Object(_) => serde_json::to_string_pretty(value).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// A list, one item a line; as JSON where a line could not stand for an item.
fn lines(items: &[Value]) -> String {
    let plain = |item: &Value| match item {
        Value::String(text) => {
            !text.trim().is_empty()
                && !text.contains(['\n', '\r'])
                && !text.trim_start().starts_with('[')
        }
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    };
    if items.iter().all(plain) {
        let each = items.iter().map(|item| {
            item.as_str()
                .map_or_else(|| item.to_string(), str::to_owned)
        });
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

fn without_zone(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
