//! What a change comes to in rows. Pure: from the change and what the indexes hold of the job to a list of writes.

use super::backend::Op;
use super::change::{Action, Change, EncodedEvent, EncodedIntent, EncodedStatus};
use super::codec::Blob;
use super::keys::{self, Age};
use super::rows::{Counters, Head};
use super::{Committed, StoreError};
use crate::job::{Event, JobId};

/// A change, ready to be written.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) ops: Vec<Op>,
    /// What the indexes hold of the job afterwards; none if it is deleted.
    pub(super) head: Option<Head>,
    pub(super) committed: Committed,
}

/// Plans a change to a job whose head is `old`, and counts it.
pub(super) fn plan(change: Change, old: Option<&Head>, counters: &mut Counters) -> Result<Planned, StoreError> {
    let id = change.id;
    let mut ops = Vec::with_capacity(16);
    let new = match (change.action, old) {
        (Action::Insert(..), Some(_)) => return Err(StoreError::AlreadyExists(id)),
        (Action::Update(..) | Action::Delete, None) => return Err(StoreError::NotFound(id)),
        (Action::Delete, Some(_)) => None,
        (Action::Insert(intent, status), None) => {
            let mut head = first_head(&intent);
            put_intent(&mut ops, &id, &mut head, &intent);
            put_status(&mut ops, &id, &mut head, &status);
            Some(head)
        }
        (Action::Update(intent, status), Some(old)) => {
            let mut head = old.clone();
            if let Some(intent) = intent {
                put_intent(&mut ops, &id, &mut head, &intent);
            }
            put_status(&mut ops, &id, &mut head, &status);
            Some(head)
        }
    };
    let new = new.map(|mut head| {
        if let Some(log) = &change.log {
            put_blob(&mut ops, &id, &mut head, keys::LOG, log);
        }
        head
    });
    let deleted = new.is_none();
    if deleted && let Some(old) = old {
        for (table, count) in keys::CHUNKED.into_iter().zip(old.chunks) {
            ops.extend((0..count).map(|index| (keys::chunk(table, &id, index), None)));
        }
        ops.push((keys::of_job(keys::GARBAGE, &id), Some(Vec::new())));
        counters.deletions += 1;
    }
    index(&mut ops, &id, old, new.as_ref());
    for (head, step) in [(old, -1), (new.as_ref(), 1)] {
        if let Some(head) = head {
            let count = counters.of(head.phase);
            *count = count.saturating_add_signed(step);
        }
    }
    let mut events = Vec::with_capacity(change.events.len());
    for EncodedEvent { event, row } in change.events {
        counters.sequence += 1;
        let sequence = counters.sequence;
        put_event(&mut ops, &id, sequence, row, deleted);
        events.push(Event { sequence, job: id.clone(), at: event.at, source: event.source, kind: event.kind });
    }
    Ok(Planned { ops, head: new, committed: Committed::new(id, events, change.view) })
}

/// Writes an event, and that it belongs to its job's history; or, if it says that the job was deleted, to none.
pub(super) fn put_event(ops: &mut Vec<Op>, id: &JobId, sequence: u64, row: Vec<u8>, deleted: bool) {
    ops.push((keys::numbered(keys::EVENT, sequence), Some(row)));
    let belongs = if deleted { keys::numbered(keys::DELETED, sequence) } else { keys::history(id, sequence) };
    ops.push((belongs, Some(Vec::new())));
}

fn first_head(intent: &EncodedIntent) -> Head {
    Head {
        age: Age::of(intent.created),
        phase: crate::job::Phase::Pending,
        open: true,
        template: intent.template.clone(),
        name: intent.name.clone(),
        chunks: [0; 4],
    }
}

fn put_intent(ops: &mut Vec<Op>, id: &JobId, head: &mut Head, intent: &EncodedIntent) {
    put_blob(ops, id, head, keys::INTENT, &intent.intent);
    put_blob(ops, id, head, keys::MANIFEST, &intent.manifest);
}

fn put_status(ops: &mut Vec<Op>, id: &JobId, head: &mut Head, status: &EncodedStatus) {
    put_blob(ops, id, head, keys::STATUS, &status.status);
    head.phase = status.phase;
    head.open = status.open;
}

/// Writes a value over its former rows, and removes those that it no longer needs.
fn put_blob(ops: &mut Vec<Op>, id: &JobId, head: &mut Head, table: u8, blob: &Blob) {
    let Some(slot) = keys::CHUNKED.iter().position(|known| *known == table) else {
        return;
    };
    let (before, chunks) = (head.chunks[slot], blob.chunks());
    let count = chunks.len() as u16;
    for (index, chunk) in (0..).zip(chunks) {
        ops.push((keys::chunk(table, id, index), Some(chunk.to_vec())));
    }
    ops.extend((count..before).map(|index| (keys::chunk(table, id, index), None)));
    head.chunks[slot] = count;
}

/// Brings the rows that follow from a head from one to the other.
fn index(ops: &mut Vec<Op>, id: &JobId, old: Option<&Head>, new: Option<&Head>) {
    if old == new {
        return;
    }
    let before = old.map(|head| head_rows(id, head)).unwrap_or_default();
    let after = new.map(|head| head_rows(id, head)).unwrap_or_default();
    for (key, _) in &before {
        if !after.iter().any(|(kept, _)| kept == key) {
            ops.push((key.clone(), None));
        }
    }
    for row in after {
        if !before.contains(&row) {
            ops.push((row.0, Some(row.1)));
        }
    }
}

/// All rows that follow from a head alone, itself among them.
pub(super) fn head_rows(id: &JobId, head: &Head) -> Vec<(Vec<u8>, Vec<u8>)> {
    let entry = head.entry().to_bytes();
    let mut rows: Vec<_> = head.index_keys(id.as_str()).into_iter().map(|key| (key, entry.clone())).collect();
    rows.push((keys::of_job(keys::HEAD, id), Blob::of(head).into_row()));
    if head.open {
        rows.push((keys::of_job(keys::OPEN, id), Vec::new()));
    }
    rows
}
