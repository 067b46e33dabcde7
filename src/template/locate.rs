//! From a field's path to its line in a YAML text. Used only when there is something to report.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

/// Line and column (both from 1) of the deepest part of `path` that the text has. `path` is as
/// Kubernetes writes it: `spec.containers[0].image`, `metadata.labels[app/x]`.
pub(crate) fn locate(text: &str, path: &str) -> Option<(usize, usize)> {
    let wanted = tokens(path);
    let mut best: Option<(usize, (usize, usize))> = None;
    walk(text, |stack, here| note(stack, &wanted, here, &mut best));
    best.map(|(_, place)| place)
}

/// The place of every mapping key in the order of the text, by its path as a JSON Pointer: `/parameters/properties/day`.
/// Maps that were read are sorted by name; people write them in the order that they mean.
pub(crate) fn key_order(text: &str) -> HashMap<String, usize> {
    let mut order = HashMap::new();
    walk(text, |stack, _| {
        if stack.last().is_some_and(|frame| !frame.list) {
            let escaped = |frame: &Frame| format!("/{}", frame.token.replace('~', "~0").replace('/', "~1"));
            let next = order.len();
            order.entry(stack.iter().map(escaped).collect()).or_insert(next);
        }
    });
    order
}

/// Goes through a text as far as it can be read, and stops at every mapping key and item of a list, with its line and
/// column (both from 1). The tokens of `stack` are its path.
fn walk(text: &str, mut stop: impl FnMut(&[Frame], (usize, usize))) {
    let mut stack: Vec<Frame> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let here = (span.start.line(), span.start.col() + 1);
        let is_node =
            matches!(event, Event::Scalar(..) | Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..));
        let is_key = matches!(stack.last(), Some(Frame { key_next: true, list: false, .. }));
        if is_node && is_key {
            if let (Some(frame), Event::Scalar(key, ..)) = (stack.last_mut(), &event) {
                frame.token = key.to_string();
            }
            stop(&stack, here);
        } else if is_node && let Some(frame) = stack.last_mut().filter(|frame| frame.list) {
            frame.token = frame.index.to_string();
            frame.index += 1;
            stop(&stack, here);
        }
        match event {
            Event::SequenceStart(..) => stack.push(Frame::new(true)),
            Event::MappingStart(..) => stack.push(Frame::new(false)),
            Event::SequenceEnd | Event::MappingEnd => {
                stack.pop();
                toggle(&mut stack);
            }
            Event::Scalar(..) | Event::Alias(_) => toggle(&mut stack),
            _ => {}
        }
    }
}

struct Frame {
    list: bool,
    key_next: bool,
    index: usize,
    token: String,
}

impl Frame {
    fn new(list: bool) -> Self {
        Self { list, key_next: true, index: 0, token: String::new() }
    }
}

/// After a whole node, a mapping goes from key to value or back.
fn toggle(stack: &mut [Frame]) {
    if let Some(frame) = stack.last_mut() {
        frame.key_next = !frame.key_next;
    }
}

fn note(stack: &[Frame], wanted: &[String], here: (usize, usize), best: &mut Option<(usize, (usize, usize))>) {
    let depth = stack.len();
    let is_prefix = depth <= wanted.len() && stack.iter().zip(wanted).all(|(frame, token)| &frame.token == token);
    if is_prefix && best.is_none_or(|(found, _)| depth > found) {
        *best = Some((depth, here));
    }
}

/// `spec.containers[0].image` → `spec`, `containers`, `0`, `image`.
fn tokens(path: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').unwrap_or(inner.len());
            tokens.push(inner[..end].to_owned());
            rest = inner.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    tokens
}

/// Appends a mapping key to a path the way Kubernetes writes it.
pub(crate) fn push_key(path: &mut String, key: &str) {
    use std::fmt::Write as _;
    if key.contains(['.', '/', '[', ']', ' ']) || key.is_empty() {
        let _ = write!(path, "[{key}]");
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}

#[cfg(test)]
mod tests {
    use super::{key_order, locate};

    const TEXT: &str = "\
spec:
  containers:
    - name: a
      image: b
    - name: c
      args: [x, y]
  labels: {a.b/c: d}
";

    #[test]
    fn a_path_leads_to_its_key() {
        assert_eq!(locate(TEXT, "spec.containers[0].image"), Some((4, 7)));
        assert_eq!(locate(TEXT, "spec.containers[1].args[1]"), Some((6, 17)));
        assert_eq!(locate(TEXT, "spec.labels[a.b/c]"), Some((7, 12)));
    }

    #[test]
    fn keys_keep_the_order_in_which_they_are_written() {
        let order = key_order("b:\n  z: {y: 1, x/w: [c, d]}\n  a: 1\na: 2\n");
        let mut keys: Vec<_> = order.into_iter().collect();
        keys.sort_by_key(|(_, place)| *place);
        let keys: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["/b", "/b/z", "/b/z/y", "/b/z/x~1w", "/b/a", "/a"]);
    }

    #[test]
    fn a_missing_field_leads_to_the_deepest_parent() {
        assert_eq!(locate(TEXT, "spec.containers[1].image"), Some((5, 7)));
        assert_eq!(locate(TEXT, "spec.nothing"), Some((1, 1)));
        assert_eq!(locate(TEXT, "metadata.name"), None);
    }
}
