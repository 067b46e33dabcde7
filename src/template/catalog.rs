//! A folder of templates, read once.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::files::Files;
use super::lint::{Report, lint_template};
use super::problem::LoadError;
use super::suggest::nearest;
use super::template::{Partials, Settings, Template};

/// Where templates are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateSource {
    /// A folder of `*.yaml` files, with partials in `partials/`.
    Folder(PathBuf),
    /// The folder as it was in a revision of its git repository.
    Revision {
        /// The folder.
        folder: PathBuf,
        /// Anything that `git rev-parse` takes for a commit.
        revision: String,
    },
    /// The templates that ship inside this program.
    Embedded,
}

impl TemplateSource {
    /// The folder that was named; or else `./job-templates`; or else, where there is none, the
    /// templates that ship inside this program.
    #[must_use]
    pub fn or_default(named: Option<PathBuf>) -> Self {
        let default = Path::new("job-templates");
        match named {
            Some(folder) => Self::Folder(folder),
            None if default.is_dir() => Self::Folder(default.to_owned()),
            None => Self::Embedded,
        }
    }

    /// The folder, if it is one as it stands there now.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Revision { .. } | Self::Embedded => None,
        }
    }
}

/// The template folder as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such folder.
    #[error(
        "there is no template folder at {}: name one with --templates, or create it and put a \
         template there",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is there and cannot be read.
    #[error("cannot read the template folder {}: {error}", folder.display())]
    Unreadable {
        /// The folder or file.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// git cannot give it as it was.
    #[error("cannot read the templates of {} as they were in `{revision}`: {reason}", folder.display())]
    Revision {
        /// The folder.
        folder: PathBuf,
        /// The revision that was asked for.
        revision: String,
        /// Why: git's own words, where it has some.
        reason: String,
    },
}

/// A template that was asked for and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownTemplate {
    /// The name that was asked for.
    pub name: String,
    /// The template that was probably meant.
    pub suggestion: Option<String>,
    /// Why it does not load, where it exists and never has loaded.
    pub broken: Option<LoadError>,
}

impl std::fmt::Display for UnknownTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.broken, &self.suggestion) {
            (Some(error), _) => write!(f, "the template `{}` is broken:\n{error}", self.name),
            (None, Some(near)) => {
                write!(f, "there is no template `{}`; did you mean `{near}`?", self.name)
            }
            (None, None) => write!(f, "there is no template `{}`", self.name),
        }
    }
}

impl std::error::Error for UnknownTemplate {}

/// One file of the folder.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The file's name without `.yaml`.
    pub name: String,
    /// Whether it can be used.
    pub state: State,
}

/// Whether a template can be used.
#[derive(Debug, Clone)]
pub enum State {
    /// It loaded.
    Loaded(Arc<Template>),
    /// It did not load.
    Broken {
        /// Why.
        error: LoadError,
        /// The file's text, where it could be read.
        source: Option<Arc<str>>,
        /// The version before, which goes on working.
        last_good: Option<Arc<Template>>,
    },
}

impl Entry {
    /// The template to use: this version, or the last that was good.
    #[must_use]
    pub fn template(&self) -> Option<&Arc<Template>> {
        match &self.state {
            State::Loaded(template) => Some(template),
            State::Broken { last_good, .. } => last_good.as_ref(),
        }
    }

    /// Why the current version does not load, if it does not.
    #[must_use]
    pub fn error(&self) -> Option<&LoadError> {
        match &self.state {
            State::Loaded(_) => None,
            State::Broken { error, .. } => Some(error),
        }
    }

    /// The file's text as it is now, where it could be read.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match &self.state {
            State::Loaded(template) => Some(template.source()),
            State::Broken { source, .. } => source.as_deref(),
        }
    }

    /// The title, or the name where none is known.
    #[must_use]
    pub fn title(&self) -> &str {
        self.template().map_or(&self.name, |template| template.title())
    }

    /// The description, where one is known.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.template().and_then(|template| template.description())
    }
}

/// Every template of a folder as it was at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
    partials: Partials,
    settings: Settings,
}

impl Catalog {
    /// Reads and loads every template. One that does not load is listed as broken.
    ///
    /// # Errors
    /// When the folder as a whole is missing or cannot be read.
    pub fn load(source: &TemplateSource, settings: &Settings) -> Result<Self, CatalogError> {
        Self::default().reload(source, settings)
    }

    /// Reads everything anew; what is broken now and was good in `self` keeps its last good
    /// version.
    ///
    /// # Errors
    /// When the folder as a whole is missing or cannot be read.
    pub fn reload(&self, source: &TemplateSource, settings: &Settings) -> Result<Self, CatalogError> {
        let files = Files::read(source)?;
        let repository = files.repository;
        let partials = files.partials;
        let entries = files
            .templates
            .into_iter()
            .map(|(name, text)| {
                let loaded = match &text {
                    Ok(text) => Template::load(&name, text, &partials, settings),
                    Err(problem) => Err(problem.clone().into()),
                };
                let state = match loaded {
                    Ok(template) => State::Loaded(Arc::new(template.in_repository(repository.clone()))),
                    Err(error) => State::Broken {
                        error,
                        source: text.ok().map(Arc::from),
                        last_good: self.entries.get(&name).and_then(Entry::template).cloned(),
                    },
                };
                (name.clone(), Entry { name, state })
            })
            .collect();
        Ok(Self { entries, partials, settings: settings.clone() })
    }

    /// Loads one template without looking at the others: the quick way for a command.
    ///
    /// # Errors
    /// When the folder cannot be read; inside, when there is no such template or it is broken.
    pub fn load_one(
        source: &TemplateSource,
        settings: &Settings,
        name: &str,
    ) -> Result<Result<Arc<Template>, UnknownTemplate>, CatalogError> {
        let mut files = Files::read_for(source, Some(name))?;
        let Some(text) = files.templates.remove(name) else {
            return Ok(Err(UnknownTemplate {
                name: name.to_owned(),
                suggestion: nearest(name, files.names.iter().map(String::as_str)).map(str::to_owned),
                broken: None,
            }));
        };
        let repository = files.repository;
        Ok(text
            .map_err(LoadError::from)
            .and_then(|text| Template::load(name, &text, &files.partials, settings))
            .map(|template| Arc::new(template.in_repository(repository)))
            .map_err(|error| UnknownTemplate { name: name.to_owned(), suggestion: None, broken: Some(error) }))
    }

    /// The template of that name, or its last good version.
    ///
    /// # Errors
    /// When there is none, with a near miss; or none that ever loaded, with the reason.
    pub fn get(&self, name: &str) -> Result<Arc<Template>, UnknownTemplate> {
        let entry = self.entries.get(name);
        entry.and_then(Entry::template).cloned().ok_or_else(|| UnknownTemplate {
            name: name.to_owned(),
            suggestion: nearest(name, self.entries.keys().map(String::as_str)).map(str::to_owned),
            broken: entry.and_then(Entry::error).cloned(),
        })
    }

    /// Every template, by name.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entry of that name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The partials, by name.
    #[must_use]
    pub fn partials(&self) -> &Partials {
        &self.partials
    }

    /// What lint has to say about a template as its file is now; nothing where there is no such file, or it cannot be
    /// read.
    #[must_use]
    pub fn lint(&self, name: &str) -> Option<Report> {
        let source = self.entry(name)?.source()?;
        Some(lint_template("", name, source, &self.partials, &self.settings))
    }

    /// Settings that were given and that no template declares: misspelt, probably.
    #[must_use]
    pub fn undeclared_settings<'s>(&self, settings: &'s Settings) -> Vec<&'s str> {
        settings
            .keys()
            .map(String::as_str)
            .filter(|name| {
                !self
                    .entries()
                    .filter_map(Entry::template)
                    .any(|t| t.declared_settings().iter().any(|s| s.name == *name))
            })
            .collect()
    }
}
