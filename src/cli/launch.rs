//! What launching a job and repeating one have in common: how the new job is called, and whether its end is waited for.

use std::io::Write;
use std::process::ExitCode;

use anstyle::AnsiColor;
use jiff::Timestamp;
use serde_json::{Map, Value};
use ureq::http::StatusCode;

use super::client::{Client, job_id};
use super::event_line::printable;
use super::follow::{End, Shown};
use super::remote;
use super::show::{self, Format, OutputArgs};
use crate::job::{JobName, JobView, Phase};

/// The new job, and what to do once it is launched.
#[derive(Debug, Clone, clap::Args)]
pub struct LaunchArgs {
    /// The job's ID, its idempotency key: the same request again gives the same job. Without it one is made
    #[arg(long, value_name = "ID", env = "JOBWRIGHT_ID", value_parser = job_id)]
    pub id: Option<String>,

    /// A name for people
    #[arg(long, value_name = "TEXT", env = "JOBWRIGHT_NAME", value_parser = job_name)]
    pub name: Option<String>,

    /// Wait for the job's end, and show its phases and reports; exit 0 only if it succeeds. On a terminal, Ctrl-C asks
    /// whether to cancel the job or to leave it running; elsewhere a signal leaves it running
    #[arg(long, env = "JOBWRIGHT_WAIT")]
    pub wait: bool,

    /// The same, and show its log
    #[arg(long, env = "JOBWRIGHT_FOLLOW")]
    pub follow: bool,

    /// How the result is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A job name from the command line, checked before it is sent.
pub fn job_name(text: &str) -> Result<String, String> {
    match text.parse::<JobName>() {
        Ok(name) => Ok(name.into()),
        Err(error) => Err(error.to_string()),
    }
}

impl LaunchArgs {
    /// The ID that is asked for, or a new one: with an ID of its own a request can be sent again without harm.
    pub fn id_or_new(&self) -> String {
        let new = || uuid::Uuid::now_v7().to_string();
        self.id.clone().unwrap_or_else(new)
    }

    /// What is shown until the end, if that is waited for.
    pub fn shown(&self) -> Option<Shown> {
        match (self.wait, self.follow) {
            (_, true) => Some(Shown::All),
            (true, _) => Some(Shown::WithoutLog),
            _ => None,
        }
    }
}

/// The body of a launch.
pub fn body(id: &str, name: Option<&str>, parameters: Map<String, Value>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".to_owned(), id.into());
    body.insert("parameters".to_owned(), parameters.into());
    body.extend(name.map(|name| ("name".to_owned(), name.into())));
    body
}

/// The exit code of a command that was interrupted, as shells count it.
const INTERRUPTED: u8 = 130;

/// Shows what was launched, and follows it to its end if that is asked for. The server's answer says whether it is new.
pub fn launched(
    client: &Client,
    (status, answer): &(StatusCode, Value),
    args: &LaunchArgs,
) -> anyhow::Result<ExitCode> {
    let job = show::job(answer)?;
    let format = args.output.output;
    let is_new = *status == StatusCode::CREATED;
    let Some(shown) = args.shown() else {
        if !is_new {
            said(&job, is_new)?;
        }
        // Whoever follows a job sees them among its news.
        warnings(&job.warnings)?;
        return finish(answer, &job, format, false);
    };
    said(&job, is_new)?;
    let end = match format {
        Format::Table | Format::Wide => remote::follow_for_person(client, &job, shown, &mut anstream::stdout())?,
        _ => remote::follow_for_person(client, &job, shown, &mut anstream::stderr())?,
    };
    if end == End::Left {
        let id = &job.id;
        let mut stderr = anstream::stderr();
        writeln!(stderr, "left the job {id}, which goes on")?;
        writeln!(stderr, "  look at it: jobwright jobs get {id}\n  end it:     jobwright jobs cancel {id}")?;
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let answer = client.get(&super::client::job_path(job.id.as_str()))?;
    finish(&answer, &show::job(&answer)?, format, true)
}

/// Says what was launched, or that the same request had launched it before.
pub fn said(job: &JobView, is_new: bool) -> std::io::Result<()> {
    let (template, id) = (&job.template, &job.id);
    match is_new {
        true => writeln!(anstream::stderr(), "launched {template} as {id}"),
        false => {
            writeln!(anstream::stderr(), "already launched: {template} as {id}, {}", job.phase.as_str().to_lowercase())
        }
    }
}

/// Says on stderr what an executor warns of.
pub fn warnings(texts: &[String]) -> std::io::Result<()> {
    let style = AnsiColor::Yellow.on_default().bold();
    let mut stderr = anstream::stderr();
    texts.iter().try_for_each(|text| writeln!(stderr, "{style}warning:{style:#} {}", printable(text)))
}

/// Writes a job in the end. If it was followed there, its own verdict is the exit code.
pub fn finish(answer: &Value, job: &JobView, format: Format, followed: bool) -> anyhow::Result<ExitCode> {
    let mut stdout = anstream::stdout();
    match format {
        Format::Json | Format::Yaml => show::data(&mut stdout, answer, format)?,
        Format::Name => writeln!(stdout, "{}", job.id)?,
        Format::Table | Format::Wide if followed => write!(anstream::stderr(), "{}", summary(job))?,
        Format::Table | Format::Wide => {
            let wide = format == Format::Wide;
            let jobs = std::slice::from_ref(job);
            write!(stdout, "{}", show::jobs(jobs, Timestamp::now(), wide, show::room()))?;
        }
    }
    if followed || job.phase == Phase::Rejected {
        return Ok(verdict(job));
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit code that a job's phase stands for.
pub fn verdict(job: &JobView) -> ExitCode {
    match job.phase {
        Phase::Failed | Phase::Cancelled | Phase::Rejected | Phase::Lost => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// The end in a line.
fn summary(job: &JobView) -> String {
    let style = show::phase_style(job.phase);
    let phase = job.phase.as_str().to_lowercase();
    let mut text = format!("job {} {style}{phase}{style:#}", job.id);
    if let Some(ended) = job.ended {
        text += &format!(" after {}", show::duration(job.created, ended));
    }
    if let Some(why) = show::because(job) {
        text += &format!(": {why}");
    }
    text + "\n"
}
