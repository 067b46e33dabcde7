//! The small rows that the indexes are made of.

use serde::{Deserialize, Serialize};

use super::codec::VERSION;
use super::keys::{self, Age};
use crate::job::Phase;

/// What the writer must know of a job to keep its indexes: they are a function of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) age: Age,
    pub(super) phase: Phase,
    pub(super) open: bool,
    pub(super) template: String,
    pub(super) name: Option<String>,
    /// How many rows intent, manifest, status and log have, in the order of [`keys::CHUNKED`].
    pub(super) chunks: [u16; 4],
}

/// What an index holds of a job: enough to filter and search without reading any record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) phase: Phase,
    pub(super) template: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Entry<'a> {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let length = (self.template.len() as u16).to_be_bytes();
        let mut bytes = Vec::with_capacity(4 + self.template.len() + self.name.len());
        bytes.extend_from_slice(&[VERSION, keys::phase_code(self.phase), length[0], length[1]]);
        bytes.extend_from_slice(self.template.as_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [VERSION, phase, high, low, texts @ ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (template, name) = texts.split_at_checked(length)?;
        Some(Self {
            phase: keys::phase_of_code(*phase)?,
            template: std::str::from_utf8(template).ok()?,
            name: std::str::from_utf8(name).ok()?,
        })
    }
}

impl Head {
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry { phase: self.phase, template: &self.template, name: self.name.as_deref().unwrap_or_default() }
    }

    /// The keys of a job's index rows, in the order created, phase, template.
    pub(super) fn index_keys(&self, id: &str) -> [Vec<u8>; 3] {
        let place = keys::place(self.age, id);
        [vec![keys::BY_CREATED], keys::phase_index(self.phase), keys::template_index(&self.template)]
            .map(|prefix| [prefix, place.clone()].concat())
    }
}

/// What would otherwise take a scan. Written with every batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// How many batches were ever committed.
    pub(super) commit: u64,
    /// The number of the last event.
    pub(super) sequence: u64,
    /// How many deletion events are kept.
    pub(super) deletions: u64,
    /// How many jobs are in each phase, in the order of [`Phase::ALL`].
    pub(super) phases: [u64; Phase::ALL.len()],
}

impl Counters {
    pub(super) fn of(&mut self, phase: Phase) -> &mut u64 {
        &mut self.phases[phase as usize]
    }

    pub(super) fn in_phase(&self, phase: Phase) -> u64 {
        self.phases[phase as usize]
    }

    pub(super) fn jobs(&self) -> u64 {
        self.phases.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back() {
        for (template, name) in [("hello", "Daily ✓"), ("", ""), ("t", "")] {
            let entry = Entry { phase: Phase::Lost, template, name };
            assert_eq!(Entry::parse(&entry.to_bytes()), Some(entry));
        }
        assert_eq!(Entry::parse(&[VERSION, 1, 0, 9, b'x']), None);
    }

    #[test]
    fn a_phase_counts_in_its_own_place() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            let mut counters = Counters::default();
            *counters.of(phase) += 1;
            assert_eq!(counters.phases[index], 1);
        }
    }
}
