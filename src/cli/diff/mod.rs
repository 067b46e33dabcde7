//! `jobwright diff`: what a change of the templates changes in what would be launched. [`compare`] and [`show`] serve
//! `jobwright replay` as well.

pub(super) mod compare;
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

    #[command(flatten)]
    versions: VersionArgs,
}

/// Which two versions of the templates to compare, and how to tell what differs.
#[derive(Debug, clap::Args)]
pub(super) struct VersionArgs {
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

/// The templates as they were, and as they are.
pub(super) struct Versions {
    pub(super) base: Catalog,
    pub(super) now: Catalog,
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
    args.versions.told(args.versions.load().and_then(|versions| examples(&args.names, &versions)))
}

fn examples(names: &[String], Versions { base, now }: &Versions) -> anyhow::Result<Vec<Compared>> {
    for name in names {
        if base.entry(name).is_none() && now.entry(name).is_none() {
            now.get(name).map_err(|error| advise(error, "`jobwright templates list` shows the templates"))?;
        }
    }
    Ok(compare::examples(base, now, |name| names.is_empty() || names.iter().any(|it| it == name)))
}

impl VersionArgs {
    /// Loads both versions.
    pub(super) fn load(&self) -> anyhow::Result<Versions> {
        let now = self.folder.source();
        let TemplateSource::Folder(folder) = &now else {
            return Err(advise(anyhow!("there is no template folder here to compare"), "name one: --templates DIR"));
        };
        let base = TemplateSource::Revision { folder: folder.clone(), revision: self.base.clone() };
        let settings = self.folder.settings();
        Ok(Versions { base: Catalog::load(&base, &settings)?, now: Catalog::load(&now, &settings)? })
    }

    /// Tells what was found, and gives the exit code: one of its own where nothing could be compared.
    pub(super) fn told(&self, compared: anyhow::Result<Vec<Compared>>) -> anyhow::Result<ExitCode> {
        let compared = match compared {
            Ok(compared) => compared,
            Err(error) => {
                failure::report(&error);
                return Ok(ExitCode::from(2));
            }
        };
        let text = match self.output {
            Format::Text => show::text(&compared),
            Format::Markdown => show::markdown(&compared, &self.base),
            Format::Json => show::json(&compared, &self.base),
        };
        anstream::stdout().write_all(text.as_bytes())?;
        writeln!(anstream::stderr(), "{}", show::summary(&compared, &self.base))?;
        let fails = compared.iter().any(|it| self.fail_on.fails(&it.outcome));
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
