//! `jobwright run`: launches a job, on a server or here.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::client::{Client, ClientError, ServerArgs};
use super::launch::{self, LaunchArgs};
use super::local;
use super::params::ParamArgs;
use super::serve::PartsArgs;

/// Launches a job
///
/// On a server, or with --local here and without one. With --local the job is followed to its end, and the first Ctrl-C
/// cancels it; the second leaves at once, which ends its processes too.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright run hello -p name=Ada --local
  jobwright run shell-task -f params.yaml --local --image busybox=/bin/sh
  jobwright run nightly-report -p day=2026-01-31 --id nightly-2026-01-31 --follow
  jobwright run nightly-report -p day=2026-01-31 -o name

Exit codes: 0 launched, or succeeded where the end is waited for; 1 refused, or ended otherwise; 2 wrong usage.")]
pub struct RunArgs {
    /// The template
    #[arg(value_name = "TEMPLATE")]
    template: String,

    /// Run it here as a process and follow it to its end, without a server
    #[arg(long, env = "JOBWRIGHT_LOCAL")]
    local: bool,

    #[command(flatten)]
    params: ParamArgs,
    #[command(flatten)]
    launch: LaunchArgs,
    #[command(flatten, next_help_heading = "With --local")]
    parts: PartsArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Launches a job.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let parameters = args.params.values()?;
    if args.local {
        return local::run(&args.parts, args.template, parameters, &args.launch);
    }
    if !args.parts.settings.is_empty() || !args.parts.images.is_empty() {
        writeln!(
            anstream::stderr(),
            "settings and images are those of the server: --set and --image have no effect without --local"
        )?;
    }
    let client = Client::new(&args.server)?;
    let (id, name) = (args.launch.id_or_new(), args.launch.name.as_deref());
    let mut body = launch::body(&id, name, parameters);
    body.insert("template".to_owned(), args.template.into());
    let answer = client.post_until_known("/api/v1/jobs", &Value::Object(body)).map_err(ClientError::into_report)?;
    launch::launched(&client, &answer, &args.launch)
}
