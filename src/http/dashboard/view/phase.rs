//! How a phase looks: never by colour alone, always with an icon and its word.

use crate::job::Phase;

/// A phase on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PhaseLook {
    /// The phase's word.
    pub(crate) word: &'static str,
    /// The class that gives its colour.
    pub(crate) colour: &'static str,
    /// The inside of its icon: constant SVG in a box of 16 by 16.
    pub(crate) icon: &'static str,
    /// Whether a job ends in it.
    pub(crate) terminal: bool,
}

impl From<Phase> for PhaseLook {
    fn from(phase: Phase) -> Self {
        let (colour, icon) = match phase {
            Phase::Pending => ("grey", r#"<circle cx="8" cy="8" r="6.2" stroke-dasharray="2.4 2.4"/>"#),
            Phase::Suspended => ("grey", r#"<circle cx="8" cy="8" r="6.2"/><path d="M6.3 5.8v4.4M9.7 5.8v4.4"/>"#),
            Phase::Waiting => ("amber", r#"<circle cx="8" cy="8" r="6.2"/><path d="M8 4.6V8l2.2 1.6"/>"#),
            Phase::Running => (
                "blue",
                r#"<g class="turn"><circle cx="8" cy="8" r="6.2" opacity="0.3"/><path d="M8 1.8A6.2 6.2 0 0 1 14.2 8"/></g><circle cx="8" cy="8" r="1.4" fill="currentColor"/>"#,
            ),
            Phase::Succeeded => ("green", r#"<circle cx="8" cy="8" r="6.2"/><path d="m5.2 8.2 2 2 3.6-4.2"/>"#),
            Phase::Failed => {
                ("red", r#"<circle cx="8" cy="8" r="6.2"/><path d="m5.8 5.8 4.4 4.4M10.2 5.8l-4.4 4.4"/>"#)
            }
            Phase::Cancelled => ("grey", r#"<circle cx="8" cy="8" r="6.2"/><path d="M3.7 12.3l8.6-8.6"/>"#),
            Phase::Rejected => {
                ("red", r#"<path d="M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z"/><path d="M5.2 8h5.6"/>"#)
            }
            Phase::Lost => (
                "purple",
                r#"<circle cx="8" cy="8" r="6.2"/><path d="M6.2 6.3a1.9 1.9 0 1 1 2.7 1.8c-.6.3-.9.6-.9 1.2M8 11.4v.1"/>"#,
            ),
        };
        Self { word: phase.as_str(), colour, icon, terminal: phase.is_terminal() }
    }
}

/// Why a job is in a phase, where that says more than the phase does.
pub(crate) fn why(phase: Phase, reason: Option<&str>) -> Option<String> {
    reason.filter(|reason| *reason != phase.as_str()).map(str::to_owned)
}

/// What a phase means for somebody who meets it for the first time, where its word does not say it all.
pub(crate) fn meaning(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Pending => Some("The request is recorded; the executor has not shown its object yet."),
        Phase::Suspended => Some("The object exists and is suspended: somebody, or a queue, has to resume it."),
        Phase::Waiting => Some("The object exists, but none of its containers runs yet."),
        Phase::Rejected => Some("The executor refused this job. Nothing was created, and nothing ran."),
        Phase::Lost => Some(
            "It may have done all of its work, some, or none: look at the worker's own words, and at what it was to \
             produce, before you run it again.",
        ),
        Phase::Running | Phase::Succeeded | Phase::Failed | Phase::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_phase_has_an_icon_of_its_own() {
        let looks = Phase::ALL.map(PhaseLook::from);
        let icons: BTreeSet<_> = looks.iter().map(|look| look.icon).collect();
        assert_eq!(icons.len(), Phase::ALL.len());
    }
}
