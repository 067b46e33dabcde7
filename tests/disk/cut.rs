//! What is left on a disk when the power is cut: the model that everything here rests on.
//!
//! What was written to a file is durable once that file was synced, and a name once its folder was: no more than POSIX
//! promises. Syncing a file does not make its name durable, nor that of any folder above it. `sync_file_range` makes
//! nothing durable. What was not synced when the power goes is there or not, each write for itself and in sectors of
//! 512 bytes, whatever came before or after it; the size of a file likewise.
//!
//! A rename is one step, from one folder to another too, as on every file system with a journal. It is durable once the
//! folder that it leads to was synced. Of names that depend on each other the later does not survive without the
//! earlier.

use crate::dice::Dice;
use crate::image::{Image, Ino, Operation};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What becomes of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survival {
    /// None of it is there.
    Nothing,
    /// All of it is there.
    Everything,
    /// All but the last.
    AllButLast,
    /// All up to one moment, at which a write may have been torn.
    InOrder,
    /// Each part for itself, with this chance in a hundred.
    Each(u64),
}

impl Survival {
    /// Any of them.
    pub(crate) fn throw(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3 => Self::AllButLast,
            4 | 5 => Self::InOrder,
            _ => Self::Each(5 + dice.below(91)),
        }
    }
}

/// Which syncs a disk heeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    /// All of them.
    Heeded,
    /// None: the disk says that it is done and does nothing. For showing that a check can fail.
    Ignored,
}

/// A recorded history of a disk, up to a moment.
#[derive(Debug, Clone)]
pub(crate) struct Replay<'a> {
    operations: &'a [Operation],
    syncs: Syncs,
    next: usize,
    durable: Image,
    /// What was done and not synced, in order.
    pending: Vec<&'a Operation>,
}

impl<'a> Replay<'a> {
    /// Begins before the first operation, with what was on the disk then.
    pub(crate) fn of(before: &Image, operations: &'a [Operation], syncs: Syncs) -> Self {
        Self { operations, syncs, next: 0, durable: before.clone(), pending: Vec::new() }
    }

    /// Goes on to the moment after `end` operations.
    pub(crate) fn advance(&mut self, end: usize) {
        let operations = self.operations;
        for operation in &operations[self.next..end] {
            match operation {
                Operation::SyncFile(ino) => self.settle(|pending| content_of(pending) == Some(*ino)),
                Operation::SyncFolder(ino) => self.settle(|pending| name_in(pending) == Some(*ino)),
                Operation::Mark(_) => {}
                other => {
                    if let Operation::Make { ino, folder, .. } = other {
                        self.durable.reserve(*ino, *folder);
                    }
                    self.pending.push(other);
                }
            }
        }
        self.next = end;
    }

    /// Makes some of what is pending durable.
    fn settle(&mut self, covered: impl Fn(&Operation) -> bool) {
        if self.syncs == Syncs::Ignored {
            return;
        }
        let (durable, pending): (Vec<&Operation>, Vec<&Operation>) =
            self.pending.drain(..).partition(|operation| covered(operation));
        self.pending = pending;
        for operation in durable {
            self.durable.apply(operation);
            if let Operation::Move { from, ino: moved, .. } = operation {
                // It was made before it was moved: that it had another name once is over too.
                self.pending.retain(
                    |pending| !matches!(pending, Operation::Make { place, ino, .. } if ino == moved && place == from),
                );
            }
        }
    }

    /// How many operations are not durable.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What is left if the power is cut now.
    pub(crate) fn cut(&self, survival: Survival, dice: &mut Dice) -> Image {
        let mut left = Left { image: self.durable.clone(), dice };
        let count = self.pending.len();
        match survival {
            Survival::Nothing => {}
            Survival::Everything => left.all(&self.pending),
            Survival::AllButLast => left.all(&self.pending[..count.saturating_sub(1)]),
            Survival::InOrder => {
                let whole = left.dice.below(count as u64 + 1) as usize;
                left.all(&self.pending[..whole]);
                if let Some(torn) = self.pending.get(whole) {
                    left.part(torn, 50);
                }
            }
            Survival::Each(percent) => {
                for operation in &self.pending {
                    left.part(operation, percent);
                }
            }
        }
        left.image
    }
}

/// The file whose content an operation changes.
fn content_of(operation: &Operation) -> Option<Ino> {
    match operation {
        Operation::Write { ino, .. } | Operation::Resize { ino, .. } => Some(*ino),
        _ => None,
    }
}

/// The folder that is to be synced for an operation on names to be durable.
fn name_in(operation: &Operation) -> Option<Ino> {
    match operation {
        Operation::Make { place, .. } | Operation::Remove { place } | Operation::Move { to: place, .. } => {
            Some(place.0)
        }
        _ => None,
    }
}

struct Left<'a> {
    image: Image,
    dice: &'a mut Dice,
}

impl Left<'_> {
    fn all(&mut self, operations: &[&Operation]) {
        for operation in operations {
            self.image.apply(operation);
        }
    }

    /// Does an operation, a part of it, or nothing.
    fn part(&mut self, operation: &Operation, percent: u64) {
        if let Operation::Write { ino, offset, data } = operation {
            match self.dice.below(3) {
                0 => self.torn(*ino, *offset, data, percent),
                _ if self.dice.chance(percent) => self.image.write(*ino, *offset, data),
                _ => {}
            }
        } else if self.dice.chance(percent) && self.is_possible(operation) {
            self.image.apply(operation);
        }
    }

    /// Writes some sectors. Whether the file grows is another matter than what is in it: without that, what was written
    /// beyond its end is lost; and without what was written, there are zeros.
    fn torn(&mut self, ino: Ino, offset: u64, data: &[u8], percent: u64) {
        let end = offset + data.len() as u64;
        if self.image.size(ino) < end && self.dice.chance(percent) {
            self.image.resize(ino, end);
        }
        let mut at = 0;
        while at < data.len() {
            let place = offset + at as u64;
            let length = (SECTOR - (place as usize % SECTOR)).min(data.len() - at);
            let visible = self.image.size(ino).saturating_sub(place).min(length as u64) as usize;
            if visible > 0 && self.dice.chance(percent) {
                self.image.write(ino, place, &data[at..at + visible]);
            }
            at += length;
        }
    }

    fn is_possible(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Remove { place } => self.image.find(place.0, &place.1).is_some(),
            Operation::Move { from, ino, .. } => self.image.find(from.0, &from.1) == Some(*ino),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ROOT;

    const FILE: Ino = 10;
    const FOLDER: Ino = 11;

    fn make(name: &str) -> Operation {
        Operation::Make { place: (ROOT, name.into()), ino: FILE, folder: false }
    }

    fn write(byte: u8) -> Operation {
        Operation::Write { ino: FILE, offset: 0, data: vec![byte; 2000] }
    }

    fn cuts(operations: &[Operation]) -> Vec<Image> {
        let mut replay = Replay::of(&Image::default(), operations, Syncs::Heeded);
        replay.advance(operations.len());
        (0..300)
            .map(|seed| {
                let mut dice = Dice::of(seed);
                replay.cut(Survival::throw(&mut dice), &mut dice)
            })
            .collect()
    }

    fn content(image: &Image, name: &str) -> Option<Vec<u8>> {
        image.find(ROOT, name.as_ref()).map(|ino| image.files[&ino].clone())
    }

    #[test]
    fn what_was_synced_is_there_whatever_happens() {
        let operations = [make("a"), write(1), Operation::SyncFile(FILE), Operation::SyncFolder(ROOT)];
        for image in cuts(&operations) {
            assert_eq!(content(&image, "a"), Some(vec![1; 2000]));
        }
    }

    #[test]
    fn what_was_not_synced_is_there_or_torn_or_gone() {
        let before = [make("a"), write(1), Operation::SyncFile(FILE), Operation::SyncFolder(ROOT), write(2)];
        let images = cuts(&before);
        let contents: Vec<Vec<u8>> = images.iter().map(|image| content(image, "a").unwrap()).collect();
        for sure in [vec![1; 2000], vec![2; 2000]] {
            assert!(contents.contains(&sure));
        }
        assert!(contents.iter().any(|bytes| bytes.contains(&1) && bytes.contains(&2)), "torn");
        for bytes in &contents {
            for sector in bytes.chunks(SECTOR) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "no sector is torn");
            }
        }
    }

    #[test]
    fn a_sync_of_a_file_does_not_keep_its_name_and_a_sync_of_the_folder_not_its_content() {
        let named = cuts(&[make("a"), write(1), Operation::SyncFile(FILE)]);
        assert!(named.iter().any(|image| content(image, "a").is_none()));
        let kept = cuts(&[make("a"), write(1), Operation::SyncFolder(ROOT)]);
        assert!(kept.iter().all(|image| content(image, "a").is_some()));
        let sizes: Vec<usize> = kept.iter().map(|image| content(image, "a").unwrap().len()).collect();
        assert!(sizes.contains(&0) && sizes.contains(&2000));
        assert!(kept.iter().any(|image| content(image, "a").unwrap().ends_with(&[0])), "it grew without its content");
    }

    #[test]
    fn a_rename_is_one_step() {
        let moved = Operation::Move { from: (ROOT, "a".into()), to: (ROOT, "b".into()), ino: FILE };
        let begin = [make("a"), write(1), Operation::SyncFile(FILE), Operation::SyncFolder(ROOT), moved];
        for image in cuts(&begin) {
            assert_ne!(content(&image, "a").is_some(), content(&image, "b").is_some());
        }
    }

    #[test]
    fn a_rename_into_a_folder_that_was_synced_is_durable_even_if_the_first_name_was_not() {
        let moved = Operation::Move { from: (ROOT, "a".into()), to: (FOLDER, "b".into()), ino: FILE };
        let folder = Operation::Make { place: (ROOT, "f".into()), ino: FOLDER, folder: true };
        let synced = [folder, Operation::SyncFolder(ROOT), make("a"), moved, Operation::SyncFolder(FOLDER)];
        for image in cuts(&synced) {
            assert_eq!((content(&image, "a"), image.find(FOLDER, "b".as_ref())), (None, Some(FILE)));
        }
    }

    #[test]
    fn a_disk_that_ignores_syncs_keeps_nothing() {
        let operations = [make("a"), write(1), Operation::SyncFile(FILE), Operation::SyncFolder(ROOT)];
        let mut replay = Replay::of(&Image::default(), &operations, Syncs::Ignored);
        replay.advance(operations.len());
        assert_eq!(replay.cut(Survival::Nothing, &mut Dice::of(1)).paths(), Vec::<String>::new());
    }
}
