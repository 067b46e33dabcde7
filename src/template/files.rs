//! Reading the texts of templates, from wherever they are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::catalog::{CatalogError, TemplateSource};
use super::limits::Limit;
use super::problem::{Code, Problem};
use super::provenance::Repository;
use super::template::Partials;
use super::{embedded, revision};

/// The texts of a folder.
pub(super) struct Files {
    /// Each template's text, or why it cannot be read.
    pub(super) templates: BTreeMap<String, Result<String, Problem>>,
    /// All names, also of those that were not read.
    pub(super) names: Vec<String>,
    pub(super) partials: Partials,
    pub(super) repository: Option<Arc<Repository>>,
}

impl Files {
    pub(super) fn read(source: &TemplateSource) -> Result<Self, CatalogError> {
        Self::read_for(source, None)
    }

    /// Reads all templates, or only one of them.
    pub(super) fn read_for(source: &TemplateSource, only: Option<&str>) -> Result<Self, CatalogError> {
        let wanted = |name: &str| only.is_none_or(|only| only == name);
        match source {
            TemplateSource::Embedded => Ok(Self {
                templates: embedded::TEMPLATES
                    .iter()
                    .filter(|(name, _)| wanted(name))
                    .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned())))
                    .collect(),
                names: embedded::TEMPLATES.iter().map(|(name, _)| (*name).to_owned()).collect(),
                partials: embedded::PARTIALS
                    .iter()
                    .map(|(name, text)| ((*name).to_owned(), Arc::from(*text)))
                    .collect(),
                repository: None,
            }),
            TemplateSource::Revision { folder, revision } => revision::read(folder, revision, wanted),
            TemplateSource::Folder(folder) => {
                let names = names(folder)?;
                let templates = names
                    .iter()
                    .filter(|name| wanted(name))
                    .map(|name| {
                        let text = read_text(&folder.join(format!("{name}.yaml")));
                        (name.clone(), text.map_err(|p| p.in_file(&format!("{name}.yaml"))))
                    })
                    .collect();
                Ok(Self {
                    templates,
                    names,
                    partials: read_partials(&folder.join("partials"))?,
                    repository: Some(Arc::new(Repository::new(folder))),
                })
            }
        }
    }
}

/// The names of the `*.yaml` files of a folder, without that ending. Links count as what they lead
/// to: in a mounted ConfigMap every file is one.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, CatalogError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => CatalogError::Missing(folder.to_owned()),
        _ => CatalogError::Unreadable { folder: folder.to_owned(), error },
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".yaml")) else {
            continue;
        };
        let ours = !name.starts_with('.') && name != "kustomization" && entry.path().is_file();
        if ours {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn read_partials(folder: &Path) -> Result<Partials, CatalogError> {
    let names = match names(folder) {
        Ok(names) => names,
        Err(CatalogError::Missing(_)) => return Ok(Partials::new()),
        Err(error) => return Err(error),
    };
    let mut partials = Partials::new();
    for name in names {
        // A partial that cannot be read is missed where it is used.
        if let Ok(text) = read_text(&folder.join(format!("{name}.yaml"))) {
            partials.insert(name, text.into());
        }
    }
    Ok(partials)
}

pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: io::Error| Problem::new(Code::Unreadable, format!("cannot be read: {error}"));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > Limit::TemplateSize.max() as u64 {
        return Err(Problem::limit(Limit::TemplateSize, format_args!("the file has {size} bytes")));
    }
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Problem::new(Code::Unreadable, "is not UTF-8 text"),
        _ => unreadable(error),
    })
}
