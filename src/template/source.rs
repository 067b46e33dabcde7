//! A piece of template text with its place in a file, and `handlebars`' parser behind guards.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use handlebars::Template as Ast;

use super::limits::Limit;
use super::problem::{Code, Place, Problem};
use super::tags;

/// Text of a template's body or of a partial.
pub(crate) struct Source<'t> {
    text: &'t str,
    file: Arc<str>,
    /// Line of the file on which the text begins.
    line: usize,
    /// Columns that were added to the left of every line.
    indent: usize,
    starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(text: &'t str, file: Arc<str>, line: usize, indent: usize) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self { text, file, line, indent, starts }
    }

    /// Columns that were added to the left of every line.
    pub(crate) fn indent(&self) -> usize {
        self.indent
    }

    /// Parses the text. The nesting is bounded first, because the parser recurses.
    pub(crate) fn parse(&self) -> Result<Ast, Problem> {
        self.check_nesting()?;
        // The parser is the library's own; should it stumble over a text, that must not take a
        // service down that is only reloading its templates.
        let parsed = catch_unwind(AssertUnwindSafe(|| Ast::compile(self.text)));
        match parsed {
            Ok(Ok(ast)) => Ok(ast),
            Ok(Err(error)) => Err(self.explain(error.pos())),
            Err(_) => Err(self.explain(None)),
        }
    }

    /// What is wrong with a text that does not parse, in plain words: the parser only lists what
    /// its grammar could go on with. `at` is where the parser stopped.
    fn explain(&self, at: Option<(usize, usize)>) -> Problem {
        let (message, place) = match tags::first_fault(self.text) {
            Some(fault) => (fault.message, self.place(self.line_and_column(fault.offset))),
            None => {
                let stopped = at.map_or(0, |at| self.offset(at));
                let (start, tag) = tags::at(self.text, stopped);
                let message = match tag {
                    Some(tag) => format!(
                        "`{tag}` is not an expression: expected a name such as `params.NAME`, a \
                         helper with its arguments, or a block such as `{{{{#if params.NAME}}}}`"
                    ),
                    None => "the Handlebars text does not parse here".to_owned(),
                };
                (message, self.place(self.line_and_column(start)))
            }
        };
        Problem::new(Code::Syntax, message).at(&place)
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let column = self.text[self.starts[line - 1]..offset].chars().count() + 1;
        (line, column)
    }

    /// Bounds blocks within blocks, and brackets within one `{{…}}`.
    fn check_nesting(&self) -> Result<(), Problem> {
        let max = Limit::NestingDepth.max();
        // For every open block, how deep it lies; each `{{else if}}` adds a level of the tree
        // although it adds none to the text.
        let mut blocks: Vec<usize> = Vec::new();
        let mut brackets = 0usize;
        let mut inside = false;
        let bytes = self.text.as_bytes();
        for (index, byte) in bytes.iter().enumerate() {
            if bytes[index..].starts_with(b"{{") {
                inside = true;
                brackets = 0;
                let rest = &self.text[index + 2..];
                let rest = rest.get(..16.min(rest.len())).unwrap_or_default();
                let tag = rest.trim_start_matches(['{', '~', ' ']);
                if tag.starts_with('#') {
                    blocks.push(blocks.last().map_or(1, |depth| depth + 1));
                } else if tag.starts_with('/') {
                    blocks.pop();
                } else if (tag.starts_with("else ") || tag.starts_with('^'))
                    && let Some(depth) = blocks.last_mut()
                {
                    *depth += 1;
                }
            } else if bytes[index..].starts_with(b"}}") {
                inside = false;
            } else if inside {
                match byte {
                    b'(' | b'[' | b'{' => brackets += 1,
                    b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
                    _ => {}
                }
            }
            if blocks.last().is_some_and(|depth| *depth > max) || brackets > max {
                let line = self.starts.partition_point(|start| *start <= index);
                return Err(Problem::limit(Limit::NestingDepth, "blocks or brackets are nested too deep")
                    .at(&self.place((line, 1))));
            }
        }
        Ok(())
    }

    /// The place in the file of a line and column of the text.
    pub(crate) fn place(&self, (line, column): (usize, usize)) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: self.line + line.max(1) - 1,
            column: column.saturating_sub(self.indent).max(1),
        }
    }

    fn offset(&self, (line, column): (usize, usize)) -> usize {
        let start = self.starts.get(line.max(1) - 1).copied().unwrap_or(self.text.len());
        self.text[start..].char_indices().nth(column.max(1) - 1).map_or(self.text.len(), |(offset, _)| start + offset)
    }

    /// Where a piece of plain text really begins. The parser gives the place of its first
    /// character that is not white space, or of the tag after it, and may have trimmed it.
    pub(crate) fn text_place(&self, at: (usize, usize), piece: &str) -> Place {
        let reported = self.offset(at);
        let begin = self.text[..reported].trim_end().len();
        let start = self.text[begin..]
            .char_indices()
            .map_while(|(offset, c)| (offset == 0 || c.is_whitespace()).then_some(begin + offset))
            .chain(std::iter::once(reported))
            .find(|start| self.text[*start..].starts_with(piece))
            .unwrap_or(begin);
        self.place(self.line_and_column(start))
    }

    /// The indent of a tag that stands alone on its line, which its partial's lines take over.
    pub(crate) fn standalone_indent(&self, at: (usize, usize)) -> Option<String> {
        let start = self.offset(at);
        let line_start = self.text[..start].rfind('\n').map_or(0, |index| index + 1);
        let before = &self.text[line_start..start];
        let end = start + self.text[start..].find("}}")? + 2;
        let after = self.text[end..].split('\n').next().unwrap_or_default();
        (before.trim_matches([' ', '\t']).is_empty() && after.trim().is_empty()).then(|| before.to_owned())
    }

    /// A partial's text as it goes into its caller: every line indented where the tag stands
    /// alone, and no line break at its end where it does not.
    pub(crate) fn indented<'a>(text: &'a str, indent: Option<&str>) -> Cow<'a, str> {
        let Some(indent) = indent else {
            return Cow::Borrowed(text.trim_end_matches(['\n', '\r']));
        };
        let mut out = String::with_capacity(text.len() + indent.len() * 16);
        for line in text.lines() {
            if !line.trim().is_empty() {
                out.push_str(indent);
            }
            out.push_str(line);
            out.push('\n');
        }
        Cow::Owned(out)
    }
}
