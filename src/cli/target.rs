//! Which server is meant, and the token for it: from flags, variables and contexts, in this order of precedence.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::contexts::{ConfigArgs, Context, ContextError, server_url};

/// The server that is meant where nothing says otherwise.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// Which server to talk to, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// The server to talk to [default: the current context's, or else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "JOBWRIGHT_SERVER")]
    server: Option<String>,

    /// The context whose server to talk to: see `jobwright context`
    #[arg(long, value_name = "NAME", env = "JOBWRIGHT_CONTEXT")]
    context: Option<String>,

    /// A file with the token to sign in with; the token itself may be in JOBWRIGHT_TOKEN
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_CLIENT_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// A PEM file with the certificates that the server's own must be signed by [default: the context's, or else those of
    /// the public authorities]
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_CA_FILE")]
    ca_file: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

/// A server, and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its URL, without a slash at the end.
    pub server: String,
    /// Where it comes from, unless that is plain: a variable, or a context.
    pub named_by: Option<String>,
    /// The token.
    pub token: Option<Token>,
    /// The certificates that its own must be signed by.
    pub ca_file: Option<PathBuf>,
}

/// A token, and where it comes from. The token itself is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub value: String,
    /// Where it comes from, in words.
    pub from: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token from {}", self.from)
    }
}

/// What says which server is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Server { url: String, by: By },
    Context { name: String, by: By },
    Default,
}

/// How a server or a context was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Flag,
    Variable,
    /// A context that is the current one.
    Current,
}

/// A value, and whether a flag gave it or a variable.
#[derive(Debug, Clone)]
struct Given {
    value: String,
    by_flag: bool,
}

impl Given {
    /// A flag that says what its variable says as well counts as the variable: it makes no difference.
    fn of(value: Option<&String>, variable: &str) -> Option<Self> {
        let value = value?.clone();
        let by_flag = std::env::var(variable).ok().as_ref() != Some(&value);
        Some(Self { value, by_flag })
    }
}

/// Flags win over variables; among each, a server over a context.
fn choose(
    server: Option<Given>,
    context: Option<Given>,
    current: impl FnOnce() -> anyhow::Result<Option<String>>,
) -> anyhow::Result<Choice> {
    Ok(match (server, context) {
        (Some(server), _) if server.by_flag => Choice::Server { url: server.value, by: By::Flag },
        (_, Some(context)) if context.by_flag => Choice::Context { name: context.value, by: By::Flag },
        (Some(server), _) => Choice::Server { url: server.value, by: By::Variable },
        (None, Some(context)) => Choice::Context { name: context.value, by: By::Variable },
        (None, None) => match current()? {
            Some(name) => Choice::Context { name, by: By::Current },
            None => Choice::Default,
        },
    })
}

impl ServerArgs {
    /// Works out what is meant. The file of the contexts is read only where one of them may be.
    pub fn target(&self) -> anyhow::Result<Target> {
        let file = self.config.file();
        let contexts = || file.as_ref().map_or(Ok(Default::default()), |file| file.load());
        let server = Given::of(self.server.as_ref(), "JOBWRIGHT_SERVER");
        let context = Given::of(self.context.as_ref(), "JOBWRIGHT_CONTEXT");
        let choice = choose(server, context, || Ok(contexts()?.current))?;
        let (server, named_by, chosen) = match choice {
            Choice::Server { url, by } => {
                (server_url(&url)?, (by == By::Variable).then(|| "JOBWRIGHT_SERVER".to_owned()), None)
            }
            Choice::Default => (DEFAULT_SERVER.to_owned(), None, None),
            Choice::Context { name, by } => {
                let context = contexts()?.get(&name).map_err(ContextError::into_report)?.clone();
                let wrong = || format!("the context `{name}` cannot be used");
                let server = server_url(&context.server).with_context(wrong)?;
                let named_by = match by {
                    By::Current => format!("the current context, `{name}`"),
                    By::Flag | By::Variable => format!("the context `{name}`"),
                };
                (server, Some(named_by), Some((name, context, by)))
            }
        };
        let token = self.token(chosen.as_ref())?;
        let ca_file = self.ca_file.clone().or_else(|| chosen.and_then(|(_, context, _)| context.ca_file));
        Ok(Target { server, named_by, token, ca_file })
    }

    fn token(&self, chosen: Option<&(String, Context, By)>) -> anyhow::Result<Option<Token>> {
        let in_variable = std::env::var_os("JOBWRIGHT_CLIENT_TOKEN_FILE").map(PathBuf::from);
        let (by_flag, by_variable) = match &self.token_file {
            Some(path) if in_variable.as_ref() == Some(path) => (None, Some(path)),
            path => (path.as_ref(), None),
        };
        let of_context = |flag: bool| match chosen {
            Some((name, context, by)) if (*by == By::Flag) == flag => {
                let token = context.token(name)?.map(|value| (value, format!("the context `{name}`")));
                anyhow::Ok(token)
            }
            _ => Ok(None),
        };
        let of_file = |path: Option<&PathBuf>| path.map(|path| read(path)).transpose();
        let variable = || std::env::var("JOBWRIGHT_TOKEN").ok().filter(|it| !it.trim().is_empty());
        let mut found = of_file(by_flag)?;
        if found.is_none() {
            found = of_context(true)?;
        }
        if found.is_none() {
            found = of_file(by_variable)?;
        }
        if found.is_none() {
            found = variable().map(|value| (value, "JOBWRIGHT_TOKEN".to_owned()));
        }
        if found.is_none() {
            found = of_context(false)?;
        }
        let token = found.map(|(value, from)| Token { value: value.trim().to_owned(), from });
        if let Some(token) = &token {
            anyhow::ensure!(!token.value.is_empty(), "there is no token in {}: it is empty", token.from);
            let visible = token.value.bytes().all(|b| b.is_ascii_graphic());
            anyhow::ensure!(visible, "what {} holds is no token: it has blanks or other characters in it", token.from);
        }
        Ok(token)
    }
}

fn read(path: &Path) -> anyhow::Result<(String, String)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token file {shown}"))?;
    Ok((text, format!("the file {shown}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_variables_and_servers_over_contexts() {
        let flag = |text: &str| Some(Given { value: text.to_owned(), by_flag: true });
        let variable = |text: &str| Some(Given { value: text.to_owned(), by_flag: false });
        let current = || Ok(Some("c".to_owned()));
        let server = |url: &str, by| Choice::Server { url: url.to_owned(), by };
        let context = |name: &str, by| Choice::Context { name: name.to_owned(), by };
        for (given, expected) in [
            ((flag("s"), flag("x")), server("s", By::Flag)),
            ((flag("s"), variable("x")), server("s", By::Flag)),
            ((variable("s"), flag("x")), context("x", By::Flag)),
            ((variable("s"), variable("x")), server("s", By::Variable)),
            ((variable("s"), None), server("s", By::Variable)),
            ((None, variable("x")), context("x", By::Variable)),
            ((None, None), context("c", By::Current)),
        ] {
            assert_eq!(choose(given.0, given.1, current).unwrap(), expected);
        }
        assert_eq!(choose(None, None, || Ok(None)).unwrap(), Choice::Default);
        // A file that cannot be read keeps nobody from a server that is named.
        assert!(choose(flag("s"), None, || anyhow::bail!("unreadable")).is_ok());
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token { value: "s3cret".to_owned(), from: "JOBWRIGHT_TOKEN".to_owned() };
        assert_eq!(format!("{token:?}"), "Token from JOBWRIGHT_TOKEN");
    }
}
