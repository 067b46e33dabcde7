//! `jobwright templates list`.

use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::super::folder::FolderArgs;
use super::super::show;
use super::super::table::{self, Cell, Column};
use super::{Format, as_data, data};
use crate::template::{Catalog, Entry};

/// Lists the templates of a folder, broken ones too
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// How to write the list
    #[arg(short, long, value_name = "FORMAT", default_value = "table", env = "JOBWRIGHT_TEMPLATES_OUTPUT")]
    output: Format,

    #[command(flatten)]
    folder: FolderArgs,
}

const COLUMNS: [Column; 4] = [
    Column { title: "NAME", shrinks_to: None },
    Column { title: "TITLE", shrinks_to: Some(12) },
    Column { title: "PARAMETERS", shrinks_to: Some(12) },
    Column { title: "DESCRIPTION", shrinks_to: Some(16) },
];

/// Lists the templates.
pub(super) fn run(args: ListArgs) -> anyhow::Result<ExitCode> {
    let catalog = args.folder.catalog()?;
    let text = match args.output {
        Format::Table => table(&catalog, show::room()),
        Format::Json | Format::Yaml => {
            let items: Vec<Value> = catalog.entries().map(as_data).collect();
            data(&json!({"items": items}), args.output)
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table(catalog: &Catalog, room: Option<usize>) -> String {
    let rows: Vec<Vec<Cell>> = catalog.entries().map(row).collect();
    table::layout(&COLUMNS, &rows, room)
}

fn row(entry: &Entry) -> Vec<Cell> {
    let told = match entry.error() {
        Some(error) => {
            let first = error.problems.first().map(ToString::to_string);
            let red: Style = AnsiColor::Red.on_default();
            Cell::styled(format!("broken: {}", first.unwrap_or_default()), red)
        }
        None => Cell::from(entry.description().unwrap_or_default()),
    };
    let parameters: Vec<String> = entry
        .template()
        .into_iter()
        .flat_map(|template| template.parameters())
        .map(|parameter| match parameter.required {
            true => format!("{}*", parameter.name),
            false => parameter.name.clone(),
        })
        .collect();
    vec![Cell::from(entry.name.as_str()), Cell::from(entry.title()), Cell::from(parameters.join(" ")), told]
}
