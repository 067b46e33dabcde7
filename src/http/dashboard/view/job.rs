//! One job, whole.

use jiff::Timestamp;
use serde_json::Value;

use super::changes::Changes;
use super::lanes::{Lane, lanes};
use super::phase::{PhaseLook, meaning, why};
use super::row::title;
use super::time::{Span, When};
use super::timeline::{Entry, since};
use super::url;
use super::yaml::{Token, tokens};
use crate::job::{ContainerState, ContainerStatus, Event, EventKind, Job, JobView, Phase, Report};

/// The page of a job.
#[derive(Debug, Clone)]
pub(crate) struct JobPage {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) has_name: bool,
    pub(crate) template: String,
    pub(crate) template_href: String,
    pub(crate) phase: PhaseLook,
    pub(crate) meaning: Option<&'static str>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    /// Since when it is in this phase.
    pub(crate) since: When,
    /// How long it has been in it.
    pub(crate) lasts: Span,
    pub(crate) created: When,
    pub(crate) started: Option<When>,
    pub(crate) ended: Option<When>,
    pub(crate) ran: Option<Span>,
    /// Both sides of a contradiction, in one sentence.
    pub(crate) dispute: Option<String>,
    /// What the executor warned of when it took the manifest.
    pub(crate) warnings: Vec<String>,
    pub(crate) cancelling: Option<When>,
    pub(crate) report: Option<Words>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) object: Option<ObjectView>,
    pub(crate) pods: Vec<Pod>,
    /// None where they are not known.
    pub(crate) parameters: Option<Vec<Parameter>>,
    /// When the record was rebuilt, if it had been lost.
    pub(crate) rebuilt: Option<When>,
    pub(crate) digest: String,
    pub(crate) digest_short: String,
    pub(crate) commit: Option<String>,
    pub(crate) rerun_of: Option<(String, String)>,
    pub(crate) entries: Vec<Entry>,
    /// The phases and the runs of every container, to scale.
    pub(crate) lanes: Vec<Lane>,
    /// How many containers have no lane.
    pub(crate) lanes_left_out: usize,
    /// How long the lanes are, in words.
    pub(crate) whole: Option<Span>,
    pub(crate) reports: Vec<Entry>,
    /// How many older entries of the history are not shown.
    pub(crate) left_out: usize,
    /// What changed since the last success of this template, where the page tells it.
    pub(crate) changes: Option<Changes>,
    /// The manifest as YAML, secrets masked, if it is known.
    pub(crate) manifest: Option<Vec<Token>>,
    pub(crate) log: Vec<String>,
    pub(crate) log_note: Option<String>,
    /// Whether the log is what was kept of it, since its object is gone.
    pub(crate) log_is_tail: bool,
}

/// What a worker said last.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) status: String,
    pub(crate) message: Option<String>,
    pub(crate) progress: Option<u8>,
    pub(crate) sequence: Option<u64>,
    pub(crate) at: When,
}

impl Words {
    fn new(report: &Report, now: Timestamp) -> Self {
        Self {
            status: report.status.clone(),
            message: report.message.clone(),
            progress: report.progress,
            sequence: report.sequence,
            at: When::new(report.at, now),
        }
    }
}

/// The object that carries the job.
#[derive(Debug, Clone)]
pub(crate) struct ObjectView {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    /// What became of it, where it is gone.
    pub(crate) gone: Option<&'static str>,
}

/// A pod, or an attempt of the process executor.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) node: Option<String>,
    pub(crate) index: Option<u32>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) containers: Vec<Container>,
}

/// A container of a pod.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) init: bool,
    pub(crate) restarts: u32,
    pub(crate) state: &'static str,
    pub(crate) colour: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) ran: Option<Span>,
}

/// A parameter with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
}

/// What the page shows beside the record itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// The manifest as YAML, secrets masked, if it is known.
    pub(crate) manifest: Option<String>,
    /// The last lines of the log.
    pub(crate) log: Vec<String>,
    /// Why there is no log.
    pub(crate) log_note: Option<String>,
    /// What changed since the last success of this template.
    pub(crate) changes: Option<Changes>,
}

impl JobPage {
    pub(crate) fn new(job: &Job, history: &History, beside: Beside, now: Timestamp) -> Self {
        let events = &history.events;
        let view = JobView::from(job);
        let (intent, status) = (&job.intent, &job.status);
        let when = |at: Timestamp| When::new(at, now);
        let entered = since(events, view.phase).or(view.ended);
        let (lanes, lanes_left_out) = lanes(job, events, now);
        let is_report = |event: &&Event| matches!(event.kind, EventKind::Report { .. });
        Self {
            id: view.id.to_string(),
            href: url::job(&view.id),
            title: title(&view),
            has_name: view.name.is_some(),
            template: view.template.clone(),
            template_href: url::template(&view.template),
            phase: view.phase.into(),
            meaning: meaning(view.phase),
            reason: why(view.phase, view.reason.as_deref()),
            message: view.message.clone(),
            since: when(entered.unwrap_or(view.created)),
            lasts: Span::new(entered.unwrap_or(view.created), view.ended, now),
            created: when(view.created),
            started: view.started.map(when),
            ended: view.ended.map(when),
            ran: ran(&view, now),
            dispute: view.disputed.then(|| dispute(&view)),
            warnings: view.warnings.clone(),
            cancelling: status.cancellation.as_ref().filter(|_| !view.phase.is_terminal()).map(|asked| when(asked.at)),
            report: view.report.as_ref().map(|report| Words::new(report, now)),
            exit_code: view.exit_code,
            object: status.object.as_ref().map(|object| ObjectView {
                name: object.name.clone(),
                namespace: object.namespace.clone(),
                uid: object.uid.clone(),
                gone: match (status.object_deleted, &status.gone) {
                    (true, _) if view.phase == Phase::Lost => Some("gone"),
                    (true, _) => Some("deleted after its end"),
                    (false, Some(gone)) if gone.witnessed => Some("deleted by someone else"),
                    (false, Some(_)) => Some("gone"),
                    (false, None) => None,
                },
            }),
            pods: pods(job, now),
            parameters: parameters(job),
            rebuilt: view.rebuilt.map(when),
            digest: intent.digest.clone(),
            digest_short: intent.digest.chars().take(19).collect(),
            commit: intent.commit.clone(),
            rerun_of: intent.rerun_of.as_ref().map(|id| (id.to_string(), url::job(id))),
            entries: events.iter().rev().map(|event| Entry::new(event, now)).collect(),
            whole: (!lanes.is_empty()).then(|| Span::new(view.created, view.ended, now)),
            lanes,
            lanes_left_out,
            reports: events.iter().rev().filter(is_report).map(|event| Entry::new(event, now)).collect(),
            left_out: history.left_out,
            changes: beside.changes,
            manifest: beside.manifest.as_deref().map(tokens),
            log: beside.log,
            log_note: beside.log_note,
            log_is_tail: status.log_kept && (status.object_deleted || status.gone.is_some()),
        }
    }
}

/// The history of a job, as far as it is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Every change of phase and the latest of all other entries, oldest first.
    pub(crate) events: Vec<Event>,
    /// How many entries are not among these.
    pub(crate) left_out: usize,
}

impl History {
    /// How many entries other than changes of phase are kept.
    const LATEST: usize = 300;

    /// Takes in further entries, which follow those that are there.
    pub(crate) fn extend(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        let is_other = |event: &Event| !matches!(event.kind, EventKind::Phase { .. });
        let others = self.events.iter().filter(|event| is_other(event)).count();
        let mut surplus = others.saturating_sub(Self::LATEST);
        self.left_out += surplus;
        self.events.retain(|event| {
            let dropped = surplus > 0 && is_other(event);
            surplus -= usize::from(dropped);
            !dropped
        });
    }
}

/// From when on it is known how long a job ran. Of a lost one nobody knows.
pub(crate) fn ran_from(view: &JobView) -> Option<Timestamp> {
    view.started.filter(|_| view.phase != Phase::Lost)
}

/// How long the job ran.
pub(crate) fn ran(view: &JobView, now: Timestamp) -> Option<Span> {
    Some(Span::new(ran_from(view)?, view.ended, now))
}

/// Both sides of a contradiction.
fn dispute(view: &JobView) -> String {
    let words = view.report.as_ref().map_or("-", |report| report.status.as_str());
    let evidence = match (view.phase, view.exit_code) {
        (Phase::Succeeded, Some(code)) => format!("the job succeeded (exit code {code})"),
        (Phase::Succeeded, None) => "the job succeeded".to_owned(),
        (_, Some(code)) => format!("the job failed (exit code {code})"),
        (_, None) => "the job failed".to_owned(),
    };
    format!(
        "The worker's last words were “{words}”, but by all evidence {evidence}. The phase follows the evidence; look at \
         the log and at what the job was to produce before you rely on either."
    )
}

fn pods(job: &Job, now: Timestamp) -> Vec<Pod> {
    let Some(seen) = &job.status.seen else {
        return Vec::new();
    };
    let over = job.status.ended.is_some();
    seen.pods
        .iter()
        .map(|(name, pod)| Pod {
            name: name.clone(),
            node: pod.node.clone(),
            index: pod.index,
            reason: pod.reason.clone(),
            message: pod.message.clone(),
            containers: pod.containers.iter().map(|(name, status)| container(name, status, over, now)).collect(),
        })
        .collect()
}

fn container(name: &str, status: &ContainerStatus, over: bool, now: Timestamp) -> Container {
    let blank = Container {
        name: name.to_owned(),
        init: status.init,
        restarts: status.restarts,
        state: "Waiting",
        colour: "amber",
        reason: None,
        message: None,
        exit_code: None,
        signal: None,
        ran: None,
    };
    match &status.state {
        ContainerState::Waiting { reason, message } => {
            Container { reason: reason.clone(), message: message.clone(), ..blank }
        }
        // Nobody saw it end, so nobody knows how long it ran.
        ContainerState::Running { .. } if over => Container { state: "Last seen running", colour: "grey", ..blank },
        ContainerState::Running { started } => {
            Container { state: "Running", colour: "blue", ran: Some(Span::new(*started, None, now)), ..blank }
        }
        ContainerState::Terminated { exit_code, signal, reason, message, started, finished } => Container {
            state: "Ended",
            colour: if *exit_code == 0 { "green" } else { "red" },
            reason: Some(reason.clone()),
            message: message.clone(),
            exit_code: Some(*exit_code),
            signal: *signal,
            ran: started.map(|from| Span::new(from, Some(*finished), now)),
            ..blank
        },
    }
}

fn parameters(job: &Job) -> Option<Vec<Parameter>> {
    let intent = &job.intent;
    let known = intent.parameters.as_ref()?.iter();
    let shown = known.map(|(name, value)| Parameter {
        name: name.clone(),
        value: shown_value(value),
        secret: intent.secrets.iter().any(|secret| secret == name),
    });
    Some(shown.collect())
}

/// A parameter's value as a page shows it.
pub(crate) fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => match value.to_string() {
            short if short.len() <= 60 => short,
            _ => serde_json::to_string_pretty(value).unwrap_or_default(),
        },
        other => other.to_string(),
    }
}
