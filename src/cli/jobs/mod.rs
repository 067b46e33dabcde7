//! `jobwright jobs`: what a server has on record, and what can be done with it.

mod act;
mod get;
mod list;
mod logs;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;
use jiff::{SpanRelativeTo, Timestamp};

pub(super) use self::list::{FilterArgs, collect};

/// Looks at jobs on a server, and acts on them
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  jobwright jobs list --phase Failed --since 24h
  jobwright jobs logs nightly-7 --follow
  jobwright jobs watch nightly-7
  jobwright jobs cancel nightly-7"
)]
pub struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    List(list::ListArgs),
    Get(get::GetArgs),
    Logs(logs::LogsArgs),
    Watch(watch::WatchArgs),
    Cancel(act::CancelArgs),
    Rerun(act::RerunArgs),
    Delete(act::DeleteArgs),
}

/// Does what was asked for.
pub fn run(args: JobsArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        JobsCommand::List(args) => list::run(args),
        JobsCommand::Get(args) => get::run(args),
        JobsCommand::Logs(args) => logs::run(args),
        JobsCommand::Watch(args) => watch::run(args),
        JobsCommand::Cancel(args) => act::cancel(args),
        JobsCommand::Rerun(args) => act::rerun(args),
        JobsCommand::Delete(args) => act::delete(args),
    }
}

/// A moment on the command line: RFC 3339 (`2026-01-31T09:00:00Z`), or how long ago (`90s`, `1h30m`, `7d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    Ago(jiff::SignedDuration),
}

impl Moment {
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let ago = text.parse::<jiff::Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        match ago {
            Ok(ago) if !ago.is_negative() => Ok(Self::Ago(ago)),
            _ => {
                Err("expected a time such as 2026-01-31T09:00:00Z, or how long ago such as 90s, 1h30m or 7d".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-01-31T09:00:00Z".parse().unwrap();
        let resolve = |text: &str| text.parse::<Moment>().map(|it| it.resolve(now).to_string());
        assert_eq!(resolve("2026-01-30T08:00:00+01:00").unwrap(), "2026-01-30T07:00:00Z");
        assert_eq!(resolve("1h30m").unwrap(), "2026-01-31T07:30:00Z");
        assert_eq!(resolve("7d").unwrap(), "2026-01-24T09:00:00Z");
        for wrong in ["", "yesterday", "-1h", "2026-01-31", "5"] {
            assert!(resolve(wrong).unwrap_err().contains("expected a time"), "{wrong}");
        }
    }
}
