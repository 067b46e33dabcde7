//! What a name in an expression stands for, decided when the template is loaded.
//!
//! Every path is resolved against the declared parameters and settings, so that a misspelt name is
//! an error before anything is rendered, and nothing depends on the place where it is written.

use serde_json::Value;

use super::expr::{Expr, Path, Root, Step};
use super::problem::{Code, Problem};
use super::schema::{Kind, Schema};
use super::suggest::nearest;

/// A path with what the schema says about it.
#[derive(Debug, Clone)]
pub(crate) struct Typed<'s> {
    pub(crate) path: Path,
    of: Option<&'s Schema>,
    /// None where the schema is silent.
    node: Option<&'s Value>,
    pub(crate) secret: bool,
}

/// What a bound name gives: the value of an argument, or the place of a list's item.
#[derive(Debug, Clone)]
pub(crate) enum Binding<'s> {
    Path(Typed<'s>),
    /// A computed value, with the paths that it reads.
    Value(Expr, Vec<Typed<'s>>),
}

#[derive(Debug, Default, Clone)]
struct Frame<'s> {
    /// What `this` means here; none at the top.
    this: Option<Typed<'s>>,
    names: Vec<(String, Binding<'s>)>,
    /// The loop that this frame belongs to, and the list it runs through.
    each: Option<(usize, Path)>,
    /// Whether `../` leaves this frame; a partial's arguments do not count.
    counts: bool,
}

/// The names that can be seen at one place.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'s> {
    params: &'s Schema,
    settings: &'s Schema,
    frames: Vec<Frame<'s>>,
    loops: usize,
}

impl<'s> Typed<'s> {
    pub(crate) fn kind(&self) -> Kind {
        match (self.of, self.node) {
            (Some(of), Some(node)) => of.kind(node),
            _ => Kind::Other,
        }
    }

    /// Whether it is, or is within, an item of a list that is run through.
    pub(crate) fn in_loop(&self) -> bool {
        self.path.steps.iter().any(|step| matches!(step, Step::Loop(_)))
    }

    fn step(mut self, step: Step) -> Result<Self, Option<String>> {
        if let (Some(of), Some(node)) = (self.of, self.node) {
            let node = of.resolve(node);
            self.node = match &step {
                Step::Field(name) => match of.property(node, name) {
                    Some(property) => Some(property),
                    None => match node.get("properties").and_then(Value::as_object) {
                        // An object that names its properties has no others, as far as
                        // expressions go.
                        Some(known) => {
                            return Err(nearest(name, known.keys().map(String::as_str)).map(str::to_owned));
                        }
                        None if matches!(of.kind(node), Kind::Object) || super::schema::types(node).is_empty() => {
                            node.get("additionalProperties").filter(|v| v.is_object())
                        }
                        None => return Err(None),
                    },
                },
                Step::Item(_) | Step::Loop(_) => of.item(node),
            };
            self.secret |= self.node.is_some_and(|node| of.has_secret(node));
        }
        self.path.steps.push(step);
        Ok(self)
    }

    /// The item that a loop is at.
    pub(crate) fn item(self, depth: usize) -> Self {
        let fallback = self.clone();
        self.step(Step::Loop(depth)).unwrap_or(fallback)
    }
}

impl<'s> Scope<'s> {
    pub(crate) fn new(params: &'s Schema, settings: &'s Schema) -> Self {
        Self { params, settings, frames: vec![Frame::default()], loops: 0 }
    }

    /// How many `#each` enclose this place.
    pub(crate) fn loops(&self) -> usize {
        self.loops
    }

    /// Inside an `#each` over `list`, with its `as |item index|` names.
    pub(crate) fn each(&self, list: Typed<'s>, names: &[String]) -> Self {
        let mut inner = self.clone();
        let depth = self.loops;
        let source = list.path.clone();
        let item = list.item(depth);
        let mut bound = Vec::new();
        if let Some(name) = names.first() {
            bound.push((name.clone(), Binding::Path(item.clone())));
        }
        if let Some(name) = names.get(1) {
            bound.push((name.clone(), Binding::Value(Expr::Index(depth), Vec::new())));
        }
        inner.loops += 1;
        inner.frames.push(Frame { this: Some(item), names: bound, each: Some((depth, source)), counts: true });
        inner
    }

    /// Inside a `#with`.
    pub(crate) fn with(&self, this: Typed<'s>, names: &[String]) -> Self {
        let mut inner = self.clone();
        let names = names.first().map(|name| (name.clone(), Binding::Path(this.clone())));
        inner.frames.push(Frame { this: Some(this), names: names.into_iter().collect(), each: None, counts: true });
        inner
    }

    /// Inside a partial that was given named arguments.
    pub(crate) fn partial(&self, names: Vec<(String, Binding<'s>)>) -> Self {
        let mut inner = self.clone();
        let this = inner.frames.last().and_then(|frame| frame.this.clone());
        inner.frames.push(Frame { this, names, each: None, counts: false });
        inner
    }

    /// What `raw`, a path as it is written, stands for.
    pub(crate) fn lookup(&self, raw: &str) -> Result<Binding<'s>, Problem> {
        let Written { up, local, root, segments } = Written::parse(raw);
        let unknown = || Problem::new(Code::UnknownName, format!("unknown name `{raw}`"));
        let visible = self
            .visible(up)
            .ok_or_else(|| Problem::new(Code::UnknownName, format!("`{raw}` leads out of the template")))?;
        if local {
            return self.local(raw, visible, &segments);
        }
        let Some((first, rest)) = segments.split_first() else {
            let this = self.frames[..visible].last().and_then(|f| f.this.clone());
            return this.map(Binding::Path).ok_or_else(|| {
                Problem::new(
                    Code::UnknownName,
                    format!("`{raw}` means nothing here: name a parameter, as in `params.NAME`"),
                )
            });
        };
        if !root {
            for frame in self.frames[..visible].iter().rev() {
                if let Some((_, binding)) = frame.names.iter().find(|(name, _)| name == first) {
                    return self.descend(raw, binding.clone(), rest);
                }
            }
        }
        if let Some(typed) = self.rooted(raw, first, rest)? {
            return Ok(Binding::Path(typed));
        }
        let this = self.frames[..visible].last().and_then(|f| f.this.clone());
        match this.filter(|_| !root) {
            Some(this) => self.descend(raw, Binding::Path(this), &segments),
            None => Err(unknown().suggest(self.near(first).as_deref())),
        }
    }

    /// How many frames are left once `up` of those that count are left.
    fn visible(&self, up: usize) -> Option<usize> {
        let mut visible = self.frames.len();
        for _ in 0..up {
            while visible > 1 && !self.frames[visible - 1].counts {
                visible -= 1;
            }
            visible = visible.checked_sub(1).filter(|left| *left > 0)?;
        }
        Some(visible)
    }

    fn local(&self, raw: &str, visible: usize, segments: &[String]) -> Result<Binding<'s>, Problem> {
        let each = self.frames[..visible].iter().rev().find_map(|frame| frame.each.clone());
        let (Some((depth, list)), [name]) = (each, segments) else {
            return Err(Problem::new(Code::UnknownName, format!("`{raw}` is known only inside `#each`")));
        };
        let expr = match name.as_str() {
            "index" => Expr::Index(depth),
            "first" => Expr::First(depth),
            "last" => Expr::Last(depth, list),
            other => {
                return Err(Problem::new(
                    Code::UnknownName,
                    format!("unknown name `{raw}`: there are @index, @first, @last"),
                )
                .suggest(nearest(other, ["index", "first", "last"])));
            }
        };
        Ok(Binding::Value(expr, Vec::new()))
    }

    fn rooted(&self, raw: &str, first: &str, rest: &[String]) -> Result<Option<Typed<'s>>, Problem> {
        let fixed = |root, known: &str| match rest {
            [name] if name == known => {
                Ok(Some(Typed { path: Path { root, steps: Vec::new() }, of: None, node: None, secret: false }))
            }
            _ => Err(Problem::new(Code::UnknownName, format!("unknown name `{raw}`"))
                .suggest(Some(&format!("{first}.{known}")))),
        };
        match first {
            "params" => self.declared(raw, Root::Params, self.params, rest).map(Some),
            "settings" => self.declared(raw, Root::Settings, self.settings, rest).map(Some),
            "job" if rest.first().is_some_and(|name| name == "name") => fixed(Root::JobName, "name"),
            "job" => fixed(Root::JobId, "id"),
            "callback" => fixed(Root::CallbackUrl, "url"),
            _ => Ok(None),
        }
    }

    fn declared(&self, raw: &str, root: Root, of: &'s Schema, rest: &[String]) -> Result<Typed<'s>, Problem> {
        let (prefix, word) = match root {
            Root::Params => ("params", "parameter"),
            _ => ("settings", "setting"),
        };
        let Some((name, rest)) = rest.split_first() else {
            return Err(Problem::new(
                Code::UnknownName,
                format!("`{raw}` as a whole has no value: name a {word}, as in `{prefix}.NAME`"),
            ));
        };
        let Some(parameter) = of.get(name) else {
            let near = nearest(name, of.names()).map(|name| format!("{prefix}.{name}"));
            return Err(Problem::new(
                Code::UnknownName,
                format!("`{raw}`: the front matter declares no {word} `{name}`"),
            )
            .suggest(near.as_deref()));
        };
        let typed = Typed {
            path: Path { root, steps: vec![Step::Field(name.clone())] },
            of: Some(of),
            node: Some(&parameter.schema),
            secret: of.has_secret(&parameter.schema),
        };
        follow(raw, typed, rest)
    }

    fn descend(&self, raw: &str, binding: Binding<'s>, rest: &[String]) -> Result<Binding<'s>, Problem> {
        match binding {
            Binding::Path(typed) => follow(raw, typed, rest).map(Binding::Path),
            value if rest.is_empty() => Ok(value),
            Binding::Value(..) => {
                Err(Problem::new(Code::UnknownName, format!("`{raw}`: a computed value has no properties")))
            }
        }
    }

    /// `day` → `params.day`, `param.day` → `params.day`.
    fn near(&self, first: &str) -> Option<String> {
        if self.params.get(first).is_some() {
            return Some(format!("params.{first}"));
        }
        if self.settings.get(first).is_some() {
            return Some(format!("settings.{first}"));
        }
        nearest(first, ["params", "settings", "job", "callback", "this"])
            .map(str::to_owned)
            .or_else(|| nearest(first, self.params.names()).map(|name| format!("params.{name}")))
    }
}

fn follow<'s>(raw: &str, mut typed: Typed<'s>, rest: &[String]) -> Result<Typed<'s>, Problem> {
    for segment in rest {
        let step = match segment.parse::<usize>() {
            Ok(index) if typed.kind() == Kind::Array => Step::Item(index),
            _ => Step::Field(segment.clone()),
        };
        typed = typed.step(step).map_err(|near| {
            Problem::new(Code::UnknownName, format!("`{raw}`: the schema declares no property `{segment}` there"))
                .suggest(near.as_deref())
        })?;
    }
    Ok(typed)
}

/// A path as Handlebars writes it, taken apart.
struct Written {
    up: usize,
    local: bool,
    root: bool,
    segments: Vec<String>,
}

impl Written {
    fn parse(raw: &str) -> Self {
        let mut rest = raw;
        let mut written = Self { up: 0, local: false, root: false, segments: Vec::new() };
        if let Some(after) = rest.strip_prefix("@root") {
            written.root = true;
            rest = after;
        } else if let Some(after) = rest.strip_prefix('@') {
            written.local = true;
            rest = after;
        }
        loop {
            rest = rest.strip_prefix('/').unwrap_or(rest);
            if let Some(after) = rest.strip_prefix("..") {
                written.up += 1;
                rest = after;
            } else {
                break;
            }
        }
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let end = inner.find(']').unwrap_or(inner.len());
                written.segments.push(inner[..end].to_owned());
                rest = inner.get(end + 1..).unwrap_or_default();
            } else {
                let end = rest.find(['.', '/']).unwrap_or(rest.len());
                if !matches!(&rest[..end], "" | "this") {
                    written.segments.push(rest[..end].to_owned());
                }
                rest = &rest[end..];
            }
            rest = rest.strip_prefix(['.', '/']).unwrap_or(rest);
        }
        written
    }
}
