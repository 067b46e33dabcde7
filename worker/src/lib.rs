//! The worker's side of Jobwright: what runs inside a job and reports for it.
//!
//! - [`demo`] is the job of the system that Jobwright replaces, word for word and second for second;
//! - [`run`] starts any command and reports its start, progress and end, without ever changing what the command does;
//! - [`report`](mod@report) posts one report, for scripts.
//!
//! All of them report to the URL that a template gets as `{{callback.url}}`, through [`reporter`], which never keeps
//! the work waiting. The library exists so that the `jobwright` program can carry its worker inside itself.

pub mod demo;
pub mod endpoint;
pub mod progress;
pub mod report;
pub mod reporter;
pub mod run;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "Examples:
  jobwright-worker run -- ./build-report --day 2026-01-31
  jobwright-worker run --heartbeat 30s -- sh -c 'echo ::progress 40 half way; make'
  jobwright-worker report --progress 40 Copying files
  jobwright-worker demo --api-end-point http://127.0.0.1:8080/updatejobstatus --job-id k1";

/// Runs inside a job and reports for it
#[derive(Debug, Parser)]
#[command(name = "jobwright-worker", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a command, and reports its start, progress and end
    Run(run::RunArgs),
    /// Posts one report
    Report(report::ReportArgs),
    /// Pretends to work for 17 seconds, then succeeds or fails
    Demo(demo::DemoArgs),
}

/// Runs the worker. The first argument is the name of the program; under the name `dummyjob` it is the demo job, so
/// that an image can take that program's place.
///
/// The exit code is 2 for wrong arguments; else it is what the subcommand says.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let called = args.first().and_then(|name| Path::new(name).file_name());
    if called.is_some_and(|name| name == "dummyjob") {
        args.insert(1, OsString::from("demo"));
    }
    match Cli::try_parse_from(args) {
        Ok(cli) => match cli.command {
            Command::Run(args) => run::run(args),
            Command::Report(args) => report::run(args),
            Command::Demo(args) => demo::run(args),
        },
        Err(error) => {
            // Where help or error cannot be printed there is nobody to read it.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Writes a line for people. The command's own output is never mixed with it: it goes to standard error.
fn say(text: impl std::fmt::Display) {
    use std::io::Write;
    // A closed standard error must not end the work.
    let _ = writeln!(std::io::stderr(), "jobwright-worker: {text}");
}
