//! `jobwright store`: export, import, check and compact the records of a data folder that no service uses.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::identity::IdentityArgs;
use crate::store::{self, Options, Store};

/// Exports, imports, checks or compacts the records
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The service must not run meanwhile: one process at a time has a data folder open.

Examples:
  jobwright store export > backup.jsonl                 all records, without secrets
  jobwright store export --with-secrets backup.jsonl    a whole backup; keep it safe
  jobwright store import backup.jsonl --data new-data   into a new folder
  jobwright store rebuild                               after a backup was restored: find what it lacks
  jobwright store check                                 verify every row; exit code 1 for any fault
  jobwright store compact                               give space back to the disk")]
pub struct StoreArgs {
    /// Where the records are
    #[arg(long, global = true, value_name = "DIR", default_value = "jobwright-data", env = "JOBWRIGHT_DATA")]
    data: PathBuf,

    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StoreCommand {
    /// Writes all records as JSON lines
    Export {
        /// Where to; `-` stands for stdout
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Write the installation's key and the secrets of jobs that are still to be launched too
        #[arg(long, env = "JOBWRIGHT_WITH_SECRETS")]
        with_secrets: bool,
    },
    /// Reads records that were exported; those that are there already stay as they are
    Import {
        /// Where from; `-` stands for stdin
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        identity: IdentityArgs,
    },
    /// Has the next start of the service record again the jobs that are missing and whose objects are there
    Rebuild,
    /// Verifies every record and index
    Check,
    /// Rewrites the records so that they take no more space than they need
    Compact,
}

/// Does what is asked for. Words go to stderr, since stdout may be the export.
pub fn run(args: StoreArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        StoreCommand::Export { file, with_secrets } => export(&args.data, &file, with_secrets),
        StoreCommand::Import { file, identity } => import(&args.data, &file, &identity),
        StoreCommand::Rebuild => rebuild(&args.data),
        StoreCommand::Check => check(&args.data),
        StoreCommand::Compact => compact(&args.data),
    }
}

fn say(words: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(anstream::stderr().lock(), "{words}")
}

fn is_dash(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn export(data: &Path, file: &Path, with_secrets: bool) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(data, Options::default())?;
    let total = store.counts().map(|(_, count)| count).sum();
    let mut progress = Progress::new("exporting jobs", Some(total));
    let mut told = |done| progress.at(done);
    let written = if is_dash(file) {
        let mut out = BufWriter::new(io::stdout().lock());
        store.export(&mut out, with_secrets, &mut told)?
    } else {
        // A file that is there already is replaced only by a whole export.
        let mut name = file.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let written = export_to(&store, &part, with_secrets, &mut told)
            .and_then(|written| Ok((written, fs::rename(&part, file)?)));
        match written {
            Ok((written, ())) => written,
            Err(error) => {
                let _it_may_not_exist = fs::remove_file(&part);
                return Err(error.context(format!("writing {}", file.display())));
            }
        }
    };
    progress.end();
    say(format_args!("exported {}", jobs(written)))?;
    Ok(ExitCode::SUCCESS)
}

fn export_to(store: &Store, part: &Path, with_secrets: bool, told: &mut dyn FnMut(u64)) -> anyhow::Result<u64> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(part)?;
    let mut out = BufWriter::new(file);
    let written = store.export(&mut out, with_secrets, told)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(written)
}

fn import(data: &Path, file: &Path, identity: &IdentityArgs) -> anyhow::Result<ExitCode> {
    let mut input: Box<dyn BufRead> = if is_dash(file) {
        Box::new(BufReader::new(io::stdin().lock()))
    } else {
        let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    // What the export does not say of whose records these are, it is told here.
    drop(Store::open(data, Options { identity: identity.read()?, ..Options::default() })?);
    let mut progress = Progress::new("importing jobs", None);
    let imported = store::import(data, &mut input, Timestamp::now(), &mut |done| {
        progress.at(done);
    })?;
    progress.end();
    say(format_args!("added {}; {} there already", jobs(imported.added), imported.same))?;
    for id in &imported.without_secrets {
        say(format_args!(
            "job {id} was still to be launched, and its secrets were not exported: it is recorded as Rejected"
        ))?;
    }
    for id in &imported.conflicts {
        say(format_args!("job {id} is on record otherwise, and was left as it is"))?;
    }
    Ok(if imported.conflicts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn rebuild(data: &Path) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(data, Options::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot start the runtime")?;
    runtime.block_on(store.set_rebuild_due(true))?;
    say(format_args!(
        "the next start of the service looks for objects of installation {} whose jobs are not on record",
        store.installation()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn check(data: &Path) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(data, Options::default())?;
    let mut progress = Progress::new("checking rows", None);
    let checked = store.check(&mut |done| progress.at(done))?;
    progress.end();
    let mut out = anstream::stdout().lock();
    for fault in &checked.faults {
        writeln!(out, "{fault}")?;
    }
    let faults = checked.faults.len() as u64 + checked.unlisted;
    if checked.unlisted > 0 {
        writeln!(out, "and {} more", checked.unlisted)?;
    }
    say(format_args!(
        "{} in {} rows: {faults} {}",
        jobs(checked.jobs),
        checked.rows,
        if faults == 1 { "fault" } else { "faults" }
    ))?;
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compact(data: &Path) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new("copying rows", None);
    let done = store::compact(data, &mut |done| progress.at(done))?;
    progress.end();
    say(format_args!(
        "compacted from {} to {}",
        indicatif::BinaryBytes(done.before),
        indicatif::BinaryBytes(done.after)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn jobs(count: u64) -> String {
    format!("{count} {}", if count == 1 { "job" } else { "jobs" })
}

/// Shows how far something is on a terminal, once it takes longer than a second.
struct Progress {
    what: &'static str,
    total: Option<u64>,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(what: &'static str, total: Option<u64>) -> Self {
        Self { what, total, since: Instant::now(), bar: None }
    }

    fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.since.elapsed() > Duration::from_secs(1) && io::stderr().is_terminal() {
            self.bar = Some(self.show());
        }
    }

    fn show(&self) -> ProgressBar {
        let (bar, template) = match self.total {
            Some(total) => (ProgressBar::new(total), "{msg} [{bar:30}] {human_pos}/{human_len} ({eta})"),
            None => (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos}"),
        };
        let style = ProgressStyle::with_template(template);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(self.what)
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
