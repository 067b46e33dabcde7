//! Reading records out of the tree.

use serde::de::DeserializeOwned;
use sled::Tree;

use super::StoreError;
use super::change::StoredEvent;
use super::codec::{self, chunk_count};
use super::keys;
use super::rows::{Counters, Head};
use crate::job::{Event, Intent, Job, JobId, JobView, LogTail, Status};

/// How often a value is read again when its rows were rewritten in between.
const ATTEMPTS: usize = 8;

/// Reads a value that may span several rows.
pub(super) fn blob<T: DeserializeOwned>(tree: &Tree, table: u8, id: &JobId) -> Result<Option<T>, StoreError> {
    let mut problem = String::new();
    for _ in 0..ATTEMPTS {
        let Some(first) = tree.get(keys::chunk(table, id, 0))? else {
            return Ok(None);
        };
        let read = chunk_count(&first).and_then(|count| {
            if count <= 1 {
                return codec::decode(&first).map(Ok);
            }
            let mut bytes = first.to_vec();
            for index in 1..count {
                match tree.get(keys::chunk(table, id, index)) {
                    Ok(Some(row)) => bytes.extend_from_slice(&row),
                    Ok(None) => return Err("a part of a value is missing".to_owned()),
                    Err(error) => return Ok(Err(error.into())),
                }
            }
            codec::decode(&bytes).map(Ok)
        });
        match read {
            Ok(value) => return value.map(Some),
            Err(text) => problem = text,
        }
    }
    Err(of_job(id, table, &problem))
}

fn of_job(id: &JobId, table: u8, problem: &str) -> StoreError {
    let what = match table {
        keys::INTENT => "intent",
        keys::MANIFEST => "manifest",
        keys::STATUS => "status",
        keys::LOG => "log",
        _ => "entry",
    };
    StoreError::corrupt(format!("the {what} of job {id}: {problem}"))
}

fn required<T>(value: Option<T>, id: &JobId, table: u8) -> Result<T, StoreError> {
    value.ok_or_else(|| of_job(id, table, "it is missing"))
}

pub(super) fn job(tree: &Tree, id: &JobId) -> Result<Option<Job>, StoreError> {
    let Some(intent) = intent(tree, id)? else {
        return Ok(None);
    };
    let Some(status) = status(tree, id)? else {
        return gone_or_damaged(tree, id, keys::STATUS);
    };
    Ok(Some(Job { intent, status }))
}

pub(super) fn intent(tree: &Tree, id: &JobId) -> Result<Option<Intent>, StoreError> {
    let Some(rest) = blob::<Intent>(tree, keys::INTENT, id)? else {
        return Ok(None);
    };
    let Some(manifest) = blob(tree, keys::MANIFEST, id)? else {
        return gone_or_damaged(tree, id, keys::MANIFEST);
    };
    Ok(Some(codec::join_intent(rest, manifest)))
}

pub(super) fn status(tree: &Tree, id: &JobId) -> Result<Option<Status>, StoreError> {
    blob(tree, keys::STATUS, id)
}

/// A job without its manifests, which lists do not show.
pub(super) fn view(tree: &Tree, id: &JobId) -> Result<Option<JobView>, StoreError> {
    let Some(intent) = blob::<Intent>(tree, keys::INTENT, id)? else {
        return Ok(None);
    };
    let Some(status) = status(tree, id)? else {
        return gone_or_damaged(tree, id, keys::STATUS);
    };
    Ok(Some(JobView::from(&Job { intent, status })))
}

/// A row is missing: either the job was deleted between two reads, or there is damage.
fn gone_or_damaged<T>(tree: &Tree, id: &JobId, table: u8) -> Result<Option<T>, StoreError> {
    match tree.contains_key(keys::of_job(keys::HEAD, id))? {
        false => Ok(None),
        true => required(None, id, table),
    }
}

pub(super) fn head(tree: &Tree, id: &JobId) -> Result<Option<Head>, StoreError> {
    tree.get(keys::of_job(keys::HEAD, id))?
        .map(|row| codec::decode(&row).map_err(|text| of_job(id, keys::HEAD, &text)))
        .transpose()
}

pub(super) fn counters(tree: &Tree) -> Result<Option<Counters>, StoreError> {
    tree.get(keys::COUNTERS)?
        .map(|row| codec::decode(&row).map_err(|text| StoreError::corrupt(format!("the counters: {text}"))))
        .transpose()
}

pub(super) fn event(tree: &Tree, sequence: u64) -> Result<Option<Event>, StoreError> {
    tree.get(keys::numbered(keys::EVENT, sequence))?.map(|row| decode_event(sequence, &row)).transpose()
}

pub(super) fn decode_event(sequence: u64, row: &[u8]) -> Result<Event, StoreError> {
    let stored = codec::decode::<StoredEvent<JobId>>(row);
    stored
        .map(|stored| stored.numbered(sequence))
        .map_err(|text| StoreError::corrupt(format!("event {sequence}: {text}")))
}

/// Events of all jobs after one number, up to another.
pub(super) fn events(tree: &Tree, after: u64, last: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
    if after >= last {
        return Ok(Vec::new());
    }
    let range = keys::numbered(keys::EVENT, after + 1)..=keys::numbered(keys::EVENT, last);
    tree.range(range)
        .take(limit)
        .map(|row| {
            let (key, value) = row?;
            decode_event(keys::last_number(&key).unwrap_or_default(), &value)
        })
        .collect()
}

/// Events of one job after one number.
pub(super) fn history(tree: &Tree, id: &JobId, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
    let Some(first) = after.checked_add(1) else {
        return Ok(Vec::new());
    };
    let mut events = Vec::new();
    for row in tree.range(keys::history(id, first)..=keys::history(id, u64::MAX)) {
        if events.len() == limit {
            break;
        }
        let sequence = keys::last_number(&row?.0).unwrap_or_default();
        // An event that is gone belonged to a job that is being deleted.
        events.extend(event(tree, sequence)?);
    }
    Ok(events)
}

pub(super) fn log(tree: &Tree, id: &JobId) -> Result<Option<LogTail>, StoreError> {
    blob(tree, keys::LOG, id)
}

/// The IDs in a table that has one row a job.
pub(super) fn ids(tree: &Tree, table: u8) -> impl Iterator<Item = Result<JobId, StoreError>> {
    tree.scan_prefix([table]).keys().map(|key| {
        let key = key?;
        id_of(&key[1..]).ok_or_else(|| StoreError::corrupt("a key does not name a job"))
    })
}

pub(super) fn id_of(bytes: &[u8]) -> Option<JobId> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
