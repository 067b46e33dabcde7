//! A disk that fills up: the caller is told, nothing acknowledged is lost, and it goes on when there is space.
//!
//! Where no small disk can be had, the test says so and ends. `tests/disk/full.rs` does the same to a service, many times.

use std::time::{Duration, Instant};

use jobwright::job::JobId;
use jobwright::store::{OpenError, Options, Store, StoreError};

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
