//! `jobwright jobs get`.

use std::io::Write;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::client::{Client, ServerArgs, job_id, job_path};
use crate::cli::event_line::event_line;
use crate::cli::remote;
use crate::cli::show::{self, Format, OutputArgs};

/// Shows jobs in full
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright jobs get nightly-7                 everything about one job
  jobwright jobs get nightly-7 -o wide         with its history
  jobwright jobs get nightly-7 -o json | jq .phase
  jobwright jobs get nightly-7 --manifest      what was sent to the executor")]
pub(super) struct GetArgs {
    /// The jobs' IDs
    #[arg(value_name = "ID", required = true, value_parser = job_id)]
    ids: Vec<String>,

    /// Show the manifest instead: as YAML, or as JSON with -o json
    #[arg(long, env = "JOBWRIGHT_MANIFEST")]
    manifest: bool,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Shows jobs in full.
pub(super) fn run(args: GetArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    let format = args.output.output;
    let stdout = &mut anstream::stdout().lock();
    let suffix = if args.manifest { "/manifest" } else { "" };
    let mut found = Vec::new();
    for id in &args.ids {
        found.push(client.get(&format!("{}{suffix}", job_path(id)))?);
    }
    match format {
        Format::Name => {
            for id in &args.ids {
                writeln!(stdout, "{id}")?;
            }
        }
        Format::Json | Format::Yaml => show::data(stdout, &one_or_list(found), format)?,
        Format::Table | Format::Wide if args.manifest => {
            for (index, manifest) in found.iter().enumerate() {
                if index > 0 {
                    writeln!(stdout, "---")?;
                }
                show::data(stdout, manifest, Format::Yaml)?;
            }
        }
        Format::Table | Format::Wide => {
            for (index, job) in found.iter().enumerate() {
                if index > 0 {
                    writeln!(stdout)?;
                }
                let job = show::job(job)?;
                write!(stdout, "{}", show::card(&job, Timestamp::now()))?;
                if format == Format::Wide {
                    writeln!(stdout, "history")?;
                    for event in remote::history(&client, job.id.as_str())? {
                        write!(stdout, "{}", event_line(&event, job.created))?;
                    }
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a single job's route gives, or a list as the list's route gives it.
fn one_or_list(mut found: Vec<Value>) -> Value {
    if found.len() == 1 {
        return found.pop().unwrap_or_default();
    }
    json!({"items": found, "next": null})
}
