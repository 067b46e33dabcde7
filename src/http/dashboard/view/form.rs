//! A form from a JSON Schema: a field for each parameter, with what is in it and what is wrong with that.

use serde_json::Value;

use super::control::{Declared, Kind, is};
use super::list::Choice;
use super::texts::{PREFIX, Texts, text, without_zone};
use super::words;

/// One thing that is wrong: where (`to[1]`), and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// A form's fields, and what is wrong with none of them in particular.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) parts: Vec<Part>,
    pub(crate) others: Vec<String>,
}

/// A part of a form, in the order in which they are written.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Field(Field),
    /// The fields that follow, up to the end, are those of this one.
    Open(Field),
    Close,
}

impl Fields {
    /// The fields, those of groups and the groups themselves among them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field) | Part::Open(field) => Some(field),
            Part::Close => None,
        })
    }

    /// How many things are wrong.
    pub(crate) fn wrongs(&self) -> usize {
        let of_fields: usize = self.fields().map(|field| field.wrongs.len()).sum();
        of_fields + self.others.len()
    }
}

/// One parameter in the form, or a property of one.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// The name of the form's control.
    pub(crate) control: String,
    /// Its ID in the page.
    pub(crate) id: String,
    pub(crate) label: String,
    /// Where it is: the labels of what it is part of, and its own.
    pub(crate) trail: String,
    pub(crate) required: bool,
    pub(crate) help: Option<String>,
    /// What is allowed, in words.
    pub(crate) rule: Option<String>,
    pub(crate) input: Input,
    pub(crate) wrongs: Vec<String>,
    /// Whether it is the first that is wrong: the page opens there.
    pub(crate) first_wrong: bool,
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
    Area { value: String, code: bool, hidden: bool, rows: usize },
    /// A list, one item a line; the script gives each a row of this `type`, or of these choices.
    Rows { value: String, kind: &'static str, options: Vec<String>, wrong: String, rows: usize },
    /// Yes or no.
    Check { checked: bool },
    /// One of a list.
    Select { choices: Vec<Choice> },
    /// Any of a list.
    Ticks { choices: Vec<Choice> },
    /// Fields of its own; the text says whether they are given even as they are.
    Group { mark: String },
}

/// The form of declared parameters, with what is in it and what is wrong with that.
pub(crate) fn fields(declared: &[Declared], texts: &Texts, wrongs: &[Wrong]) -> Fields {
    let mut parts = Vec::new();
    let first = declared.iter().filter(|it| it.required);
    // What has to be given comes first; else the order is the file's.
    for it in first.chain(declared.iter().filter(|it| !it.required)) {
        add(&mut parts, it, "", texts, wrongs);
    }
    let known = |wrong: &&Wrong| declared.iter().any(|it| is_within(&wrong.path, &it.path));
    let others = wrongs.iter().filter(|wrong| !known(wrong)).map(|wrong| {
        if wrong.path.is_empty() { wrong.message.clone() } else { format!("{}: {}", wrong.path, wrong.message) }
    });
    let others = others.collect();
    let mut of_controls = parts.iter_mut().filter_map(|part| match part {
        Part::Field(field) => Some(field),
        Part::Open(_) | Part::Close => None,
    });
    if let Some(first) = of_controls.find(|field| !field.wrongs.is_empty()) {
        first.first_wrong = true;
    }
    Fields { others, parts }
}

fn add(parts: &mut Vec<Part>, it: &Declared, around: &str, texts: &Texts, wrongs: &[Wrong]) {
    let (fields, kind) = match &it.kind {
        Kind::Group(fields) if texts.by_fields(&it.path) => (&fields[..], &it.kind),
        Kind::Group(_) => (&[][..], &Kind::Yaml),
        kind => (&[][..], kind),
    };
    let of_others = |wrong: &&Wrong| fields.iter().any(|field| is_within(&wrong.path, &field.path));
    let own: Vec<&Wrong> =
        wrongs.iter().filter(|wrong| is_within(&wrong.path, &it.path) && !of_others(wrong)).collect();
    let field = field(it, kind, around, texts, &own);
    if !matches!(kind, Kind::Group(_)) {
        parts.push(Part::Field(field));
        return;
    }
    let trail = field.trail.clone();
    parts.push(Part::Open(field));
    fields.iter().for_each(|field| add(parts, field, &trail, texts, wrongs));
    parts.push(Part::Close);
}

fn field(it: &Declared, kind: &Kind, around: &str, texts: &Texts, wrongs: &[&Wrong]) -> Field {
    let word = |key: &str| it.of.get(key).and_then(Value::as_str).map(str::to_owned);
    let label = word("title").unwrap_or_else(|| it.name.clone());
    Field {
        control: format!("{PREFIX}{}", it.path),
        id: format!("p-{}", it.path),
        trail: if around.is_empty() { label.clone() } else { format!("{around} › {label}") },
        label,
        required: it.required,
        help: word("description"),
        rule: rule(it, kind, texts),
        input: input(it, kind, texts.get(&it.path), wrongs),
        first_wrong: false,
        wrongs: wrongs
            .iter()
            .map(|wrong| match wrong.path == it.path {
                true => wrong.message.clone(),
                false => format!("{}: {}", wrong.path, wrong.message),
            })
            .collect(),
    }
}

fn input(it: &Declared, kind: &Kind, given: &str, wrongs: &[&Wrong]) -> Input {
    let of = &it.of;
    let number = |key: &str| of.get(key).filter(|value| value.is_number()).map(Value::to_string);
    let rows = given.lines().count().clamp(3, 16);
    match kind {
        Kind::Check => Input::Check { checked: given == "true" },
        Kind::Select => Input::Select { choices: choices(of, given, it.required) },
        Kind::Ticks(options) => Input::Ticks { choices: ticks(options, given) },
        Kind::Group(_) => Input::Group { mark: given.to_owned() },
        // A secret never comes back, wherever it is within the value.
        Kind::Area | Kind::Yaml | Kind::Rows(_) if it.secret => {
            Input::Area { value: String::new(), code: true, hidden: true, rows: 3 }
        }
        Kind::Area | Kind::Yaml => {
            Input::Area { value: given.to_owned(), code: *kind == Kind::Yaml, hidden: false, rows }
        }
        Kind::Rows(row) => Input::Rows {
            value: given.to_owned(),
            kind: row,
            options: words::options(of),
            wrong: wrongs.iter().filter_map(|wrong| item(&wrong.path, &it.path)).collect::<Vec<_>>().join(" "),
            rows,
        },
        Kind::Line(line) => Input::Line {
            kind: line,
            value: match *line {
                "datetime-local" => without_zone(given),
                "password" => String::new(),
                _ => given.to_owned(),
            },
            min: number("minimum").filter(|_| *line == "number"),
            max: number("maximum").filter(|_| *line == "number"),
            step: match *line {
                "number" if is(of, "integer") => Some(number("multipleOf").unwrap_or_else(|| "1".to_owned())),
                "number" => Some(number("multipleOf").unwrap_or_else(|| "any".to_owned())),
                // Without it a browser takes whole minutes alone.
                "datetime-local" => Some("any".to_owned()),
                _ => None,
            },
            min_length: of.get("minLength").and_then(Value::as_u64),
            max_length: of.get("maxLength").and_then(Value::as_u64),
        },
    }
}

fn choices(of: &Value, given: &str, required: bool) -> Vec<Choice> {
    let options = match words::options(of) {
        none if none.is_empty() => vec!["true".to_owned(), "false".to_owned()],
        options => options,
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

fn ticks(options: &[Value], given: &str) -> Vec<Choice> {
    let mut ticked: Vec<&str> = given.lines().filter(|line| !line.is_empty()).collect();
    let mut choices = Vec::new();
    for option in options.iter().map(text) {
        let before = ticked.len();
        ticked.retain(|line| *line != option);
        choices.push(Choice::new(&option, &option, ticked.len() < before));
    }
    choices.extend(ticked.iter().map(|other| Choice::new(other, &format!("{other} (not allowed)"), true)));
    choices
}

/// What is allowed, in words.
fn rule(it: &Declared, kind: &Kind, texts: &Texts) -> Option<String> {
    let of = &it.of;
    let given = !texts.get(&it.path).is_empty();
    let optional = !it.required && of.get("default").is_none();
    let mut words = Vec::new();
    match kind {
        // The browser sent it, and the page does not send it back.
        Kind::Line("password") | Kind::Area | Kind::Yaml | Kind::Rows(_) if it.secret && given => {
            words.push("Type it again: a secret is never sent back to the page.".to_owned());
        }
        Kind::Rows(_) => words.push("One a line.".to_owned()),
        Kind::Yaml => words.push("YAML or JSON.".to_owned()),
        Kind::Line("datetime-local") => words.push("In UTC.".to_owned()),
        Kind::Line("text") if words::says_more(of) => words.push(words::sentence(of)),
        Kind::Group(_) if optional && given => words.push("Left out when all of its fields are empty.".to_owned()),
        Kind::Group(_) if optional => words.push("Left out, unless one of its fields is changed.".to_owned()),
        _ => {}
    }
    // A box cannot be ticked twice.
    let told = |rule: &String| rule != words::ONCE || !matches!(kind, Kind::Ticks(_));
    words.extend(words::rules(of).into_iter().filter(told));
    let falls_back = !it.required
        && !it.secret
        && !matches!(kind, Kind::Check | Kind::Ticks(_) | Kind::Group(_) | Kind::Line("text") | Kind::Area);
    let brief = |text: &String| !text.is_empty() && text.lines().count() == 1;
    if let Some(default) = of.get("default").map(text).filter(|text| falls_back && brief(text)) {
        words.push(format!("When left empty: {}.", default.trim_end()));
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// Whether a path leads to a value or into it.
fn is_within(path: &str, value: &str) -> bool {
    path.strip_prefix(value).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The number of the item of a list that a path leads to, from 0.
fn item(path: &str, list: &str) -> Option<String> {
    let (number, _) = path.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
    Some(number.to_owned())
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
