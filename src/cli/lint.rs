//! `jobwright lint`: what is wrong with templates, before anybody launches them.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::failure::{Advice, WrongUsage, advise};
use crate::template::lint::{Level, Report, format, lint_paths};

/// Checks templates: their syntax, the manifests of their examples, and good practice
///
/// Renders every example and refuses, without a cluster, what the Kubernetes API server would refuse.
/// A rule is switched off in a file by a comment: `# jobwright: allow(RULE) why`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright lint                                   check ./job-templates
  jobwright lint job-templates/hello.yaml          check one template
  jobwright lint --set registry=eu.example.com     check with this place's settings
  jobwright lint -o github --deny-warnings         annotate a pull request, fail on warnings
  jobwright lint -o sarif > lint.sarif             for a code scanner

Exit codes: 0 no errors, 1 errors (or warnings, with --deny-warnings), 2 wrong usage.")]
pub struct LintArgs {
    /// Template folders or files
    #[arg(value_name = "PATH", default_value = "job-templates", env = "JOBWRIGHT_TEMPLATES")]
    paths: Vec<PathBuf>,

    /// How findings are written
    #[arg(short, long, value_name = "FORMAT", default_value = "human", env = "JOBWRIGHT_LINT_OUTPUT")]
    output: Output,

    /// Fail on warnings too
    #[arg(long, env = "JOBWRIGHT_DENY_WARNINGS")]
    deny_warnings: bool,

    /// A setting that the place of deployment gives; may be repeated
    #[arg(long, value_name = "SETTING=VALUE", env = "JOBWRIGHT_SET", value_delimiter = ',')]
    set: Vec<String>,
}

/// The form of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: the line with a caret
    Human,
    /// For programs: one JSON object
    Json,
    /// For code scanners: SARIF 2.1.0
    Sarif,
    /// For GitHub Actions: annotations
    Github,
}

/// Checks the templates, prints the findings and says whether they are good.
///
/// # Errors
/// When a path cannot be read, or the findings cannot be written.
pub fn run(args: LintArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.set)?;
    let report =
        lint_paths(&args.paths, &settings).hint(|| "name the folder with your templates: jobwright lint PATH")?;
    if report.templates == 0 {
        let named: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(advise(
            anyhow::anyhow!("there is no template in {}", named.join(", ")),
            "a template is a file NAME.yaml; name the folder that holds yours: jobwright lint PATH",
        ));
    }
    write(&report, args.output)?;
    writeln!(anstream::stderr(), "{}", report.summary())?;
    let bad = report.count(Level::Error) > 0 || args.deny_warnings && report.count(Level::Warning) > 0;
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(report: &Report, output: Output) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match output {
        Output::Human => format::human(report, &mut out)?,
        Output::Json => format::json(report, &mut out)?,
        Output::Sarif => format::sarif(report, &mut out)?,
        Output::Github => format::github(report, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn settings(given: &[String]) -> Result<Map<String, Value>, WrongUsage> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.into())),
        _ => Err(WrongUsage(format!("--set {text}: expected SETTING=VALUE"))),
    };
    given.iter().map(pair).collect()
}
