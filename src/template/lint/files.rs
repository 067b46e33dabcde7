//! Files to look at, and the threads that do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::check::lint_template;
use super::report::{Diagnostic, Level, Report};
use crate::template::files::{names, read_partials, read_text};
use crate::template::{CatalogError, Partials, Problem, Settings};

/// A path that was named cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// There is nothing at that path.
    #[error("there is no file or folder {}", .0.display())]
    Missing(PathBuf),
    /// It is no template: its name does not end in `.yaml`.
    #[error("{} is not a template: a template's file name ends in `.yaml`", .0.display())]
    NotATemplate(PathBuf),
    /// It is there and cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A folder cannot be read.
    #[error(transparent)]
    Folder(#[from] CatalogError),
}

/// One file to look at.
struct Job {
    folder: PathBuf,
    name: String,
}

/// Looks at every template of the given folders, and at the given files, on all cores.
///
/// # Errors
/// When a path does not exist or a folder cannot be read. What is wrong with a template is in the
/// report.
pub fn lint_paths(paths: &[PathBuf], settings: &Settings) -> Result<Report, LintError> {
    let mut jobs = Vec::new();
    for path in paths {
        collect(path, &mut jobs)?;
    }
    jobs.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    jobs.dedup_by(|a, b| a.folder == b.folder && a.name == b.name);
    let mut partials: BTreeMap<&Path, Partials> = BTreeMap::new();
    for job in &jobs {
        if !partials.contains_key(job.folder.as_path()) {
            partials.insert(&job.folder, read_partials(&job.folder.join("partials"))?);
        }
    }
    Ok(run(&jobs, &partials, settings))
}

fn collect(path: &Path, jobs: &mut Vec<Job>) -> Result<(), LintError> {
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LintError::Missing(path.to_owned()),
        _ => LintError::Unreadable { path: path.to_owned(), error },
    })?;
    if about.is_dir() {
        let names = names(path)?;
        jobs.extend(names.into_iter().map(|name| Job { folder: path.to_owned(), name }));
        return Ok(());
    }
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".yaml"));
    let name = name.ok_or_else(|| LintError::NotATemplate(path.to_owned()))?.to_owned();
    jobs.push(Job { folder: path.parent().unwrap_or(Path::new("")).to_owned(), name });
    Ok(())
}

/// Every thread takes the next file that nobody has taken.
fn run(jobs: &[Job], partials: &BTreeMap<&Path, Partials>, settings: &Settings) -> Report {
    let next = AtomicUsize::new(0);
    let whole = Mutex::new(Report::default());
    let none = Partials::new();
    let work = || {
        let mut own = Report::default();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let partials = partials.get(job.folder.as_path()).unwrap_or(&none);
            own.absorb(lint_file(job, partials, settings));
        }
        whole.lock().unwrap_or_else(PoisonError::into_inner).absorb(own);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len().div_ceil(8));
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut report = whole.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.sort();
    report
}

fn lint_file(job: &Job, partials: &Partials, settings: &Settings) -> Report {
    let folder = job.folder.to_string_lossy();
    let path = job.folder.join(format!("{}.yaml", job.name));
    match read_text(&path) {
        Ok(source) => lint_template(&folder, &job.name, &source, partials, settings),
        Err(problem) => unreadable(&path, &problem),
    }
}

fn unreadable(path: &Path, problem: &Problem) -> Report {
    Report {
        templates: 1,
        diagnostics: vec![Diagnostic {
            file: path.to_string_lossy().into_owned(),
            line: None,
            column: None,
            level: Level::Error,
            rule: problem.code.name(),
            message: problem.message.clone(),
            path: None,
            help: None,
            example: None,
        }],
        ..Report::default()
    }
}
