//! The data folder: which of its subfolders holds the records, and who may use it.
//!
//! ```text
//! DATA/lock          held by the one process that uses the folder
//! DATA/store.json    format version, installation, and the number of the records' folder
//! DATA/records-N/    what sled keeps
//! DATA/committed      how many batches there were when the store was last opened or closed
//! ```
//!
//! New records are made in `records-N.new`, and count from the moment that `store.json` names them: it is replaced in
//! one step. What a crash leaves behind before or after that moment is told apart by the name, and put right when the
//! folder is opened next.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::OpenError;
use crate::crash::{self, Point};
use crate::job::InstallationId;
use crate::lock;

/// The format that this code writes, and the newest that it reads.
///
/// 2: a record can be one that was rebuilt, with parameters that are not known and an event of its own. Whatever was
/// written by format 1 reads as it is, so that only the number is raised.
pub(super) const FORMAT: u32 = 2;

/// Space that is left free, in bytes: sled writes segments of up to 4 MiB, and cannot go on after a write that failed.
pub(super) const RESERVE: u64 = 8 << 20;

const MANIFEST: &str = "store.json";
const COMMITTED: &str = "committed";

/// A data folder that this process has to itself, as long as there is a clone of this.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    manifest: Option<Manifest>,
    _lock: Arc<File>,
}

/// What `store.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) installation: InstallationId,
    pub(super) records: u64,
}

impl Folder {
    /// Takes a folder for this process, and makes it if it is not there and `create` says so. Of a folder that cannot be
    /// used the records are left as they are.
    pub(super) fn take(path: &Path, create: bool) -> Result<Self, OpenError> {
        let fault = |error| OpenError::of(path, error);
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => return Err(OpenError::NotADirectory(path.to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => create_durably(path).map_err(fault)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Missing(path.to_owned()));
            }
            Err(error) => return Err(fault(error)),
        }
        if Self::find_manifest(path, create)?.is_none() {
            // Whoever made the folder may have been killed before its name was durable. It may be none of ours, such as
            // the place of a mount, which no sync above it has to do with.
            let _best_effort = sync_folder(above(path));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(fault)?;
        match lock::patiently(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        // Once more, now that nobody else can change it: whoever had the folder until now may have put other records in
        // place, and what the old manifest does not name is removed below.
        let manifest = Self::find_manifest(path, create)?;
        let mut folder = Self { path: path.to_owned(), manifest, _lock: Arc::new(lock) };
        // Before anything is asked of the disk: it may be full of what is removed here.
        folder.tidy()?;
        if free_space(path).map_err(fault)? < RESERVE {
            return Err(OpenError::Full(path.to_owned()));
        }
        folder.migrate()?;
        Ok(folder)
    }

    /// Brings an older format to the present one.
    fn migrate(&mut self) -> Result<(), OpenError> {
        match self.manifest.clone() {
            Some(manifest) if manifest.format < FORMAT => self.write_manifest(Manifest { format: FORMAT, ..manifest }),
            _ => Ok(()),
        }
    }

    fn write_manifest(&mut self, manifest: Manifest) -> Result<(), OpenError> {
        write_durably(&self.path, MANIFEST, format!("{}\n", serde_json::json!(manifest)).as_bytes())
            .map_err(|error| OpenError::of(&self.path, error))?;
        self.manifest = Some(manifest);
        Ok(())
    }

    /// What a folder's manifest says. Where there is none there must be no records, and somebody who makes them.
    fn find_manifest(path: &Path, create: bool) -> Result<Option<Manifest>, OpenError> {
        // In this order: a manifest is there before the records that it names have their name.
        let has_records = !record_folders(path).map_err(|error| OpenError::of(path, error))?.is_empty();
        match Self::read_manifest(path)? {
            None if has_records => Err(OpenError::corrupt(path, format!("there are records, but no {MANIFEST}"))),
            None if !create => Err(OpenError::Missing(path.to_owned())),
            found => Ok(found),
        }
    }

    fn read_manifest(path: &Path) -> Result<Option<Manifest>, OpenError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let bytes = match fs::read(path.join(MANIFEST)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::of(path, error)),
        };
        let corrupt =
            |error: serde_json::Error| OpenError::corrupt(path, format!("{MANIFEST} cannot be read ({error})"));
        let Version { format: found } = serde_json::from_slice(&bytes).map_err(corrupt)?;
        match found {
            1..=FORMAT => serde_json::from_slice(&bytes).map(Some).map_err(corrupt),
            0 => Err(OpenError::corrupt(path, format!("{MANIFEST} names format 0, which there never was"))),
            _ => Err(OpenError::NewerFormat { path: path.to_owned(), found, known: FORMAT }),
        }
    }

    /// Ends what a crash interrupted: finishes the renaming of records that count, and removes those that do not. Takes
    /// no space.
    fn tidy(&self) -> Result<(), OpenError> {
        let fault = |error| OpenError::of(&self.path, error);
        if let Some(manifest) = &self.manifest {
            let (records, made) = (self.records(manifest.records), self.records_in_making(manifest.records));
            if !records.is_dir() && made.is_dir() {
                crash::reached(Point::FolderUnnamed);
                fs::rename(&made, &records).map_err(fault)?;
                sync_folder(&self.path).map_err(fault)?;
                crash::reached(Point::FolderNamed);
            }
            if !records.is_dir() {
                return Err(OpenError::corrupt(
                    &self.path,
                    format!("{MANIFEST} names {}, which is missing", records.display()),
                ));
            }
            for number in record_folders(&self.path).map_err(fault)? {
                if number != manifest.records {
                    fs::remove_dir_all(self.records(number)).map_err(fault)?;
                }
            }
        }
        for entry in fs::read_dir(&self.path).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            if is_in_making(&entry.file_name().to_string_lossy()) {
                fs::remove_dir_all(entry.path()).map_err(fault)?;
            }
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Notes how many batches are durable, so that it is noticed if some of them are gone later: sled takes a damaged
    /// end of its log for one that was never written.
    pub(super) fn note_committed(&self, batches: u64) -> io::Result<()> {
        if self.committed() == Some(batches) {
            return Ok(());
        }
        write_durably(&self.path, COMMITTED, format!("{batches}\n").as_bytes())
    }

    /// How many batches there must be at least, if that was ever noted.
    pub(super) fn committed(&self) -> Option<u64> {
        let text = fs::read_to_string(self.path.join(COMMITTED)).ok()?;
        text.trim().parse().ok()
    }

    /// Where the records with a number are.
    pub(super) fn records(&self, number: u64) -> PathBuf {
        self.path.join(format!("records-{number}"))
    }

    fn records_in_making(&self, number: u64) -> PathBuf {
        self.path.join(format!("records-{number}.new"))
    }

    /// Makes an empty folder for new records. They count only after [`Folder::adopt`].
    pub(super) fn begin(&self) -> Result<InMaking, OpenError> {
        let path = self.records_in_making(self.next());
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::of(&path, error));
            }
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| OpenError::of(&path, error))?;
        crash::reached(Point::FolderBegun);
        Ok(InMaking { path, adopted: false })
    }

    fn next(&self) -> u64 {
        self.manifest.as_ref().map_or(1, |known| known.records + 1)
    }

    /// Makes the records in the folder from [`Folder::begin`] the ones that count, and removes those before. They
    /// must be complete, closed and durable. Up to the one step that replaces `store.json` the old ones count.
    pub(super) fn adopt(&mut self, mut made: InMaking, installation: InstallationId) -> Result<(), OpenError> {
        let number = self.next();
        let fault = |error| OpenError::of(&self.path, error);
        sync_all_files(&made.path).map_err(fault)?;
        sync_folder(&self.path).map_err(fault)?;
        crash::reached(Point::FolderFilled);
        let manifest = Manifest { format: FORMAT, installation, records: number };
        // The new records count their batches anew. The old count must be gone for good before they are in place: it
        // would say that some of them are missing.
        match fs::remove_file(self.path.join(COMMITTED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        sync_folder(&self.path).map_err(fault)?;
        crash::reached(Point::FolderUncounted);
        // If the next step fails, only `store.json` says whether they count.
        made.adopted = true;
        self.write_manifest(manifest)?;
        self.tidy()
    }
}

/// A folder for new records that do not count yet. It is removed if nothing comes of them.
#[derive(Debug)]
pub(super) struct InMaking {
    path: PathBuf,
    adopted: bool,
}

impl InMaking {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for InMaking {
    fn drop(&mut self) {
        if !self.adopted {
            // What stays is removed when the folder is opened next.
            let _best_effort = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes a folder, and those above it that are missing, so that a power cut does not take their names: a sync of what
/// is in a folder is none of the folder's own name.
fn create_durably(path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<&Path> = missing.collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.into_iter().try_for_each(|made| sync_folder(above(made)))
}

/// The folder that a folder's name is in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The numbers of the folders that hold complete records.
fn record_folders(path: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix("records-")).and_then(|number| number.parse().ok());
        found.extend(number);
    }
    Ok(found)
}

fn is_in_making(name: &str) -> bool {
    name.strip_prefix("records-")
        .and_then(|rest| rest.strip_suffix(".new"))
        .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// Replaces a file in one step that survives a power cut.
fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    crash::reached(Point::FileWritten);
    fs::rename(&temporary, folder.join(name))?;
    crash::reached(Point::FileReplaced);
    sync_folder(folder)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Syncs every file in a folder and its subfolders, and the folders too.
pub(super) fn sync_all_files(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_files(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(path)
}

/// The space that this process may still fill, in bytes.
pub(super) fn free_space(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
