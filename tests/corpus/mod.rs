//! The corpus: manifests as changes to one that is good, with the API server's own answers to them. Used by the unit
//! tests of the offline check, and by the test that puts it all to a real API server.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of it")]

use serde::Deserialize;
use serde_json::Value;

/// A manifest as a change to `base.json`, and the API server's answer to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Values by JSON pointer, set after `remove`; a last step of `-` appends to a list.
    #[serde(default)]
    pub set: serde_json::Map<String, Value>,
    #[serde(default)]
    pub remove: Vec<String>,
    /// What the server said of single fields (422).
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// What the server said when it could not even decode the manifest (400).
    pub decode: Option<String>,
    /// The known difference in words between the server and the offline check that shows here: a row of the table in
    /// `docs/validation.md`.
    pub differs: Option<String>,
}

/// One of the server's reasons. Where it shows a value in a form of its own, or one that it made up,
/// `message` and `detail` are what stands before and after.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    pub field: String,
    pub message: String,
    pub detail: Option<String>,
}

impl Cause {
    /// Whether this is what was said of a field.
    pub fn is(&self, field: &str, message: &str) -> bool {
        let same = match &self.detail {
            Some(detail) => message.starts_with(&self.message) && message.ends_with(detail.as_str()),
            None if self.message == "Invalid value" => message.starts_with("Invalid value"),
            None => *message == self.message,
        };
        field == self.field && same
    }
}

impl Case {
    pub fn manifest(&self) -> Value {
        let mut manifest = base();
        for pointer in &self.remove {
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            manifest.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(last).unwrap();
        }
        for (pointer, value) in &self.set {
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            match manifest.pointer_mut(parent).unwrap() {
                Value::Array(list) if last == "-" => list.push(value.clone()),
                Value::Array(list) => list[last.parse::<usize>().unwrap()] = value.clone(),
                Value::Object(map) => drop(map.insert(last.to_owned(), value.clone())),
                other => panic!("{}: {pointer} leads to {other}", self.name),
            }
        }
        manifest
    }

    /// The fields that a refusal to decode names, in its message alone; none if it names none.
    ///
    /// Unknown fields are named in full, a wrong type without the indexes of lists and the keys of free mappings.
    pub fn undecoded(&self) -> Vec<String> {
        let message = self.decode.as_deref().unwrap_or_default();
        if let Some((_, list)) = message.split_once("strict decoding error: ") {
            let field = |item: &str| item.split('"').nth(1).unwrap().to_owned();
            return list.split(", ").map(field).collect();
        }
        let typed = message.split_once("Go struct field ").map(|(_, rest)| rest.split(' ').next().unwrap());
        // The first part is the name of a Go type.
        typed.and_then(|path| path.split_once('.')).map(|(_, path)| path.to_owned()).into_iter().collect()
    }
}

/// A field's path without the indexes of lists.
pub fn without_indexes(path: &str) -> String {
    let mut out = String::new();
    for part in path.split_inclusive(']') {
        match part.split_once('[') {
            Some((before, index)) if index.trim_end_matches(']').parse::<usize>().is_ok() => out.push_str(before),
            _ => out.push_str(part),
        }
    }
    out
}

/// The manifest that all others are changes to.
pub fn base() -> Value {
    serde_json::from_str(include_str!("base.json")).unwrap()
}

/// What the API server refuses, with its reasons.
pub fn refused() -> Vec<Case> {
    serde_json::from_str(include_str!("refused.json")).unwrap()
}

/// What it takes.
pub fn accepted() -> Vec<Case> {
    serde_json::from_str(include_str!("accepted.json")).unwrap()
}

/// What it cannot decode: unknown fields and wrong types.
pub fn undecoded() -> Vec<Case> {
    serde_json::from_str(include_str!("undecoded.json")).unwrap()
}
