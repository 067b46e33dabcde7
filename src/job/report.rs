//! What a worker says of itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One report, as it was received. The limits hold from [`Report::new`] on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The worker's number for it, where it gives one: greater is newer, the same number again is the same report.
    #[serde(default)]
    pub sequence: Option<u64>,
    /// The worker's own words for where it stands.
    pub status: String,
    /// A sentence more.
    #[serde(default)]
    pub message: Option<String>,
    /// How far it is, 0 to 100.
    #[serde(default)]
    pub progress: Option<u8>,
}

/// A report that breaks a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReport {
    /// There are no words in it.
    #[error("`status` is missing or empty; expected 1 to {} characters of text", Report::MAX_STATUS)]
    NoStatus,
    /// A text is too long.
    #[error("`{field}` has {given} characters; at most {max} are allowed")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// How long it is, in characters.
        given: usize,
        /// How long it may be.
        max: usize,
    },
    /// The progress is beyond its range.
    #[error("`progress` is {0}; expected a whole number from 0 to 100")]
    Progress(u64),
}

impl Report {
    /// The longest status, in characters.
    pub const MAX_STATUS: usize = 500;
    /// The longest message, in characters.
    pub const MAX_MESSAGE: usize = 4000;

    /// Checks a report's limits.
    pub fn new(
        at: Timestamp,
        sequence: Option<u64>,
        status: String,
        message: Option<String>,
        progress: Option<u64>,
    ) -> Result<Self, InvalidReport> {
        let within = |field, text: &str, max| match text.chars().count() {
            given if given > max => Err(InvalidReport::TooLong { field, given, max }),
            _ => Ok(()),
        };
        if status.is_empty() {
            return Err(InvalidReport::NoStatus);
        }
        within("status", &status, Self::MAX_STATUS)?;
        within("message", message.as_deref().unwrap_or_default(), Self::MAX_MESSAGE)?;
        let progress = match progress {
            None => None,
            Some(percent) => match u8::try_from(percent) {
                Ok(percent) if percent <= 100 => Some(percent),
                _ => return Err(InvalidReport::Progress(percent)),
            },
        };
        Ok(Self { at, sequence, status, message, progress })
    }

    /// What the words claim about the job's end, if they claim anything.
    pub fn claim(&self) -> Option<Claim> {
        const SUCCESS: [&str; 8] =
            ["done", "ok", "success", "succeeded", "successful", "complete", "completed", "finished"];
        const FAILURE: [&str; 8] =
            ["error", "fail", "failed", "failure", "fatal", "aborted", "crashed", "unsuccessful"];
        let word = self.status.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty())?;
        let is = |known: &[&str]| known.iter().any(|it| word.eq_ignore_ascii_case(it));
        match () {
            () if is(&SUCCESS) => Some(Claim::Success),
            () if is(&FAILURE) => Some(Claim::Failure),
            () => None,
        }
    }
}

/// What a worker's words claim about its end. Taken from the first word of its status (`Done`, `ERROR: no disk`), as
/// workers write it; any other word claims nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// That it went well.
    Success,
    /// That it failed.
    Failure,
}

/// What is kept of all reports of a job: the newest of those with a sequence number and of those without. A function
/// of the set of reports alone, so that neither order nor repetition matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequenced: Option<Report>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plain: Option<Report>,
}

impl Reports {
    /// The worker's latest words.
    pub fn latest(&self) -> Option<&Report> {
        self.sequenced.iter().chain(&self.plain).max_by_key(|report| report.at)
    }

    /// Whether this very report, by its number, is the one that is kept already.
    pub fn is_repeat(&self, report: &Report) -> bool {
        report.sequence.is_some() && self.sequenced.as_ref().is_some_and(|known| known.sequence == report.sequence)
    }

    /// Takes a report in. Returns whether it is now the latest of its kind; if not, it came late.
    pub fn add(&mut self, report: &Report) -> bool {
        let kept = if report.sequence.is_some() { &mut self.sequenced } else { &mut self.plain };
        let newer = match kept {
            None => true,
            // The first arrival of a number is the report; what comes again under it changes nothing.
            Some(known) if known.sequence == report.sequence && report.sequence.is_some() => {
                (report.at, report) < (known.at, &*known)
            }
            Some(known) => (report.sequence, report) > (known.sequence, &*known),
        };
        if newer {
            *kept = Some(report.clone());
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at: i64, sequence: Option<u64>, status: &str) -> Report {
        Report::new(Timestamp::from_second(at).unwrap(), sequence, status.to_owned(), None, None).unwrap()
    }

    #[test]
    fn limits_are_named() {
        let at = Timestamp::UNIX_EPOCH;
        let new = |status: &str, message: Option<&str>, progress| {
            Report::new(at, None, status.to_owned(), message.map(str::to_owned), progress).map_err(|e| e.to_string())
        };
        assert!(new(&"ä".repeat(500), Some(&"m".repeat(4000)), Some(100)).is_ok());
        assert_eq!(
            new(&"s".repeat(501), None, None).unwrap_err(),
            "`status` has 501 characters; at most 500 are allowed"
        );
        assert_eq!(new("s", None, Some(101)).unwrap_err(), "`progress` is 101; expected a whole number from 0 to 100");
        assert!(new("", None, None).unwrap_err().contains("`status` is missing or empty"));
    }

    #[test]
    fn the_first_word_makes_a_claim() {
        for (status, claim) in [
            ("Done", Some(Claim::Success)),
            ("DONE!", Some(Claim::Success)),
            ("ERROR", Some(Claim::Failure)),
            ("Failed: no disk", Some(Claim::Failure)),
            ("Processing...", None),
            ("not done", None),
            ("…", None),
        ] {
            assert_eq!(report(0, None, status).claim(), claim, "{status}");
        }
    }

    #[test]
    fn a_late_report_does_not_overwrite_a_newer_one() {
        let mut reports = Reports::default();
        assert!(reports.add(&report(10, Some(2), "second")));
        assert!(!reports.add(&report(11, Some(1), "first, late")));
        assert!(!reports.add(&report(12, Some(2), "second again")));
        assert_eq!(reports.latest().unwrap().status, "second");
        assert!(reports.add(&report(13, None, "from inside")));
        assert_eq!(reports.latest().unwrap().status, "from inside");
    }
}
