//! One job in a list.

use jiff::Timestamp;

use super::job::ran;
use super::phase::{PhaseLook, why};
use super::time::{Span, When};
use super::url;
use crate::job::{JobView, Phase};

/// A job as one row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) href: String,
    /// The name, or else the ID: what a person calls the job.
    pub(crate) title: String,
    pub(crate) has_name: bool,
    pub(crate) template: String,
    pub(crate) template_href: String,
    pub(crate) phase: PhaseLook,
    /// Why, where that says more than the phase does.
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) disputed: bool,
    /// A cancellation was asked for, and the executor has not confirmed it yet.
    pub(crate) cancelling: bool,
    /// The worker's own words.
    pub(crate) status: Option<String>,
    /// What it says beyond that.
    pub(crate) more: Option<String>,
    /// How far the worker says it is; shown while the job is under way.
    pub(crate) progress: Option<u8>,
    pub(crate) created: When,
    pub(crate) ran: Option<Span>,
}

impl Row {
    pub(crate) fn new(job: &JobView, now: Timestamp) -> Self {
        let ended = job.phase.is_terminal();
        let report = job.report.as_ref();
        Self {
            id: job.id.to_string(),
            href: url::job(&job.id),
            title: title(job),
            has_name: job.name.is_some(),
            template: job.template.clone(),
            template_href: url::template(&job.template),
            phase: job.phase.into(),
            reason: reason(job),
            message: job.message.clone(),
            disputed: job.disputed,
            cancelling: job.cancel_requested && !ended,
            status: report.map(|report| report.status.clone()),
            more: report.and_then(|report| report.message.clone()),
            progress: report.and_then(|report| report.progress).filter(|_| !ended),
            created: When::new(job.created, now),
            ran: ran(job, now),
        }
    }

    /// The worker's words as the replaced system showed them: `-` as long as there are none.
    pub(crate) fn words(&self) -> &str {
        self.status.as_deref().unwrap_or("-")
    }
}

fn reason(job: &JobView) -> Option<String> {
    match (job.phase, job.reason.as_deref(), job.exit_code) {
        (Phase::Succeeded, ..) => None,
        (_, Some("Error"), Some(code)) => Some(format!("Exit code {code}")),
        (phase, reason, _) => why(phase, reason),
    }
}

/// What a person calls a job: its name, or else its ID.
pub(crate) fn title(job: &JobView) -> String {
    match &job.name {
        Some(name) => name.to_string(),
        None => job.id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dashboard::view::about::tests::job;

    #[test]
    fn the_reason_says_what_the_phase_does_not() {
        for (phase, reason, exit_code, shown) in [
            (Phase::Failed, "Error", Some(3), Some("Exit code 3")),
            (Phase::Failed, "Error", None, Some("Error")),
            (Phase::Failed, "OOMKilled", Some(137), Some("OOMKilled")),
            (Phase::Cancelled, "Cancelled", Some(143), None),
            (Phase::Cancelled, "Deleted", None, Some("Deleted")),
            (Phase::Succeeded, "Completed", Some(0), None),
        ] {
            let job = JobView { reason: Some(reason.to_owned()), exit_code, ..job("k1", phase) };
            assert_eq!(Row::new(&job, Timestamp::UNIX_EPOCH).reason.as_deref(), shown, "{phase} {reason}");
        }
    }
}
