//! Verifies that everything in the tree agrees: every record with its index rows, every index row with its record,
//! every event with its history, every value with its checksum, every counter with what it counts.

use sled::{IVec, Tree};

use super::change::is_open;
use super::rows::{Counters, Head};
use super::{StoreError, keys, plan, read};
use crate::job::{EventKind, JobId, LogTail};

/// How many faults are listed; more than that are only counted.
const LISTED: usize = 1000;

/// What a check has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many jobs are on record.
    pub jobs: u64,
    /// How many rows were read.
    pub rows: u64,
    /// Every fault, in a sentence each; of very many only the first ones.
    pub faults: Vec<String>,
    /// How many faults there are beyond those.
    pub unlisted: u64,
}

/// Checks all rows. `progress` is told how many have been read. The store must not be written to meanwhile.
pub(super) fn check(tree: &Tree, progress: &mut dyn FnMut(u64)) -> Checked {
    let mut check = Check { tree, found: Checked::default(), counted: Counters::default(), greatest: 0 };
    for row in tree.iter() {
        let outcome = match row {
            Ok((key, value)) => check.row(&key, &value),
            Err(error) => {
                check.fault(format!("the rows cannot be read any further: {error}"));
                break;
            }
        };
        if let Err(error) = outcome {
            check.fault(error.to_string());
        }
        check.found.rows += 1;
        if check.found.rows.is_multiple_of(1000) {
            progress(check.found.rows);
        }
    }
    check.totals();
    check.found
}

struct Check<'a> {
    tree: &'a Tree,
    found: Checked,
    counted: Counters,
    greatest: u64,
}

impl Check<'_> {
    fn fault(&mut self, text: String) {
        if self.found.faults.len() < LISTED {
            self.found.faults.push(text);
        } else {
            self.found.unlisted += 1;
        }
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let (table, rest) = match key.split_first() {
            Some((table, rest)) => (*table, rest),
            None => return self.unknown(key),
        };
        match table {
            keys::META => Ok(()),
            _ if key == keys::COUNTERS => read::counters(self.tree).map(drop),
            keys::HEAD => match read::id_of(rest) {
                Some(id) => self.job(&id),
                None => self.unknown(key),
            },
            keys::INTENT | keys::MANIFEST | keys::STATUS | keys::LOG => self.chunk(table, key),
            keys::EVENT => self.event(key, value),
            keys::HISTORY => self.history(key),
            keys::DELETED => {
                self.counted.deletions += 1;
                self.points_to_event(key)
            }
            keys::OPEN => self.follows(read::id_of(rest), key),
            keys::BY_CREATED => self.follows(place_id(rest), key),
            keys::BY_PHASE => self.follows(rest.get(1..).and_then(place_id), key),
            keys::BY_TEMPLATE => {
                let place = rest.iter().position(|b| *b == 0).map(|end| &rest[end + 1..]);
                self.follows(place.and_then(place_id), key)
            }
            keys::GARBAGE => {
                self.fault(format!("{}: leftovers of a deleted job", name(key)));
                Ok(())
            }
            _ => self.unknown(key),
        }
    }

    fn unknown(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.fault(format!("{}: a row of no known table", name(key)));
        Ok(())
    }

    fn job(&mut self, id: &JobId) -> Result<(), StoreError> {
        self.found.jobs += 1;
        let Some(head) = read::head(self.tree, id)? else {
            return Ok(());
        };
        *self.counted.of(head.phase) += 1;
        for (key, expected) in plan::head_rows(id, &head) {
            match self.tree.get(&key)? {
                Some(found) if found == expected => {}
                Some(_) => self.fault(format!("job {id}: its row {} is out of date", name(&key))),
                None => self.fault(format!("job {id}: its row {} is missing", name(&key))),
            }
        }
        for (table, count) in keys::CHUNKED.into_iter().zip(head.chunks) {
            let rows = self.tree.scan_prefix(keys::rows_of_job(table, id)).count();
            if rows != usize::from(count) {
                let table = table as char;
                self.fault(format!("job {id}: table {table} has {rows} rows of it instead of {count}"));
            }
        }
        read::blob::<LogTail>(self.tree, keys::LOG, id)?;
        let Some(job) = read::job(self.tree, id)? else {
            self.fault(format!("job {id}: its record is missing"));
            return Ok(());
        };
        let phase = job.status.verdict().phase;
        let truth = Head {
            age: keys::Age::of(job.intent.created),
            phase,
            open: is_open(&job.intent, &job.status, phase),
            template: job.intent.template.clone(),
            name: job.intent.name.as_ref().map(ToString::to_string),
            chunks: head.chunks,
        };
        if truth != head {
            self.fault(format!("job {id}: the indexes do not say what its record says"));
        }
        if job.id() != id {
            self.fault(format!("job {id}: its record is that of job {}", job.id()));
        }
        Ok(())
    }

    fn chunk(&mut self, table: u8, key: &[u8]) -> Result<(), StoreError> {
        let parts = key
            .split_last_chunk::<2>()
            .and_then(|(rest, index)| Some((id_before_nul(rest)?, u16::from_be_bytes(*index))));
        let Some((id, index)) = parts else {
            return self.unknown(key);
        };
        let slot = keys::CHUNKED.iter().position(|known| *known == table);
        let count = match (read::head(self.tree, &id)?, slot) {
            (Some(head), Some(slot)) => head.chunks[slot],
            _ => 0,
        };
        if index >= count {
            self.fault(format!("{}: a row that belongs to no job", name(key)));
        }
        Ok(())
    }

    fn event(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let sequence = keys::last_number(key).unwrap_or_default();
        self.greatest = self.greatest.max(sequence);
        let event = read::decode_event(sequence, value)?;
        let owner = match event.kind {
            EventKind::Deleted => keys::numbered(keys::DELETED, sequence),
            _ => keys::history(&event.job, sequence),
        };
        if !self.tree.contains_key(owner)? {
            self.fault(format!("event {sequence}: it is not in the history of job {}", event.job));
        }
        Ok(())
    }

    fn history(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let id = key.split_last_chunk::<8>().and_then(|(rest, _)| id_before_nul(rest));
        let Some(id) = id else {
            return self.unknown(key);
        };
        if !self.tree.contains_key(keys::of_job(keys::HEAD, &id))? {
            self.fault(format!("{}: history of no job", name(key)));
        }
        self.points_to_event(key)
    }

    fn points_to_event(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let sequence = keys::last_number(key).unwrap_or_default();
        if !self.tree.contains_key(keys::numbered(keys::EVENT, sequence))? {
            self.fault(format!("{}: event {sequence} is missing", name(key)));
        }
        Ok(())
    }

    /// An index row must be one of those that follow from its job's head.
    fn follows(&mut self, id: Option<JobId>, key: &[u8]) -> Result<(), StoreError> {
        let Some(id) = id else {
            return self.unknown(key);
        };
        let rows = read::head(self.tree, &id)?.map(|head| plan::head_rows(&id, &head)).unwrap_or_default();
        if !rows.iter().any(|(known, _)| known == key) {
            self.fault(format!("{}: job {id} does not belong in this index", name(key)));
        }
        Ok(())
    }

    fn totals(&mut self) {
        let counters = match read::counters(self.tree) {
            Ok(Some(counters)) => counters,
            Ok(None) => return self.fault("the counters are missing".to_owned()),
            Err(error) => return self.fault(error.to_string()),
        };
        if counters.phases != self.counted.phases {
            self.fault(format!(
                "the jobs of each phase are counted as {:?}, and there are {:?}",
                counters.phases, self.counted.phases
            ));
        }
        if counters.deletions != self.counted.deletions {
            self.fault(format!(
                "the deletions are counted as {}, and there are {}",
                counters.deletions, self.counted.deletions
            ));
        }
        if counters.sequence < self.greatest {
            self.fault(format!(
                "the last event is said to be {}, and there is event {}",
                counters.sequence, self.greatest
            ));
        }
    }
}

fn place_id(place: &[u8]) -> Option<JobId> {
    let (_, id) = keys::parse_place(place)?;
    id.parse().ok()
}

fn id_before_nul(key: &[u8]) -> Option<JobId> {
    let (nul, rest) = key.split_last()?;
    (*nul == 0).then(|| read::id_of(rest.get(1..)?)).flatten()
}

/// A key as people can read it.
fn name(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// Counts the rows of a tree, to compare it with a copy.
pub(super) fn fingerprint(rows: impl Iterator<Item = sled::Result<(IVec, IVec)>>) -> Result<(u64, u32), StoreError> {
    let (mut count, mut crc) = (0, flate2::Crc::new());
    for row in rows {
        let (key, value) = row?;
        count += 1;
        crc.update(&key);
        crc.update(&value);
    }
    Ok((count, crc.sum()))
}
