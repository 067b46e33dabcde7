//! Blocks evaluated, holes marked: from a compiled template to YAML text without a user's byte.
//!
//! Every hole is written as a token: thirteen digits drawn anew for each render, which occur
//! nowhere in the template's text, and six that number the hole. A token that is all of a plain
//! scalar stays a large integer, so that after parsing it can be told from a quoted one. Any other
//! gets a letter on either side, so that no run of tokens and digits can turn into a number.

use std::sync::{LazyLock, Mutex, PoisonError};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderErrorReason, Renderable,
    ScopedJson,
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use super::compile::{COND, Compiled, HOLE, ITEMS, Origin, Piece, Site};
use super::expr::{Data, truth};
use super::limits::Limit;
use super::problem::{Code, Place, Problem};

type HbError = handlebars::RenderError;

/// A hole that was met while blocks were evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HoleRef {
    /// Index of its site.
    pub(crate) site: usize,
    /// The item that every enclosing `#each` was at, outermost first.
    pub(crate) loops: Vec<usize>,
}

/// The text, and what it was made of.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    pub(crate) holes: Vec<HoleRef>,
    pub(crate) token: Token,
    origin: Vec<(usize, Origin)>,
}

/// The digits that mark holes in one render.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    prefix: String,
}

/// Digits of a token that number its hole.
const NUMBER: usize = 6;
/// Digits of a whole token.
pub(crate) const TOKEN: usize = 13 + NUMBER;

impl Token {
    /// A token that does not occur in any of `texts`.
    fn new<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Result<Self, Problem> {
        let random = SystemRandom::new();
        for _ in 0..16 {
            let mut bytes = [0u8; 12];
            random.fill(&mut bytes).map_err(|_| Problem::new(Code::Hole, "the system gives no random numbers"))?;
            // One `1`, then digits from 2 to 9: a match can begin at one place only, whatever
            // digit stands before it.
            let prefix: String =
                std::iter::once('1').chain(bytes.iter().map(|byte| char::from(b'2' + byte % 8))).collect();
            if !texts.clone().any(|text| text.contains(&prefix)) {
                return Ok(Self { prefix });
            }
        }
        Err(Problem::new(Code::Hole, "the template's text holds every token that was tried"))
    }

    fn write(&self, number: usize) -> String {
        format!("{}{number:0width$}", self.prefix, width = NUMBER)
    }

    /// The first token in `text`: where it begins, and the hole's number.
    pub(crate) fn find(&self, text: &str) -> Option<(usize, usize)> {
        let start = text.find(&self.prefix)?;
        let number = text.get(start + self.prefix.len()..start + TOKEN)?;
        Some((start, number.parse().ok()?))
    }
}

/// Evaluates the blocks. With `trace`, also notes where each piece of the text came from.
pub(crate) fn expand(compiled: &Compiled, data: &Data<'_>, trace: bool) -> Result<Expanded, Problem> {
    let token = Token::new(raw_texts(&compiled.ast).iter().copied())?;
    let state = State { sites: &compiled.sites, data, token: &token, record: Mutex::default() };
    let mut out = Text {
        buffer: String::with_capacity(4096),
        pieces: trace.then_some(compiled.pieces.as_slice()),
        origin: Vec::new(),
        full: false,
    };
    let result = {
        let context = Context::null();
        let mut rc = RenderContext::new(None);
        rc.register_local_helper(HOLE, Box::new(HoleHelper(&state)));
        rc.register_local_helper(COND, Box::new(CondHelper(&state)));
        rc.register_local_helper(ITEMS, Box::new(ItemsHelper(&state)));
        // Everything in the context lives as long as the tree that is walked.
        compiled.ast.render(&STRICT, &context, &mut rc, &mut out)
    };
    let record = state.record.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(problem) = record.problem {
        return Err(problem);
    }
    if out.full {
        return Err(Problem::limit(Limit::RenderedSize, "the rendered text is too large"));
    }
    if let Err(error) = result {
        return Err(Problem::new(Code::Syntax, error.reason().to_string()));
    }
    let text = guard(&out.buffer, &token);
    Ok(Expanded { text, holes: record.holes, token, origin: out.origin })
}

impl Expanded {
    /// The template's place for a line and column of the text, both from 1.
    pub(crate) fn place(&self, line: usize, column: usize) -> Option<Place> {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = self.text.get(start..)?;
        let offset = start + rest.char_indices().nth(column.saturating_sub(1)).map_or(0, |(offset, _)| offset);
        // Guard letters were put in afterwards.
        let offset = offset - self.guards_before(offset);
        let index = self.origin.partition_point(|(from, _)| *from <= offset);
        let (from, Origin { place, indent }) = self.origin.get(index.checked_sub(1)?)?;
        let unguarded = self.without_guards();
        let passed = unguarded.get(*from..offset)?;
        let lines = passed.matches('\n').count();
        Some(match passed.rfind('\n') {
            Some(last) => Place {
                file: place.file.clone(),
                line: place.line + lines,
                column: (passed[last + 1..].chars().count() + 1).saturating_sub(*indent).max(1),
            },
            None => Place { file: place.file.clone(), line: place.line, column: place.column + passed.chars().count() },
        })
    }

    /// Line and column of a hole's first token in the text.
    pub(crate) fn word_with(&self, hole: usize) -> Option<(&str, &str)> {
        let start = self.text.find(&self.token.write(hole))?;
        let line_start = self.text[..start].rfind('\n').map_or(0, |index| index + 1);
        let before = &self.text[line_start..start];
        let word = before.rfind([' ', '\t', ',', '[', '{']).map_or(0, |index| index + 1);
        Some((&before[..word], &before[word..]))
    }

    fn guards_before(&self, offset: usize) -> usize {
        let mut guards = 0;
        let mut at = 0;
        while let Some((start, _)) = self.text.get(at..).and_then(|rest| self.token.find(rest)) {
            let start = at + start;
            let guarded = self.is_guarded(start);
            guards += usize::from(guarded && start - 1 < offset);
            guards += usize::from(guarded && start + TOKEN < offset);
            at = start + TOKEN;
            if at >= offset {
                break;
            }
        }
        guards
    }

    fn is_guarded(&self, start: usize) -> bool {
        let bytes = self.text.as_bytes();
        start > 0 && bytes.get(start - 1) == Some(&GUARD) && bytes.get(start + TOKEN) == Some(&GUARD)
    }

    fn without_guards(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        while let Some((start, _)) = self.text.get(at..).and_then(|rest| self.token.find(rest)) {
            let start = at + start;
            let guarded = usize::from(self.is_guarded(start));
            out.push_str(&self.text[at..start - guarded]);
            out.push_str(&self.text[start..start + TOKEN]);
            at = start + TOKEN + guarded;
        }
        out.push_str(&self.text[at..]);
        out
    }
}

/// The letter on either side of a token that is not alone.
pub(crate) const GUARD: u8 = b'z';

/// Puts guard letters around every token that is not all of a plain scalar.
fn guard(text: &str, token: &Token) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    let mut before = None;
    while let Some((start, _)) = token.find(rest) {
        let (passed, after) = rest.split_at(start);
        let (digits, after) = after.split_at(TOKEN);
        before = passed.chars().next_back().or(before);
        let alone = matches!(before, None | Some(' ' | '\t' | '\n' | '\r' | '[' | '{' | ','))
            && matches!(after.chars().next(), None | Some(' ' | '\t' | '\n' | '\r' | ']' | '}' | ','));
        out.push_str(passed);
        if alone {
            out.push_str(digits);
        } else {
            out.push(char::from(GUARD));
            out.push_str(digits);
            out.push(char::from(GUARD));
        }
        before = digits.chars().next_back();
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Strict, and with nothing but the blocks that templates have.
static STRICT: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    registry
});

fn raw_texts(ast: &handlebars::Template) -> Vec<&str> {
    use handlebars::template::TemplateElement as Element;
    let mut texts = Vec::new();
    let mut todo = vec![ast];
    while let Some(ast) = todo.pop() {
        for element in &ast.elements {
            match element {
                Element::RawString(text) => texts.push(text.as_str()),
                Element::HelperBlock(helper) => {
                    todo.extend(helper.template.as_ref());
                    todo.extend(helper.inverse.as_ref());
                }
                _ => {}
            }
        }
    }
    texts
}

#[derive(Default)]
struct Record {
    holes: Vec<HoleRef>,
    iterations: usize,
    problem: Option<Problem>,
}

/// What the helpers share for the length of one render.
struct State<'a> {
    sites: &'a [Site],
    data: &'a Data<'a>,
    token: &'a Token,
    record: Mutex<Record>,
}

impl State<'_> {
    fn site(&self, helper: &Helper<'_>) -> Result<(usize, &Site, Vec<usize>), HbError> {
        let number = |index: usize| {
            helper.param(index).and_then(|param| param.value().as_u64()).and_then(|number| usize::try_from(number).ok())
        };
        let found = number(0).and_then(|index| Some((index, self.sites.get(index)?)));
        let Some((index, site)) = found else {
            return Err(RenderErrorReason::InvalidParamType("site").into());
        };
        let loops = (1..=site.loops).filter_map(number).collect();
        Ok((index, site, loops))
    }

    fn fail(&self, problem: Problem, site: &Site) -> HbError {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.problem.get_or_insert(problem.at(&site.place));
        RenderErrorReason::Other("refused".to_owned()).into()
    }

    fn eval(&self, site: &Site, loops: &[usize]) -> Result<Option<Value>, HbError> {
        match self.data.eval(&site.expr, loops) {
            Ok(value) => Ok(value.map(std::borrow::Cow::into_owned)),
            Err(message) => {
                let message = format!("`{}`: {message}", site.text);
                Err(self.fail(Problem::new(Code::Block, message), site))
            }
        }
    }
}

struct HoleHelper<'a>(&'a State<'a>);

impl HelperDef for HoleHelper<'_> {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let (index, site, loops) = self.0.site(helper)?;
        let number = {
            let mut record = self.0.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.holes.push(HoleRef { site: index, loops });
            record.holes.len() - 1
        };
        if number >= Limit::Holes.max() {
            return Err(self.0.fail(Problem::limit(Limit::Holes, "too many holes"), site));
        }
        rc.set_content_produced(true);
        rc.set_trailing_newline(false);
        rc.set_indent_before_write(false);
        out.write(&self.0.token.write(number))?;
        Ok(())
    }
}

struct CondHelper<'a>(&'a State<'a>);

impl HelperDef for CondHelper<'_> {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, HbError> {
        let (_, site, loops) = self.0.site(helper)?;
        let value = self.0.eval(site, &loops)?;
        Ok(ScopedJson::Derived(truth(value.as_ref()).into()))
    }
}

struct ItemsHelper<'a>(&'a State<'a>);

impl HelperDef for ItemsHelper<'_> {
    /// A list of as many nulls: `#each` only has to count.
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, HbError> {
        let (_, site, loops) = self.0.site(helper)?;
        let value = self.0.eval(site, &loops)?;
        let length = value.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
        let iterations = {
            let mut record = self.0.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.iterations += length;
            record.iterations
        };
        if iterations > Limit::LoopIterations.max() {
            let what = format!("`{}`: all `#each` together run too often", site.text);
            return Err(self.0.fail(Problem::limit(Limit::LoopIterations, what), site));
        }
        Ok(ScopedJson::Derived(Value::Array(vec![Value::Null; length])))
    }
}

/// Collects the text, up to the limit.
struct Text<'a> {
    buffer: String,
    pieces: Option<&'a [Piece]>,
    origin: Vec<(usize, Origin)>,
    full: bool,
}

impl Output for Text<'_> {
    fn write(&mut self, piece: &str) -> Result<(), std::io::Error> {
        if self.buffer.len() + piece.len() > Limit::RenderedSize.max() {
            self.full = true;
            return Err(std::io::Error::other("too large"));
        }
        if let Some(origin) = self.pieces.and_then(|pieces| origin_of(pieces, piece)) {
            self.origin.push((self.buffer.len(), origin));
        }
        self.buffer.push_str(piece);
        Ok(())
    }
}

/// The template's text is written from where it lies in the tree: its address tells which piece
/// it is. A token lies elsewhere, and continues the piece before it.
fn origin_of(pieces: &[Piece], piece: &str) -> Option<Origin> {
    let address = piece.as_ptr() as usize;
    let index = pieces.partition_point(|it| it.address <= address);
    let known = pieces.get(index.checked_sub(1)?)?;
    (known.address == address && piece.len() <= known.length).then(|| known.origin.clone())
}
