//! A field of a manifest together with its path, and the findings about fields.

use std::fmt::{Display, Write as _};

use serde_json::Value;

use super::Finding;

/// One step of a path.
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    /// `.name`
    Name(&'a str),
    /// `[3]`
    Index(usize),
    /// `[key]`, for maps with free keys such as resources
    Key(&'a str),
}

/// A field: its value, if it is there, and the way to it.
///
/// The way is a chain of references to the parents, so that walking a manifest allocates nothing;
/// only a finding writes its path out. JSON `null` counts as absent, as it does to the API server.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    parent: Option<&'a Node<'a>>,
    step: Step<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Node { value: Some(value), parent: None, step: Step::Root }
    }

    /// The field `name` of this object.
    pub(super) fn get(&'a self, name: &'a str) -> Node<'a> {
        let value = self.value.and_then(|v| v.get(name)).filter(|v| !v.is_null());
        Node { value, parent: Some(self), step: Step::Name(name) }
    }

    /// A field that exists only as a path: the API server reports some faults at paths that are not
    /// those of the manifest.
    pub(super) fn named(&'a self, name: &'a str) -> Node<'a> {
        Node { value: None, parent: Some(self), step: Step::Name(name) }
    }

    /// The entry `key` of this map, with the path `map[key]`.
    pub(super) fn key(&'a self, key: &'a str) -> Node<'a> {
        let value = self.value.and_then(|v| v.get(key)).filter(|v| !v.is_null());
        Node { value, parent: Some(self), step: Step::Key(key) }
    }

    /// The items of this list; none when it is absent or no list.
    pub(super) fn items(&'a self) -> impl Iterator<Item = Node<'a>> {
        self.list().iter().enumerate().map(|(i, v)| Node {
            value: Some(v).filter(|v| !v.is_null()),
            parent: Some(self),
            step: Step::Index(i),
        })
    }

    /// The entries of this map; none when it is absent or no map.
    pub(super) fn entries(&'a self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.value.and_then(Value::as_object).into_iter().flatten().map(|(k, v)| {
            let value = Some(v).filter(|v| !v.is_null());
            (k.as_str(), Node { value, parent: Some(self), step: Step::Key(k) })
        })
    }

    /// Whether this map has an entry `key`, be it `null`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value.is_some_and(|v| v.get(key).is_some())
    }

    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    pub(super) fn list(&self) -> &'a [Value] {
        self.value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// The string, if there is one.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    /// The string; empty when there is none, as in Go.
    pub(super) fn str(&self) -> &'a str {
        self.text().unwrap_or("")
    }

    pub(super) fn int(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    pub(super) fn bool(&self) -> Option<bool> {
        self.value.and_then(Value::as_bool)
    }

    /// Whether it is there and `true`.
    pub(super) fn is_true(&self) -> bool {
        self.bool() == Some(true)
    }

    /// The path in the API server's form.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        self.write_path(&mut path);
        path
    }

    fn write_path(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write_path(out);
        }
        match self.step {
            Step::Root => {}
            Step::Name(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Index(i) => {
                let _ = write!(out, "[{i}]");
            }
            Step::Key(key) => {
                let _ = write!(out, "[{key}]");
            }
        }
    }
}

/// What was found, in the forms of k8s.io/apimachinery `field.Error`.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Moves the findings made since there were `count` to the path of `at`.
    pub(super) fn move_since(&mut self, count: usize, at: &Node<'_>) {
        for finding in self.0.iter_mut().skip(count) {
            finding.path = at.path();
        }
    }

    /// Moves the findings made since there were `count` from below `from` to below `to`.
    pub(super) fn reroot_since(&mut self, count: usize, from: &Node<'_>, to: &Node<'_>) {
        let from = from.path();
        for finding in self.0.iter_mut().skip(count) {
            if let Some(rest) = finding.path.strip_prefix(&from) {
                finding.path = format!("{}{rest}", to.path());
            }
        }
    }

    fn push(&mut self, at: &Node<'_>, kind: &str, value: Option<&str>, detail: &str) {
        let mut message = kind.to_owned();
        for part in value.into_iter().chain(Some(detail).filter(|d| !d.is_empty())) {
            message.push_str(": ");
            message.push_str(part);
        }
        self.0.push(Finding { path: at.path(), message });
    }

    pub(super) fn required(&mut self, at: &Node<'_>, detail: &str) {
        self.push(at, "Required value", None, detail);
    }

    pub(super) fn forbidden(&mut self, at: &Node<'_>, detail: &str) {
        self.push(at, "Forbidden", None, detail);
    }

    /// An invalid value that is not shown.
    pub(super) fn invalid_unseen(&mut self, at: &Node<'_>, detail: &str) {
        self.push(at, "Invalid value", None, detail);
    }

    /// An invalid string, quoted.
    pub(super) fn invalid(&mut self, at: &Node<'_>, value: &str, detail: &str) {
        self.push(at, "Invalid value", Some(&quote(value)), detail);
    }

    /// An invalid number or boolean, or anything else shown as it is.
    pub(super) fn invalid_shown(&mut self, at: &Node<'_>, value: impl Display, detail: &str) {
        self.push(at, "Invalid value", Some(&value.to_string()), detail);
    }

    /// An invalid object or list, shown as the manifest has it.
    pub(super) fn invalid_json(&mut self, at: &Node<'_>, value: Option<&Value>, detail: &str) {
        let shown = value.map_or_else(|| "null".to_owned(), Value::to_string);
        self.push(at, "Invalid value", Some(&shown), detail);
    }

    pub(super) fn duplicate(&mut self, at: &Node<'_>, value: &str) {
        self.push(at, "Duplicate value", Some(&quote(value)), "");
    }

    pub(super) fn duplicate_shown(&mut self, at: &Node<'_>, value: impl Display) {
        self.push(at, "Duplicate value", Some(&value.to_string()), "");
    }

    pub(super) fn not_found(&mut self, at: &Node<'_>, value: &str, detail: &str) {
        self.push(at, "Not found", Some(&quote(value)), detail);
    }

    pub(super) fn unsupported(&mut self, at: &Node<'_>, value: &str, supported: &[&str]) {
        let list: Vec<String> = supported.iter().map(|s| quote(s)).collect();
        let detail = format!("supported values: {}", list.join(", "));
        self.push(at, "Unsupported value", Some(&quote(value)), &detail);
    }

    pub(super) fn too_many(&mut self, at: &Node<'_>, count: usize, most: usize) {
        self.push(at, "Too many", Some(&count.to_string()), &format!("must have at most {most} items"));
    }

    pub(super) fn too_long(&mut self, at: &Node<'_>, most: usize) {
        self.push(at, "Too long", None, &format!("may not be more than {most} bytes"));
    }

    /// One finding for every message of a grammar check.
    pub(super) fn all_invalid(&mut self, at: &Node<'_>, value: &str, messages: Vec<String>) {
        for message in messages {
            self.invalid(at, value, &message);
        }
    }

    /// The field must not be negative; absent is fine.
    pub(super) fn non_negative(&mut self, at: &Node<'_>) {
        if let Some(n) = at.int().filter(|n| *n < 0) {
            self.invalid_shown(at, n, "must be greater than or equal to 0");
        }
    }

    /// A string, when it is there and not empty, must be one of `supported`.
    pub(super) fn one_of(&mut self, at: &Node<'_>, supported: &[&str]) {
        if let Some(value) = at.text().filter(|v| !v.is_empty() && !supported.contains(v)) {
            self.unsupported(at, value, supported);
        }
    }

    /// A string that must not be empty. True when it is not.
    pub(super) fn non_empty(&mut self, at: &Node<'_>) -> bool {
        let given = !at.str().is_empty();
        if !given {
            self.required(at, "");
        }
        given
    }
}

/// A string in quotes as Go's `%q` writes it.
pub(in crate::template) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
