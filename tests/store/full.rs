//! A disk that fills up: the caller is told, nothing acknowledged is lost, and it goes on when there is space.
//!
//! Where no small disk can be had, the test says so and ends. `tests/disk/full.rs` does the same to a service, many times.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jobwright::job::JobId;
use jobwright::store::{Ack, OpenError, Options, Store, StoreError, compact};

use super::{insert, job};
use crate::small_disk::SmallDisk;

fn assert_all_there(store: &Store, acknowledged: &[JobId]) {
    for id in acknowledged {
        assert!(store.job(id).unwrap().is_some(), "{id}");
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let Some(disk) = SmallDisk::find(40) else {
        eprintln!("no small disk can be had here: nothing was tested");
        return;
    };
    let folder = disk.path().join("data");
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
    disk.fill(0);
    for id in &acknowledged {
        assert!(matches!(store.job(id), Ok(Some(_)) | Err(StoreError::Full | StoreError::Io(_))));
    }
    let refused = store.submit(insert(&job("no", 0))).wait().unwrap_err();
    assert_eq!(refused, StoreError::Full);

    disk.make_room();
    if !disk.grow(80) {
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
    disk.fill(0);
    drop(store);
    let refused = Store::open(&folder, Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Full(_)), "{refused}");
    disk.make_room();
    assert_all_there(&Store::open(&folder, Options::default()).unwrap(), &acknowledged);
}

/// A store with jobs that take some 15 MiB.
fn filled(folder: &Path) -> Vec<JobId> {
    let store = Store::open(folder, Options::default()).unwrap();
    let jobs: Vec<_> = (0..800).map(|number| job(&format!("j{number}"), 20_000)).collect();
    for some in jobs.chunks(50) {
        let waiting: Vec<Ack> = some.iter().map(|job| store.submit(insert(job))).collect();
        for ack in waiting {
            ack.wait().unwrap();
        }
    }
    jobs.iter().map(|job| job.id().clone()).collect()
}

#[test]
fn a_compaction_that_runs_out_of_space_leaves_the_store_as_it_was() {
    let Some(disk) = SmallDisk::mount(120) else {
        eprintln!("no small disk can be had here: nothing was tested");
        return;
    };
    let folder = disk.path().join("data");
    let acknowledged = filled(&folder);
    // Enough to begin.
    disk.fill(10 << 20);
    let failed = compact(&folder, &mut |_| {}).unwrap_err();
    assert!(matches!(failed, OpenError::Full(_)), "{failed}");
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.contains(&"records-2.new".into()), "{names:?}");
    assert_all_there(&Store::open(&folder, Options::default()).unwrap(), &acknowledged);

    // One that was killed just before had no time to clear up. That is done for it, before space is asked for.
    disk.make_room();
    let left = folder.join("records-2.new");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("db"), vec![0; 12 << 20]).unwrap();
    disk.fill(1 << 20);
    assert_all_there(&Store::open(&folder, Options::default()).unwrap(), &acknowledged);
    assert!(!left.exists());
}
