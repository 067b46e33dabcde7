//! Follows one job to its end: its phases, its worker's reports and its log, in one stream of lines.
//!
//! The news come over a channel, from a server ([`crate::cli::remote`]) or from the service in this very process
//! ([`crate::cli::local`]); what is shown of them, and when the end is reached, is decided here.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::show;
use crate::executor::LogLine;
use crate::job::{Event, EventKind, Phase};

const DIM: Style = Style::new().dimmed();
const WORDS: Style = AnsiColor::Cyan.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default();

/// How long the rest of a log is waited for once the job has ended.
const LOG_GRACE: Duration = Duration::from_secs(5);

/// Something that is new of the job that is followed.
#[derive(Debug)]
pub enum News {
    /// An entry of its history.
    Event(Box<Event>),
    /// A line of its log.
    Line(LogLine),
    /// Its log has ended, or there is none.
    LogEnded,
    /// Something that the person should know of the connection.
    Note(String),
    /// It can be followed no more.
    Broken(anyhow::Error),
}

/// Which news are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Phases, reports and log.
    All,
    /// Phases and reports.
    WithoutLog,
}

/// Shows the news of a job until it has ended, and gives the phase it ended in. `log` is called once, as soon as there
/// may be a log to be read; its lines are then expected among the news.
pub fn to_end(
    news: &Receiver<News>,
    created: Timestamp,
    shown: Shown,
    out: &mut impl Write,
    mut log: impl FnMut(),
) -> anyhow::Result<Phase> {
    let mut printer = Printer { out, created, last_sequence: 0, first_pod: None };
    let mut log_open = false;
    let mut log_wanted = shown == Shown::All;
    let mut end: Option<(Box<Event>, Phase, Instant)> = None;
    loop {
        if let Some((event, phase, since)) = &end
            && (!log_open || since.elapsed() >= LOG_GRACE)
        {
            printer.event(event)?;
            return Ok(*phase);
        }
        let next = match &end {
            None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => news.recv_timeout(LOG_GRACE),
        };
        match next {
            Ok(News::Event(event)) if printer.is_new(&event) => {
                if log_wanted && may_have_log(&event) {
                    log_wanted = false;
                    log_open = true;
                    log();
                }
                match event.kind {
                    EventKind::Phase { to, .. } if to.is_terminal() && end.is_none() => {
                        end = Some((event, to, Instant::now()));
                    }
                    _ if is_noteworthy(&event) => printer.event(&event)?,
                    _ => {}
                }
            }
            Ok(News::Event(_)) => {}
            Ok(News::Line(line)) => printer.line(&line)?,
            Ok(News::LogEnded) => log_open = false,
            Ok(News::Note(text)) => writeln!(anstream::stderr(), "{WARNING}{text}{WARNING:#}")?,
            Ok(News::Broken(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => log_open = false,
            Err(RecvTimeoutError::Disconnected) if end.is_some() => log_open = false,
            Err(RecvTimeoutError::Disconnected) => {
                anyhow::bail!("the job's news ended before the job did")
            }
        }
    }
}

/// Whether from this event on a log may be there: a container has started, or all is over.
fn may_have_log(event: &Event) -> bool {
    match &event.kind {
        EventKind::ContainerStarted { .. } | EventKind::ContainerEnded { .. } => true,
        EventKind::Phase { to, .. } => {
            matches!(to, Phase::Running | Phase::Succeeded | Phase::Failed)
        }
        _ => false,
    }
}

/// Whether somebody who follows a job wants to see this; the rest is in its history.
fn is_noteworthy(event: &Event) -> bool {
    match &event.kind {
        EventKind::ContainerEnded { exit_code, .. } => *exit_code != 0,
        EventKind::ContainerStarted { .. }
        | EventKind::Created { .. }
        | EventKind::LogKept
        | EventKind::ObjectDeleted => false,
        _ => true,
    }
}

struct Printer<'a, W> {
    out: &'a mut W,
    created: Timestamp,
    last_sequence: u64,
    first_pod: Option<String>,
}

impl<W: Write> Printer<'_, W> {
    /// Whether an event was not seen before: after a reconnect some may come again.
    fn is_new(&mut self, event: &Event) -> bool {
        let new = event.sequence > self.last_sequence;
        self.last_sequence = self.last_sequence.max(event.sequence);
        new
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.out.write_all(event_line(event, self.created).as_bytes())?;
        self.out.flush()
    }

    fn line(&mut self, line: &LogLine) -> io::Result<()> {
        let first = self.first_pod.get_or_insert_with(|| line.pod.clone());
        let moment = moment(line.at, self.created);
        let pod = if *first == line.pod { String::new() } else { format!("{DIM}[{}]{DIM:#} ", line.pod) };
        writeln!(self.out, "{moment}{DIM}│{DIM:#} {pod}{}", line.text)?;
        self.out.flush()
    }
}

/// How long after the job's creation: `  +1.25s  `.
fn moment(at: Timestamp, created: Timestamp) -> String {
    let seconds = at.duration_since(created).as_secs_f64().max(0.0);
    format!("{DIM}{:>9}{DIM:#}  ", format!("+{seconds:.2}s"))
}

/// One entry of a job's history as a line, with its line end.
pub fn event_line(event: &Event, created: Timestamp) -> String {
    let moment = moment(event.at, created);
    format!("{moment}{}\n", what(&event.kind))
}

fn what(kind: &EventKind) -> String {
    match kind {
        EventKind::Recorded => phase(Phase::Pending, None, None),
        EventKind::Rebuilt => "record lost, and rebuilt from the object".to_owned(),
        EventKind::Created { object } => format!("created {}/{}", object.namespace, object.name),
        EventKind::Warning { text } => format!("{WARNING}warning:{WARNING:#} {}", printable(text)),
        EventKind::Phase { to, reason, message, .. } => phase(*to, reason.as_deref(), message.as_deref()),
        EventKind::ContainerStarted { pod, container } => {
            format!("container {container} of {pod} started")
        }
        EventKind::ContainerEnded { pod, container, exit_code, reason } => {
            format!("container {container} of {pod} ended: {reason}, exit code {exit_code}")
        }
        EventKind::Report { report, late, after_end } => {
            let progress = report.progress.map(|percent| format!(" {percent} %"));
            let message = report.message.as_ref().map(|text| format!(": {text}"));
            let aside = match (late, after_end) {
                (_, true) => " (after the end)",
                (true, _) => " (late)",
                _ => "",
            };
            let words = format!("{}{}{}", report.status, progress.unwrap_or_default(), message.unwrap_or_default());
            let words = printable(&words);
            format!("worker: {WORDS}{words}{WORDS:#}{aside}")
        }
        EventKind::CancelRequested { by: Some(by) } => format!("cancellation asked for by {by}"),
        EventKind::CancelRequested { by: None } => "cancellation asked for".to_owned(),
        EventKind::Disputed { disputed: true } => {
            format!("{WARNING}the worker's words and the evidence contradict each other{WARNING:#}")
        }
        EventKind::Disputed { disputed: false } => "words and evidence agree again".to_owned(),
        EventKind::LogKept => "the end of the log is on record".to_owned(),
        EventKind::ObjectDeleted => "the object was deleted at its time".to_owned(),
        EventKind::Deleted => "the record was deleted".to_owned(),
    }
}

fn phase(phase: Phase, reason: Option<&str>, message: Option<&str>) -> String {
    let style = show::phase_style(phase);
    let why: Vec<&str> = [reason, message].into_iter().flatten().collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", printable(&why.join(": "))) };
    format!("{style}{phase}{style:#}{why}")
}

/// Words of others must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
