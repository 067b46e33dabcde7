//! `jobwright templates`: what can be launched, and whether it still gives what it gave.

mod list;
mod show;
mod test;

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::template::{Entry, Template};

/// Lists and shows templates, and tests them against their golden manifests
///
/// Works on a folder of templates; needs no server.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  jobwright templates list
  jobwright templates show nightly-report
  jobwright templates test                       compare every example with its golden manifest
  jobwright templates test --update              write the golden manifests; read them, then commit them"
)]
pub struct TemplatesArgs {
    #[command(subcommand)]
    command: TemplatesCommand,
}

#[derive(Debug, Subcommand)]
enum TemplatesCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Test(test::TestArgs),
}

/// Does what was asked for.
///
/// # Errors
/// When the folder cannot be read, there is no such template, or a golden manifest cannot be written.
pub fn run(args: TemplatesArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        TemplatesCommand::List(args) => list::run(args),
        TemplatesCommand::Show(args) => show::run(args),
        TemplatesCommand::Test(args) => test::run(args),
    }
}

/// How templates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
}

/// Writes a value as data.
fn data(value: &Value, format: Format) -> String {
    match format {
        Format::Yaml => crate::template::yaml::write(value),
        Format::Table | Format::Json => format!("{value:#}\n"),
    }
}

/// A template as data, in the words of the HTTP API.
fn as_data(entry: &Entry) -> Value {
    let template = entry.template().map(AsRef::as_ref);
    let provenance = template.map(Template::provenance).unwrap_or_default();
    json!({
        "name": entry.name,
        "title": entry.title(),
        "description": entry.description(),
        "usable": template.is_some(),
        "problems": entry.error().map(|error| &error.problems),
        "parameters": template.map(Template::schema),
        "examples": template.map(Template::examples),
        "settings": template.map(Template::settings),
        "digest": template.map(Template::digest),
        "commit": provenance.commit,
        "dirty": provenance.dirty,
    })
}
