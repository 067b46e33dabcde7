//! Times and spans in words.

use jiff::Timestamp;

/// A moment, as a page shows it. The script brings `exact` into the reader's zone and keeps `age` true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    /// For machines, in RFC 3339.
    pub(crate) iso: String,
    /// For people, on hover: date and time in UTC.
    pub(crate) exact: String,
    /// How long ago: `3 min ago`.
    pub(crate) age: String,
    /// The time of day in UTC, for lists within one job.
    pub(crate) clock: String,
}

impl When {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: at.to_string(),
            exact: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            age: age(at, now),
            clock: at.strftime("%H:%M:%S").to_string(),
        }
    }
}

/// A span of time from a start, which may still grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// How long, in words.
    pub(crate) text: String,
    /// Since when, where it still grows: the script keeps it true.
    pub(crate) since: Option<String>,
}

impl Span {
    pub(crate) fn new(from: Timestamp, to: Option<Timestamp>, now: Timestamp) -> Self {
        Self { text: duration(from, to.unwrap_or(now)), since: to.is_none().then(|| from.to_string()) }
    }
}

/// How long ago `at` was; a clock that is a little ahead is `just now`. A month ago and more is a date.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        ..5 => "just now".to_owned(),
        s @ 5..60 => format!("{s} s ago"),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s @ 3600..86_400 => format!("{} h ago", s / 3600),
        s @ 86_400..2_592_000 => format!("{} d ago", s / 86_400),
        _ => at.strftime("%Y-%m-%d").to_string(),
    }
}

/// A span in its two largest units; below ten seconds with a tenth, below one in milliseconds.
pub(crate) fn duration(from: Timestamp, to: Timestamp) -> String {
    let span = to.duration_since(from);
    match span.as_secs() {
        ..0 => "0 s".to_owned(),
        0 => format!("{} ms", span.as_millis().max(0)),
        s @ 1..10 => format!("{s}.{} s", span.subsec_millis() / 100),
        s @ 10..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s @ 3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let now = at(100_000_000);
        for (ago, words) in [
            (-30, "just now"),
            (4, "just now"),
            (5, "5 s ago"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (86_400, "1 d ago"),
            (2_592_000, "1973-02-01"),
        ] {
            assert_eq!(age(at(100_000_000 - ago), now), words);
        }
    }

    #[test]
    fn spans_are_told_in_two_units() {
        let millis = |ms| Timestamp::from_millisecond(ms).unwrap();
        for (ms, words) in [
            (-5, "0 ms"),
            (-5000, "0 s"),
            (420, "420 ms"),
            (9_990, "9.9 s"),
            (59_900, "59 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(millis(0), millis(ms)), words);
        }
    }

    #[test]
    fn a_span_without_an_end_grows() {
        let running = Span::new(at(0), None, at(90));
        assert_eq!(running.text, "1 min 30 s");
        assert_eq!(running.since.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(Span::new(at(0), Some(at(90)), at(999)).since, None);
    }
}
