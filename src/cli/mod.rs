//! The command line: one file a subcommand.
//!
//! Data goes to stdout, words go to stderr. The exit code is 0 when the thing was done, 1 when it failed and 2 when the
//! command was used wrongly. Every flag has a `JOBWRIGHT_…` variable.

mod access;
pub mod block;
pub mod client;
mod cluster;
pub mod completions;
pub mod context;
pub mod contexts;
pub mod diff;
mod dry_run;
mod event_line;
pub mod failure;
pub mod folder;
pub mod follow;
pub mod health;
mod identity;
pub mod jobs;
pub mod launch;
pub mod lint;
mod local;
pub mod man;
pub mod openapi;
pub mod params;
pub mod progress;
pub mod prompt;
pub mod reference;
mod refusal;
pub mod remote;
pub mod render;
pub mod replay;
pub mod run;
pub mod serve;
pub mod show;
pub mod sse;
mod status;
pub mod store;
pub mod table;
pub mod target;
pub mod templates;
pub mod unified;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// The version; a build may name its commit as well by setting `JOBWRIGHT_VERSION`.
const VERSION: &str = match option_env!("JOBWRIGHT_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A GitOps-friendly, declarative job runner.
///
/// Jobwright turns a template and a few typed parameters into a Kubernetes Job, launches it at most once, and keeps a
/// durable record of what became of it.
#[derive(Debug, Parser)]
#[command(
    name = "jobwright",
    version = VERSION,
    styles = STYLES,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_long_help = "\
Examples:
  jobwright serve                                    start the service and its page
  jobwright run hello -p name=Ada --local            run a job here, without a server
  jobwright render nightly-report -p day=2026-01-31  see the manifest that would be launched
  jobwright jobs list --phase Failed --since 24h     look for trouble

Exit codes: 0 done, 1 the thing failed, 2 wrong usage."
)]
struct Cli {
    /// When to use colours
    #[arg(
        long,
        global = true,
        display_order = 900,
        value_name = "WHEN",
        default_value = "auto",
        env = "JOBWRIGHT_COLOR"
    )]
    color: Colour,

    #[command(subcommand)]
    command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Render(render::RenderArgs),
    Lint(lint::LintArgs),
    Templates(templates::TemplatesArgs),
    Diff(diff::DiffArgs),
    Replay(Box<replay::ReplayArgs>),
    Run(Box<run::RunArgs>),
    Jobs(jobs::JobsArgs),
    Context(context::ContextArgs),
    Store(store::StoreArgs),
    Health(health::HealthArgs),
    Openapi(openapi::OpenapiArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// The program from its arguments to its exit code.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(answer) => return failure::usage(&answer),
    };
    match cli.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Render(args) => render::run(args),
        Command::Lint(args) => lint::run(args),
        Command::Templates(args) => templates::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Replay(args) => replay::run(*args),
        Command::Run(args) => run::run(*args),
        Command::Jobs(args) => jobs::run(args),
        Command::Context(args) => context::run(args),
        Command::Store(args) => store::run(args),
        Command::Health(args) => health::run(args),
        Command::Openapi(args) => openapi::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}

/// All commands and flags, as clap knows them.
pub fn command() -> clap::Command {
    everywhere(Cli::command())
}

/// What holds for every command: a switch's variable may say `1`, `yes` or `on`, not `true` alone, and help does not show
/// what variables hold.
fn everywhere(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
        _ => arg,
    });
    let command = command.mut_args(|arg| arg.hide_env_values(true));
    command.mut_subcommands(everywhere)
}
