//! Servers by name: which there are, and which one is meant where nobody says.

mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub use self::file::{ConfigArgs, ConfigFile};
use super::failure::{WrongUsage, advise};
use crate::template::suggest;

/// A server, and how to sign in there. A token itself is never part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Context {
    /// Its URL.
    pub server: String,
    /// A file that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// A command that prints the token, as `sh -c` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_command: Option<String>,
    /// The certificates that the server's own must be signed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// All contexts, and which of them is the current one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
    /// The one that is meant where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The contexts by their names.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// Why a context cannot be used or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// There is none of this name.
    #[error("there is no context `{name}`{}", near.as_ref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// One that is called nearly so.
        near: Option<String>,
    },
    /// The name is taken.
    #[error("there is a context `{0}` already")]
    Taken(String),
}

impl ContextError {
    /// The error as a command reports it.
    pub fn into_report(self) -> anyhow::Error {
        match self {
            Self::Unknown { .. } => {
                advise(self, "`jobwright context list` shows the contexts, `jobwright context add` makes one")
            }
            Self::Taken(_) => {
                advise(self, "choose another name, remove the other one first, or replace it with `add --replace`")
            }
        }
    }
}

impl Contexts {
    /// A context by its name.
    pub fn get(&self, name: &str) -> Result<&Context, ContextError> {
        self.contexts.get(name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> ContextError {
        let near = suggest::nearest(name, self.contexts.keys().map(String::as_str));
        ContextError::Unknown { name: name.to_owned(), near: near.map(str::to_owned) }
    }

    /// Adds a context. The first one becomes the current one.
    pub fn add(&mut self, name: &str, context: Context, replace: bool) -> Result<(), ContextError> {
        if !replace && self.contexts.contains_key(name) {
            return Err(ContextError::Taken(name.to_owned()));
        }
        if self.contexts.is_empty() {
            self.current = Some(name.to_owned());
        }
        self.contexts.insert(name.to_owned(), context);
        Ok(())
    }

    /// Makes a context the current one.
    pub fn choose(&mut self, name: &str) -> Result<(), ContextError> {
        self.get(name)?;
        self.current = Some(name.to_owned());
        Ok(())
    }

    /// Removes a context. Returns whether it was the current one; then there is none.
    pub fn remove(&mut self, name: &str) -> Result<bool, ContextError> {
        self.get(name)?;
        self.contexts.remove(name);
        let was_current = self.current.as_deref() == Some(name);
        self.current.take_if(|current| current == name);
        Ok(was_current)
    }

    /// Gives a context another name.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), ContextError> {
        self.get(old)?;
        if self.contexts.contains_key(new) {
            return Err(ContextError::Taken(new.to_owned()));
        }
        if let Some(context) = self.contexts.remove(old) {
            self.contexts.insert(new.to_owned(), context);
        }
        if self.current.as_deref() == Some(old) {
            self.current = Some(new.to_owned());
        }
        Ok(())
    }
}

impl Context {
    /// Where the token comes from, in words.
    pub fn token_source(&self) -> Option<String> {
        match (&self.token_file, &self.token_command) {
            (Some(file), _) => Some(format!("the file {}", file.display())),
            (None, Some(_)) => Some("a command".to_owned()),
            (None, None) => None,
        }
    }

    /// Reads the token, or has it printed. What the command says on stderr is shown.
    pub fn token(&self, name: &str) -> anyhow::Result<Option<String>> {
        match (&self.token_file, &self.token_command) {
            (Some(file), _) => std::fs::read_to_string(file)
                .map(Some)
                .with_context(|| format!("cannot read the token file {} of the context `{name}`", file.display())),
            (None, Some(command)) => print_token(command)
                .map(Some)
                .with_context(|| format!("the token command of the context `{name}` gives no token")),
            (None, None) => Ok(None),
        }
    }
}

fn print_token(command: &str) -> anyhow::Result<String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start sh")?;
    anyhow::ensure!(output.status.success(), "it ended with {}", output.status);
    let token = String::from_utf8(output.stdout).context("what it printed is no text")?;
    anyhow::ensure!(!token.trim().is_empty(), "it printed nothing");
    Ok(token)
}

/// A URL of a server, checked before it is used or kept.
pub fn server_url(text: &str) -> Result<String, WrongUsage> {
    let base = text.trim_end_matches('/');
    let is_url = ["http://", "https://"].iter().any(|scheme| base.len() > scheme.len() && base.starts_with(scheme));
    if is_url {
        Ok(base.to_owned())
    } else {
        Err(WrongUsage(format!("{text:?} is no server: expected a URL such as http://127.0.0.1:8080")))
    }
}

/// A context's name, checked before it is kept.
pub fn context_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-@:/".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 100 && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err("expected letters, digits and any of . _ - @ : /, such as staging, beginning with a letter or digit".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(names: &[&str]) -> Contexts {
        let mut contexts = Contexts::default();
        for name in names {
            let context = Context { server: format!("https://{name}.example.org"), ..Context::default() };
            contexts.add(name, context, false).unwrap();
        }
        contexts
    }

    #[test]
    fn the_first_one_is_the_current_one_until_another_is_chosen() {
        let mut two = contexts(&["local", "staging"]);
        assert_eq!(two.current.as_deref(), Some("local"));
        two.choose("staging").unwrap();
        assert_eq!(two.current.as_deref(), Some("staging"));
        assert_eq!(
            two.choose("stagin"),
            Err(ContextError::Unknown { name: "stagin".into(), near: Some("staging".into()) })
        );
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut two = contexts(&["local", "staging"]);
        let other = Context { server: "https://other.example.org".to_owned(), ..Context::default() };
        assert_eq!(two.add("local", other.clone(), false), Err(ContextError::Taken("local".into())));
        two.add("local", other.clone(), true).unwrap();
        assert_eq!(two.get("local"), Ok(&other));
        assert_eq!(two.rename("local", "staging"), Err(ContextError::Taken("staging".into())));
        two.rename("local", "here").unwrap();
        assert_eq!((two.get("here"), two.current.as_deref()), (Ok(&other), Some("here")));
    }

    #[test]
    fn without_the_current_one_there_is_none() {
        let mut two = contexts(&["local", "staging"]);
        assert_eq!(two.remove("staging"), Ok(false));
        assert_eq!(two.remove("local"), Ok(true));
        assert_eq!(two, Contexts::default());
        assert!(two.remove("local").is_err());
    }

    #[test]
    fn a_token_comes_from_a_file_or_a_command() {
        let command = |text: &str| Context { token_command: Some(text.to_owned()), ..Context::default() };
        assert_eq!(command("printf s3cret").token("x").unwrap().as_deref(), Some("s3cret"));
        let nothing = command("true").token("x").unwrap_err();
        assert_eq!(format!("{nothing:#}"), "the token command of the context `x` gives no token: it printed nothing");
        let failed = format!("{:#}", command("exit 3").token("x").unwrap_err());
        assert!(failed.ends_with("it ended with exit status: 3"), "{failed}");
        assert_eq!(Context::default().token("x").unwrap(), None);
    }

    #[test]
    fn servers_and_names_are_checked() {
        assert_eq!(server_url("https://jobs.example.org/").unwrap(), "https://jobs.example.org");
        for wrong in ["jobs.example.org", "ftp://x", "http://", ""] {
            assert!(server_url(wrong).is_err(), "{wrong}");
        }
        assert!(context_name("team-a/staging").is_ok());
        for wrong in ["", "-x", "a b", "a\nb"] {
            assert!(context_name(wrong).is_err(), "{wrong}");
        }
    }
}
