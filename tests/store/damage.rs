//! A damaged file gives an error in words, never a panic, and never passes for a sound one.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jobwright::store::{OpenError, Options, Store};

use super::{insert, job, report};

fn filled(folder: &Path) {
    let store = Store::open(folder, Options::default()).unwrap();
    for number in 0..200 {
        let mut job = job(&format!("j{number}"), number * 50);
        store.submit(insert(&job)).wait().unwrap();
        for sequence in 0..5 {
            store.submit(report(&mut job, sequence)).wait().unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
    fs::create_dir_all(to.join("records-1/blobs")).unwrap();
}

/// What is noticed of the damage, if anything: at the opening, or by a check.
fn noticed(folder: &Path) -> Option<String> {
    match Store::open(folder, Options::default()) {
        Err(error) => {
            assert!(
                matches!(error, OpenError::Corrupt { .. } | OpenError::Io { .. } | OpenError::NewerFormat { .. }),
                "{error:?}"
            );
            let text = error.to_string();
            assert!(!text.contains('\n'), "one line: {text}");
            Some(text)
        }
        Ok(store) => match store.check(&mut |_| {}) {
            Err(error) => Some(error.to_string()),
            Ok(checked) => checked.faults.first().cloned().or_else(|| {
                // All that was acknowledged is there.
                assert_eq!(checked.jobs, 200);
                assert_eq!(store.last_sequence(), 1200);
                None
            }),
        },
    }
}

#[test]
fn bytes_that_rot_are_noticed_or_harmless() {
    let (sound, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(sound.path());
    let mut number = 0;
    let mut hits = 0;
    for file in files(sound.path()) {
        let length = fs::metadata(&file).unwrap().len();
        let name = file.strip_prefix(sound.path()).unwrap();
        for step in 0..12 {
            let damaged = place.path().join(number.to_string());
            number += 1;
            copy(sound.path(), &damaged);
            let target = fs::OpenOptions::new().write(true).open(damaged.join(name)).unwrap();
            target.write_all_at(&[0x5a; 16], length * step / 12).unwrap();
            drop(target);
            hits += u32::from(noticed(&damaged).is_some());
        }
    }
    assert!(hits > 0, "some of it must have mattered");
}

#[test]
fn a_file_that_was_cut_or_lost_is_noticed() {
    let (sound, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(sound.path());
    let cut = |number: u64, parts: u64| {
        let damaged = place.path().join(format!("cut-{number}"));
        copy(sound.path(), &damaged);
        let file = fs::OpenOptions::new().write(true).open(damaged.join("records-1/db")).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length * number / parts).unwrap();
        drop(file);
        noticed(&damaged)
    };
    for number in 0..6 {
        assert!(cut(number, 8).is_some(), "{number} of 8 parts are left");
    }
    for lost in ["db", "conf"] {
        let damaged = place.path().join(lost);
        copy(sound.path(), &damaged);
        fs::remove_file(damaged.join("records-1").join(lost)).unwrap();
        let text = noticed(&damaged);
        assert!(lost == "conf" || text.is_some(), "{lost} is lost");
    }
}
