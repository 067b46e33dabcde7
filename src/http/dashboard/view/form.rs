//! A form from a JSON Schema: a field for each parameter, with what is in it and what is wrong with that.

use serde_json::Value;

use super::control::{Kind, is, is_secret, kind, properties, required};
use super::list::Choice;
use super::texts::{PREFIX, Texts, text, without_zone};

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
        let parts = [(!self.wrongs.is_empty(), "wrong"), (self.help.is_some(), "help"), (self.rule.is_some(), "rule")];
        let ids = parts.iter().filter(|(there, _)| *there);
        ids.map(|(_, part)| format!("{}-{part}", self.id)).collect::<Vec<_>>().join(" ")
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
    Area { value: String, code: bool, rows: usize },
    /// Yes or no.
    Check { checked: bool },
    /// One of a list.
    Select { choices: Vec<Choice> },
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
        if wrong.path.is_empty() { wrong.message.clone() } else { format!("{}: {}", wrong.path, wrong.message) }
    });
    Fields { others: others.collect(), fields }
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
    let number = |key: &str| of.get(key).filter(|value| value.is_number()).map(Value::to_string);
    let kind = kind(of);
    match kind {
        Kind::Check => Input::Check { checked: given == "true" },
        Kind::Select => Input::Select { choices: choices(of, given, required) },
        Kind::Area | Kind::Lines | Kind::Yaml => {
            Input::Area { value: given.to_owned(), code: kind == Kind::Yaml, rows: given.lines().count().clamp(3, 16) }
        }
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

fn choices(of: &Value, given: &str, required: bool) -> Vec<Choice> {
    let options: Vec<String> = match of.get("enum").and_then(Value::as_array) {
        Some(options) => options.iter().map(|option| text(option, of)).collect(),
        None => vec!["true".to_owned(), "false".to_owned()],
    };
    let known = options.iter().any(|option| option == given);
    let blank = if required { "Choose…" } else { "(not given)" };
    let mut choices = vec![Choice::new("", blank, given.is_empty())];
    choices.extend(options.iter().map(|option| Choice::new(option, option, option == given)));
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
    let falls_back = !required && !is_secret(of) && !matches!(kind(of), Kind::Check | Kind::Line("text") | Kind::Area);
    let brief = |text: &String| !text.is_empty() && text.lines().count() == 1;
    if let Some(default) = shown("default").filter(|text| falls_back && brief(text)) {
        words.push(format!("When left empty: {}.", default.trim_end()));
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// The parameter that a path leads into.
fn root(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
