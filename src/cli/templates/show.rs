//! `jobwright templates show`.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::super::failure::Advice;
use super::super::folder::FolderArgs;
use super::super::show;
use super::super::table::{self, Cell, Column};
use super::{Format, as_data, data};
use crate::template::{Catalog, Entry, MASK, Parameter, State, Template};

/// Shows one template: its parameters, settings and examples
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The template's name: its file's, without .yaml
    #[arg(value_name = "TEMPLATE")]
    name: String,

    /// How to write the template
    #[arg(short, long, value_name = "FORMAT", default_value = "table", env = "JOBWRIGHT_TEMPLATES_OUTPUT")]
    output: Format,

    #[command(flatten)]
    folder: FolderArgs,
}

/// Shows the template.
pub(super) fn run(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    let template = Catalog::load_one(&folder.source(), &folder.settings(), &args.name)?
        .hint(|| "`jobwright templates list` shows the templates, `jobwright lint` what is wrong with them")?;
    let text = match args.output {
        Format::Table => card(&template, show::room()),
        Format::Json | Format::Yaml => {
            let entry = Entry { name: args.name, state: State::Loaded(template) };
            data(&as_data(&entry), args.output)
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn card(template: &Template, room: Option<usize>) -> String {
    let mut out = format!("{}: {}\n", template.name(), template.title());
    // Writing to a String cannot fail.
    if let Some(description) = template.description() {
        let _ = writeln!(out, "{}", description.trim_end());
    }
    if template.parameters().is_empty() {
        out.push_str("\nIt takes no parameters.\n");
    } else {
        out.push('\n');
        out += &inputs("PARAMETER", template.parameters(), None, room);
    }
    if !template.declared_settings().is_empty() {
        out.push('\n');
        out += &inputs("SETTING", template.declared_settings(), Some(template), room);
    }
    for (index, (name, parameters)) in template.examples().iter().enumerate() {
        out.push_str(if index == 0 { "\nExamples:\n" } else { "" });
        let _ = writeln!(out, "  {name}: {}", example(template, parameters));
    }
    let _ = writeln!(out, "\ndigest  {}", template.digest());
    let provenance = template.provenance();
    if let Some(commit) = provenance.commit {
        let dirty = if provenance.dirty { " (changed since)" } else { "" };
        let _ = writeln!(out, "commit  {commit}{dirty}");
    }
    out
}

/// Parameters of an example as JSON, secrets masked.
fn example(template: &Template, parameters: &serde_json::Map<String, Value>) -> String {
    let secret = |name: &str| template.parameters().iter().any(|it| it.secret && it.name == name);
    let shown: serde_json::Map<_, _> = parameters
        .iter()
        .map(|(name, value)| match secret(name) {
            true => (name.clone(), MASK.into()),
            false => (name.clone(), value.clone()),
        })
        .collect();
    Value::Object(shown).to_string()
}

fn inputs(title: &'static str, inputs: &[Parameter], in_force: Option<&Template>, room: Option<usize>) -> String {
    let column = |title, shrinks_to| Column { title, shrinks_to };
    let columns = [
        column(title, None),
        column("TYPE", Some(12)),
        column(if in_force.is_some() { "VALUE" } else { "DEFAULT" }, Some(12)),
        column("DESCRIPTION", Some(16)),
    ];
    let rows: Vec<Vec<Cell>> = inputs
        .iter()
        .map(|input| {
            let value = match in_force {
                Some(template) => template.settings().get(&input.name),
                None => input.default.as_ref(),
            };
            vec![
                Cell::from(input.name.as_str()),
                Cell::from(kind(&input.schema)),
                Cell::from(given(input, value)),
                Cell::from(input.description.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    table::layout(&columns, &rows, room)
}

fn given(input: &Parameter, value: Option<&Value>) -> String {
    match value {
        Some(_) if input.secret => MASK.to_owned(),
        Some(value) => value.to_string(),
        None if input.required => "(required)".to_owned(),
        None => String::new(),
    }
}

/// The type of a value in a few words: `string (date)`, `pdf|html|csv`, `list of string (email)`.
fn kind(schema: &Value) -> String {
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let options: Vec<String> =
            options.iter().map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned)).collect();
        return options.join("|");
    }
    let types = match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join("|")
        }
        _ if schema.get("$ref").is_some() => "object".to_owned(),
        _ => "any".to_owned(),
    };
    let format = schema.get("format").and_then(Value::as_str);
    match (types.as_str(), schema.get("items"), format) {
        ("array", Some(items), _) => format!("list of {}", kind(items)),
        ("array", None, _) => "list".to_owned(),
        (_, _, Some(format)) => format!("{types} ({format})"),
        _ => types,
    }
}
