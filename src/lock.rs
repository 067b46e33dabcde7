//! One process at a time in a folder, by a lock on a file in it.

use std::fs::{File, TryLockError};
use std::time::Duration;

/// How often a lock that somebody holds is tried again, and how long that waits each time.
const PATIENCE: (u32, Duration) = (50, Duration::from_millis(20));

/// Locks a file, or says after a second that somebody holds it.
///
/// A service that was killed just now may have been starting a guard: until that has begun, a copy of the dead one still
/// holds its files.
pub(crate) fn patiently(file: &File) -> Result<(), TryLockError> {
    let (tries, pause) = PATIENCE;
    for _ in 0..tries {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            other => return other,
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a file lock tells nobody when it is free, without a time limit"
        )]
        std::thread::sleep(pause);
    }
    file.try_lock()
}
