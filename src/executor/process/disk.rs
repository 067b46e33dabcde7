//! What the process executor keeps on disk.
//!
//! ```text
//! ROOT/lock                              held while a service uses the folder
//! ROOT/staging/UUID                      what is being created or deleted
//! ROOT/objects/NAME/object.json          the object, durable before its create is answered
//!                   cancelled            that it is to be stopped
//!                   end.json             how it ended
//!                   pods/POD/CONTAINER/work          its working folder
//!                                      /RUN.log      its output, in the format of container runtimes
//!                                      /RUN.exit.json  how it ended
//! ```

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::guard::Exit;
use crate::crash::{self, Point};
use crate::job::{Conclusion, InstallationId, JobId};
use crate::lock;

/// An object as it was created. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectRecord {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) job: JobId,
    pub(super) installation: InstallationId,
    pub(super) created: Timestamp,
    /// Which run of the machine it was created in: after the next start, what is not on disk may have been.
    pub(super) boot: String,
    pub(super) manifest: Value,
}

/// How an object ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum End {
    /// As its conclusion says.
    Concluded(Conclusion),
    /// Its processes ended with the service, and nothing tells how.
    Lost {
        /// When that was noticed.
        at: Timestamp,
    },
}

/// What is on disk of a pod: the runs of each of its containers, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredPod {
    pub(super) name: String,
    pub(super) containers: BTreeMap<String, Vec<StoredRun>>,
}

/// What is on disk of one run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredRun {
    pub(super) run: u32,
    pub(super) log: PathBuf,
    /// How it ended, if that is on record.
    pub(super) exit: Option<Exit>,
}

/// The executor's folder, which this process alone uses.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    _lock: File,
}

impl Root {
    /// Opens the folder, made if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Manifests and logs may hold secrets.
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        fs::create_dir_all(path.join("objects"))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        lock::patiently(&lock).map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("it is in use by another process"),
            TryLockError::Error(error) => error,
        })?;
        let staging = path.join("staging");
        if staging.exists() {
            fs::remove_dir_all(&staging)?;
        }
        fs::create_dir(&staging)?;
        sync_folder(path)?;
        let path = fs::canonicalize(path)?;
        // Its own name too: with it would go all that says which jobs have run.
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn object(&self, name: &str) -> PathBuf {
        self.path.join("objects").join(name)
    }

    /// Creates an object's folder, durably and at once: it is there with its record, or not at all. Answers `false`
    /// if the name is taken, by whomever.
    pub(super) fn create(&self, record: &ObjectRecord) -> io::Result<bool> {
        let folder = self.object(&record.name);
        if folder.exists() {
            return Ok(false);
        }
        let staged = self.stage();
        fs::create_dir_all(staged.join("pods"))?;
        write_new(&staged.join("object.json"), &serde_json::to_vec(record)?)?;
        sync_folder(&staged)?;
        crash::reached(Point::ObjectStaged);
        match fs::rename(&staged, &folder) {
            Ok(()) => {
                crash::reached(Point::ObjectPlaced);
                sync_folder(&self.path.join("objects"))?;
                crash::reached(Point::ObjectDurable);
                Ok(true)
            }
            Err(error) => {
                fs::remove_dir_all(&staged)?;
                match error.kind() {
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => Ok(false),
                    _ => Err(error),
                }
            }
        }
    }

    /// Takes an object's folder away, at once. What is left to do is to dispose of it.
    pub(super) fn take_away(&self, name: &str) -> io::Result<PathBuf> {
        let staged = self.stage();
        match fs::rename(self.object(name), &staged) {
            // It is gone already, by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(staged),
            other => {
                other?;
                crash::reached(Point::ObjectTakenAway);
                Ok(staged)
            }
        }
    }

    /// Makes it durable that a folder was taken away, then deletes what was in it. What cannot be deleted now is when
    /// the folder is opened next.
    pub(super) fn dispose(&self, staged: &Path) -> io::Result<()> {
        sync_folder(&self.path.join("objects"))?;
        if let Err(error) = fs::remove_dir_all(staged) {
            tracing::warn!(folder = %staged.display(), %error, "what is left of an object cannot be deleted yet");
        }
        crash::reached(Point::ObjectDisposed);
        Ok(())
    }

    /// Whether objects can be created.
    pub(super) fn check_writable(&self) -> io::Result<()> {
        let probe = self.stage();
        fs::create_dir(&probe)?;
        fs::remove_dir(probe)
    }

    /// The names of all objects.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        names_in(&self.path.join("objects"))
    }

    fn stage(&self) -> PathBuf {
        self.path.join("staging").join(Uuid::now_v7().to_string())
    }
}

/// Reads an object's record.
pub(super) fn read_record(folder: &Path) -> io::Result<ObjectRecord> {
    let path = folder.join("object.json");
    read_json(&path)?.ok_or_else(|| {
        let message = format!("{}: there is no such file", path.display());
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}

/// How an object ended, if that is on record.
pub(super) fn read_end(folder: &Path) -> io::Result<Option<End>> {
    read_json(&folder.join("end.json"))
}

/// Records how an object ended, durably.
pub(super) fn write_end(folder: &Path, end: &End) -> io::Result<()> {
    replace(&folder.join("end.json"), &serde_json::to_vec(end)?)
}

/// Whether it is on record that an object is to be stopped.
pub(super) fn is_cancelled(folder: &Path) -> bool {
    folder.join("cancelled").exists()
}

/// Records that an object is to be stopped, durably.
pub(super) fn write_cancelled(folder: &Path) -> io::Result<()> {
    match write_new(&folder.join("cancelled"), b"") {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    sync_folder(folder)
}

/// The folder of a pod's container.
pub(super) fn container_folder(object: &Path, pod: &str, container: &str) -> PathBuf {
    object.join("pods").join(pod).join(container)
}

/// The working folder within a container's folder.
pub(super) fn work_folder(container: &Path) -> PathBuf {
    container.join("work")
}

/// The log file within a container's folder.
pub(super) fn log_file(container: &Path, run: u32) -> PathBuf {
    container.join(format!("{run}.log"))
}

/// How a run ended, if that is on record.
pub(super) fn read_exit(container: &Path, run: u32) -> io::Result<Option<Exit>> {
    read_json(&exit_file(container, run))
}

fn exit_file(container: &Path, run: u32) -> PathBuf {
    container.join(format!("{run}.exit.json"))
}

/// Records how a run ended, durably.
pub(super) fn write_exit(container: &Path, run: u32, exit: &Exit) -> io::Result<()> {
    replace(&exit_file(container, run), &serde_json::to_vec(exit)?)
}

/// All that is on disk of an object's pods.
pub(super) fn read_pods(object: &Path) -> io::Result<Vec<StoredPod>> {
    let pods = object.join("pods");
    names_in(&pods)?
        .into_iter()
        .map(|name| {
            let containers = names_in(&pods.join(&name))?
                .into_iter()
                .map(|container| {
                    let runs = read_runs(&pods.join(&name).join(&container))?;
                    Ok((container, runs))
                })
                .collect::<io::Result<_>>()?;
            Ok(StoredPod { name, containers })
        })
        .collect()
}

fn read_runs(container: &Path) -> io::Result<Vec<StoredRun>> {
    let mut runs: Vec<StoredRun> = Vec::new();
    let mut numbers: Vec<u32> = names_in(container)?
        .iter()
        .filter_map(|name| {
            let stem = name.strip_suffix(".log").or_else(|| name.strip_suffix(".exit.json"))?;
            stem.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    for run in numbers {
        runs.push(StoredRun { run, log: log_file(container, run), exit: read_exit(container, run)? });
    }
    Ok(runs)
}

/// The names in a folder, sorted; none if there is no such folder.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// Writes a file that must not exist, and makes its content durable (not its name).
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Puts a file in place durably and at once.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = PathBuf::from(staged);
    let mut file = File::create(&staged)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&staged, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Which run of the machine this is.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| String::new(), |id| id.trim().to_owned())
}
