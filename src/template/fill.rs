//! A parsed document with holes, and the values that go into them.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::compile::Site;
use super::expand::{Expanded, GUARD, HoleRef, TOKEN, Token};
use super::expansion::Spot;
use super::expr::{Data, text_of};
use super::limits::Limit;
use super::problem::{Code, Problem};
use super::yaml::{self, YamlError};

/// A document as the template gives it, before any value is in it.
#[derive(Debug)]
pub(crate) enum Node {
    /// Has no hole anywhere.
    Whole(Value),
    /// One hole, plain: takes the typed value.
    Hole(usize),
    /// A text with holes: takes each value's string form.
    Text(Vec<Part>),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

#[derive(Debug)]
pub(crate) enum Part {
    Literal(String),
    Hole(usize),
}

/// The document that one outcome of all blocks gives.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) node: Node,
    pub(crate) holes: Vec<HoleRef>,
}

/// Why a text gives no shape: the YAML itself, or a hole where no value can go.
pub(crate) enum ShapeError {
    Yaml(YamlError),
    Documents(usize),
    Hole(usize, &'static str),
}

impl Shape {
    pub(crate) fn parse(expanded: &Expanded) -> Result<Self, ShapeError> {
        let mut documents = match yaml::read_all(&expanded.text) {
            Ok(documents) => documents,
            // A token in an alias makes YAML of its own kind of nonsense: say what it is.
            Err(error) => {
                return Err(match misplaced(expanded, |_| true) {
                    Some((hole, what)) => ShapeError::Hole(hole, what),
                    None => ShapeError::Yaml(error),
                });
            }
        };
        if documents.len() != 1 {
            return Err(ShapeError::Documents(documents.len()));
        }
        let mut seen = vec![false; expanded.holes.len()];
        let node = mark(documents.remove(0), &expanded.token, &mut seen)?;
        if let Some((hole, what)) = misplaced(expanded, |hole| !seen[hole]) {
            return Err(ShapeError::Hole(hole, what));
        }
        Ok(Self { node, holes: expanded.holes.clone() })
    }

    /// Puts the values in.
    pub(crate) fn fill(&self, sites: &[Site], data: &Data<'_>) -> Result<Value, Problem> {
        let filler = Filler { shape: self, sites, data, size: Cell::new(0) };
        Ok(filler.node(&self.node, Spot::Job)?.unwrap_or_default())
    }
}

/// A hole that is part of a tag, an anchor or an alias.
fn misplaced(expanded: &Expanded, suspect: impl Fn(usize) -> bool) -> Option<(usize, &'static str)> {
    (0..expanded.holes.len()).filter(|hole| suspect(*hole)).find_map(|hole| {
        let (before, word) = expanded.word_with(hole)?;
        if before.trim_start().starts_with('#') || before.contains(" #") {
            return None; // In a comment.
        }
        match word.bytes().next()? {
            b'&' => Some((hole, "an anchor")),
            b'*' => Some((hole, "an alias")),
            b'!' => Some((hole, "a tag")),
            _ => None,
        }
    })
}

fn mark(value: Value, token: &Token, seen: &mut [bool]) -> Result<Node, ShapeError> {
    Ok(match value {
        Value::Number(ref number) => {
            let digits = number.is_u64().then(|| number.to_string());
            match digits.as_deref().and_then(|digits| token.find(digits)) {
                Some((0, hole)) if hole < seen.len() => {
                    seen[hole] = true;
                    Node::Hole(hole)
                }
                _ => Node::Whole(value),
            }
        }
        Value::String(ref text) => match parts(text, token, seen) {
            Some(parts) => Node::Text(parts),
            None => Node::Whole(value),
        },
        Value::Array(items) => {
            let nodes = items.into_iter().map(|item| mark(item, token, seen)).collect::<Result<Vec<_>, _>>()?;
            if nodes.iter().all(|node| matches!(node, Node::Whole(_))) {
                Node::Whole(nodes.into_iter().filter_map(whole).collect())
            } else {
                Node::List(nodes)
            }
        }
        Value::Object(map) => {
            let mut nodes = Vec::with_capacity(map.len());
            for (key, value) in map {
                if let Some((_, hole)) = token.find(&key) {
                    return Err(ShapeError::Hole(hole, "a mapping key"));
                }
                nodes.push((key, mark(value, token, seen)?));
            }
            if nodes.iter().all(|(_, node)| matches!(node, Node::Whole(_))) {
                let whole = nodes.into_iter().filter_map(|(k, node)| Some((k, whole(node)?)));
                Node::Whole(Value::Object(whole.collect()))
            } else {
                Node::Map(nodes)
            }
        }
        other => Node::Whole(other),
    })
}

fn whole(node: Node) -> Option<Value> {
    match node {
        Node::Whole(value) => Some(value),
        _ => None,
    }
}

/// Cuts a text at its tokens; none if it has none.
fn parts(text: &str, token: &Token, seen: &mut [bool]) -> Option<Vec<Part>> {
    token.find(text)?;
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((start, hole)) = token.find(rest) {
        let guarded = start > 0
            && rest.as_bytes().get(start - 1) == Some(&GUARD)
            && rest.as_bytes().get(start + TOKEN) == Some(&GUARD);
        literal.push_str(&rest[..start - usize::from(guarded)]);
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        if let Some(seen) = seen.get_mut(hole) {
            *seen = true;
        }
        parts.push(Part::Hole(hole));
        rest = &rest[start + TOKEN + usize::from(guarded)..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Some(parts)
}

struct Filler<'a> {
    shape: &'a Shape,
    sites: &'a [Site],
    data: &'a Data<'a>,
    /// Bytes of values put in so far.
    size: Cell<usize>,
}

impl Filler<'_> {
    /// The node with its values; none where a plain hole has no value, which leaves it out.
    fn node(&self, node: &Node, spot: Spot) -> Result<Option<Value>, Problem> {
        Ok(match node {
            Node::Whole(value) => Some(value.clone()),
            Node::Hole(hole) => match self.value(*hole)? {
                Some(value) => {
                    self.count(weight(&value), *hole)?;
                    Some(spot.value(value.into_owned()))
                }
                None => None,
            },
            Node::Text(parts) => Some(Value::String(self.text(parts, spot)?)),
            Node::List(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for node in nodes {
                    items.extend(self.node(node, spot.item())?);
                }
                Some(Value::Array(items))
            }
            Node::Map(nodes) => {
                let mut map = Map::new();
                for (key, node) in nodes {
                    if let Some(value) = self.node(node, spot.field(key))? {
                        map.insert(key.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
        })
    }

    fn text(&self, parts: &[Part], spot: Spot) -> Result<String, Problem> {
        let mut out = String::new();
        for (index, part) in parts.iter().enumerate() {
            match part {
                // Every literal but the last one has a hole after it.
                Part::Literal(text) if index + 1 < parts.len() => out.push_str(&spot.before_value(text)),
                Part::Literal(text) => out.push_str(text),
                Part::Hole(hole) => {
                    let Some(value) = self.value(*hole)? else {
                        let site = self.site(*hole);
                        return Err(Problem::new(
                            Code::Hole,
                            format!(
                                "`{}` has no value to put into this text: give it one, give the \
                                 parameter a default, or use `default`",
                                site.text
                            ),
                        )
                        .at(&site.place));
                    };
                    let text = text_of(&value);
                    self.count(text.len(), *hole)?;
                    out.push_str(&spot.text(&text));
                }
            }
        }
        Ok(out)
    }

    fn site(&self, hole: usize) -> &Site {
        &self.sites[self.shape.holes[hole].site]
    }

    fn value(&self, hole: usize) -> Result<super::expr::Given<'_>, Problem> {
        let site = self.site(hole);
        self.data
            .eval(&site.expr, &self.shape.holes[hole].loops)
            .map_err(|message| Problem::new(Code::Hole, format!("`{}`: {message}", site.text)).at(&site.place))
    }

    fn count(&self, bytes: usize, hole: usize) -> Result<(), Problem> {
        self.size.set(self.size.get() + bytes);
        if self.size.get() > Limit::RenderedSize.max() {
            let problem = Problem::limit(Limit::RenderedSize, "the manifest is too large");
            return Err(problem.at(&self.site(hole).place));
        }
        Ok(())
    }
}

/// About how many bytes a value takes when it is written.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + items.len() + 2,
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + 4 + weight(v)).sum::<usize>() + 2,
    }
}
