//! Rewrites the records into a new folder, since sled's file never shrinks by itself. The new folder takes the old
//! one's place in one step, when it is complete, compared and durable.

use std::fs;
use std::path::Path;

use super::backend::{BATCH, Backend};
use super::basics::read_basics;
use super::check::fingerprint;
use super::folder::Folder;
use super::{OpenError, Options, StoreError, open_error};
use crate::crash::{self, Point};

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes on disk before.
    pub before: u64,
    /// Bytes on disk now.
    pub after: u64,
}

/// Compacts the records in a data folder, which nothing else may use meanwhile. If it fails, they are as they were.
/// `progress` is told how many rows were copied.
pub fn compact(path: &Path, progress: &mut dyn FnMut(u64)) -> Result<Compacted, OpenError> {
    let mut folder = Folder::take(path, false)?;
    let Some(manifest) = folder.manifest().cloned() else {
        return Err(OpenError::Missing(path.to_owned()));
    };
    let fault = |error| open_error(path, error);
    let cache = Options::default().cache;
    let old_path = folder.records(manifest.records);
    let old = Backend::open(&old_path, cache).map_err(fault)?;
    read_basics(&old, &manifest.installation).map_err(fault)?;
    let made = folder.begin()?;
    let new = Backend::open(made.path(), cache).map_err(fault)?;
    copy(&old, &new, progress).map_err(fault)?;
    crash::reached(Point::CompactionCopied);
    new.sync().map_err(fault)?;
    new.close();
    // Closed and opened again, so that what is compared is what is on disk.
    new.reopen().map_err(fault)?;
    let print = |of: &Backend| of.read(|tree| fingerprint(tree.iter()));
    if print(&old).map_err(fault)? != print(&new).map_err(fault)? {
        return Err(OpenError::corrupt(path, "a copy of the records is not what they are"));
    }
    crash::reached(Point::CompactionCompared);
    new.close();
    old.close();
    let before = size(&old_path).map_err(|error| OpenError::of(path, error))?;
    folder.adopt(made, manifest.installation)?;
    let after = folder.manifest().map(|now| folder.records(now.records));
    let after = size(&after.unwrap_or(old_path)).map_err(|error| OpenError::of(path, error))?;
    Ok(Compacted { before, after })
}

fn copy(old: &Backend, new: &Backend, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
    old.read(|tree| {
        let mut rows = tree.iter();
        let mut copied = 0;
        loop {
            let batch = rows
                .by_ref()
                .take(BATCH)
                .map(|row| row.map(|(key, value)| (key.to_vec(), Some(value.to_vec()))))
                .collect::<Result<Vec<_>, _>>()?;
            if batch.is_empty() {
                return Ok(());
            }
            copied += batch.len() as u64;
            new.apply(batch)?;
            progress(copied);
        }
    })
}

/// The bytes that a folder takes on disk.
fn size(path: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.blocks() * 512 };
    }
    Ok(bytes)
}
