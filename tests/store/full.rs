//! A disk that fills up: the caller is told, nothing acknowledged is lost, and it goes on when there is space.
//!
//! Needs a small disk: a tmpfs that is mounted for the test where that is allowed, or the folder that
//! `JOBWRIGHT_TEST_SMALL_DISK` names. Where neither is there, the test says so and ends.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use jobwright::job::JobId;
use jobwright::store::{OpenError, Options, Store, StoreError};

use super::{insert, job};

struct SmallDisk {
    path: PathBuf,
    mounted: bool,
    _below: Option<tempfile::TempDir>,
}

impl SmallDisk {
    fn find() -> Option<Self> {
        if let Ok(path) = std::env::var("JOBWRIGHT_TEST_SMALL_DISK") {
            return Some(Self { path: path.into(), mounted: false, _below: None });
        }
        let below = tempfile::tempdir().ok()?;
        let path = below.path().join("disk");
        fs::create_dir(&path).ok()?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"]).arg(&path).output();
        mount.is_ok_and(|done| done.status.success()).then_some(Self { path, mounted: true, _below: Some(below) })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let _best_effort = Command::new("umount").arg(&self.path).output();
        }
    }
}

fn fill(path: &std::path::Path) {
    // Ends when there is no space: that is what it is for.
    let _full = fs::write(path, vec![0; 100 << 20]);
}

fn grow(disk: &SmallDisk) -> bool {
    let grown = Command::new("mount").args(["-o", "remount,size=80m"]).arg(&disk.path).output();
    disk.mounted && grown.is_ok_and(|done| done.status.success())
}

fn assert_all_there(store: &Store, acknowledged: &[JobId]) {
    for id in acknowledged {
        assert!(store.job(id).unwrap().is_some(), "{id}");
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let Some(disk) = SmallDisk::find() else {
        eprintln!("no small disk can be had here: nothing was tested");
        return;
    };
    let folder = disk.path.join("data");
    let ballast = disk.path.join("ballast");
    let store = Store::open(&folder, Options::default()).unwrap();
    let mut acknowledged = Vec::new();
    let mut numbers = 0..;
    let error = numbers
        .find_map(|number| {
            let job = job(&format!("j{number}"), 20_000);
            let outcome = store.submit(insert(&job)).wait();
            acknowledged.extend(outcome.is_ok().then(|| job.id().clone()));
            outcome.err()
        })
        .unwrap();
    assert_eq!(error, StoreError::Full);
    assert_eq!(store.health(), Err(StoreError::Full));
    assert!(acknowledged.len() > 100);
    assert_all_there(&store, &acknowledged);

    // Something else takes the last of the space, which sled itself cannot bear: not even reading is sure to work.
    fill(&ballast);
    for id in &acknowledged {
        assert!(matches!(store.job(id), Ok(Some(_)) | Err(StoreError::Full | StoreError::Io(_))));
    }
    let refused = store.submit(insert(&job("no", 0))).wait().unwrap_err();
    assert_eq!(refused, StoreError::Full);

    fs::remove_file(&ballast).unwrap();
    if !grow(&disk) {
        return;
    }
    // It comes back by itself: the same store, without a restart.
    let patience = Instant::now() + Duration::from_secs(30);
    while let Err(error) = store.submit(insert(&job(&format!("after-{}", numbers.next().unwrap()), 0))).wait() {
        assert!(Instant::now() < patience, "{error}");
        #[expect(clippy::disallowed_methods, reason = "how soon the store tries again is for it to say")]
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(store.health(), Ok(()));
    assert_all_there(&store, &acknowledged);
    let checked = store.check(&mut |_| {}).unwrap();
    assert_eq!(checked.faults, Vec::<String>::new());

    // On a full disk a store is not opened in the first place, and left as it is.
    fill(&ballast);
    drop(store);
    let refused = Store::open(&folder, Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Full(_)), "{refused}");
    fs::remove_file(&ballast).unwrap();
    assert_all_there(&Store::open(&folder, Options::default()).unwrap(), &acknowledged);
}
