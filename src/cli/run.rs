//! `jobwright run`: launches a job, on a server or here.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::client::{Client, ServerArgs, escape};
use super::launch::{self, LaunchArgs};
use super::local;
use super::params::ParamArgs;
use super::prompt::PromptArgs;
use super::serve::PartsArgs;
use crate::template::Inputs;

/// Launches a job
///
/// On a server, or with --local here and without one. With --local the job is followed to its end, and the first Ctrl-C
/// cancels it; the second leaves at once, which ends its processes too.
///
/// On a terminal, required parameters that are not given are asked for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright run hello -p name=Ada --local
  jobwright run shell-task -f params.yaml --local --image busybox=/bin/sh
  jobwright run nightly-report -p day=2026-01-31 --id nightly-2026-01-31 --follow
  jobwright run nightly-report -p day=2026-01-31 -o name
  jobwright run shell-task -p script=@backup.sh          the text of a file; @- is stdin, @@text is \"@text\"
  generate-parameters | jobwright run nightly-report -f -

Exit codes: 0 launched, or succeeded where the end is waited for; 1 refused, or ended otherwise; 2 wrong usage; 130 left at
Ctrl-C, with the job going on.")]
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
    prompt: PromptArgs,
    #[command(flatten)]
    launch: LaunchArgs,
    #[command(flatten, next_help_heading = "With --local")]
    parts: PartsArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Launches a job.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let mut parameters = args.params.values()?;
    let can_ask = args.prompt.can_ask()?;
    if args.local {
        if can_ask && let Some(template) = args.parts.load_template(&args.template)? {
            args.prompt.complete(&template.inputs(), &mut parameters)?;
        }
        return local::run(&args.parts, args.template, parameters, &args.launch);
    }
    if !args.parts.settings.is_empty() || !args.parts.images.is_empty() {
        writeln!(
            anstream::stderr(),
            "settings and images are those of the server: --set and --image have no effect without --local"
        )?;
    }
    let client = Client::new(&args.server)?;
    if can_ask && let Some(inputs) = inputs(&client, &args.template)? {
        args.prompt.complete(&inputs, &mut parameters)?;
    }
    let (id, name) = (args.launch.id_or_new(), args.launch.name.as_deref());
    let mut body = launch::body(&id, name, parameters);
    body.insert("template".to_owned(), args.template.into());
    let answer = client.post_until_known("/api/v1/jobs", &Value::Object(body)).map_err(|error| client.report(error))?;
    launch::launched(&client, &answer, &args.launch)
}

/// The parameters of a template of the server. None where it has no usable version, or is not as this program knows
/// templates: then the launch itself tells what is wrong.
fn inputs(client: &Client, template: &str) -> anyhow::Result<Option<Inputs>> {
    let mut found = client.get(&format!("/api/v1/templates/{}", escape(template)))?;
    Ok(Inputs::new(found["parameters"].take()).ok())
}
