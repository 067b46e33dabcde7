//! YAML in and out. The only place that knows `serde_yaml`.
//!
//! Reading is stricter than `serde_yaml::Value`: mapping keys may not repeat, every number must be
//! exact, tags are refused, and depth and size (after aliases are expanded) are bounded.
//! Writing is our own, so that every string that any YAML reader could take for something else is
//! quoted, and the same value always gives the same bytes.

use std::cell::Cell;
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::limits::Limit;

/// YAML that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    /// Line in the text that was read, from 1.
    pub(crate) line: Option<usize>,
    /// Column, from 1.
    pub(crate) column: Option<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// The limit that was hit, if it was one.
    pub(crate) limit: Option<Limit>,
}

/// Reads every document in `text` that is not empty.
pub(crate) fn read_all(text: &str) -> Result<Vec<Value>, YamlError> {
    check_nesting(text)?;
    let budget = Budget::default();
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let seed = Node { budget: &budget, depth: 0 };
        match seed.deserialize(document) {
            Ok(Value::Null) => {}
            Ok(value) => documents.push(value),
            Err(error) => return Err(YamlError::from_serde(&error, &budget)),
        }
    }
    Ok(documents)
}

/// Reads one document; an empty text is `null`.
pub(crate) fn read(text: &str) -> Result<Value, YamlError> {
    let mut documents = read_all(text)?;
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.remove(0)),
        n => Err(YamlError {
            line: None,
            column: None,
            message: format!("expected one YAML document, found {n}"),
            limit: None,
        }),
    }
}

impl YamlError {
    fn from_serde(error: &serde_yaml::Error, budget: &Budget) -> Self {
        let location = error.location();
        let mut message = error.to_string();
        // The place is kept apart, so that it can be mapped to a template's line; places within the
        // message would be those of the rendered text.
        while let Some(start) = message.find(" at line ") {
            let place = &message[start + " at line ".len()..];
            let rest = place.trim_start_matches(|c: char| c.is_ascii_digit());
            let rest = rest
                .strip_prefix(" column ")
                .map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            let end = message.len() - rest.len();
            message.replace_range(start..end, "");
        }
        let limit = budget.hit.get().or_else(|| (message.contains("recursion limit")).then_some(Limit::NestingDepth));
        if let Some(limit) = limit.filter(|_| budget.hit.get().is_none()) {
            message = format!("nested too deep ({limit})");
        }
        if message.contains("repetition limit") {
            return Self {
                line: location.as_ref().map(serde_yaml::Location::line),
                column: location.as_ref().map(serde_yaml::Location::column),
                message: format!("aliases expand to too much ({})", Limit::YamlNodes),
                limit: Some(Limit::YamlNodes),
            };
        }
        Self {
            line: location.as_ref().map(serde_yaml::Location::line),
            column: location.as_ref().map(serde_yaml::Location::column),
            message,
            limit,
        }
    }
}

/// libyaml takes quadratic time on unclosed brackets, so their number is bounded beforehand.
/// Brackets in strings count too, which no honest text of a template comes near.
fn check_nesting(text: &str) -> Result<(), YamlError> {
    let mut depth = 0usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 1000 {
            return Err(YamlError {
                line: Some(text[..index].lines().count()),
                column: None,
                message: format!("more than 1000 open brackets ({})", Limit::NestingDepth),
                limit: Some(Limit::NestingDepth),
            });
        }
    }
    Ok(())
}

#[derive(Default)]
struct Budget {
    nodes: Cell<usize>,
    hit: Cell<Option<Limit>>,
}

impl Budget {
    fn exceeded<E: serde::de::Error>(&self, limit: Limit, what: &str) -> E {
        self.hit.set(Some(limit));
        E::custom(format_args!("{what} ({limit})"))
    }
}

#[derive(Clone, Copy)]
struct Node<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Node<'_> {
    fn child<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= Limit::NestingDepth.max() {
            return Err(self.budget.exceeded(Limit::NestingDepth, "nested too deep"));
        }
        Ok(Self { budget: self.budget, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let nodes = self.budget.nodes.get() + 1;
        self.budget.nodes.set(nodes);
        if nodes > Limit::YamlNodes.max() {
            return Err(self
                .budget
                .exceeded(Limit::YamlNodes, "there are too many values, aliases counted as often as they are used"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        let what = format!("the number {value} is out of range");
        Err(self.budget.exceeded(Limit::NumberRange, &what))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        let what = format!("the number {value} is out of range");
        Err(self.budget.exceeded(Limit::NumberRange, &what))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            // Beyond 2^53 a float stands for many decimal texts: which one was meant is lost.
            Some(number) if value.abs() < 9_007_199_254_740_992.0 => Ok(Value::Number(number)),
            _ => {
                let what = format!("the number {value:e} is not exact");
                Err(self.budget.exceeded(Limit::NumberRange, &what))
            }
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let child = self.child()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(child)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let child = self.child()?;
        let mut map = Map::new();
        let mut merge = None;
        while let Some(Key(key)) = access.next_key()? {
            let value = access.next_value_seed(child)?;
            if key == "<<" {
                merge = Some(value);
            } else if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key `{key}`")));
            } else {
                map.insert(key, value);
            }
        }
        if let Some(merge) = merge {
            merge_into(&mut map, merge).map_err(A::Error::custom)?;
        }
        Ok(Value::Object(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let (tag, _) = access.variant::<String>()?;
        Err(A::Error::custom(format_args!("the YAML tag `!{tag}` means nothing here: give the value without it")))
    }
}

/// YAML's merge key: `<<: *defaults` or `<<: [*a, *b]`. Keys that are there already win.
fn merge_into(map: &mut Map<String, Value>, merge: Value) -> Result<(), &'static str> {
    match merge {
        Value::Object(from) => {
            for (key, value) in from {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(items) => items.into_iter().try_for_each(|item| match item {
            Value::Object(_) => merge_into(map, item),
            _ => Err("a merge key `<<` takes a mapping or a list of mappings"),
        }),
        _ => Err("a merge key `<<` takes a mapping or a list of mappings"),
    }
}

/// A mapping key as `kubectl` reads it: numbers and booleans become their text.
struct Key(String);

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text as mapping key")
            }
            fn visit_str<E>(self, value: &str) -> Result<Key, E> {
                Ok(Key(value.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
        }
        deserializer.deserialize_any(KeyVisitor)
    }
}

/// Reads a YAML (or JSON) file of values, such as one with parameters, into an object.
///
/// # Errors
/// A message with line and column when the text is not one YAML mapping.
pub fn read_object(text: &str) -> Result<Map<String, Value>, String> {
    match read_value(text)? {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err("expected a mapping of names to values".to_owned()),
    }
}

/// Reads one value from YAML (or JSON); an empty text is `null`.
///
/// # Errors
/// A message with line and column when the text is not one YAML document.
pub fn read_value(text: &str) -> Result<Value, String> {
    read(text).map_err(|error| match (error.line, error.column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {}", error.message),
        (Some(line), None) => format!("line {line}: {}", error.message),
        _ => error.message,
    })
}

/// Writes a value as a YAML document: block style, keys sorted, strings quoted wherever any YAML
/// reader could take them for something else. The same value always gives the same bytes.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::with_capacity(2048);
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => write_list(&mut out, items, 0),
        // A block's lines would stand at the left edge, where `---` ends the document.
        Value::String(text) => {
            write_string(&mut out, text, None);
            out.push('\n');
        }
        _ => {
            write_leaf(&mut out, value, 0);
            out.push('\n');
        }
    }
    out
}

fn write_map(out: &mut String, map: &Map<String, Value>, indent: usize) {
    for (i, (key, value)) in map.iter().enumerate() {
        if i > 0 {
            pad(out, indent);
        }
        write_string(out, key, None);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                pad(out, indent + 2);
                write_map(out, inner, indent + 2);
            }
            // List items stand at the level of their key, as kubectl prints them.
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                pad(out, indent);
                write_list(out, items, indent);
            }
            _ => {
                out.push(' ');
                write_leaf(out, value, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn write_list(out: &mut String, items: &[Value], indent: usize) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            pad(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => write_map(out, map, indent + 2),
            Value::Array(inner) if !inner.is_empty() => write_list(out, inner, indent + 2),
            _ => {
                write_leaf(out, item, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn write_leaf(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => write_string(out, text, Some(indent)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Writes a string plain, as a literal block (where `block` gives the indent), or quoted.
fn write_string(out: &mut String, text: &str, block: Option<usize>) {
    if is_plain(text) {
        out.push_str(text);
    } else if let Some(indent) = block.filter(|_| fits_literal_block(text)) {
        out.push_str(match text.strip_suffix('\n') {
            Some(_) => "|",
            None => "|-",
        });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            out.push('\n');
            if !line.is_empty() {
                pad(out, indent);
                out.push_str(line);
            }
        }
    } else {
        write_quoted(out, text);
    }
}

/// Several lines of ordinary text, with nothing at the edges that chomping or indentation
/// detection would touch.
fn fits_literal_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && body.chars().all(|c| matches!(c, '\n' | '\t' | ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}'))
        && body.lines().all(|line| !line.ends_with([' ', '\t']))
}

/// Conservative on purpose: only what YAML 1.1 and 1.2 both read as this very string.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else {
        return false;
    };
    let starts_well = first.is_ascii_alphabetic() || matches!(first, b'/' | b'_')
        // Versions and paths aside, a leading dot, digit or dash may be a number.
        || (matches!(first, b'-') && bytes.get(1).is_some_and(|b| *b == b'-')
            && bytes.get(2).is_some_and(u8::is_ascii_alphabetic));
    starts_well
        && bytes.last() != Some(&b':')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'.' | b':' | b'='))
        && !text.contains(": ")
        && !is_reserved_word(text)
}

fn is_reserved_word(text: &str) -> bool {
    text.len() <= 5
        && matches!(
            text.to_ascii_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        )
}

/// Double quotes with JSON's escapes, which YAML shares; everything that a YAML reader might
/// refuse, fold or strip is escaped.
fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~'
            | '\u{a1}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}'
            | '\u{10000}'..='\u{1fffd}' => out.push(c),
            c if (c as u32) <= 0xffff => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08X}", c as u32);
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
