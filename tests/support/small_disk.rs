//! A small disk that a test fills up: a tmpfs that is mounted for it where that is allowed, or the folder that
//! `JOBWRIGHT_TEST_SMALL_DISK` names.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk, mounted as long as this lives.
pub struct SmallDisk {
    path: PathBuf,
    mounted: bool,
    _below: Option<tempfile::TempDir>,
}

impl SmallDisk {
    /// The one that is named, or else one of so many MiB, if it may be mounted.
    pub fn find(size: u64) -> Option<Self> {
        match std::env::var("JOBWRIGHT_TEST_SMALL_DISK") {
            Ok(path) => Some(Self { path: path.into(), mounted: false, _below: None }),
            Err(_) => Self::mount(size),
        }
    }

    /// Mounts one of so many MiB, if it may.
    pub fn mount(size: u64) -> Option<Self> {
        let below = tempfile::tempdir().ok()?;
        let path = below.path().join("disk");
        fs::create_dir(&path).ok()?;
        let options = format!("size={size}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        mount.is_ok_and(|done| done.status.success()).then_some(Self { path, mounted: true, _below: Some(below) })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Takes all of its space but so many bytes.
    pub fn fill(&self, leave: u64) {
        self.make_room();
        let space = rustix::fs::statvfs(&self.path).unwrap();
        let size = (space.f_bavail * space.f_frsize).saturating_sub(leave);
        let written = fs::write(self.ballast(), vec![0; usize::try_from(size).unwrap()]);
        // Somebody else may be quicker; then there is no space left, which is what it is for.
        assert!(written.is_ok() || fs::write(self.path.join("more"), [0; 8192]).is_err());
    }

    /// Gives the space back.
    pub fn make_room(&self) {
        for file in [self.ballast(), self.path.join("more")] {
            if file.exists() {
                fs::remove_file(file).unwrap();
            }
        }
    }

    /// Makes it larger, if it can be.
    pub fn grow(&self, size: u64) -> bool {
        let grown = Command::new("mount").args(["-o", &format!("remount,size={size}m")]).arg(&self.path).output();
        self.mounted && grown.is_ok_and(|done| done.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let _best_effort = Command::new("umount").arg("--lazy").arg(&self.path).output();
        }
    }
}
