//! The jobs page: which jobs are asked for, and how the page's parts point to other views of them.

use jiff::{SignedDuration, Timestamp, civil};

use super::phase::PhaseLook;
use super::row::Row;
use super::url;
use crate::job::Phase;

/// The spans that the page offers, with their words.
const RECENT: [(&str, &str); 4] =
    [("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days")];

/// The phases in the order of their tabs, what is asked for most first, and whether a tab stays where there is no such job.
/// Jobs pass through some phases all the time: were the tabs of these to come and go, the others would move. What is
/// suspended comes and goes too, but not everywhere, and stands last.
const TABS: [(Phase, bool); Phase::ALL.len()] = [
    (Phase::Running, true),
    (Phase::Succeeded, true),
    (Phase::Failed, true),
    (Phase::Pending, true),
    (Phase::Waiting, true),
    (Phase::Cancelled, false),
    (Phase::Rejected, false),
    (Phase::Lost, false),
    (Phase::Suspended, false),
];

/// What the address asks for. Unknown names are left aside, so that an address with a marker of some other tool still
/// works; a value that cannot be read is told, not ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    pub(crate) phase: Option<Phase>,
    pub(crate) template: String,
    pub(crate) text: String,
    /// As it was written: a span such as `24h`, or a time.
    pub(crate) since: String,
    pub(crate) until: String,
    pub(crate) cursor: String,
}

/// The period that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Filters {
    /// Reads the pairs of a query. What cannot be read is left out, and said.
    pub(crate) fn read(pairs: &[(String, String)]) -> (Self, Vec<String>) {
        let mut filters = Self::default();
        let mut faults = Vec::new();
        for (name, value) in pairs {
            let value = value.trim();
            match name.as_str() {
                "phase" if !value.is_empty() => match value.parse() {
                    Ok(phase) => filters.phase = Some(phase),
                    Err(error) => faults.push(format!("Phase: {error}.")),
                },
                "template" => filters.template = value.to_owned(),
                "q" => filters.text = value.to_owned(),
                "since" => filters.since = value.to_owned(),
                "until" => filters.until = value.to_owned(),
                "cursor" => filters.cursor = value.to_owned(),
                _ => {}
            }
        }
        let readable = |text: &mut String, word: &str, faults: &mut Vec<String>| {
            if !text.is_empty() && moment(text, Timestamp::UNIX_EPOCH).is_none() {
                faults.push(format!(
                    "{word}: {text:?} is no time; expected 30m, 24h, 7d, 2026-01-31 or 2026-01-31T09:00 (UTC)."
                ));
                text.clear();
            }
        };
        readable(&mut filters.since, "From", &mut faults);
        readable(&mut filters.until, "To", &mut faults);
        (filters, faults)
    }

    /// The period in absolute times.
    pub(crate) fn period(&self, now: Timestamp) -> Period {
        Period { since: moment(&self.since, now), until: moment(&self.until, now) }
    }

    /// Whether anything but the place in the list was asked for.
    pub(crate) fn any(&self) -> bool {
        let other = Self { cursor: String::new(), ..self.clone() };
        other != Self::default()
    }

    /// The address of this view, from its newest job on.
    pub(crate) fn address(&self) -> String {
        self.address_at("")
    }

    /// The address of this view, from a place in the list on.
    pub(crate) fn address_at(&self, cursor: &str) -> String {
        let phase = self.phase.map_or("", Phase::as_str);
        let pairs = [
            ("phase", phase),
            ("template", &self.template),
            ("q", &self.text),
            ("since", &self.since),
            ("until", &self.until),
            ("cursor", cursor),
        ];
        url::with_query("/", pairs.into_iter().filter(|(_, value)| !value.is_empty()))
    }

    /// The same view of another phase.
    fn of_phase(&self, phase: Option<Phase>) -> Self {
        Self { phase, ..self.clone() }
    }

    /// The spans to choose from. A time that was given otherwise stays as a choice of its own.
    pub(crate) fn spans(&self) -> Vec<Choice> {
        let mut choices = vec![Choice::new("", "Any time", self.since.is_empty())];
        choices.extend(RECENT.map(|(value, words)| Choice::new(value, words, value == self.since)));
        if choices.iter().all(|choice| !choice.selected) {
            let words = format!("From {}", self.since);
            choices.push(Choice::new(&self.since, &words, true));
        }
        choices
    }

    /// The templates to choose from.
    pub(crate) fn templates<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<Choice> {
        let mut choices = vec![Choice::new("", "All templates", self.template.is_empty())];
        choices.extend(names.into_iter().map(|name| Choice::new(name, name, name == self.template)));
        if choices.iter().all(|choice| !choice.selected) {
            choices.push(Choice::new(&self.template, &self.template, true));
        }
        choices
    }

    /// A link for each phase that there are jobs of, and for the one that is shown.
    pub(crate) fn tabs(&self, counts: &[(Phase, u64)]) -> Vec<Tab> {
        let all = Tab {
            look: None,
            href: self.of_phase(None).address(),
            count: counts.iter().map(|(_, count)| count).sum(),
            current: self.phase.is_none(),
        };
        let of_phases = TABS.into_iter().filter_map(|(phase, stays)| {
            let count = counts.iter().find(|(counted, _)| *counted == phase).map_or(0, |(_, count)| *count);
            let current = self.phase == Some(phase);
            (stays || count > 0 || current).then(|| Tab {
                look: Some(phase.into()),
                href: self.of_phase(Some(phase)).address(),
                count,
                current,
            })
        });
        std::iter::once(all).chain(of_phases).collect()
    }
}

/// An entry of a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) words: String,
    pub(crate) selected: bool,
}

impl Choice {
    pub(crate) fn new(value: &str, words: &str, selected: bool) -> Self {
        Self { value: value.to_owned(), words: words.to_owned(), selected }
    }
}

/// A link to the jobs of one phase, or of all.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) look: Option<PhaseLook>,
    pub(crate) href: String,
    pub(crate) count: u64,
    pub(crate) current: bool,
}

/// The jobs page.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) filters: Filters,
    pub(crate) faults: Vec<String>,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) templates: Vec<Choice>,
    pub(crate) spans: Vec<Choice>,
    pub(crate) rows: Vec<Row>,
    /// The address of the older jobs, if there are any.
    pub(crate) older: Option<String>,
    /// Whether there are jobs at all, in any view.
    pub(crate) any_jobs: bool,
    /// From which the IDs follow of what is launched from a selection.
    pub(crate) token: String,
    /// The address of this very view.
    pub(crate) here: String,
}

/// A moment: a span back from now (`30m`, `24h`, `7d`), a day or a time. Without a zone it is in UTC.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some((number, unit)) = text.split_at_checked(text.len().saturating_sub(1)) {
        let seconds = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 0,
        };
        if seconds > 0
            && let Ok(number) = number.parse::<u32>()
        {
            let span = SignedDuration::from_secs(i64::from(number) * seconds);
            return Some(now.checked_sub(span).unwrap_or(Timestamp::MIN));
        }
    }
    let of_civil = |time: civil::DateTime| {
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    };
    text.parse::<Timestamp>().ok().or_else(|| of_civil(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> (Filters, Vec<String>) {
        let pairs: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Filters::read(&pairs)
    }

    #[test]
    fn a_view_is_in_its_address() {
        let query =
            [("phase", "running"), ("template", "hello"), ("q", "a&b"), ("since", "24h"), ("utm_source", "mail")];
        let (filters, faults) = read(&query);
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(filters.phase, Some(Phase::Running));
        assert_eq!(filters.address_at("xyz"), "/?phase=Running&template=hello&q=a%26b&since=24h&cursor=xyz");
        assert!(filters.any() && !read(&[("cursor", "xyz"), ("q", "")]).0.any());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let (filters, faults) = read(&[("phase", "Ended"), ("since", "yesterday"), ("q", "x")]);
        assert!(faults[0].contains("\"Ended\" is no phase; expected one of Pending"));
        assert!(faults[1].contains("\"yesterday\" is no time; expected 30m"));
        assert_eq!(filters.address(), "/?q=x");
    }

    #[test]
    fn times_are_spans_days_or_moments_in_utc() {
        let now: Timestamp = "2026-01-31T09:00:00Z".parse().unwrap();
        for (text, at) in [
            ("30m", "2026-01-31T08:30:00Z"),
            ("7d", "2026-01-24T09:00:00Z"),
            ("2026-01-30", "2026-01-30T00:00:00Z"),
            ("2026-01-30T08:15", "2026-01-30T08:15:00Z"),
            ("2026-01-30T08:15:00+02:00", "2026-01-30T06:15:00Z"),
        ] {
            assert_eq!(moment(text, now), Some(at.parse().unwrap()), "{text}");
        }
        for text in ["", "h", "1x", "ü", "-1d", "2026-13-01"] {
            assert_eq!(moment(text, now), None, "{text}");
        }
        assert_eq!(moment("4294967295d", now), Some(Timestamp::MIN));
    }

    #[test]
    fn tabs_stay_and_keep_the_other_filters() {
        let (filters, _) = read(&[("phase", "Lost"), ("q", "x")]);
        let tabs = filters.tabs(&[(Phase::Running, 2), (Phase::Failed, 1)]);
        let words: Vec<_> = tabs.iter().map(|tab| tab.look.map_or("All", |look| look.word)).collect();
        assert_eq!(words, ["All", "Running", "Succeeded", "Failed", "Pending", "Waiting", "Lost"]);
        assert_eq!(tabs.iter().map(|tab| tab.count).collect::<Vec<_>>(), [3, 2, 0, 1, 0, 0, 0]);
        assert!(tabs[6].current && tabs.iter().filter(|tab| tab.current).count() == 1);
        assert!(Phase::ALL.iter().all(|phase| TABS.iter().any(|(tab, _)| tab == phase)));
        assert_eq!(tabs[1].href, "/?phase=Running&q=x");
    }

    #[test]
    fn a_choice_that_is_not_among_the_known_stays_chosen() {
        let (filters, _) = read(&[("template", "gone"), ("since", "2026-01-30")]);
        let templates = filters.templates(["hello"]);
        assert_eq!(templates.last().unwrap(), &Choice::new("gone", "gone", true));
        assert!(filters.spans().iter().any(|it| it.selected && it.value == "2026-01-30"));
    }
}
