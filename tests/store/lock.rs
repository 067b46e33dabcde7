//! One process at a time uses a data folder.

use std::fs::File;
use std::time::Duration;

use jobwright::store::{OpenError, Options, Store};

#[test]
fn a_folder_whose_user_is_about_to_end_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), Options::default()).unwrap());
    let held = File::open(folder.path().join("lock")).unwrap();
    held.lock().unwrap();
    let ending = std::thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "how long it takes to end is what is tried")]
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    Store::open(folder.path(), Options::default()).unwrap();
    ending.join().unwrap();
}

#[test]
fn a_folder_whose_user_goes_on_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _user = Store::open(folder.path(), Options::default()).unwrap();
    let refused = Store::open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
}
