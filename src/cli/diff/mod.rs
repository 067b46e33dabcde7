//! `jobwright diff`: what a change of the templates changes in what would be launched.

mod compare;
mod show;

use std::io::Write;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::ValueEnum;

use self::compare::{Compared, Outcome};
use super::failure::{self, advise};
use super::folder::FolderArgs;
use crate::template::{Catalog, TemplateSource};

/// Shows what changes in the manifests since a revision
///
/// Renders every example with the templates as they were in a revision of the git repository, and as they are in the
/// folder now, and shows how the manifests differ. An example that was changed itself is rendered as it was then, too:
/// so whoever still launches with such parameters is not forgotten. Nothing is checked out; secrets are masked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright diff                                what is not committed yet changes
  jobwright diff --base origin/main             what this branch changes
  jobwright diff --base v1.4 nightly-report     one template, since a release
  jobwright diff --base origin/main -o markdown > comment.md
  jobwright diff --base origin/main --fail-on break

Exit codes: 0 nothing that --fail-on names, 1 something, 2 wrong usage, or no comparison can be made.")]
pub struct DiffArgs {
    /// Only these templates [default: all]
    #[arg(value_name = "TEMPLATE")]
    names: Vec<String>,

    /// The revision to compare with: a commit, a branch, a tag
    #[arg(long, value_name = "REV", default_value = "HEAD", env = "JOBWRIGHT_DIFF_BASE")]
    base: String,

    /// How to write what changes
    #[arg(short, long, value_name = "FORMAT", default_value = "text", env = "JOBWRIGHT_DIFF_OUTPUT")]
    output: Format,

    /// What makes the exit code 1
    #[arg(long, value_name = "WHAT", default_value = "change", env = "JOBWRIGHT_DIFF_FAIL_ON")]
    fail_on: FailOn,

    #[command(flatten)]
    folder: FolderArgs,
}

/// How changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, on a terminal
    Text,
    /// For people, as the comment of a pull request
    Markdown,
    /// For programs
    Json,
}

/// What makes a comparison a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Any change
    Change,
    /// What could be launched, and no longer can
    Break,
    /// Nothing
    Never,
}

impl FailOn {
    fn fails(self, outcome: &Outcome) -> bool {
        match self {
            Self::Change => outcome.is_change(),
            Self::Break => outcome.is_break(),
            Self::Never => false,
        }
    }
}

/// Compares, and shows what changes.
///
/// # Errors
/// When stdout cannot be written to. That no comparison can be made is told with an exit code of its own.
pub fn run(args: DiffArgs) -> anyhow::Result<ExitCode> {
    let compared = match comparison(&args) {
        Ok(compared) => compared,
        Err(error) => {
            failure::report(&error);
            return Ok(ExitCode::from(2));
        }
    };
    let text = match args.output {
        Format::Text => show::text(&compared),
        Format::Markdown => show::markdown(&compared, &args.base),
        Format::Json => show::json(&compared, &args.base),
    };
    anstream::stdout().write_all(text.as_bytes())?;
    writeln!(anstream::stderr(), "{}", show::summary(&compared, &args.base))?;
    let fails = compared.iter().any(|it| args.fail_on.fails(&it.outcome));
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn comparison(args: &DiffArgs) -> anyhow::Result<Vec<Compared>> {
    let now = args.folder.source();
    let TemplateSource::Folder(folder) = &now else {
        return Err(advise(
            anyhow!("there is no template folder here to compare"),
            "name one: jobwright diff --templates DIR",
        ));
    };
    let base = TemplateSource::Revision { folder: folder.clone(), revision: args.base.clone() };
    let settings = args.folder.settings();
    let now = Catalog::load(&now, &settings)?;
    let base = Catalog::load(&base, &settings)?;
    for name in &args.names {
        if base.entry(name).is_none() {
            now.get(name).map_err(|error| {
                if now.entry(name).is_some() { anyhow!(error) } else { advise(error, "jobwright templates list") }
            })?;
        }
    }
    Ok(compare::compare(&base, &now, |name| args.names.is_empty() || args.names.iter().any(|it| it == name)))
}
