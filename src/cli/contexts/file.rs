//! The file that contexts are kept in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::Contexts;
use crate::cli::failure::advise;
use crate::lock;
use crate::template::yaml;

/// Where the contexts are.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// The file of the contexts [default: $XDG_CONFIG_HOME/jobwright/config.yaml, or else
    /// ~/.config/jobwright/config.yaml]
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file; none where there is no home to look in either.
    pub fn file(&self) -> Option<ConfigFile> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let usual = || absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        let path = self.config.clone().or_else(|| Some(usual()?.join("jobwright/config.yaml")))?;
        Some(ConfigFile { path })
    }
}

/// A file of contexts, which may not be there yet.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
}

impl ConfigFile {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds: nothing, where there is none.
    pub fn load(&self) -> anyhow::Result<Contexts> {
        let shown = self.path.display();
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contexts::default()),
            text => text.with_context(|| format!("cannot read the contexts in {shown}"))?,
        };
        let read = yaml::read_object(&text)
            .map_err(anyhow::Error::msg)
            .and_then(|object| Ok(serde_json::from_value(Value::Object(object))?));
        read.map_err(|error| {
            advise(
                error.context(format!("the contexts in {shown} cannot be read")),
                "mend the file, or move it away and add the contexts again with `jobwright context add`",
            )
        })
    }

    /// Changes what it holds, in one step that others see whole or not at all. Of two at once, one waits.
    pub fn change<T>(&self, change: impl FnOnce(&mut Contexts) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let cannot = || format!("cannot change the contexts in {}", self.path.display());
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(cannot)?;
        // The file itself is replaced, so that it cannot carry the lock.
        let lock = private(&self.beside(".lock")).with_context(cannot)?;
        lock::patiently(&lock).with_context(cannot)?;
        let mut contexts = self.load()?;
        let outcome = change(&mut contexts)?;
        self.write(folder, &contexts).with_context(cannot)?;
        Ok(outcome)
    }

    fn write(&self, folder: &Path, contexts: &Contexts) -> anyhow::Result<()> {
        let text = yaml::write(&serde_json::to_value(contexts)?);
        let staged = self.beside(".new");
        let mut file = private(&staged)?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, &self.path)?;
        Ok(File::open(folder)?.sync_all()?)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// A file that nobody else may read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cli::contexts::Context;

    #[test]
    fn what_is_changed_is_there_again_and_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConfigFile { path: dir.path().join("new/config.yaml") };
        assert_eq!(file.load().unwrap(), Contexts::default());
        let context = Context {
            server: "https://jobs.example.org".to_owned(),
            token_command: Some("print-token".to_owned()),
            ..Context::default()
        };
        file.change(|contexts| Ok(contexts.add("staging", context.clone(), false)?)).unwrap();
        assert_eq!(
            fs::read_to_string(file.path()).unwrap(),
            "contexts:\n  staging:\n    server: https://jobs.example.org\n    token-command: print-token\ncurrent: staging\n"
        );
        assert_eq!(file.load().unwrap().get("staging"), Ok(&context));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConfigFile { path: dir.path().join("config.yaml") };
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    let context = Context { server: format!("http://{number}"), ..Context::default() };
                    file.change(|contexts| Ok(contexts.add(&format!("c{number}"), context, false)?)).unwrap();
                });
            }
        });
        assert_eq!(file.load().unwrap().contexts.len(), 8);
    }

    #[test]
    fn a_file_that_is_none_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConfigFile { path: dir.path().join("config.yaml") };
        fs::write(file.path(), "contexts:\n  a: {server: http://x, tokn-file: y}\n").unwrap();
        let error = format!("{:#}", file.change(|_| Ok(())).unwrap_err());
        assert!(error.contains("cannot be read") && error.contains("tokn-file"), "{error}");
        assert!(fs::read_to_string(file.path()).unwrap().contains("tokn-file"));
    }
}
