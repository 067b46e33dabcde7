//! What can be wrong: with a template ([`Problem`]), or with the values given to it ([`Fault`]).
//!
//! Both serialise for an API and print for a person, in the same words.

use std::fmt;

use serde::Serialize;

use super::limits::Limit;

/// The kind of a [`Problem`]: a stable name for tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file cannot be read.
    Unreadable,
    /// The front matter is missing, is not YAML, or says something it cannot say.
    FrontMatter,
    /// A setting that the template declares has no value, or a wrong one.
    Setting,
    /// The Handlebars text does not parse, or uses a construct that templates do not have.
    Syntax,
    /// A name in an expression is not declared.
    UnknownName,
    /// A block depends on something that a block may not depend on.
    Block,
    /// An expression stands where no value can go, or has none to put there.
    Hole,
    /// The rendered text is not one YAML document.
    Yaml,
    /// The document is not a `batch/v1` Job.
    Kind,
    /// The manifest has a field that Kubernetes does not know.
    UnknownField,
    /// A field of the manifest has a value of the wrong type.
    WrongType,
    /// The API server would refuse the manifest.
    Invalid,
    /// An example's parameters break the template's own schema.
    Example,
    /// A limit was exceeded.
    Limit,
}

impl Code {
    /// The name as it is serialised.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::FrontMatter => "front-matter",
            Self::Setting => "setting",
            Self::Syntax => "syntax",
            Self::UnknownName => "unknown-name",
            Self::Block => "block",
            Self::Hole => "hole",
            Self::Yaml => "yaml",
            Self::Kind => "kind",
            Self::UnknownField => "unknown-field",
            Self::WrongType => "wrong-type",
            Self::Invalid => "invalid",
            Self::Example => "example",
            Self::Limit => "limit",
        }
    }
}

/// A place in a template or partial. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's name within the template folder, such as `hello.yaml` or `partials/env.yaml`.
    pub file: std::sync::Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; 0 where only the line is known.
    pub column: usize,
}

/// Something that is wrong with a template or with the manifest it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The kind of problem.
    pub code: Code,
    /// What is wrong and what was expected, in words.
    pub message: String,
    /// The file, relative to the template folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in that line, in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The manifest's field, such as `spec.template.spec.containers[0].image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem that is not yet tied to a place.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), file: None, line: None, column: None, path: None, suggestion: None }
    }

    /// A limit was exceeded by `what`.
    #[must_use]
    pub fn limit(limit: Limit, what: impl fmt::Display) -> Self {
        Self::new(Code::Limit, format!("{what} ({limit})"))
    }

    /// Ties the problem to a place, unless it has one already.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        if self.line.is_none() {
            self.file = Some(place.file.to_string());
            self.line = Some(place.line);
            self.column = (place.column > 0).then_some(place.column);
        }
        self
    }

    /// Ties the problem to a file, unless it has one already.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// Names the manifest's field.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Adds what was probably meant.
    #[must_use]
    pub fn suggest(mut self, suggestion: Option<&str>) -> Self {
        self.suggestion = suggestion.map(str::to_owned);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
                if let Some(column) = self.column {
                    write!(f, "{column}:")?;
                }
            }
            f.write_str(" ")?;
        }
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// One thing that is wrong with the parameters given to a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The parameter, and the place within it: `day`, `to[1]`, `resources.limits.cpu`.
    pub path: String,
    /// What was expected.
    pub message: String,
    /// What was given, shortened; never there for a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// How the message begins where a value is required and none is given: over the API too.
pub(crate) const MISSING: &str = "missing: ";

impl Fault {
    /// Whether it is that nothing is given where a value is required.
    pub(crate) fn is_missing(&self) -> bool {
        self.message.starts_with(MISSING)
    }

    /// What is wrong, without the path.
    pub(crate) fn told(&self) -> impl fmt::Display + '_ {
        Told(self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.told())
    }
}

struct Told<'a>(&'a Fault);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { message, given, suggestion, .. } = self.0;
        f.write_str(message)?;
        if let Some(given) = given {
            write!(f, ", but is {given}")?;
        }
        if let Some(suggestion) = suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// A template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenderError {
    /// The template's name.
    pub template: String,
    /// Everything that was found to be wrong; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template `{}` does not render:", self.template)?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RenderError {}

/// A template could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadError {
    /// Everything that was found to be wrong; never empty.
    pub problems: Vec<Problem>,
}

impl From<Problem> for LoadError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}
