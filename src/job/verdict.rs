//! How a job's status grows by a fact, and which phase follows from it.
//!
//! The two decisions of this module are pure functions, so that they can be tested over every order in which facts
//! may arrive:
//!
//! - [`Status::learn`] joins a fact with what is known. The joins are commutative and idempotent: what comes late or
//!   twice changes nothing that it should not.
//! - [`Status::verdict`] says what the job's phase is, from evidence alone, and whether the worker's words contradict
//!   it.
//!
//! A terminal phase absorbs: once reached it is noted in [`Status::ended`] and never left. An executor shows one end
//! for one object, so order cannot matter there; should it ever show two, the first one that was recorded stands.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Phase;
use super::containers::{
    Exit, all_have_ended, container_events, deciding_exit, describe, describe_alive, failed_last, failures,
    first_start, is_evicted, is_missing, latest_exit, live_containers,
};
use super::event::{EventKind, NewEvent, Source};
use super::evidence::{Conclusion, ContainerState, Evidence, ObjectRef, Snapshot};
use super::record::{Fact, Gone, Status};
use super::report::{Claim, Report};

/// What follows from a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where the job stands.
    pub phase: Phase,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// The exit code that decided, where there is one.
    pub exit_code: Option<i32>,
    /// When its first container started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether the worker's words and the evidence contradict each other.
    pub disputed: bool,
}

/// What learning a fact came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Whether the status is another one than before.
    pub changed: bool,
    /// What goes into the job's history.
    pub events: Vec<NewEvent>,
}

impl Status {
    /// Takes a fact in. Facts about another object than the one on record are left aside.
    pub fn learn(&mut self, fact: Fact) -> Learned {
        let before = self.clone();
        let was = before.verdict();
        let (at, source, mut events) = self.take_in(fact);
        let mut now = self.verdict();
        if self.ended.is_none() && now.phase.is_terminal() {
            let ended = now.ended.unwrap_or(at);
            self.ended = Some((now.phase, ended));
            now.ended = Some(ended);
        }
        if (was.phase, &was.reason) != (now.phase, &now.reason) {
            events.push(NewEvent {
                at: now.ended.filter(|_| now.phase.is_terminal()).unwrap_or(at),
                source: if source == Source::Worker { Source::Service } else { source },
                kind: EventKind::Phase { from: was.phase, to: now.phase, reason: now.reason, message: now.message },
            });
        }
        if was.disputed != now.disputed {
            let kind = EventKind::Disputed { disputed: now.disputed };
            events.push(NewEvent { at, source: Source::Service, kind });
        }
        Learned { changed: *self != before, events }
    }

    fn take_in(&mut self, fact: Fact) -> (Timestamp, Source, Vec<NewEvent>) {
        match fact {
            Fact::Created { object, warnings, at } => {
                let mut events: Vec<_> = self.learn_object(object, at).into_iter().collect();
                events.extend(self.learn_warnings(warnings, at));
                (at, Source::Executor, events)
            }
            Fact::Refused(refusal) => {
                let at = refusal.at;
                if self.object.is_none() && self.refusal.is_none() {
                    self.refusal = Some(refusal);
                }
                (at, Source::Executor, Vec::new())
            }
            Fact::Evidence(evidence) => self.learn_evidence(evidence),
            Fact::Report(report) => (report.at, Source::Worker, self.learn_report(report)),
            Fact::CancelRequested(asked) => {
                let at = asked.at;
                let mut events = Vec::new();
                if self.ended.is_none() && self.cancellation.is_none() {
                    let kind = EventKind::CancelRequested { by: asked.by.clone() };
                    events.push(NewEvent { at, source: Source::User, kind });
                    self.cancellation = Some(asked);
                }
                (at, Source::User, events)
            }
            Fact::Withdrawn { at } => {
                if self.object.is_none() && self.withdrawn.is_none() {
                    self.withdrawn = Some(at);
                }
                (at, Source::Service, Vec::new())
            }
            Fact::LogKept { at } => {
                let first = !std::mem::replace(&mut self.log_kept, true);
                (at, Source::Service, once(first, at, EventKind::LogKept))
            }
            Fact::ObjectDeleted { at } => {
                let first = !std::mem::replace(&mut self.object_deleted, true);
                (at, Source::Service, once(first, at, EventKind::ObjectDeleted))
            }
        }
    }

    fn learn_object(&mut self, object: ObjectRef, at: Timestamp) -> Option<NewEvent> {
        if self.object.is_some() {
            return None;
        }
        self.object = Some(object.clone());
        Some(NewEvent { at, source: Source::Executor, kind: EventKind::Created { object } })
    }

    fn learn_warnings(&mut self, warnings: Vec<String>, at: Timestamp) -> Vec<NewEvent> {
        let mut events = Vec::new();
        for text in warnings {
            if self.warnings.insert(text.clone()) {
                events.push(NewEvent { at, source: Source::Executor, kind: EventKind::Warning { text } });
            }
        }
        events
    }

    fn is_of_another_object(&self, object: &ObjectRef) -> bool {
        self.object.as_ref().is_some_and(|known| known.uid != object.uid)
    }

    fn learn_evidence(&mut self, evidence: Evidence) -> (Timestamp, Source, Vec<NewEvent>) {
        let mut events = Vec::new();
        match evidence {
            Evidence::Seen(snapshot) => {
                let at = snapshot.at;
                if !self.is_of_another_object(&snapshot.object) {
                    events.extend(self.learn_object(snapshot.object.clone(), at));
                    let before = self.seen.take();
                    let mut joined = match before.clone() {
                        Some(known) => known.join(*snapshot),
                        None => *snapshot,
                    };
                    if let (Some(_), Some(known)) = (&self.ended, &before) {
                        // The end that counts was the first one, with all that it says.
                        joined.conclusion = known.conclusion.clone().or(joined.conclusion);
                    }
                    events.extend(container_events(before.as_ref(), &joined));
                    self.seen = Some(joined);
                }
                (at, Source::Executor, events)
            }
            Evidence::Gone { object, at, witnessed } => {
                if !self.is_of_another_object(&object) {
                    events.extend(self.learn_object(object, at));
                    if self.gone.is_none() {
                        self.gone = Some(Gone { at, witnessed });
                    }
                }
                (at, Source::Executor, events)
            }
        }
    }

    fn learn_report(&mut self, report: Report) -> Vec<NewEvent> {
        if self.reports.is_repeat(&report) {
            // Only so that the earliest arrival of a number is the one on record, whatever the order.
            self.reports.add(&report);
            return Vec::new();
        }
        let late = !self.reports.add(&report);
        let at = report.at;
        let kind = EventKind::Report { report, late, after_end: self.ended.is_some() };
        vec![NewEvent { at, source: Source::Worker, kind }]
    }

    /// Which phase follows from what is known, and why.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = self.judge();
        let claim = self.reports.latest().and_then(Report::claim);
        verdict.disputed = matches!(
            (verdict.phase, claim),
            (Phase::Succeeded, Some(Claim::Failure)) | (Phase::Failed, Some(Claim::Success))
        );
        verdict
    }

    fn judge(&self) -> Verdict {
        let seen = self.seen.as_ref();
        let verdict = Verdict {
            phase: Phase::Pending,
            reason: None,
            message: None,
            exit_code: seen.and_then(deciding_exit).map(|exit| exit.code),
            started: seen.and_then(first_start),
            ended: None,
            disputed: false,
        };
        if let Some((phase, at)) = self.ended {
            // Should more than one end be known, the others came later, and say nothing of the one that counts.
            let ended = self.ends(&verdict).find(|end| (end.phase, end.ended) == (phase, Some(at)));
            return Verdict { ended: Some(at), ..ended.unwrap_or(Verdict { phase, ..verdict }) };
        }
        let end = self.ends(&verdict).next();
        end.unwrap_or_else(|| match seen {
            Some(seen) => judge_alive(seen, verdict),
            None if self.object.is_some() => Verdict { phase: Phase::Waiting, ..verdict },
            None => verdict,
        })
    }

    /// The ends that are known, those that tell most before others. Where the executor keeps its promises there is one.
    fn ends(&self, verdict: &Verdict) -> impl Iterator<Item = Verdict> {
        let ended = |phase, at, reason: Option<String>, message: Option<String>| Verdict {
            phase,
            reason,
            message,
            ended: Some(at),
            ..verdict.clone()
        };
        // These two are only ever learned while there is no object, and end the job.
        let withdrawn = self.withdrawn.map(|at| {
            let reason = Some("Cancelled".to_owned());
            ended(Phase::Cancelled, at, reason, self.cancelled_by())
        });
        let refused = self.refusal.as_ref().map(|no| {
            let (reason, message) = (Some(no.reason.clone()), Some(no.message.clone()));
            ended(Phase::Rejected, no.at, reason, message)
        });
        let concluded = self.seen.as_ref().and_then(|seen| {
            Some(match seen.conclusion.as_ref()? {
                Conclusion::Complete { at } => ended(Phase::Succeeded, *at, None, None),
                Conclusion::Failed { at, reason, message } => {
                    let (reason, message) = failure(seen, deciding_exit(seen), reason, message);
                    ended(Phase::Failed, *at, Some(reason), Some(message))
                }
                Conclusion::Stopped { at } => {
                    let reason = if self.cancellation.is_some() { "Cancelled" } else { "Stopped" };
                    ended(Phase::Cancelled, *at, Some(reason.to_owned()), self.cancelled_by())
                }
            })
        });
        let gone = self.gone.as_ref().map(|gone| {
            let (phase, reason, message) = self.judge_gone(gone);
            ended(phase, gone.at, Some(reason.to_owned()), message)
        });
        [withdrawn, refused, concluded, gone].into_iter().flatten()
    }

    fn judge_gone(&self, gone: &Gone) -> (Phase, &'static str, Option<String>) {
        if self.cancellation.is_some() {
            (Phase::Cancelled, "Cancelled", self.cancelled_by())
        } else if gone.witnessed {
            let last = self.seen.as_ref().map_or("", |seen| describe_alive(seen));
            let left = self.seen.as_ref().is_some_and(|seen| seen.orphaning && !all_have_ended(seen));
            let left = if left { ", and its pods were left running" } else { "" };
            let message = format!("its object was deleted by someone else{last}{left}");
            (Phase::Cancelled, "Deleted", Some(message))
        } else {
            let last = self.seen.as_ref().map_or(String::new(), |seen| match deciding_exit(seen) {
                Some(exit) => format!("; it was last seen after a container had ended with exit code {}", exit.code),
                None => format!("; it was last seen{}", describe_alive(seen)),
            });
            let message = format!("its object was created and is gone, and nothing tells how it ended{last}");
            (Phase::Lost, "ObjectGone", Some(message))
        }
    }

    fn cancelled_by(&self) -> Option<String> {
        let by = self.cancellation.as_ref()?.by.as_ref()?;
        Some(format!("cancelled by {by}"))
    }
}

fn once(first: bool, at: Timestamp, kind: EventKind) -> Vec<NewEvent> {
    if first { vec![NewEvent { at, source: Source::Service, kind }] } else { Vec::new() }
}

/// Why an object failed. `BackoffLimitExceeded` alone says nothing that helps where a single attempt was made: then
/// what ended that attempt is the reason.
fn failure(seen: &Snapshot, exit: Option<Exit<'_>>, reason: &str, message: &str) -> (String, String) {
    if reason != "BackoffLimitExceeded" {
        return (reason.to_owned(), message.to_owned());
    }
    if let Some(pod) = failed_last(seen).filter(|pod| is_evicted(pod)) {
        return ("Evicted".to_owned(), pod.message.clone().unwrap_or_else(|| message.to_owned()));
    }
    if let Some(deleted) = the_only(&seen.pods).filter(|pod| pod.interrupted || is_missing(seen, pod)) {
        let message = match exit.filter(|exit| exit.code != 0) {
            Some(exit) => format!("its pod was deleted, and a container ended with exit code {}", exit.code),
            None => format!("its pod was deleted{}", describe(deleted.containers.values())),
        };
        return ("PodDeleted".to_owned(), message);
    }
    match exit {
        Some(exit) if seen.pods.len() == 1 && exit.code != 0 => {
            let said = exit.message.map(|text| format!(": {text}")).unwrap_or_default();
            (exit.reason.to_owned(), format!("a container ended with exit code {}{said}", exit.code))
        }
        Some(exit) if exit.code != 0 => {
            let attempts = seen.pods.len();
            let last = format!("the last one ended with exit code {} ({})", exit.code, exit.reason);
            (reason.to_owned(), format!("{attempts} attempts failed; {last}"))
        }
        _ => (reason.to_owned(), message.to_owned()),
    }
}

fn judge_alive(seen: &Snapshot, verdict: Verdict) -> Verdict {
    if seen.suspended {
        return Verdict { phase: Phase::Suspended, ..verdict };
    }
    let running = live_containers(seen).any(|container| matches!(container.state, ContainerState::Running { .. }));
    if running {
        // How an earlier attempt ended decides nothing while another one runs.
        return Verdict { phase: Phase::Running, exit_code: None, ..verdict };
    }
    let waiting = waiting_reason(seen);
    let ended = live_containers(seen).any(|container| !container.init) && all_have_ended(seen);
    match waiting {
        None if ended => between_attempts(seen, verdict),
        Some((reason, message)) => Verdict { phase: Phase::Waiting, reason: Some(reason), message, ..verdict },
        None => Verdict { phase: Phase::Waiting, ..verdict },
    }
}

/// All containers have ended, and the object has not: either it is about to, or another attempt is to follow, which may
/// take minutes.
fn between_attempts(seen: &Snapshot, verdict: Verdict) -> Verdict {
    let exit_code = latest_exit(seen).map(|exit| exit.code);
    let failed = exit_code.filter(|code| *code != 0);
    let again = seen.backoff_limit.is_some_and(|limit| failures(seen) <= limit as usize);
    if let Some(code) = failed.filter(|_| again) {
        let message = format!("an attempt ended with exit code {code}; another one follows");
        let reason = Some("BackOff".to_owned());
        return Verdict { phase: Phase::Waiting, reason, message: Some(message), exit_code, ..verdict };
    }
    let message = exit_code.map(|code| format!("its container ended with exit code {code}"));
    Verdict { phase: Phase::Running, reason: Some("Finishing".to_owned()), message, exit_code, ..verdict }
}

/// Why nothing runs: the executor's refusal of pods, a pod's own reason, or a container's.
fn waiting_reason(seen: &Snapshot) -> Option<(String, Option<String>)> {
    if let Some((reason, message)) = &seen.blocked {
        return Some((reason.clone(), Some(message.clone())));
    }
    seen.pods.values().rev().filter(|pod| !seen.is_gone(pod)).find_map(|pod| {
        let of_container = pod.containers.values().find_map(|container| match &container.state {
            ContainerState::Waiting { reason: Some(reason), message } => Some((reason.clone(), message.clone())),
            _ => None,
        });
        // What is wrong with the whole pod says more than that its containers are not started yet.
        pod.reason.clone().map(|reason| (reason, pod.message.clone())).or(of_container)
    })
}

fn the_only<K, V>(map: &BTreeMap<K, V>) -> Option<&V> {
    if map.len() == 1 { map.values().next() } else { None }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
