//! `jobwright jobs logs`.

use std::io::Write;
use std::process::ExitCode;

use jiff::Timestamp;

use super::Moment;
use crate::cli::client::{Client, ServerArgs, job_id};
use crate::cli::remote::{LogRequest, read_log};

/// Shows a job's log
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "log",
    after_long_help = "\
Examples:
  jobwright jobs logs nightly-7 --tail 20
  jobwright jobs logs nightly-7 --follow
  jobwright jobs logs fan-out-3 --prefix --timestamps --since 10m"
)]
pub(super) struct LogsArgs {
    /// The job's ID
    #[arg(value_name = "ID", value_parser = job_id)]
    id: String,

    /// Go on until the job's containers have ended
    #[arg(long, short, env = "JOBWRIGHT_FOLLOW")]
    follow: bool,

    /// Only the last N lines of what there is now
    #[arg(long, value_name = "N", env = "JOBWRIGHT_TAIL")]
    tail: Option<u32>,

    /// Only lines from this time on: RFC 3339, or how long ago (90s, 1h30m)
    #[arg(long, value_name = "TIME", env = "JOBWRIGHT_SINCE")]
    since: Option<Moment>,

    /// Put the time before each line
    #[arg(long, env = "JOBWRIGHT_TIMESTAMPS")]
    timestamps: bool,

    /// Put pod and container before each line
    #[arg(long, env = "JOBWRIGHT_PREFIX")]
    prefix: bool,

    /// Write each line as JSON, with time, pod and container
    #[arg(long, env = "JOBWRIGHT_JSON")]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// Shows a job's log.
pub(super) fn run(args: LogsArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    let request = LogRequest {
        follow: args.follow,
        tail: args.tail,
        since: args.since.map(|since| since.resolve(Timestamp::now())),
    };
    // A log is the job's own bytes: they go through as they are.
    let mut stdout = std::io::stdout().lock();
    read_log(&client, &args.id, &request, |line| {
        if args.json {
            serde_json::to_writer(&mut stdout, &line).map_err(std::io::Error::from)?;
            writeln!(stdout)?;
            return Ok(true);
        }
        if args.timestamps {
            write!(stdout, "{} ", line.at)?;
        }
        if args.prefix {
            write!(stdout, "[{}/{}] ", line.pod, line.container)?;
        }
        writeln!(stdout, "{}", line.text)?;
        Ok(true)
    })?;
    Ok(ExitCode::SUCCESS)
}
