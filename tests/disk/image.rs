//! What is on a disk: files and folders, and what may be done to them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The number of a file or folder.
pub(crate) type Ino = u64;

/// The folder that everything is in.
pub(crate) const ROOT: Ino = 1;

/// A name in a folder.
pub(crate) type Place = (Ino, OsString);

/// Something that was done to the disk.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// A new file or folder was put into a folder.
    Make { place: Place, ino: Ino, folder: bool },
    /// A name was taken away.
    Remove { place: Place },
    /// A file or folder got another name, at once, in the place of what may have had it.
    Move { from: Place, to: Place, ino: Ino },
    /// Bytes were written.
    Write { ino: Ino, offset: u64, data: Vec<u8> },
    /// A file was cut off or extended.
    Resize { ino: Ino, size: u64 },
    /// All that was written to a file became durable, but not its name.
    SyncFile(Ino),
    /// All names that were put into a folder, or taken out of it, became durable.
    SyncFolder(Ino),
    /// Somebody was told something.
    Mark(String),
}

/// The files and folders of a disk.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) files: HashMap<Ino, Vec<u8>>,
    pub(crate) folders: HashMap<Ino, BTreeMap<OsString, Ino>>,
}

impl Default for Image {
    fn default() -> Self {
        Self { files: HashMap::new(), folders: HashMap::from([(ROOT, BTreeMap::new())]) }
    }
}

impl Image {
    pub(crate) fn find(&self, folder: Ino, name: &OsStr) -> Option<Ino> {
        self.folders.get(&folder)?.get(name).copied()
    }

    /// The highest number that is in use.
    pub(crate) fn last_ino(&self) -> Ino {
        self.files.keys().chain(self.folders.keys()).copied().max().unwrap_or(ROOT)
    }

    /// Makes room for a file or folder that has no name yet.
    pub(crate) fn reserve(&mut self, ino: Ino, folder: bool) {
        if folder {
            self.folders.entry(ino).or_default();
        } else {
            self.files.entry(ino).or_default();
        }
    }

    /// Does all of it.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Make { place, ino, folder } => {
                self.reserve(*ino, *folder);
                self.name(place, *ino);
            }
            Operation::Remove { place } => self.forget(place),
            Operation::Move { from, to, ino } => {
                if self.find(from.0, &from.1) == Some(*ino) {
                    self.forget(from);
                }
                self.name(to, *ino);
            }
            Operation::Write { ino, offset, data } => self.write(*ino, *offset, data),
            Operation::Resize { ino, size } => self.resize(*ino, *size),
            Operation::SyncFile(_) | Operation::SyncFolder(_) | Operation::Mark(_) => {}
        }
    }

    fn name(&mut self, (folder, name): &Place, ino: Ino) {
        self.folders.entry(*folder).or_default().insert(name.clone(), ino);
    }

    fn forget(&mut self, (folder, name): &Place) {
        if let Some(names) = self.folders.get_mut(folder) {
            names.remove(name);
        }
    }

    pub(crate) fn write(&mut self, ino: Ino, offset: u64, data: &[u8]) {
        let bytes = self.files.entry(ino).or_default();
        let (begin, end) = (offset as usize, offset as usize + data.len());
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[begin..end].copy_from_slice(data);
    }

    pub(crate) fn resize(&mut self, ino: Ino, size: u64) {
        self.files.entry(ino).or_default().resize(size as usize, 0);
    }

    pub(crate) fn size(&self, ino: Ino) -> u64 {
        self.files.get(&ino).map_or(0, Vec::len) as u64
    }

    /// Writes everything that has a name into a plain folder.
    pub(crate) fn write_to(&self, path: &Path) {
        self.write_folder(ROOT, path);
    }

    fn write_folder(&self, folder: Ino, path: &Path) {
        if !path.exists() {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        for (name, ino) in &self.folders[&folder] {
            let path = path.join(name);
            match self.files.get(ino) {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => self.write_folder(*ino, &path),
            }
        }
    }

    /// The paths of all files.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![(ROOT, String::new())];
        while let Some((folder, path)) = folders.pop() {
            for (name, ino) in &self.folders[&folder] {
                let path = format!("{path}/{}", name.display());
                if self.folders.contains_key(ino) {
                    folders.push((*ino, path));
                } else {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}
