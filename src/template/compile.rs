//! From Handlebars text to a template whose expressions are all holes.
//!
//! `handlebars` parses the text. Then every expression in the tree is replaced by a call of the
//! helper `hole`, every condition by one of `cond`, and every list that is run through by one of
//! `items`, each with the number of its [`Site`]. What an expression means is resolved here, once;
//! at render time `handlebars` walks blocks and writes text, and sees no user's value at all.
//! Partials are put in where they are called.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use handlebars::Template as Ast;
use handlebars::template::{
    BlockParam, DecoratorTemplate, HelperTemplate, Parameter as Arg, Subexpression, TemplateElement as Element,
};

use super::expr::{Expr, Func, Path, Root, Step};
use super::limits::Limit;
use super::problem::{Code, Place, Problem};
use super::schema::{Kind, Schema};
use super::scope::{Binding, Scope, Typed};
use super::source::Source;
use super::suggest::nearest;

/// The names of the helpers that expressions are rewritten to.
pub(crate) const HOLE: &str = "hole";
pub(crate) const COND: &str = "cond";
pub(crate) const ITEMS: &str = "items";

/// One expression of the template.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) expr: Expr,
    /// How many `#each` enclose it.
    pub(crate) loops: usize,
    pub(crate) place: Place,
    /// The expression as it is written, for messages.
    pub(crate) text: String,
}

/// What a block's outcome depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depends {
    /// The value itself.
    Value(Path),
    /// Only how many items the list has.
    Length(Path),
}

/// Where a piece of text came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) place: Place,
    /// Columns that were added to the left of its lines.
    pub(crate) indent: usize,
}

/// A piece of text in the tree. The address is only compared, never followed; the pieces do not
/// move while the tree lives.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) address: usize,
    pub(crate) length: usize,
    pub(crate) origin: Origin,
}

/// A rewritten template.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) ast: Ast,
    pub(crate) sites: Vec<Site>,
    /// Everything that the blocks depend on: same values, same text but for the holes.
    pub(crate) depends: Vec<Depends>,
    /// Every piece of text in `ast`, by address.
    pub(crate) pieces: Vec<Piece>,
    /// Parameters and settings that are used, by name.
    pub(crate) used: BTreeSet<(Root, String)>,
    /// Partials that are used, directly or not.
    pub(crate) partials: BTreeSet<String>,
}

/// Compiles `body`, which begins at `line` of `file`.
pub(crate) fn compile(
    body: &str,
    file: &Arc<str>,
    line: usize,
    params: &Schema,
    settings: &Schema,
    partials: &BTreeMap<String, Arc<str>>,
) -> Result<Compiled, Vec<Problem>> {
    let source = Source::new(body, Arc::clone(file), line, 0);
    let ast = source.parse().map_err(|problem| vec![problem])?;
    let mut compiler = Compiler {
        partials,
        sites: Vec::new(),
        problems: Vec::new(),
        depends: BTreeSet::new(),
        pieces: Vec::new(),
        used: BTreeSet::new(),
        used_partials: BTreeSet::new(),
        chain: Vec::new(),
        inlined: 0,
    };
    let ast = compiler.template(ast, &source, &Scope::new(params, settings));
    if !compiler.problems.is_empty() {
        return Err(compiler.problems);
    }
    compiler.pieces.sort_by_key(|piece| piece.address);
    Ok(Compiled {
        ast,
        sites: compiler.sites,
        depends: compiler.depends.into_iter().collect(),
        pieces: compiler.pieces,
        used: compiler.used,
        partials: compiler.used_partials,
    })
}

struct Compiler<'s> {
    partials: &'s BTreeMap<String, Arc<str>>,
    sites: Vec<Site>,
    problems: Vec<Problem>,
    depends: BTreeSet<Depends>,
    pieces: Vec<Piece>,
    used: BTreeSet<(Root, String)>,
    used_partials: BTreeSet<String>,
    /// The partials that are being put in, outermost first.
    chain: Vec<String>,
    /// Bytes of partials put in so far.
    inlined: usize,
}

/// An expression with the paths that it reads.
struct Lowered<'s> {
    expr: Expr,
    reads: Vec<Typed<'s>>,
}

impl<'s> Compiler<'s> {
    fn template(&mut self, ast: Ast, source: &Source<'_>, scope: &Scope<'s>) -> Ast {
        let mut out = Ast::new();
        let Ast { elements, mapping, .. } = ast;
        for (index, element) in elements.into_iter().enumerate() {
            let at = mapping.get(index).map_or((1, 1), |m| (m.0, m.1));
            match self.element(element, at, source, scope, &mut out.elements) {
                Ok(()) => {}
                Err(problem) => self.problems.push(problem.at(&source.place(at))),
            }
        }
        out
    }

    fn element(
        &mut self,
        element: Element,
        at: (usize, usize),
        source: &Source<'_>,
        scope: &Scope<'s>,
        out: &mut Vec<Element>,
    ) -> Result<(), Problem> {
        match element {
            Element::RawString(text) => {
                if !text.is_empty() {
                    self.pieces.push(Piece {
                        address: text.as_ptr() as usize,
                        length: text.len(),
                        origin: Origin { place: source.text_place(at, &text), indent: source.indent() },
                    });
                    out.push(Element::RawString(text));
                }
                Ok(())
            }
            Element::Comment(_) => Ok(()),
            Element::Expression(helper) | Element::HtmlExpression(helper) => {
                out.push(self.hole(helper, source.place(at), scope)?);
                Ok(())
            }
            Element::HelperBlock(helper) => {
                out.push(self.block(helper, at, source, scope)?);
                Ok(())
            }
            Element::PartialExpression(partial) => self.partial(&partial, at, source, scope, out),
            _ => Err(Problem::new(
                Code::Syntax,
                "decorators, inline partials and partial blocks are not part of job templates: \
                 use `#if`, `#unless`, `#each`, `#with` and `{{> partial}}`",
            )),
        }
    }

    fn hole(&mut self, mut helper: Box<HelperTemplate>, place: Place, scope: &Scope<'s>) -> Result<Element, Problem> {
        let lowered = self.lower_call(&helper, scope)?;
        let text = describe(&helper);
        helper.name = Arg::Name(HOLE.to_owned());
        helper.params = self.site(lowered.expr, place, text, scope);
        helper.hash = HashMap::new();
        Ok(Element::Expression(helper))
    }

    /// Notes an expression; the arguments by which a helper finds it again.
    fn site(&mut self, expr: Expr, place: Place, text: String, scope: &Scope<'s>) -> Vec<Arg> {
        let mut args = vec![Arg::Literal(self.sites.len().into())];
        let loops = scope.loops();
        for depth in 0..loops {
            let up = "../".repeat(loops - 1 - depth);
            // Only `#each` opens a scope in the rewritten tree, so each `../` is one loop.
            match handlebars::Path::parse(&format!("@{up}index")) {
                Ok(path) => args.push(Arg::Path(path)),
                Err(error) => self.problems.push(Problem::new(Code::Syntax, error.to_string()).at(&place)),
            }
        }
        self.sites.push(Site { expr, loops, place, text });
        args
    }

    fn block(
        &mut self,
        mut helper: Box<HelperTemplate>,
        at: (usize, usize),
        source: &Source<'_>,
        scope: &Scope<'s>,
    ) -> Result<Element, Problem> {
        let name = helper.name.as_name().unwrap_or_default().to_owned();
        let place = source.place(at);
        if !matches!(name.as_str(), "if" | "unless" | "each" | "with") {
            return Err(Problem::new(
                Code::Syntax,
                format!("there is no block `#{name}`: there are #if, #unless, #each, #with"),
            )
            .suggest(nearest(&name, ["if", "unless", "each", "with"])));
        }
        let ([argument], true) = (helper.params.as_slice(), helper.hash.is_empty()) else {
            return Err(Problem::new(Code::Syntax, format!("`#{name}` takes exactly one argument")));
        };
        let lowered = self.lower(argument, scope)?;
        let text = format!("#{name} {}", describe_arg(argument));
        let names = block_names(helper.block_param.take());
        let inner = match name.as_str() {
            "each" => {
                let list = self.list(&lowered, &text)?;
                scope.each(list, &names)
            }
            "with" => {
                let this = self.subject(&lowered, &text)?;
                scope.with(this, &names)
            }
            _ => {
                self.condition(&lowered, &text)?;
                scope.clone()
            }
        };
        let finder = if name == "each" { ITEMS } else { COND };
        let args = self.site(lowered.expr, place, text, scope);
        helper.params =
            vec![Arg::Subexpression(Subexpression::new(Arg::Name(finder.to_owned()), args, HashMap::new()))];
        if name == "with" {
            // Names are resolved already: what is left of `#with` is its condition.
            helper.name = Arg::Name("if".to_owned());
        }
        let mut part = |template: Option<Ast>, scope: &Scope<'s>| {
            template.map(|template| self.chained(template, at, source, scope))
        };
        helper.template = part(helper.template.take(), &inner);
        helper.inverse = part(helper.inverse.take(), scope);
        Ok(Element::HelperBlock(helper))
    }

    /// The branch of an `{{else if}}` has no place of its own: it takes the block's.
    fn chained(&mut self, mut ast: Ast, at: (usize, usize), source: &Source<'_>, scope: &Scope<'s>) -> Ast {
        if ast.mapping.is_empty() && !ast.elements.is_empty() {
            let mut out = Ast::new();
            for element in ast.elements.drain(..) {
                if let Err(problem) = self.element(element, at, source, scope, &mut out.elements) {
                    self.problems.push(problem.at(&source.place(at)));
                }
            }
            return out;
        }
        self.template(ast, source, scope)
    }

    fn list(&mut self, lowered: &Lowered<'s>, text: &str) -> Result<Typed<'s>, Problem> {
        let (Expr::Path(_), [list]) = (&lowered.expr, lowered.reads.as_slice()) else {
            return Err(Problem::new(Code::Block, format!("`{text}`: name a parameter of type array")));
        };
        if list.kind() != Kind::Array {
            return Err(refuse_block(text, list, "a parameter of type array"));
        }
        self.depend(list, text)?;
        Ok(list.clone())
    }

    fn subject(&mut self, lowered: &Lowered<'s>, text: &str) -> Result<Typed<'s>, Problem> {
        let (Expr::Path(_), [this]) = (&lowered.expr, lowered.reads.as_slice()) else {
            return Err(Problem::new(Code::Block, format!("`{text}`: name a parameter")));
        };
        // Whether an item of a list is an object that is there is decided by the list.
        let item = this.in_loop() && this.kind() == Kind::Object;
        if !item && !matches!(this.kind(), Kind::Boolean | Kind::Enum | Kind::Array) {
            return Err(refuse_block(text, this, "one of type boolean, enum or array"));
        }
        self.depend(this, text)?;
        Ok(this.clone())
    }

    fn condition(&mut self, lowered: &Lowered<'s>, text: &str) -> Result<(), Problem> {
        for read in &lowered.reads {
            if !matches!(read.kind(), Kind::Boolean | Kind::Enum | Kind::Array) {
                return Err(refuse_block(text, read, "parameters of type boolean, enum or array"));
            }
            self.depend(read, text)?;
        }
        Ok(())
    }

    fn depend(&mut self, read: &Typed<'s>, text: &str) -> Result<(), Problem> {
        if read.secret {
            return Err(Problem::new(
                Code::Block,
                format!("`{text}`: a block may not depend on a secret, which it would give away"),
            ));
        }
        let path = &read.path;
        let outer = path.steps.iter().position(|step| matches!(step, Step::Loop(_)));
        self.depends.insert(match outer {
            // An item decides: then the whole list does.
            Some(end) => Depends::Value(Path { root: path.root, steps: path.steps[..end].to_vec() }),
            None if read.kind() == Kind::Array => Depends::Length(path.clone()),
            None => Depends::Value(path.clone()),
        });
        Ok(())
    }

    fn partial(
        &mut self,
        partial: &DecoratorTemplate,
        at: (usize, usize),
        source: &Source<'_>,
        scope: &Scope<'s>,
        out: &mut Vec<Element>,
    ) -> Result<(), Problem> {
        let name = match &partial.name {
            Arg::Name(_) | Arg::Path(_) => partial.name.as_name().unwrap_or_default().to_owned(),
            _ => {
                return Err(Problem::new(Code::Syntax, "a partial is called by its name: `{{> name key=value}}`"));
            }
        };
        if !partial.params.is_empty() {
            return Err(Problem::new(
                Code::Syntax,
                format!("`{{{{> {name}}}}}` takes named arguments only: `key=value`"),
            ));
        }
        let partials = self.partials;
        let Some(text) = partials.get(&name) else {
            return Err(Problem::new(Code::UnknownName, format!("there is no partial `{name}`"))
                .suggest(nearest(&name, partials.keys().map(String::as_str))));
        };
        self.guard(&name, text.len())?;
        let mut names = Vec::new();
        for (key, value) in &partial.hash {
            let Lowered { expr, mut reads } = self.lower(value, scope)?;
            let binding = match (&expr, reads.len()) {
                (Expr::Path(_), 1) => Binding::Path(reads.remove(0)),
                _ => Binding::Value(expr, reads),
            };
            names.push((key.clone(), binding));
        }
        let file: Arc<str> = format!("partials/{name}.yaml").into();
        let indent = source.standalone_indent(at);
        let text = Source::indented(text, indent.as_deref());
        let inner = Source::new(&text, file, 1, indent.as_deref().map_or(0, str::len));
        let ast = inner.parse()?;
        self.used_partials.insert(name.clone());
        self.chain.push(name);
        let ast = self.template(ast, &inner, &scope.partial(names));
        self.chain.pop();
        out.extend(ast.elements);
        Ok(())
    }

    fn guard(&mut self, name: &str, size: usize) -> Result<(), Problem> {
        let recursive = self.chain.iter().any(|outer| outer == name);
        if recursive || self.chain.len() >= Limit::PartialDepth.max() {
            let chain = format!("{} → {name}", self.chain.join(" → "));
            return Err(Problem::limit(
                Limit::PartialDepth,
                format_args!("partials include each other too deep: {chain}"),
            ));
        }
        self.inlined += size;
        if self.inlined > Limit::RenderedSize.max() {
            return Err(Problem::limit(Limit::RenderedSize, "partials add up to too much"));
        }
        Ok(())
    }

    fn lower_call(&mut self, call: &HelperTemplate, scope: &Scope<'s>) -> Result<Lowered<'s>, Problem> {
        if call.params.is_empty() && call.hash.is_empty() {
            return self.lower(&call.name, scope);
        }
        let name = call.name.as_name().unwrap_or_default();
        let Some(func) = Func::named(name) else {
            let names = Func::NAMES.map(|(name, _)| name);
            return Err(Problem::new(
                Code::UnknownName,
                format!("there is no helper `{name}`: there are {}", names.join(", ")),
            )
            .suggest(nearest(name, names)));
        };
        let (least, most) = func.arity();
        if !call.hash.is_empty() || !(least..=most).contains(&call.params.len()) {
            let arguments = match (least, most) {
                (1, _) => "one argument".to_owned(),
                (2, 2) => "two arguments".to_owned(),
                (least, most) => format!("{least} to {most} arguments"),
            };
            return Err(Problem::new(Code::Syntax, format!("`{name}` takes {arguments}")));
        }
        let mut args = Vec::with_capacity(call.params.len());
        let mut reads = Vec::new();
        for param in &call.params {
            let lowered = self.lower(param, scope)?;
            args.push(lowered.expr);
            reads.extend(lowered.reads);
        }
        Ok(Lowered { expr: Expr::Call(func, args), reads })
    }

    fn lower(&mut self, arg: &Arg, scope: &Scope<'s>) -> Result<Lowered<'s>, Problem> {
        match arg {
            Arg::Literal(value) => Ok(Lowered { expr: Expr::Literal(value.clone()), reads: Vec::new() }),
            Arg::Subexpression(inner) => match inner.as_element() {
                Element::Expression(call) => self.lower_call(call, scope),
                _ => Err(Problem::new(Code::Syntax, "expected an expression")),
            },
            Arg::Name(_) | Arg::Path(_) => {
                let raw = arg.as_name().unwrap_or_default();
                if Func::named(raw).is_some() {
                    return Err(Problem::new(Code::Syntax, format!("the helper `{raw}` needs arguments")));
                }
                match scope.lookup(raw)? {
                    Binding::Path(typed) => {
                        self.note_use(&typed.path);
                        Ok(Lowered { expr: Expr::Path(typed.path.clone()), reads: vec![typed] })
                    }
                    Binding::Value(expr, reads) => Ok(Lowered { expr, reads }),
                }
            }
            _ => Err(Problem::new(Code::Syntax, "expected a name, a literal or a helper call")),
        }
    }

    fn note_use(&mut self, path: &Path) {
        if let Some(Step::Field(name)) = path.steps.first() {
            self.used.insert((path.root, name.clone()));
        }
    }
}

fn refuse_block(text: &str, read: &Typed<'_>, wanted: &str) -> Problem {
    let name = match read.path.steps.first() {
        Some(Step::Field(name)) => format!("`{name}`"),
        _ => "it".to_owned(),
    };
    Problem::new(
        Code::Block,
        format!(
            "`{text}`: a block may depend only on {wanted}, and {name} is not; declare a boolean \
             or an enum for what is to be decided"
        ),
    )
}

fn block_names(block_param: Option<BlockParam>) -> Vec<String> {
    let name = |arg: Arg| arg.as_name().unwrap_or_default().to_owned();
    match block_param {
        Some(BlockParam::Single(item)) => vec![name(item)],
        Some(BlockParam::Pair((item, index))) => vec![name(item), name(index)],
        _ => Vec::new(),
    }
}

/// An expression as it is written, near enough to find it.
fn describe(call: &HelperTemplate) -> String {
    let mut text = match &call.name {
        Arg::Subexpression(_) => describe_arg(&call.name),
        name => name.as_name().unwrap_or_default().to_owned(),
    };
    for param in &call.params {
        text.push(' ');
        text.push_str(&describe_arg(param));
    }
    text
}

fn describe_arg(arg: &Arg) -> String {
    match arg {
        Arg::Literal(value) => value.to_string(),
        Arg::Subexpression(inner) => match inner.as_element() {
            Element::Expression(call) => format!("({})", describe(call)),
            _ => "(…)".to_owned(),
        },
        other => other.as_name().unwrap_or_default().to_owned(),
    }
}
