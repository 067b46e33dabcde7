//! `jobwright render`: the manifest that a template and its parameters give. Needs no server and no cluster.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::ValueEnum;

use super::client::job_id;
use super::cluster::ClusterArgs;
use super::dry_run;
use super::failure::{Advice, advise};
use super::folder::FolderArgs;
use super::launch::job_name;
use super::params::ParamArgs;
use super::prompt::PromptArgs;
use super::refusal::how_to_give;
use crate::service::Made;
use crate::template::{Catalog, Checked, Context, Fault, Template, suggest};

/// Shows the manifest that a template and its parameters give
///
/// Checks parameters and manifest as a launch does, and launches nothing. Needs no server and no cluster. The same input
/// always gives the same bytes; secrets are masked.
///
/// With --server-side the API server of a cluster is asked as well: it is shown the very object that a launch would
/// create, goes all the way but for storing it, and so finds what no offline check can: quotas, policies, Pod Security.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright render hello -p name=Ada
  jobwright render nightly-report -p day=2026-01-31 -p to=ada@example.org -p to=grace@example.org
  jobwright render nightly-report -f params.yaml -o json
  jobwright render hello -p name=Ada --set worker_image=eu.example.com/worker:1.4
  jobwright render hello -p name=Ada --server-side --context staging --namespace jobs

Exit codes: 0 rendered, 1 not: everything that is wrong is listed, 2 wrong usage.")]
pub struct RenderArgs {
    /// The template's name: its file's, without .yaml
    #[arg(value_name = "TEMPLATE")]
    template: String,

    /// The job ID to render with
    #[arg(long, value_name = "ID", default_value = "example", env = "JOBWRIGHT_ID", value_parser = job_id)]
    id: String,

    /// The job's name for people to render with
    #[arg(long, value_name = "TEXT", default_value = "Example", env = "JOBWRIGHT_NAME", value_parser = job_name)]
    name: String,

    /// How the manifest is written
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml", env = "JOBWRIGHT_RENDER_OUTPUT")]
    output: Output,

    /// Ask the API server too, by a dry run; its warnings are shown on stderr
    #[arg(long, env = "JOBWRIGHT_SERVER_SIDE")]
    server_side: bool,

    #[command(flatten)]
    folder: FolderArgs,

    #[command(flatten)]
    params: ParamArgs,

    #[command(flatten)]
    prompt: PromptArgs,

    #[command(flatten, next_help_heading = "With --server-side")]
    cluster: ClusterArgs,
}

/// The form of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Canonical YAML
    Yaml,
    /// Canonical JSON
    Json,
}

/// Renders the template.
///
/// # Errors
/// When there is no such template or it is broken, when the parameters do not fit it, or when Kubernetes would refuse
/// what it gives: every fault is listed. With `--server-side` also when the API server refuses it, or does not answer.
pub fn run(args: RenderArgs) -> anyhow::Result<ExitCode> {
    let template = load(&args)?;
    let checked = check(&template, &args)?;
    let context = Context { job_id: args.id.clone(), job_name: args.name.clone(), ..Context::example() };
    let rendered = template.render(&checked, &context)?;
    if args.server_side {
        let made = Made { template: &template, checked: &checked, rendered: &rendered };
        dry_run::ask(&args.cluster, &made, &args.id.parse()?, &args.name.parse()?)?;
    }
    let text = match args.output {
        Output::Yaml => rendered.to_yaml(),
        Output::Json => rendered.to_json(),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn load(args: &RenderArgs) -> anyhow::Result<Arc<Template>> {
    let settings = args.folder.settings();
    let found = Catalog::load_one(&args.folder.source(), &settings, &args.template)?;
    let template =
        found.hint(|| "`jobwright templates list` shows the templates, `jobwright lint` what is wrong with them")?;
    for name in settings.keys() {
        let declared = || template.declared_settings().iter().map(|it| it.name.as_str());
        if !declared().any(|it| it == name) {
            let near = suggest::nearest(name, declared());
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            writeln!(anstream::stderr(), "warning: the template `{}` has no setting `{name}`{near}", args.template)?;
        }
    }
    Ok(template)
}

fn check(template: &Template, args: &RenderArgs) -> anyhow::Result<Checked> {
    let mut given = args.params.values()?;
    if args.prompt.can_ask()? {
        args.prompt.complete(&template.inputs(), &mut given)?;
    }
    template.check(&given).map_err(|faults| {
        let hint = format!("jobwright templates show {}", args.template);
        let error = advise(anyhow!(misfit(template.name(), &faults)), hint);
        let required = |name: &str| template.parameters().iter().any(|it| it.name == name && it.required);
        let absent = |fault: &&Fault| required(&fault.path) && !given.contains_key(&fault.path);
        let missing: Vec<_> = faults.iter().filter(absent).map(|fault| fault.path.as_str()).collect();
        match how_to_give(&missing) {
            Some(hint) => advise(error, hint),
            None => error,
        }
    })
}

/// What is wrong with parameters, all of it.
pub(super) fn misfit(template: &str, faults: &[Fault]) -> String {
    let mut text = format!("the parameters do not fit the template `{template}`");
    for fault in faults {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{fault}");
    }
    text
}
