//! `jobwright jobs cancel`, `rerun` and `delete`.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::client::{Client, ServerArgs, job_id, job_path};
use crate::cli::failure;
use crate::cli::follow::Shown;
use crate::cli::launch::{self, LaunchArgs};
use crate::cli::params::ParamArgs;
use crate::cli::remote;
use crate::cli::show::{self, Format, OutputArgs};
use crate::job::Phase;

/// Cancels jobs
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright jobs cancel nightly-7
  jobwright jobs cancel nightly-7 nightly-8 --wait
  jobwright jobs list --phase Running -o name | xargs jobwright jobs cancel")]
pub(super) struct CancelArgs {
    /// The jobs' IDs
    #[arg(value_name = "ID", required = true, value_parser = job_id)]
    ids: Vec<String>,

    /// Wait until they have ended
    #[arg(long, env = "JOBWRIGHT_WAIT")]
    wait: bool,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Cancels jobs. Those that cannot be cancelled do not keep the others from it.
pub(super) fn cancel(args: CancelArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    each(&args.ids, args.output.output, |id| {
        let answer =
            client.post(&format!("{}/cancel", job_path(id)), &json!({})).map_err(|error| client.report(error))?;
        if !args.wait {
            return Ok((answer, "cancellation asked for"));
        }
        let job = show::job(&answer)?;
        remote::follow(&client, &job, Shown::WithoutLog, &mut std::io::sink())?;
        let answer = client.get(&job_path(id))?;
        let said = match show::job(&answer)?.phase {
            Phase::Cancelled => "cancelled",
            _ => "ended before it could be cancelled",
        };
        Ok((answer, said))
    })
}

/// Deletes the records of jobs that have ended
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "rm",
    after_long_help = "\
Examples:
  jobwright jobs delete nightly-7
  jobwright jobs list --phase Succeeded --until 30d --all -o name | xargs jobwright jobs delete"
)]
pub(super) struct DeleteArgs {
    /// The jobs' IDs
    #[arg(value_name = "ID", required = true, value_parser = job_id)]
    ids: Vec<String>,

    /// How to write what was deleted
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "table",
        env = "JOBWRIGHT_OUTPUT",
        value_parser = ["table", "name"]
    )]
    output: String,

    #[command(flatten)]
    server: ServerArgs,
}

/// Deletes jobs. Those that cannot be deleted do not keep the others from it.
pub(super) fn delete(args: DeleteArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    let format = if args.output == "name" { Format::Name } else { Format::Table };
    each(&args.ids, format, |id| {
        let answer = client.delete(&job_path(id)).map_err(|error| client.report(error))?;
        Ok((answer, "deleted"))
    })
}

/// Does something with each of several jobs, says for each what came of it, and fails in the end if any of them did.
fn each(
    ids: &[String],
    format: Format,
    act: impl Fn(&str) -> anyhow::Result<(Value, &'static str)>,
) -> anyhow::Result<ExitCode> {
    let mut stdout = anstream::stdout();
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        match act(id) {
            Ok((answer, said)) => match format {
                Format::Name => writeln!(stdout, "{id}")?,
                Format::Json | Format::Yaml => show::data(&mut stdout, &answer, format)?,
                Format::Table | Format::Wide => writeln!(stdout, "{id} {said}")?,
            },
            // One job alone fails as any command does.
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => code = failure::report(&error.context(id.clone())),
        }
    }
    Ok(code)
}

/// Launches a job again, with the same parameters or others
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright jobs rerun nightly-7 --follow
  jobwright jobs rerun nightly-7 -p day=2026-02-01 --id nightly-8")]
pub(super) struct RerunArgs {
    /// The job to repeat
    #[arg(value_name = "ID", value_parser = job_id)]
    job: String,

    #[command(flatten)]
    params: ParamArgs,
    #[command(flatten)]
    launch: LaunchArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Launches a job again.
pub(super) fn rerun(args: RerunArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    let (id, name) = (args.launch.id_or_new(), args.launch.name.as_deref());
    let body = launch::body(&id, name, args.params.values()?);
    let answer = client
        .post_until_known(&format!("{}/rerun", job_path(&args.job)), &Value::Object(body))
        .map_err(|error| client.report(error))?;
    launch::launched(&client, &answer, &args.launch)
}
