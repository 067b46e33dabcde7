//! An entry of a job's history as one line of a terminal.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::show;
use crate::job::{Event, EventKind, Phase};

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
const WORDS: Style = AnsiColor::Cyan.on_default();

/// How long after the job's creation: `  +1.25s  `.
pub(super) fn moment(at: Timestamp, created: Timestamp) -> String {
    let seconds = at.duration_since(created).as_secs_f64().max(0.0);
    format!("{DIM}{:>9}{DIM:#}  ", format!("+{seconds:.2}s"))
}

/// One entry of a job's history as a line, with its line end.
pub(super) fn event_line(event: &Event, created: Timestamp) -> String {
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
