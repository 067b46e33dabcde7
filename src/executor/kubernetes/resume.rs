//! Where to go on in a container's log after a cut, so that no line is lost and none comes twice. Pure.
//!
//! The API takes a moment to start from, but only whole seconds of it. So more is asked for than is needed, and the
//! time stamp that the kubelet puts before each line tells which lines were given already.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// How far a container's log was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The time stamp of the last line, and how many lines of that very time stamp were given.
    last: Option<(Timestamp, usize)>,
}

impl Position {
    /// The moment to ask from: no later than the last line that was given.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.last.map(|(at, _)| whole_second(at))
    }

    /// Decides over the lines of one answer, from its first one on.
    pub(super) fn resume(&mut self) -> Resumed<'_> {
        let known = self.last;
        Resumed { position: self, known }
    }
}

/// The second that a moment is in.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    let down = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    at.round(down).unwrap_or(at)
}

/// One answer, which may begin with lines that were given already.
#[derive(Debug)]
pub(super) struct Resumed<'a> {
    position: &'a mut Position,
    known: Option<(Timestamp, usize)>,
}

impl Resumed<'_> {
    /// Whether a line is a new one. It counts as given then.
    pub(super) fn is_new(&mut self, at: Timestamp) -> bool {
        if let Some((last, given)) = &mut self.known
            && (at < *last || (at == *last && *given > 0))
        {
            if at == *last {
                *given -= 1;
            }
            return false;
        }
        self.position.last = match self.position.last {
            Some((last, given)) if last == at => Some((last, given + 1)),
            // A line that is out of order moves nothing back.
            Some((last, given)) if last > at => Some((last, given)),
            _ => Some((at, 1)),
        };
        true
    }
}

/// Splits a line into its time stamp and its text. None for what is no line of a log: where the container is gone, the
/// kubelet says so in the place of the log.
pub(super) fn parse(line: &[u8]) -> Option<(Timestamp, String)> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let at = std::str::from_utf8(&line[..end]).ok()?.parse().ok()?;
    let text = line.get(end + 1..).unwrap_or_default();
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    Some((at, String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanosecond: i64) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(nanosecond)).unwrap()
    }

    #[test]
    fn a_line_is_a_time_stamp_and_a_text() {
        let line = |text: &str| parse(text.as_bytes());
        let moment: Timestamp = "2026-01-31T09:00:00.123456789Z".parse().unwrap();
        assert_eq!(line("2026-01-31T09:00:00.123456789Z hello  you\n"), Some((moment, "hello  you".to_owned())));
        assert_eq!(line("2026-01-31T09:00:00.123456789Z \n"), Some((moment, String::new())));
        assert_eq!(line("2026-01-31T09:00:00.123456789Z"), Some((moment, String::new())));
        assert_eq!(line("2026-01-31T09:00:00.123456789Z windows\r\n"), Some((moment, "windows".to_owned())));
        assert_eq!(line("unable to retrieve container logs for containerd://0123"), None);
        assert_eq!(line(""), None);
    }

    proptest! {
        /// However often the stream is cut, and wherever: what is given is the log, each line once.
        #[test]
        fn no_cut_loses_or_doubles_a_line(
            steps in prop::collection::vec(0..3i64, 0..40),
            cuts in prop::collection::vec(0..12usize, 0..10),
        ) {
            // Several lines within a second, and several of one nanosecond.
            let mut now = 0;
            let log: Vec<(Timestamp, usize)> = steps
                .iter()
                .enumerate()
                .map(|(number, step)| { now += step * 300_000_000; (at(now), number) })
                .collect();
            let mut position = Position::default();
            let mut given = Vec::new();
            for lines in cuts.into_iter().chain([usize::MAX]) {
                let since = position.since();
                let answer = log.iter().filter(|(at, _)| since.is_none_or(|since| *at >= since));
                let mut resumed = position.resume();
                // A cut comes after some lines of the answer.
                for (at, number) in answer.take(lines) {
                    if resumed.is_new(*at) {
                        given.push(*number);
                    }
                }
            }
            prop_assert_eq!(given, (0..log.len()).collect::<Vec<_>>());
        }
    }
}
