//! A job's life drawn to scale: its phases, and below them every container with its runs, from its request to its end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::phase::PhaseLook;
use super::time::duration;
use crate::job::{ContainerState, ContainerStatus, Event, EventKind, Job, Phase, PodStatus};

/// How many lanes are drawn.
const MOST: usize = 40;
/// How many runs of one container are told in words.
const MOST_TOLD: usize = 4;

/// One line of the drawing, with the same in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lane {
    /// What it is of: the job, or a container of a pod.
    pub(crate) name: String,
    /// More of its name: the pod, where there are several.
    pub(crate) of: Option<String>,
    pub(crate) bars: Vec<Bar>,
    /// The bars in words.
    pub(crate) words: String,
}

/// A stretch of time, as a part of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) colour: &'static str,
    /// Where it begins, in thousandths of the whole.
    pub(crate) from: u32,
    /// How long it is, in thousandths of the whole; at least 4, so that it can be seen.
    pub(crate) width: u32,
}

/// The lanes of a job, and how many there are beyond those.
pub(crate) fn lanes(job: &Job, events: &[Event], now: Timestamp) -> (Vec<Lane>, usize) {
    let created = job.intent.created;
    let ended = job.status.ended.map(|(_, at)| at);
    let scale = Scale { from: created, to: ended.unwrap_or(now).max(created) };
    if scale.from == scale.to {
        return (Vec::new(), 0);
    }
    let mut lanes = vec![phases(events, scale)];
    let mut pods: Vec<_> = job.status.seen.iter().flat_map(|seen| &seen.pods).collect();
    pods.sort_by_key(|(name, pod)| (pod.created, *name));
    let several = pods.len() > 1;
    let mut runs = runs(events);
    let mut left_out = 0;
    for (pod_name, pod) in pods {
        for init in [true, false] {
            for (name, container) in pod.containers.iter().filter(|(_, it)| it.init == init) {
                if lanes.len() > MOST {
                    left_out += 1;
                    continue;
                }
                let seen = runs.remove(&(pod_name.as_str(), name.as_str())).unwrap_or_default();
                let of = several.then(|| pod_name.clone());
                let lane = Lane { name: name.clone(), of, bars: Vec::new(), words: String::new() };
                lanes.push(of_container(lane, pod, container, seen, ended.is_some(), scale));
            }
        }
    }
    (lanes, left_out)
}

/// The time that the drawing spans.
#[derive(Debug, Clone, Copy)]
struct Scale {
    from: Timestamp,
    to: Timestamp,
}

impl Scale {
    /// Times come from several clocks: none may lead outside.
    fn bar(self, colour: &'static str, from: Timestamp, to: Timestamp) -> Bar {
        let from = from.clamp(self.from, self.to);
        let to = to.clamp(from, self.to);
        let whole = self.to.duration_since(self.from).as_secs_f64();
        let part = |span: f64| (span / whole * 1000.0).round().clamp(0.0, 1000.0) as u32;
        let width = part(to.duration_since(from).as_secs_f64()).max(4);
        Bar { colour, from: part(from.duration_since(self.from).as_secs_f64()).min(1000 - width), width }
    }
}

/// How long the job was in each phase.
fn phases(events: &[Event], scale: Scale) -> Lane {
    let mut starts = vec![(Phase::Pending, scale.from)];
    for event in events {
        if let EventKind::Phase { from, to, .. } = event.kind
            && from != to
        {
            let last = starts.last().map_or(scale.from, |(_, at)| *at);
            starts.push((to, event.at.clamp(last, scale.to)));
        }
    }
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([scale.to]);
    let stretches = starts.iter().zip(ends).filter(|((phase, _), _)| !phase.is_terminal());
    let (bars, words): (Vec<_>, Vec<_>) = stretches
        .map(|((phase, from), to)| {
            let look = PhaseLook::from(*phase);
            (scale.bar(look.colour, *from, to), format!("{} {}", look.word, duration(*from, to)))
        })
        .unzip();
    Lane { name: "Job".to_owned(), of: None, bars, words: words.join(", ") }
}

/// One run of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: Timestamp,
    /// When and with which exit code it ended.
    end: Option<(Timestamp, i32)>,
}

/// The runs that the history tells of, by pod and container.
fn runs(events: &[Event]) -> BTreeMap<(&str, &str), Vec<Run>> {
    let mut runs: BTreeMap<(&str, &str), Vec<Run>> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::ContainerStarted { pod, container } => {
                runs.entry((pod, container)).or_default().push(Run { from: event.at, end: None });
            }
            EventKind::ContainerEnded { pod, container, exit_code, .. } => {
                let of_container = runs.entry((pod, container)).or_default();
                let end = Some((event.at, *exit_code));
                match of_container.last_mut().filter(|run| run.end.is_none() && run.from <= event.at) {
                    Some(run) => run.end = end,
                    // Nobody saw it start.
                    None => of_container.push(Run { from: event.at, end }),
                }
            }
            _ => {}
        }
    }
    runs
}

fn of_container(
    lane: Lane,
    pod: &PodStatus,
    container: &ContainerStatus,
    mut runs: Vec<Run>,
    over: bool,
    scale: Scale,
) -> Lane {
    // A long history is not read whole: then the last run is known from what the container does now.
    let current = match &container.state {
        ContainerState::Waiting { .. } => None,
        ContainerState::Running { started } => Some(Run { from: *started, end: None }),
        ContainerState::Terminated { exit_code, started, finished, .. } => {
            Some(Run { from: started.unwrap_or(*finished), end: Some((*finished, *exit_code)) })
        }
    };
    if let Some(current) = current {
        runs.retain(|run| run.from != current.from && run.end.is_none_or(|end| Some(end) != current.end));
        runs.push(current);
    }
    runs.sort_by_key(|run| run.from);
    let first = runs.first().map_or(scale.to, |run| run.from);
    let mut bars = vec![scale.bar("amber", pod.created, first)];
    let mut words = vec![format!("waited {}", duration(pod.created.min(first), first))];
    let untold = runs.len().saturating_sub(MOST_TOLD);
    if untold > 0 {
        words.push(format!("{untold} more runs"));
    }
    for (index, run) in runs.iter().enumerate() {
        let (colour, end) = match run.end {
            Some((_, 0)) => ("green", String::new()),
            Some((_, code)) => ("red", format!(" (exit code {code})")),
            None if over => ("grey", " (its end was not seen)".to_owned()),
            None => ("blue", " so far".to_owned()),
        };
        let to = run.end.map_or(scale.to, |(at, _)| at);
        bars.push(scale.bar(colour, run.from, to));
        if index >= untold {
            words.push(format!("ran {}{end}", duration(run.from, to)));
        }
    }
    match container.restarts {
        0 => {}
        1 => words.push("restarted once".to_owned()),
        times => words.push(format!("restarted {times} times")),
    }
    Lane { bars, words: words.join(", "), ..lane }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
