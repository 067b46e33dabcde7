//! The process executor: what it left on disk, and the marks that commands left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::history::{Entry, Rules};
use crate::journal::Journal;
use crate::support::Setup;
use crate::world::{self, World};

pub struct Processes {
    setup: Setup,
}

impl Processes {
    pub fn new() -> Self {
        let setup = world::setup("busybox", "");
        let marks = format!("marks={}", setup.path().join("marks").display());
        Self { setup: setup.with(&["--set", &marks]) }
    }

    /// More flags for the service.
    pub fn with(self, args: &[&str]) -> Self {
        Self { setup: self.setup.with(args) }
    }

    fn records(&self) -> Vec<(PathBuf, Value)> {
        let folders = entries(&self.setup.data().join("process/objects"));
        let read = |folder: PathBuf| {
            let record = fs::read(folder.join("object.json")).ok()?;
            Some((folder, serde_json::from_slice(&record).unwrap()))
        };
        folders.into_iter().filter_map(read).collect()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn text(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap().to_owned()
}

/// Whether an attempt of an object was begun of which nothing tells how it ended.
fn has_open_attempt(object: &Path) -> bool {
    // A container's folder is made before anything is started in it.
    let containers = entries(&object.join("pods")).into_iter().flat_map(|pod| entries(&pod));
    let open = |container: PathBuf| !container.join("0.exit.json").exists();
    !object.join("end.json").exists() && containers.into_iter().any(open)
}

impl World for Processes {
    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn rules(&self) -> Rules {
        Rules { marks: true }
    }

    fn look(&self, journal: &Journal) {
        for (_, record) in self.records() {
            journal.add(Entry::Object { id: text(&record, "job"), uid: text(&record, "uid") });
        }
        for mark in entries(&self.setup.path().join("marks")) {
            let uids = fs::read_to_string(&mark).unwrap().lines().map(str::to_owned).collect();
            journal.add(Entry::Ran { id: mark.file_name().unwrap().to_str().unwrap().to_owned(), uids });
        }
    }

    fn look_at_wreck(&self, journal: &Journal) {
        for (folder, record) in self.records() {
            if has_open_attempt(&folder) {
                journal.add(Entry::MayBeLost(text(&record, "job")));
            }
        }
        self.look(journal);
    }

    fn objects(&self) -> BTreeSet<String> {
        self.records().iter().map(|(_, record)| text(record, "job")).collect()
    }
}
