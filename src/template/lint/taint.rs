//! Marks in the place of values, to see where a parameter ends up in the manifest.
//!
//! The template is filled once more with marks instead of the caller's free texts. A mark holds a
//! single quote, so that what the `shell` helper has quoted can be told from what the template merely
//! put in quotes: quoting for a shell breaks the mark.

use serde_json::{Map, Value};

use crate::template::{Context, Parameter, Template};

const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// The values that marks stand for.
pub(super) struct Marks<'t> {
    sources: Vec<Source<'t>>,
}

/// Where a text comes from.
struct Source<'t> {
    name: &'t str,
    secret: bool,
}

/// A mark that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// `params.name` or `job.name`.
    pub(super) name: String,
    pub(super) secret: bool,
    /// Whether it went through the `shell` helper.
    pub(super) quoted: bool,
}

fn mark(index: usize) -> String {
    format!("{OPEN}{index}'{CLOSE}")
}

impl<'t> Marks<'t> {
    /// Values and context with a mark for every text that a caller is free to choose. Numbers,
    /// booleans and choices stay: they can hold nothing but themselves.
    pub(super) fn set(
        template: &'t Template,
        values: &Map<String, Value>,
        context: &Context,
    ) -> (Self, Map<String, Value>, Context) {
        let mut sources = Vec::new();
        let mut marked = values.clone();
        for parameter in template.parameters() {
            let index = sources.len();
            sources.push(Source { name: &parameter.name, secret: parameter.secret });
            if is_choice(&parameter.schema) {
                continue;
            }
            match marked.get_mut(&parameter.name) {
                Some(value) => put(value, &mark(index), parameter),
                None if may_be_text(&parameter.schema) => {
                    marked.insert(parameter.name.clone(), mark(index).into());
                }
                None => {}
            }
        }
        let mut context = context.clone();
        context.job_name = mark(sources.len());
        (Marks { sources }, marked, context)
    }

    /// The marks in a text, in order.
    pub(super) fn find(&self, text: &str) -> Vec<Found> {
        text.split(OPEN)
            .skip(1)
            .filter_map(|rest| {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let index: usize = rest[..digits].parse().ok()?;
                let whole = rest[digits..].starts_with(&['\'', CLOSE][..].iter().collect::<String>());
                let found = |name: String, secret| Found { name, secret, quoted: !whole };
                Some(match self.sources.get(index) {
                    Some(source) => found(format!("params.{}", source.name), source.secret),
                    None => found("job.name".to_owned(), false),
                })
            })
            .collect()
    }
}

fn is_choice(schema: &Value) -> bool {
    schema.get("enum").is_some() || schema.get("const").is_some()
}

fn may_be_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    }
}

/// Marks every text in a value; of a secret every number too.
fn put(value: &mut Value, mark: &str, parameter: &Parameter) {
    match value {
        Value::String(_) => *value = mark.into(),
        Value::Number(_) if parameter.secret => *value = mark.into(),
        Value::Array(items) if !parameter.schema.get("items").is_some_and(is_choice) => {
            items.iter_mut().for_each(|item| put(item, mark, parameter));
        }
        Value::Object(map) => map.values_mut().for_each(|item| put(item, mark, parameter)),
        _ => {}
    }
}
