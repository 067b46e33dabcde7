//! `jobwright jobs list`.

use std::io::Write;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Moment;
use crate::cli::client::{Client, ServerArgs, query};
use crate::cli::progress::Progress;
use crate::cli::show::{self, Format, OutputArgs};
use crate::job::Phase;
use crate::template::suggest;

/// Lists jobs, newest first
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "ls",
    after_long_help = "\
Examples:
  jobwright jobs list                                 the newest 50
  jobwright jobs list --phase Failed,Lost --since 7d  what went wrong this week
  jobwright jobs list -q nightly -o wide
  jobwright jobs list --template hello --all -o name | xargs jobwright jobs delete"
)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,

    /// Only jobs created at this time or later: RFC 3339, or how long ago (1h30m, 7d)
    #[arg(long, value_name = "TIME", env = "JOBWRIGHT_SINCE")]
    since: Option<Moment>,

    /// Only jobs created before this time
    #[arg(long, value_name = "TIME", env = "JOBWRIGHT_UNTIL")]
    until: Option<Moment>,

    /// At most so many
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        env = "JOBWRIGHT_LIMIT",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    limit: u64,

    /// All there are, whatever the limit
    #[arg(long, env = "JOBWRIGHT_ALL")]
    all: bool,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which jobs are meant.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct FilterArgs {
    /// Only jobs in these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',', env = "JOBWRIGHT_PHASE", value_parser = phase)]
    pub(super) phase: Vec<Phase>,

    /// Only jobs of this template
    #[arg(long, short, value_name = "NAME", env = "JOBWRIGHT_TEMPLATE")]
    pub(super) template: Option<String>,

    /// Only jobs whose ID or name holds this text
    #[arg(long = "query", short, value_name = "TEXT", env = "JOBWRIGHT_QUERY")]
    pub(super) q: Option<String>,
}

/// A phase on the command line.
fn phase(text: &str) -> Result<Phase, String> {
    text.parse::<Phase>().map_err(|error| match suggest::nearest(text, Phase::ALL.map(Phase::as_str)) {
        Some(near) => format!("{error}; did you mean {near}?"),
        None => error.to_string(),
    })
}

/// The most that one page may hold.
const PAGE: u64 = 500;

/// Lists jobs.
pub(super) fn run(args: ListArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    let now = Timestamp::now();
    let (since, until) = (args.since.map(|it| it.resolve(now)), args.until.map(|it| it.resolve(now)));
    let wanted = if args.all { u64::MAX } else { args.limit };
    let (jobs, next) = collect(&client, &args.filter, since, until, wanted)?;
    let stdout = &mut anstream::stdout().lock();
    match args.output.output {
        format @ (Format::Json | Format::Yaml) => {
            show::data(stdout, &json!({"items": jobs, "next": next}), format)?;
        }
        Format::Name => {
            for job in &jobs {
                writeln!(stdout, "{}", job["id"].as_str().unwrap_or_default())?;
            }
        }
        format => {
            let views = jobs.iter().map(show::job).collect::<anyhow::Result<Vec<_>>>()?;
            if views.is_empty() {
                writeln!(anstream::stderr(), "no jobs")?;
            } else {
                let wide = format == Format::Wide;
                write!(stdout, "{}", show::jobs(&views, now, wide, show::room()))?;
            }
            if !next.is_null() {
                writeln!(anstream::stderr(), "there are more: --limit N or --all shows them")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The jobs that are meant, over as many pages as it takes, and the cursor of what comes after them.
pub(in crate::cli) fn collect(
    client: &Client,
    filter: &FilterArgs,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    wanted: u64,
) -> anyhow::Result<(Vec<Value>, Value)> {
    let mut jobs = Vec::new();
    let mut cursor = Value::Null;
    let mut progress = Progress::new("jobs");
    loop {
        let missing = wanted - jobs.len() as u64;
        let path = page_path(filter, since, until, missing.min(PAGE), cursor.as_str());
        let mut page = client.get(&path)?;
        if let Value::Array(items) = page["items"].take() {
            jobs.extend(items);
        }
        cursor = page["next"].take();
        progress.count(jobs.len());
        if cursor.is_null() || jobs.len() as u64 >= wanted {
            return Ok((jobs, cursor));
        }
    }
}

/// The request for one page of jobs.
pub(super) fn page_path(
    filter: &FilterArgs,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: u64,
    cursor: Option<&str>,
) -> String {
    let mut parameters = vec![("limit", limit.to_string())];
    let mut add = |name, value: Option<String>| parameters.extend(value.map(|it| (name, it)));
    let phases: Vec<_> = filter.phase.iter().map(|phase| phase.as_str()).collect();
    add("phase", (!phases.is_empty()).then(|| phases.join(",")));
    add("template", filter.template.clone());
    add("q", filter.q.clone());
    add("since", since.map(|it| it.to_string()));
    add("until", until.map(|it| it.to_string()));
    add("cursor", cursor.map(str::to_owned));
    format!("/api/v1/jobs{}", query(parameters))
}
