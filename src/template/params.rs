//! The values given to a template: coerced, completed and checked, all faults at once.
//!
//! A value may come as JSON, or as a string from a command line or a form. A string is coerced by
//! the types that the schema names, and only where the schema does not accept a string as it is:
//!
//! | type | accepted strings |
//! |---|---|
//! | `integer` | decimal digits with an optional sign |
//! | `number` | a decimal number, with optional fraction and exponent |
//! | `boolean` | `true`, `false` |
//! | `null` | nothing, or `null` |
//! | `array` | a JSON list; or else one item a line, each coerced in turn |
//! | `object` | a JSON object |
//!
//! The items of a list and the properties of an object are coerced in the same way, so that a
//! repeated `-p to=a -p to=b` gives a list of two.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Map, Number, Value};

use super::limits::Limit;
use super::problem::{Fault, MISSING};
use super::schema::{Schema, types};
use super::suggest::nearest;

/// Parameters that passed the template's schema, with defaults applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub(crate) values: Map<String, Value>,
    pub(crate) masked: Option<Map<String, Value>>,
}

impl Checked {
    /// The effective values: given ones, then defaults. Secrets are in clear: for rendering only.
    #[must_use]
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The effective values with every secret replaced by [`MASK`](super::MASK): for records,
    /// listings and logs.
    #[must_use]
    pub fn masked(&self) -> &Map<String, Value> {
        self.masked.as_ref().unwrap_or(&self.values)
    }

    /// Whether any value is, or holds, a secret.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.masked.is_some()
    }
}

/// Coerces, completes and checks `given` against `schema`. `what` is the word for one of the
/// names in messages: `parameter` or `setting`.
pub(crate) fn check(schema: &Schema, given: &Map<String, Value>, what: &str) -> Result<Checked, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut values = Map::new();
    for (name, value) in given {
        let Some(parameter) = schema.get(name) else {
            faults.push(unknown(schema, name, what));
            continue;
        };
        let value = coerce(schema, &parameter.schema, value);
        let secret = schema.has_secret(&parameter.schema);
        if let Some(message) = refuse(&value, 0) {
            faults.push(Fault { path: name.clone(), message, given: None, suggestion: None });
        } else if value.is_null() && !secret && !accepts_null(schema, &parameter.schema) {
            // Given as null is as good as not given.
            continue;
        } else {
            values.insert(name.clone(), value);
        }
    }
    apply_defaults(schema, &mut values);
    for parameter in schema.parameters.iter().filter(|p| p.required) {
        if !values.contains_key(&parameter.name) && !faults.iter().any(|fault| fault.path == parameter.name) {
            faults.push(Fault {
                path: parameter.name.clone(),
                message: missing(schema, &parameter.schema, what),
                given: None,
                suggestion: None,
            });
        }
    }
    validate(schema, &mut values, &mut faults);
    if !faults.is_empty() {
        faults.sort_by(|a, b| a.path.cmp(&b.path));
        return Err(faults);
    }
    let masked = schema.parameters.iter().any(|p| schema.has_secret(&p.schema)).then(|| mask(schema, &values));
    Ok(Checked { values, masked })
}

fn mask(schema: &Schema, values: &Map<String, Value>) -> Map<String, Value> {
    values
        .iter()
        .map(|(name, value)| {
            let masked = match schema.get(name) {
                Some(parameter) => schema.mask(&parameter.schema, value),
                None => value.clone(),
            };
            (name.clone(), masked)
        })
        .collect()
}

fn unknown(schema: &Schema, name: &str, what: &str) -> Fault {
    let known: Vec<_> = schema.names().collect();
    let message = if known.is_empty() {
        format!("unknown {what}: there are none")
    } else {
        format!("unknown {what}: there are {}", known.join(", "))
    };
    Fault {
        path: name.chars().take(100).collect(),
        message,
        given: None,
        suggestion: nearest(name, known.iter().copied()).map(str::to_owned),
    }
}

fn missing(schema: &Schema, of: &Value, what: &str) -> String {
    let of = schema.resolve(of);
    let kind = match (types(of).as_slice(), of.get("format").and_then(Value::as_str)) {
        ([], None) => String::new(),
        ([], Some(format)) => format!(" ({format})"),
        (names, None) => format!(" ({})", names.join(" or ")),
        (names, Some(format)) => format!(" ({}, {format})", names.join(" or ")),
    };
    format!("{MISSING}this {what}{kind} is required")
}

fn accepts_null(schema: &Schema, of: &Value) -> bool {
    let of = schema.resolve(of);
    let types = types(of);
    types.is_empty() || types.contains(&"null")
}

/// What no manifest can carry, or no limit lets through. Applied to values before the schema.
fn refuse(value: &Value, depth: usize) -> Option<String> {
    if depth > Limit::NestingDepth.max() / 2 {
        return Some(format!("nested too deep ({})", Limit::NestingDepth));
    }
    match value {
        Value::String(text) => refuse_text(text),
        Value::Number(number) => (!is_exact(number)).then(|| {
            format!(
                "this number cannot be carried exactly ({}); declare a string to pass it as text",
                Limit::NumberRange
            )
        }),
        Value::Array(items) if items.len() > Limit::ListItems.max() => {
            Some(format!("a list of {} items is too long ({})", items.len(), Limit::ListItems))
        }
        Value::Array(items) => items.iter().find_map(|item| refuse(item, depth + 1)),
        Value::Object(map) if map.len() > Limit::ListItems.max() => {
            Some(format!("an object of {} properties is too large ({})", map.len(), Limit::ListItems))
        }
        Value::Object(map) => map.iter().find_map(|(key, value)| refuse_text(key).or_else(|| refuse(value, depth + 1))),
        Value::Null | Value::Bool(_) => None,
    }
}

fn refuse_text(text: &str) -> Option<String> {
    if text.len() > Limit::ParameterSize.max() {
        return Some(format!("a text of {} bytes is too long ({})", text.len(), Limit::ParameterSize));
    }
    text.contains('\0').then(|| {
        "must not contain the character NUL (U+0000), which no argument, environment variable \
         or file name of a container can carry"
            .to_owned()
    })
}

/// Whole numbers of 64 bits, and fractions that print as they were meant. A JSON reader turns
/// anything larger into the nearest float without a word.
fn is_exact(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.abs() < 9_007_199_254_740_992.0)
}

fn coerce(schema: &Schema, of: &Value, value: &Value) -> Value {
    let of = schema.resolve(of);
    match value {
        Value::String(text) => coerce_text(schema, of, text),
        Value::Array(items) => match schema.item(of) {
            Some(item) => items.iter().map(|v| coerce(schema, item, v)).collect(),
            None => value.clone(),
        },
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let value = match schema.property(of, key) {
                        Some(property) => coerce(schema, property, value),
                        None => value.clone(),
                    };
                    (key.clone(), value)
                })
                .collect(),
        ),
        Value::Number(number) => whole(of, number).unwrap_or_else(|| value.clone()),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

/// JSON Schema takes `5.0` for an integer; Kubernetes does not.
fn whole(of: &Value, number: &Number) -> Option<Value> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (types(of).contains(&"integer") && float.fract() == 0.0 && is_exact(number)).then(|| Value::from(float as i64))
}

fn coerce_text(schema: &Schema, of: &Value, text: &str) -> Value {
    let as_is = || Value::String(text.to_owned());
    let types = types(of);
    if types.contains(&"string") {
        return as_is();
    }
    if types.is_empty() {
        return coerce_to_option(of, text).unwrap_or_else(as_is);
    }
    types
        .iter()
        .find_map(|name| match *name {
            "integer" => integer(text),
            "number" => integer(text).or_else(|| number(text)),
            "boolean" => text.parse().ok().map(Value::Bool),
            "null" => matches!(text, "" | "null").then_some(Value::Null),
            "array" => list(schema, of, text),
            "object" => parse(text).filter(Value::is_object).map(|v| coerce(schema, of, &v)),
            _ => None,
        })
        .unwrap_or_else(as_is)
}

/// An enumeration without a type: the option that is written this way.
fn coerce_to_option(of: &Value, text: &str) -> Option<Value> {
    let options = of.get("enum")?.as_array()?;
    if options.iter().any(|option| option.as_str() == Some(text)) {
        return None;
    }
    let value = parse(text)?;
    options.contains(&value).then_some(value)
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn integer(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()
}

fn number(text: &str) -> Option<Value> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    if let Some(exponent) = exponent {
        integer(exponent)?;
    }
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let significant = format!("{whole}{fraction}");
    if significant.trim_start_matches('0').trim_end_matches('0').len() > 15 {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    // A number that is not zero must not become zero.
    if float == 0.0 && significant.bytes().any(|b| b != b'0') {
        return None;
    }
    Number::from_f64(float).map(Value::Number)
}

fn list(schema: &Schema, of: &Value, text: &str) -> Option<Value> {
    let items = if text.trim_start().starts_with('[') {
        parse(text).filter(Value::is_array)?
    } else {
        text.lines().filter(|line| !line.trim().is_empty()).map(|line| Value::String(line.to_owned())).collect()
    };
    Some(match schema.item(of) {
        Some(_) => coerce(schema, of, &items),
        None => items,
    })
}

fn apply_defaults(schema: &Schema, values: &mut Map<String, Value>) {
    for parameter in &schema.parameters {
        match values.get_mut(&parameter.name) {
            Some(value) => complete(schema, &parameter.schema, value, 0),
            None => {
                if let Some(default) = &parameter.default {
                    let mut default = default.clone();
                    complete(schema, &parameter.schema, &mut default, 0);
                    values.insert(parameter.name.clone(), default);
                }
            }
        }
    }
}

/// Defaults inside an object that was given.
fn complete(schema: &Schema, of: &Value, value: &mut Value, depth: usize) {
    if depth > Limit::NestingDepth.max() {
        return;
    }
    let of = schema.resolve(of);
    match value {
        Value::Object(map) => {
            let Some(properties) = of.get("properties").and_then(Value::as_object) else {
                return;
            };
            for (name, property) in properties {
                match map.get_mut(name) {
                    Some(value) => complete(schema, property, value, depth + 1),
                    None => {
                        if let Some(default) = schema.resolve(property).get("default") {
                            map.insert(name.clone(), default.clone());
                        }
                    }
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = of.get("items") {
                for value in items {
                    complete(schema, item, value, depth + 1);
                }
            }
        }
        _ => {}
    }
}

fn validate(schema: &Schema, values: &mut Map<String, Value>, faults: &mut Vec<Fault>) {
    let instance = Value::Object(std::mem::take(values));
    if !schema.validator.is_valid(&instance) {
        for error in schema.validator.iter_errors(&instance) {
            let path = error.instance_path().to_string();
            if path.is_empty() && matches!(error.kind(), ValidationErrorKind::Required { .. }) {
                continue; // Reported as missing, with the type that is wanted.
            }
            explain(schema, &path, &error, faults);
        }
    }
    if let Value::Object(map) = instance {
        *values = map;
    }
}

fn explain(schema: &Schema, pointer: &str, error: &jsonschema::ValidationError<'_>, faults: &mut Vec<Fault>) {
    let path = dotted(pointer);
    let root = path.split(['.', '[']).next().unwrap_or_default();
    let secret = schema.get(root).is_some_and(|parameter| schema.has_secret(&parameter.schema));
    let given = |show: bool| (show && !secret && !pointer.is_empty()).then(|| brief(error.instance()));
    let join = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => faults.push(Fault {
            path: join(property.as_str().unwrap_or_default()),
            message: format!("{MISSING}this property is required"),
            given: None,
            suggestion: None,
        }),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = properties_at(schema, pointer);
            for name in unexpected {
                faults.push(Fault {
                    path: join(name),
                    message: "unknown property".to_owned(),
                    given: None,
                    suggestion: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
                });
            }
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<String> =
                options.as_array().map(|options| options.iter().map(brief).collect()).unwrap_or_default();
            let text = error.instance().as_str().filter(|_| !secret).unwrap_or_default();
            let plain: Vec<&str> = options.iter().map(|o| o.trim_matches('"')).collect();
            faults.push(Fault {
                path: path.clone(),
                message: format!("must be one of {}", options.join(", ")),
                given: given(true),
                suggestion: nearest(text, plain).map(str::to_owned),
            });
        }
        kind => faults.push(Fault {
            path: if path.is_empty() { "parameters".to_owned() } else { path.clone() },
            message: expectation(kind).unwrap_or_else(|| error.masked().to_string()),
            given: given(true),
            suggestion: None,
        }),
    }
}

/// What was expected, in words; none for rules that are rare enough for the library's own words.
fn expectation(kind: &ValidationErrorKind) -> Option<String> {
    use ValidationErrorKind as K;
    Some(match kind {
        K::Type { kind: TypeKind::Single(name) } => format!("must be {}", article(&name.to_string())),
        K::Type { kind: TypeKind::Multiple(names) } => {
            let names: Vec<_> = names.iter().map(|name| article(&name.to_string())).collect();
            format!("must be {}", names.join(" or "))
        }
        K::Minimum { limit } => format!("must be at least {limit}"),
        K::Maximum { limit } => format!("must be at most {limit}"),
        K::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        K::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        K::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        K::MinLength { limit } => format!("must have at least {}", count(*limit, "character")),
        K::MaxLength { limit } => format!("must have at most {}", count(*limit, "character")),
        K::MinItems { limit } => format!("must have at least {}", count(*limit, "item")),
        K::MaxItems { limit } => format!("must have at most {}", count(*limit, "item")),
        K::MinProperties { limit } => format!("must have at least {limit} properties"),
        K::MaxProperties { limit } => format!("must have at most {limit} properties"),
        K::UniqueItems => "must not hold the same item twice".to_owned(),
        K::Pattern { pattern } => format!("must match the pattern `{pattern}`"),
        K::Format { format } => format!("must be {}", format_in_words(format)),
        K::Constant { expected_value } => format!("must be {expected_value}"),
        K::AnyOf { .. } | K::OneOfNotValid { .. } => "must have one of the allowed forms".to_owned(),
        K::OneOfMultipleValid { .. } => "must have exactly one of the allowed forms".to_owned(),
        K::FalseSchema => "must not be given".to_owned(),
        _ => return None,
    })
}

fn article(name: &str) -> String {
    match name {
        "array" => "a list".to_owned(),
        "integer" => "a whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "object" => "an object".to_owned(),
        "null" => "null".to_owned(),
        "string" => "a text".to_owned(),
        other => format!("a {other}"),
    }
}

fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn format_in_words(format: &str) -> String {
    match format {
        "date" => "a date such as 2026-01-31",
        "time" => "a time such as 09:30:00Z",
        "date-time" => "a date and time such as 2026-01-31T09:30:00Z",
        "duration" => "a duration such as PT1H30M",
        "email" => "an email address",
        "hostname" => "a host name",
        "ipv4" => "an IPv4 address",
        "ipv6" => "an IPv6 address",
        "uri" => "a URI such as https://example.org/",
        "uuid" => "a UUID",
        other => return format!("of the format `{other}`"),
    }
    .to_owned()
}

/// `/to/1/name` → `to[1].name`.
fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit()) && !out.is_empty() {
            out.push_str(&format!("[{token}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&token);
        }
    }
    out
}

fn properties_at(schema: &Schema, pointer: &str) -> Vec<String> {
    let mut at = schema.root();
    for token in pointer.split('/').skip(1) {
        let Some(next) = schema.property(at, token).or_else(|| schema.item(at)) else {
            return Vec::new();
        };
        at = next;
    }
    schema
        .resolve(at)
        .get("properties")
        .and_then(Value::as_object)
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default()
}

/// A value as JSON, shortened for a message.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        text
    } else {
        let start: String = text.chars().take(77).collect();
        format!("{start}…")
    }
}

#[cfg(test)]
mod tests;
