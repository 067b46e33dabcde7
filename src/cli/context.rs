//! `jobwright context`: the servers that are known by name.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};

use super::contexts::{ConfigArgs, ConfigFile, Context, ContextError, Contexts, context_name, server_url};
use super::failure::advise;
use super::show::{self, Format, OutputArgs};
use super::table::{self, Cell, Column};

/// Keeps servers by name, and says which one is meant
///
/// A context names a server and how to sign in there: a file with the token, or a command that prints it. The token
/// itself is not kept. Where neither --server nor --context says otherwise, commands talk to the current context's server.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  jobwright context add local --server http://127.0.0.1:8080
  jobwright context add staging --server https://jobs.example.org --token-file ~/.config/jobwright/staging.token
  jobwright context add cluster --server https://jobs.example.com --token-command 'kubectl create token ada'
  jobwright context list
  jobwright context use staging
  jobwright context current
  jobwright jobs list --context cluster
  jobwright context rename cluster production
  jobwright context remove local

Which server is meant, the first of these says: --server, --context, JOBWRIGHT_SERVER, JOBWRIGHT_CONTEXT, the current
context, http://127.0.0.1:8080. The token: --token-file, the context that --context named, JOBWRIGHT_CLIENT_TOKEN_FILE,
JOBWRIGHT_TOKEN, the context that named the server otherwise. No context's token goes to a server that it does not name."
)]
pub struct ContextArgs {
    #[command(subcommand)]
    command: ContextCommand,
}

#[derive(Debug, Subcommand)]
enum ContextCommand {
    /// Lists the contexts
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Prints the current context's name
    Current {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Makes a context the current one
    Use {
        /// The context
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    Add(AddArgs),
    /// Removes a context
    #[command(visible_alias = "rm")]
    Remove {
        /// The context
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Gives a context another name
    Rename {
        /// The context
        #[arg(value_name = "OLD")]
        old: String,
        /// Its new name
        #[arg(value_name = "NEW", value_parser = context_name)]
        new: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Adds a context; the first one becomes the current one
#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Its name
    #[arg(value_name = "NAME", value_parser = context_name)]
    name: String,

    /// The server's URL
    #[arg(long, value_name = "URL", env = "JOBWRIGHT_SERVER")]
    server: String,

    /// A file with the token to sign in with
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_CLIENT_TOKEN_FILE", conflicts_with = "token_command")]
    token_file: Option<PathBuf>,

    /// A command that prints the token, as `sh -c` takes it
    #[arg(long, value_name = "COMMAND", env = "JOBWRIGHT_TOKEN_COMMAND")]
    token_command: Option<String>,

    /// A PEM file with the certificates that the server's own must be signed by [default: those of the public authorities]
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_CA_FILE")]
    ca_file: Option<PathBuf>,

    /// Make it the current one
    #[arg(long = "use", env = "JOBWRIGHT_USE")]
    choose: bool,

    /// Put it in the place of one that has this name
    #[arg(long, env = "JOBWRIGHT_REPLACE")]
    replace: bool,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Does what was asked for.
pub fn run(args: ContextArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ContextCommand::List { output, config } => list(&open(&config)?, output.output)?,
        ContextCommand::Current { config } => current(&open(&config)?)?,
        ContextCommand::Add(args) => add(args)?,
        ContextCommand::Use { name, config } => {
            let server = change(&config, |contexts| {
                contexts.choose(&name)?;
                Ok(contexts.get(&name)?.server.clone())
            })?;
            say(&format!("commands talk to {server} now (context `{name}`)"))?;
        }
        ContextCommand::Remove { name, config } => match change(&config, |contexts| contexts.remove(&name))? {
            true => say(&format!("removed the context `{name}`, which was the current one; there is none now"))?,
            false => say(&format!("removed the context `{name}`"))?,
        },
        ContextCommand::Rename { old, new, config } => {
            change(&config, |contexts| contexts.rename(&old, &new))?;
            say(&format!("the context `{old}` is called `{new}` now"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(config: &ConfigArgs) -> anyhow::Result<ConfigFile> {
    let missing = || advise(anyhow!("there is no place for contexts: HOME is not set"), "name a file with --config");
    config.file().ok_or_else(missing)
}

fn change<T>(config: &ConfigArgs, change: impl FnOnce(&mut Contexts) -> Result<T, ContextError>) -> anyhow::Result<T> {
    open(config)?.change(|contexts| change(contexts).map_err(ContextError::into_report))
}

fn say(text: &str) -> std::io::Result<()> {
    writeln!(anstream::stderr(), "{text}")
}

fn add(args: AddArgs) -> anyhow::Result<()> {
    let absolute = |path: &Path| std::path::absolute(path).with_context(|| format!("cannot use {}", path.display()));
    let context = Context {
        server: server_url(&args.server)?,
        token_file: args.token_file.as_deref().map(absolute).transpose()?,
        token_command: args.token_command,
        ca_file: args.ca_file.as_deref().map(absolute).transpose()?,
    };
    let name = &args.name;
    let server = context.server.clone();
    let is_current = change(&args.config, |contexts| {
        contexts.add(name, context, args.replace)?;
        if args.choose {
            contexts.choose(name)?;
        }
        Ok(contexts.current.as_deref() == Some(name))
    })?;
    match is_current {
        true => say(&format!("added the context `{name}`; commands talk to {server} now")),
        false => say(&format!("added the context `{name}`; to talk to {server}: jobwright context use {name}")),
    }?;
    Ok(())
}

fn current(file: &ConfigFile) -> anyhow::Result<()> {
    match file.load()?.current {
        Some(name) => Ok(writeln!(anstream::stdout(), "{name}")?),
        None => Err(advise(
            anyhow!("there is no current context; commands talk to {}", super::target::DEFAULT_SERVER),
            "`jobwright context use NAME` chooses one, `jobwright context add NAME --server URL` makes one",
        )),
    }
}

const COLUMNS: [Column; 4] = [
    Column { title: "CURRENT", shrinks_to: None },
    Column { title: "NAME", shrinks_to: Some(10) },
    Column { title: "SERVER", shrinks_to: Some(20) },
    Column { title: "TOKEN", shrinks_to: Some(10) },
];

fn list(file: &ConfigFile, format: Format) -> anyhow::Result<()> {
    let contexts = file.load()?;
    let mut stdout = anstream::stdout();
    match format {
        Format::Json | Format::Yaml => show::data(&mut stdout, &as_data(&contexts), format)?,
        Format::Name => {
            for name in contexts.contexts.keys() {
                writeln!(stdout, "{name}")?;
            }
        }
        Format::Table | Format::Wide if contexts.contexts.is_empty() => {
            say(&format!("no contexts; commands talk to {}", super::target::DEFAULT_SERVER))?;
        }
        Format::Table | Format::Wide => {
            let row = |(name, context): (&String, &Context)| {
                let mark = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
                let token = context.token_source().unwrap_or_else(|| "none".to_owned());
                [mark.to_owned(), name.clone(), context.server.clone(), token].map(Cell::from).to_vec()
            };
            let rows: Vec<_> = contexts.contexts.iter().map(row).collect();
            write!(stdout, "{}", table::layout(&COLUMNS, &rows, show::room()))?;
        }
    }
    Ok(())
}

fn as_data(contexts: &Contexts) -> Value {
    let item = |(name, context): (&String, &Context)| {
        json!({
            "name": name,
            "current": contexts.current.as_ref() == Some(name),
            "server": context.server,
            "token_file": context.token_file,
            "has_token_command": context.token_command.is_some(),
            "ca_file": context.ca_file,
        })
    };
    json!({"items": contexts.contexts.iter().map(item).collect::<Vec<_>>(), "next": null})
}
