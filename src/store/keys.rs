//! Where things are in the tree. Every table has a prefix of one byte; job IDs hold no NUL, so that one ends a
//! variable part, and all keys of one job in one table follow each other.
//!
//! | prefix | key after it | value |
//! |---|---|---|
//! | `m` | name | meta: installation, key, whether records are to be rebuilt |
//! | `n` | | [`Counters`](super::rows::Counters) |
//! | `h` | id | [`Head`](super::rows::Head): what the indexes hold of a job, and how many chunks it has |
//! | `i` `b` `s` `l` | id, NUL, chunk | intent, its manifest, status, log |
//! | `e` | sequence | an event |
//! | `j` | id, NUL, sequence | that this event is in this job's history |
//! | `d` | sequence | that this event says that a job was deleted |
//! | `g` | id | that leftovers of a deleted job are still to be removed |
//! | `o` | id | that something is left to be done for this job |
//! | `c` | age, id | newest first: [`Entry`](super::rows::Entry) |
//! | `p` | phase, age, id | the same, a phase each |
//! | `t` | template, NUL, age, id | the same, a template each |

use jiff::Timestamp;

use crate::job::{JobId, Phase};

pub(super) const META: u8 = b'm';
pub(super) const COUNTERS: &[u8] = b"n";
pub(super) const HEAD: u8 = b'h';
pub(super) const INTENT: u8 = b'i';
pub(super) const MANIFEST: u8 = b'b';
pub(super) const STATUS: u8 = b's';
pub(super) const LOG: u8 = b'l';
pub(super) const EVENT: u8 = b'e';
pub(super) const HISTORY: u8 = b'j';
pub(super) const DELETED: u8 = b'd';
pub(super) const GARBAGE: u8 = b'g';
pub(super) const OPEN: u8 = b'o';
pub(super) const BY_CREATED: u8 = b'c';
pub(super) const BY_PHASE: u8 = b'p';
pub(super) const BY_TEMPLATE: u8 = b't';

/// The tables of values that may span several rows.
pub(super) const CHUNKED: [u8; 4] = [INTENT, MANIFEST, STATUS, LOG];

/// Orders moments so that the newest comes first, as bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) struct Age(pub(super) u64);

impl Age {
    pub(super) fn of(at: Timestamp) -> Self {
        let nanos =
            i64::try_from(at.as_nanosecond()).unwrap_or(if at > Timestamp::UNIX_EPOCH { i64::MAX } else { i64::MIN });
        Self(!(nanos as u64 ^ (1 << 63)))
    }

    /// The moment of which this is the age.
    pub(super) fn moment(self) -> Timestamp {
        let nanos = (!self.0 ^ (1 << 63)) as i64;
        Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) const NEWEST: Self = Self(0);
    pub(super) const OLDEST: Self = Self(u64::MAX);
}

pub(super) fn meta(name: &str) -> Vec<u8> {
    [&[META], name.as_bytes()].concat()
}

pub(super) fn of_job(table: u8, id: &JobId) -> Vec<u8> {
    [&[table], id.as_str().as_bytes()].concat()
}

/// The prefix of all rows of one job in a table with several rows a job.
pub(super) fn rows_of_job(table: u8, id: &JobId) -> Vec<u8> {
    [&[table], id.as_str().as_bytes(), &[0]].concat()
}

pub(super) fn chunk(table: u8, id: &JobId, index: u16) -> Vec<u8> {
    [&[table], id.as_str().as_bytes(), &[0], &index.to_be_bytes()[..]].concat()
}

pub(super) fn numbered(table: u8, sequence: u64) -> Vec<u8> {
    [&[table], &sequence.to_be_bytes()[..]].concat()
}

pub(super) fn history(id: &JobId, sequence: u64) -> Vec<u8> {
    [&[HISTORY], id.as_str().as_bytes(), &[0], &sequence.to_be_bytes()[..]].concat()
}

/// The prefix of the index over a phase.
pub(super) fn phase_index(phase: Phase) -> Vec<u8> {
    vec![BY_PHASE, phase_code(phase)]
}

/// The prefix of the index over a template.
pub(super) fn template_index(template: &str) -> Vec<u8> {
    [&[BY_TEMPLATE], template.as_bytes(), &[0]].concat()
}

/// A place in an index, after its prefix.
pub(super) fn place(age: Age, id: &str) -> Vec<u8> {
    [&age.0.to_be_bytes()[..], id.as_bytes()].concat()
}

/// Reads a place back.
pub(super) fn parse_place(bytes: &[u8]) -> Option<(Age, &str)> {
    let (age, id) = bytes.split_first_chunk::<8>()?;
    Some((Age(u64::from_be_bytes(*age)), std::str::from_utf8(id).ok().filter(|id| !id.is_empty())?))
}

/// The number at the end of a key.
pub(super) fn last_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The number that stands for a phase on disk, for good.
pub(super) const fn phase_code(phase: Phase) -> u8 {
    match phase {
        Phase::Pending => 1,
        Phase::Suspended => 2,
        Phase::Waiting => 3,
        Phase::Running => 4,
        Phase::Succeeded => 5,
        Phase::Failed => 6,
        Phase::Cancelled => 7,
        Phase::Rejected => 8,
        Phase::Lost => 9,
    }
}

pub(super) fn phase_of_code(code: u8) -> Option<Phase> {
    Phase::ALL.into_iter().find(|phase| phase_code(*phase) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_moments_come_first() {
        let at = |nanos: i128| Age::of(Timestamp::from_nanosecond(nanos).unwrap());
        assert!(at(2) < at(1) && at(1) < at(0) && at(0) < at(-1));
        assert!(Age::of(Timestamp::MAX) < at(2) && at(-1) < Age::of(Timestamp::MIN));
        assert!(Age::NEWEST <= Age::of(Timestamp::MAX) && Age::of(Timestamp::MIN) <= Age::OLDEST);
    }

    #[test]
    fn one_jobs_rows_are_not_anothers() {
        let id = |text: &str| text.parse::<JobId>().unwrap();
        let (short, long) = (rows_of_job(HISTORY, &id("a")), history(&id("a.b"), u64::MAX));
        assert!(!long.starts_with(&short));
    }

    #[test]
    fn every_phase_has_a_code_of_its_own() {
        for phase in Phase::ALL {
            assert_eq!(phase_of_code(phase_code(phase)), Some(phase));
        }
        assert_eq!(phase_of_code(0), None);
    }
}
