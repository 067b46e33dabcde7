//! What may have happened to a folder.

use std::fs::{self, File};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, mkfifoat, utimensat};

use super::*;
use crate::store::backend::Backend;
use crate::store::writer::Writer;
use crate::store::{OpenError, StoreError, compact};

fn refused(path: &Path) -> String {
    Store::open(path, Options::default()).map(|_| "it opened").unwrap_err().to_string()
}

#[test]
fn a_folder_is_used_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = Store::open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    let clone = store.clone();
    drop(store);
    assert!(Store::open(folder.path(), Options::default()).is_err());
    drop(clone);
    open(folder.path());
}

#[test]
fn a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("store.json");
    let newer = fs::read_to_string(&path).unwrap().replace("\"format\":2", "\"format\":7,\"more\":true");
    fs::write(&path, &newer).unwrap();
    let error = refused(folder.path());
    assert!(error.contains("has format 7"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(refused(&file).contains("is not a folder"));
    assert!(refused(&file.join("below")).contains("is not a folder"));
    let missing = Store::open_existing(&folder.path().join("none"), Options::default());
    assert!(matches!(missing, Err(OpenError::Missing(_))));
    assert!(!folder.path().join("none").exists());
}

#[test]
fn only_its_owner_may_look_into_a_new_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    drop(open(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn records_without_their_manifest_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    fs::remove_file(folder.path().join("store.json")).unwrap();
    assert!(refused(folder.path()).contains("no store.json"));
    fs::write(folder.path().join("store.json"), "{").unwrap();
    assert!(refused(folder.path()).contains("store.json cannot be read"));
}

#[test]
fn a_crash_while_new_records_take_over_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.submit(recorded(&job("k", 0))).wait().unwrap();
    drop(store);
    let records = folder.path().join("records-1");
    // After `store.json` was replaced, before the folder had its name; and before that moment.
    fs::rename(&records, folder.path().join("records-1.new")).unwrap();
    fs::create_dir(folder.path().join("records-2.new")).unwrap();
    fs::create_dir(folder.path().join("records-0")).unwrap();
    assert!(open(folder.path()).job(&id("k")).unwrap().is_some());
    assert!(records.is_dir());
    assert!(!folder.path().join("records-2.new").exists());
    assert!(!folder.path().join("records-0").exists());
}

#[test]
fn a_folder_that_was_waited_for_is_taken_as_it_is_by_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = open(folder.path());
    store.submit(recorded(&job("k", 0))).wait().unwrap();
    drop(store);
    let before = fs::read(path("store.json")).unwrap();
    compact(folder.path(), &mut |_| {}).unwrap();
    // A compaction that is killed just after it has replaced `store.json` leaves this, and until then holds the folder.
    fs::rename(path("records-2"), path("records-2.new")).unwrap();
    fs::create_dir(path("records-1")).unwrap();
    let held = File::open(path("lock")).unwrap();
    held.lock().unwrap();
    // Somebody comes before it is replaced. What they read then is a pipe here, which tells when they have done so.
    fs::rename(path("store.json"), path("after")).unwrap();
    mkfifoat(CWD, path("store.json"), Mode::RUSR | Mode::WUSR).unwrap();
    thread::scope(|scope| {
        let opening = scope.spawn(|| Store::open(folder.path(), Options::default()));
        fs::write(path("store.json"), before).unwrap();
        fs::rename(path("after"), path("store.json")).unwrap();
        drop(held);
        let store = opening.join().unwrap().unwrap();
        assert!(store.job(&id("k")).unwrap().is_some());
    });
    assert!(path("records-2").is_dir() && !path("records-1").exists());
}

#[test]
fn half_a_snapshot_does_not_keep_the_store_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.submit(recorded(&job("kept", 1))).wait().unwrap();
    drop(store);
    // What a crash leaves of the file that sled writes whenever it opens its log.
    let half = folder.path().join("records-1/snap.00000000FFFFFFFF.generating");
    fs::write(&half, b"half").unwrap();
    let store = open(folder.path());
    assert!(store.job(&id("kept")).unwrap().is_some());
    assert!(!half.exists());
}

#[test]
fn a_crash_between_two_batches_leaves_the_counts_right() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // The store's own writer has nothing to do.
    let mut writer = Writer::new(Arc::clone(&store.0.shared));
    for number in 0..40 {
        // With a report each, so that batches are not filled to the last place.
        let mut job = job(&format!("j{number}"), number);
        let report = Report::new(at(number), Some(1), "begun".to_owned(), None, None).unwrap();
        let mut events = job.status.learn(Fact::Report(report)).events;
        events.push(NewEvent { at: at(number), source: Source::User, kind: EventKind::Recorded });
        writer.write(Change::insert(&job, events)).unwrap();
        // Whatever has gone out by now is all that a crash would leave.
        let checked = store.check(&mut |_| {}).unwrap();
        assert_eq!(checked.faults, Vec::<String>::new(), "after {number}");
    }
    assert!(store.check(&mut |_| {}).unwrap().jobs > 20);
}

#[test]
fn a_large_page_that_is_written_in_the_tick_of_the_last_sync_is_synced_by_the_next_one() {
    let hour = Duration::from_secs(3600);
    // A time that is still to come is as good as just now. What changed an hour ago is not looked at again.
    for (changed, is_synced) in [(SystemTime::now() + hour, true), (SystemTime::now() - hour, false)] {
        let folder = tempfile::tempdir().unwrap();
        let backend = Backend::open(folder.path(), 1 << 20).unwrap();
        let blobs = folder.path().join("blobs");
        set_modified(&blobs, changed);
        backend.sync().unwrap();
        // It leads to itself, so that the attempt to sync it fails.
        let page = blobs.join("page");
        std::os::unix::fs::symlink("page", &page).unwrap();
        set_modified(&page, changed);
        set_modified(&blobs, changed);
        let outcome = backend.sync();
        assert_eq!(matches!(outcome, Err(StoreError::Io(_))), is_synced, "{outcome:?}");
    }
}

/// Says when a file or folder, or a link itself, was last changed.
fn set_modified(path: &Path, at: SystemTime) {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = Timespec { tv_sec: since.as_secs().try_into().unwrap(), tv_nsec: since.subsec_nanos().into() };
    let times = Timestamps { last_access: at, last_modification: at };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
