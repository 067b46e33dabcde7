//! What lint found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::span::span;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The template does not work, or is dangerous.
    Error,
    /// The template works, but not as well as it should.
    Warning,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Diagnostic {
    /// The file, as the caller would name it: `job-templates/hello.yaml`.
    pub file: String,
    /// Line, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// How grave it is.
    pub level: Level,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// The field of the manifest, or the place in the front matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The example that shows it, where not every one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// The line that a finding is about, cut into what stands before, within and after the part to underline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// What stands before it.
    pub before: &'a str,
    /// The part itself.
    pub marked: &'a str,
    /// What stands after it.
    pub after: &'a str,
}

/// All findings about a number of templates.
#[derive(Debug, Default)]
pub struct Report {
    /// How many templates were looked at.
    pub templates: usize,
    /// The findings by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of every file that has a finding, for showing the line.
    pub sources: BTreeMap<String, Arc<str>>,
}

impl Report {
    /// The line that a finding is about, where it has one.
    #[must_use]
    pub fn excerpt(&self, diagnostic: &Diagnostic) -> Option<Excerpt<'_>> {
        let source = self.sources.get(&diagnostic.file)?;
        let marked = span(source, diagnostic.line?, diagnostic.column);
        let start = source[..marked.start].rfind('\n').map_or(0, |before| before + 1);
        let rest = &source[marked.end..];
        Some(Excerpt {
            before: &source[start..marked.start],
            after: rest.lines().next().unwrap_or_default(),
            marked: &source[marked],
        })
    }

    /// How many findings are of a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.diagnostics.iter().filter(|d| d.level == level).count()
    }

    /// Takes in another report.
    pub(super) fn absorb(&mut self, other: Report) {
        self.templates += other.templates;
        self.diagnostics.extend(other.diagnostics);
        self.sources.extend(other.sources);
    }

    /// Puts the findings in order, each once.
    pub(super) fn sort(&mut self) {
        self.diagnostics.sort();
        self.diagnostics.dedup();
    }

    /// `checked 3 templates: 1 error, 2 warnings`
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |n: usize, what: &str| match n {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        format!(
            "checked {}: {}, {}",
            count(self.templates, "template"),
            count(self.count(Level::Error), "error"),
            count(self.count(Level::Warning), "warning"),
        )
    }
}
