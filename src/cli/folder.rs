//! Which templates a command works on, and with which settings.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use crate::template::{Catalog, Settings, TemplateSource};

/// The template folder and the settings of its templates.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FolderArgs {
    /// The folder of templates [default: ./job-templates, or else the templates that ship with the program]
    #[arg(long, value_name = "DIR", env = "JOBWRIGHT_TEMPLATES")]
    templates: Option<PathBuf>,

    /// A setting that the place of deployment gives; may be repeated
    #[arg(
        long = "set",
        value_name = "SETTING=VALUE",
        env = "JOBWRIGHT_SET",
        value_delimiter = ',',
        value_parser = setting
    )]
    settings: Vec<(String, String)>,
}

/// Reads `SETTING=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected SETTING=VALUE, such as registry=ghcr.io/team".to_owned()),
    }
}

impl FolderArgs {
    /// Where the templates are.
    pub fn source(&self) -> TemplateSource {
        TemplateSource::or_default(self.templates.clone())
    }

    /// The settings that were given. A template's schema gives each its type.
    pub fn settings(&self) -> Settings {
        let setting = |(name, value): &(String, String)| (name.clone(), Value::from(value.clone()));
        self.settings.iter().map(setting).collect()
    }

    /// Every template of the folder.
    pub fn catalog(&self) -> anyhow::Result<Catalog> {
        Catalog::load(&self.source(), &self.settings()).context("cannot load the templates")
    }
}
