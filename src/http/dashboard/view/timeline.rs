//! The history of a job, in sentences.

use jiff::Timestamp;

use super::phase::{PhaseLook, why};
use super::time::When;
use crate::job::{Event, EventKind, Phase, Source};

/// One entry of the history.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) at: When,
    /// Who says so: `worker`, `executor`, `service`, `user`.
    pub(crate) source: &'static str,
    /// The phase that it led to, where it is a change of phase.
    pub(crate) phase: Option<PhaseLook>,
    /// What happened.
    pub(crate) what: String,
    /// A sentence more.
    pub(crate) more: Option<String>,
    /// Remarks, such as `late`.
    pub(crate) marks: Vec<&'static str>,
}

impl Entry {
    pub(crate) fn new(event: &Event, now: Timestamp) -> Self {
        let (what, more) = tell(&event.kind);
        Self {
            sequence: event.sequence,
            at: When::new(event.at, now),
            source: match event.source {
                Source::Service => "service",
                Source::Executor => "executor",
                Source::Worker => "worker",
                Source::User => "user",
            },
            phase: match event.kind {
                EventKind::Phase { from, to, .. } if from != to => Some(to.into()),
                _ => None,
            },
            what,
            more,
            marks: marks(&event.kind),
        }
    }
}

/// What happened, in a sentence, and what there is to say beyond it.
fn tell(kind: &EventKind) -> (String, Option<String>) {
    let plain = |words: &str| (words.to_owned(), None);
    match kind {
        EventKind::Recorded => plain("Request accepted and recorded"),
        EventKind::Rebuilt => plain("Record lost, and rebuilt from the object"),
        EventKind::Created { object } => {
            ("Object created".to_owned(), Some(format!("{}/{}", object.namespace, object.name)))
        }
        EventKind::Warning { text } => ("Warning from the executor".to_owned(), Some(text.clone())),
        EventKind::Phase { from, to, reason, message } => {
            let what = match (from == to, reason) {
                (false, reason) => why(*to, reason.as_deref()).unwrap_or_default(),
                (true, None) => format!("Still {to}"),
                (true, Some(reason)) => format!("{to}: {reason}"),
            };
            (what, message.clone())
        }
        EventKind::ContainerStarted { pod, container } => {
            (format!("Container {container} started"), Some(format!("in {pod}")))
        }
        EventKind::ContainerEnded { pod, container, exit_code, reason } => {
            (format!("Container {container} ended with exit code {exit_code} ({reason})"), Some(format!("in {pod}")))
        }
        EventKind::Report { report, .. } => {
            let percent = report.progress.map(|percent| format!(" ({percent} %)"));
            (format!("“{}”{}", report.status, percent.unwrap_or_default()), report.message.clone())
        }
        EventKind::CancelRequested { by: None } => plain("Cancellation asked for"),
        EventKind::CancelRequested { by: Some(by) } => (format!("Cancellation asked for by {by}"), None),
        EventKind::Disputed { disputed: true } => plain("The worker's words and the evidence contradict each other"),
        EventKind::Disputed { disputed: false } => {
            plain("The worker's words and the evidence no longer contradict each other")
        }
        EventKind::LogKept => plain("Tail of the log recorded"),
        EventKind::ObjectDeleted => plain("Object deleted, after the end of its time to live or on request"),
        EventKind::Deleted => plain("Record deleted"),
    }
}

fn marks(kind: &EventKind) -> Vec<&'static str> {
    match kind {
        EventKind::Report { late, after_end, .. } => {
            let late = late.then_some("came late");
            let after = after_end.then_some("after the end");
            late.into_iter().chain(after).collect()
        }
        _ => Vec::new(),
    }
}

/// When the job entered the phase that it is in.
pub(crate) fn since(events: &[Event], phase: Phase) -> Option<Timestamp> {
    let change = events
        .iter()
        .rev()
        .find(|event| matches!(event.kind, EventKind::Phase { from, to, .. } if from != to && to == phase));
    change.map(|event| event.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobId, Report};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn event(second: i64, source: Source, kind: EventKind) -> Event {
        Event {
            sequence: u64::try_from(second).unwrap(),
            job: "k1".parse::<JobId>().unwrap(),
            at: at(second),
            source,
            kind,
        }
    }

    fn phase(second: i64, from: Phase, to: Phase) -> Event {
        let kind = EventKind::Phase { from, to, reason: None, message: None };
        event(second, Source::Executor, kind)
    }

    #[test]
    fn a_late_report_is_marked() {
        let report = Report::new(at(9), Some(1), "Processing".to_owned(), None, Some(40)).unwrap();
        let kind = EventKind::Report { report, late: true, after_end: true };
        let entry = Entry::new(&event(9, Source::Worker, kind), at(10));
        assert_eq!(entry.what, "“Processing” (40 %)");
        assert_eq!(entry.source, "worker");
        assert_eq!(entry.marks, ["came late", "after the end"]);
    }

    #[test]
    fn the_present_phase_is_dated_by_the_change_that_led_to_it() {
        let events = [
            phase(1, Phase::Pending, Phase::Waiting),
            phase(2, Phase::Waiting, Phase::Running),
            phase(3, Phase::Running, Phase::Running),
        ];
        assert_eq!(since(&events, Phase::Running), Some(at(2)));
        assert_eq!(since(&events, Phase::Failed), None);
    }
}
