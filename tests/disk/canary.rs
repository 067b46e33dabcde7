//! The tests of this folder can fail: where syncs are left out, acknowledged writes are lost, and that is noticed.

use std::fs::{self, File};

use crate::cut::{Survival, Syncs};
use crate::cuts::{Cut, scratch, verify};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::history::History;
use crate::image::{Image, Operation};
use crate::writer::{Orders, write};

#[test]
#[ignore = "needs FUSE"]
fn a_disk_that_does_not_heed_syncs_is_found_out() {
    let disk = Disk::recording(Image::default());
    write(&disk, Orders { seed: 1, steps: 6, closes: true, wide: false });
    let record = disk.finish();
    let all = 0..record.operations.len();
    let found_out = |syncs| {
        let mut dice = Dice::of(1);
        let cuts = (0..20).filter(|_| {
            let cut = Cut::throw(&record, &all, &mut dice);
            let mut history = cut.history(&History::default(), &record);
            verify(&cut.of(&record, syncs).0, &mut history, false).is_err()
        });
        cuts.count()
    };
    assert!(found_out(Syncs::Ignored) > 5);
    assert_eq!(found_out(Syncs::Heeded), 0);
}

/// Why the store syncs by itself: what sled calls flushed is lost.
#[test]
#[ignore = "needs FUSE"]
fn a_flush_of_sleds_own_is_not_enough() {
    let disk = Disk::recording(Image::default());
    let place = disk.data();
    let db = sled::open(&place).unwrap();
    for made in [place.join("db"), place.join("conf"), place.clone(), disk.path().to_owned()] {
        File::open(made).unwrap().sync_all().unwrap();
    }
    for number in 0_u32..100 {
        db.insert(number.to_be_bytes(), vec![7; 500]).unwrap();
        db.flush().unwrap();
        disk.mark(&number.to_string());
    }
    drop(db);
    let record = disk.finish();
    let mut lost = 0;
    let marks = (1..).zip(&record.operations).filter(|(_, operation)| matches!(operation, Operation::Mark(_)));
    for (number, (moment, _)) in (0_u32..).zip(marks) {
        let (image, _) = Cut { moment, survival: Survival::Nothing, seed: 1 }.of(&record, Syncs::Heeded);
        let copy = scratch();
        image.write_to(copy.path());
        // It may not even open.
        let kept = sled::open(copy.path().join("data")).and_then(|db| db.contains_key(number.to_be_bytes()));
        lost += u32::from(!kept.unwrap_or(false));
        fs::remove_dir_all(copy.path()).unwrap();
    }
    assert!(lost > 50, "{lost} of 100");
}
