//! `jobwright templates test`: every example against its golden manifest.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;

use super::super::failure::advise;
use super::super::folder::FolderArgs;
use super::super::render::misfit;
use super::super::unified::unified;
use crate::template::{Catalog, Context, Template, TemplateSource};

/// Compares the manifest of every example with its golden one
///
/// The golden manifest of an example is FOLDER/golden/TEMPLATE/EXAMPLE.yaml. It is rendered with the job ID `example`, the
/// name `Example` and the callback `http://127.0.0.1:8080/callback/TOKEN`, and secrets are masked in it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright templates test
  jobwright templates test --update && git diff job-templates/golden

Exit codes: 0 all are as they were, 1 some differ, are missing, or do not render, 2 wrong usage.")]
pub(super) struct TestArgs {
    /// Write what differs or is missing, and delete golden manifests that no example gives
    #[arg(long, env = "JOBWRIGHT_UPDATE")]
    update: bool,

    #[command(flatten)]
    folder: FolderArgs,
}

/// What became of one example.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Same,
    /// How the golden manifest differs from what is rendered now.
    Differs(String),
    Missing,
    /// Why there is nothing to compare.
    Broken(String),
    /// A golden manifest of no example.
    Orphan,
}

/// A golden manifest's name, such as `hello/ada`, what became of it, and what there is to write.
struct Finding {
    name: String,
    path: PathBuf,
    outcome: Outcome,
    now: String,
}

/// Tests, or updates, the golden manifests.
pub(super) fn run(args: TestArgs) -> anyhow::Result<ExitCode> {
    let source = args.folder.source();
    let TemplateSource::Folder(folder) = &source else {
        return Err(advise(
            anyhow::anyhow!("there is no template folder here to test"),
            "name one: jobwright templates test --templates DIR",
        ));
    };
    let golden = folder.join("golden");
    let findings = findings(&args.folder.catalog()?, &golden)?;
    let mut stdout = anstream::stdout().lock();
    let (mut failed, mut written) = (0, 0);
    for finding in &findings {
        let mended = args.update && finding.update()?;
        written += usize::from(mended);
        failed += usize::from(!mended && finding.outcome != Outcome::Same);
        finding.tell(mended, &mut stdout)?;
    }
    stdout.flush()?;
    let tested = findings.iter().filter(|it| it.outcome != Outcome::Orphan).count();
    let mut summary = format!(
        "{tested} example{}: {} good, {failed} bad",
        if tested == 1 { "" } else { "s" },
        findings.len() - failed
    );
    if args.update {
        summary += &format!(", {written} updated");
    }
    writeln!(anstream::stderr(), "{summary}")?;
    if failed > 0 && !args.update {
        writeln!(
            anstream::stderr(),
            "where the change is wanted: jobwright templates test --update, then read it and commit it"
        )?;
    }
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn findings(catalog: &Catalog, golden: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    for entry in catalog.entries() {
        let finding =
            |name: String, outcome, now| Finding { path: golden.join(format!("{name}.yaml")), name, outcome, now };
        if let Some(error) = entry.error() {
            let outcome = Outcome::Broken(error.to_string());
            findings.push(finding(entry.name.clone(), outcome, String::new()));
            // What it gave before is not forgotten because it is broken now.
            known.extend(manifests(&golden.join(&entry.name))?);
            continue;
        }
        let Some(template) = entry.template() else {
            continue;
        };
        for (example, parameters) in template.examples() {
            let name = format!("{}/{example}", entry.name);
            let path = golden.join(format!("{name}.yaml"));
            let (outcome, now) = match render(template, parameters) {
                Ok(now) => (compare(&path, &now)?, now),
                Err(error) => (Outcome::Broken(error), String::new()),
            };
            known.insert(path);
            findings.push(finding(name, outcome, now));
        }
    }
    for path in folders(golden)?.iter().map(|folder| manifests(folder)) {
        for path in path?.into_iter().filter(|path| !known.contains(path)) {
            let name = path.strip_prefix(golden).unwrap_or(&path).with_extension("");
            findings.push(Finding {
                name: name.display().to_string(),
                path,
                outcome: Outcome::Orphan,
                now: String::new(),
            });
        }
    }
    Ok(findings)
}

fn render(template: &Template, parameters: &serde_json::Map<String, serde_json::Value>) -> Result<String, String> {
    let checked = template.check(parameters).map_err(|faults| misfit(template.name(), &faults))?;
    template.render(&checked, &Context::example()).map(|rendered| rendered.to_yaml()).map_err(|error| error.to_string())
}

fn compare(path: &Path, now: &str) -> anyhow::Result<Outcome> {
    match fs::read_to_string(path) {
        Ok(golden) if golden == now => Ok(Outcome::Same),
        Ok(golden) => {
            let lines = unified(&golden, now);
            Ok(Outcome::Differs(match lines.is_empty() {
                true => "only the ends of its lines differ\n".to_owned(),
                false => lines,
            }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::Missing),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn folders(golden: &Path) -> anyhow::Result<Vec<PathBuf>> {
    entries(golden, |path| path.is_dir())
}

fn manifests(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    entries(folder, |path| path.extension().is_some_and(|it| it == "yaml"))
}

/// What is in a folder, by name; nothing where there is no such folder.
fn entries(folder: &Path, wanted: impl Fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", folder.display());
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.with_context(cannot)?,
    };
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.with_context(cannot)?.path();
        if wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Finding {
    /// Makes the golden manifest what the example gives now; false where there is nothing to do, or no way to.
    fn update(&self) -> anyhow::Result<bool> {
        let done = match self.outcome {
            Outcome::Same | Outcome::Broken(_) => return Ok(false),
            Outcome::Orphan => fs::remove_file(&self.path),
            Outcome::Missing | Outcome::Differs(_) => {
                let folder = self.path.parent().unwrap_or(Path::new("."));
                fs::create_dir_all(folder).and_then(|()| fs::write(&self.path, &self.now))
            }
        };
        done.with_context(|| format!("cannot update {}", self.path.display()))?;
        Ok(true)
    }

    fn tell(&self, mended: bool, to: &mut impl Write) -> io::Result<()> {
        const GOOD: Style = AnsiColor::Green.on_default();
        const BAD: Style = AnsiColor::Red.on_default();
        let (style, word) = match (&self.outcome, mended) {
            (Outcome::Same, _) => (GOOD, "same"),
            (Outcome::Orphan, true) => (GOOD, "deleted"),
            (_, true) => (GOOD, "written"),
            (Outcome::Differs(_), false) => (BAD, "differs"),
            (Outcome::Missing, false) => (BAD, "has no golden manifest"),
            (Outcome::Broken(_), false) => (BAD, "does not render"),
            (Outcome::Orphan, false) => (BAD, "is a golden manifest of no example"),
        };
        writeln!(to, "{}: {style}{word}{style:#}", self.name)?;
        match &self.outcome {
            Outcome::Differs(lines) => write!(to, "{lines}"),
            Outcome::Broken(error) => error.lines().try_for_each(|line| writeln!(to, "  {line}")),
            _ => Ok(()),
        }
    }
}
