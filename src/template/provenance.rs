//! Which commit a template folder is at.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Serialize;

/// Where a template comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The commit that the folder is at; none outside git.
    pub commit: Option<String>,
    /// Whether the folder differs from that commit.
    pub dirty: bool,
}

/// The git repository of one template folder, asked at most once.
#[derive(Debug)]
pub(crate) struct Repository {
    folder: PathBuf,
    known: OnceLock<Provenance>,
}

impl Repository {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), known: OnceLock::new() }
    }

    /// The repository of a folder as it was in a commit.
    pub(crate) fn at(folder: &Path, commit: String) -> Self {
        let known = Provenance { commit: Some(commit), dirty: false };
        Self { folder: folder.to_owned(), known: OnceLock::from(known) }
    }

    /// Runs `git`; where there is no git, or no repository, there is no provenance.
    pub(crate) fn provenance(&self) -> Provenance {
        self.known
            .get_or_init(|| {
                let commit = self
                    .git(&["rev-parse", "--verify", "--quiet", "HEAD"])
                    .map(|out| out.trim().to_owned())
                    .filter(|commit| !commit.is_empty());
                let dirty = commit.is_some()
                    && self
                        .git(&["status", "--porcelain", "--untracked-files=normal", "--", "."])
                        .is_none_or(|out| !out.trim().is_empty());
                Provenance { commit, dirty }
            })
            .clone()
    }

    fn git(&self, args: &[&str]) -> Option<String> {
        let output = git(&self.folder).args(args).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// `git` in a folder. It never waits for a person or for another git.
pub(super) fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    command
}
