//! A disk that programs use like any other, and that keeps a record of what was done to it: a file system in memory,
//! mounted through `/dev/fuse`. Every write reaches it at once, with nothing held back in the kernel.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::image::{Image, Ino, Operation, Place, ROOT};

/// A file beside everything else: what is written to it is no data, but said to be so at that moment.
pub(crate) const MARKS: &str = ".marks";
const MARKS_INO: Ino = 2;
/// What space is given out in, in bytes.
const BLOCK: u64 = 4096;
/// How the mounts of this program are told from others.
const SOURCE: &str = "jobwright-test-disk";
/// How finely the time of a change is told: as most kernels do it.
const TICK: Duration = Duration::from_millis(4);

/// What a disk was before its record begins, and what was done to it since.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) before: Image,
    pub(crate) operations: Vec<Operation>,
}

/// A mounted disk. It is unmounted when this goes, come what may.
#[derive(Debug)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    place: tempfile::TempDir,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Mounts a disk without bounds that keeps a record.
    pub(crate) fn recording(before: Image) -> Self {
        Self::mount(State { record: Some(Vec::new()), ..State::of(before, u64::MAX) })
    }

    fn mount(state: State) -> Self {
        unmount_stale();
        let place = tempfile::tempdir().unwrap();
        let state = Arc::new(Mutex::new(state));
        let mut config = fuser::Config::default();
        config.mount_options = vec![MountOption::FSName(SOURCE.to_owned()), MountOption::NoAtime];
        let session = fuser::spawn_mount(Served(Arc::clone(&state)), place.path(), &config).unwrap_or_else(|error| {
            panic!("no file system can be mounted through /dev/fuse, which needs root: {error}")
        });
        Self { state, place, session: Some(session) }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// The data folder on it.
    pub(crate) fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// Notes that somebody was told something, a line each.
    pub(crate) fn mark(&self, lines: &str) {
        let mut state = self.state();
        for line in lines.lines() {
            state.note(Operation::Mark(line.to_owned()));
        }
    }

    /// How much there is on record so far.
    pub(crate) fn moment(&self) -> usize {
        self.state().record.as_ref().map_or(0, Vec::len)
    }

    /// Unmounts it, and gives what was recorded. Whoever used it must have ended.
    pub(crate) fn finish(mut self) -> Record {
        if let Some(session) = self.session.take() {
            session.umount_and_join().unwrap();
        }
        let mut state = self.state();
        let operations = state.record.take().unwrap_or_default();
        let before = std::mem::take(&mut state.before);
        drop(state);
        Record { before, operations }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.session.is_some() {
            unmount(self.place.path());
        }
    }
}

/// Takes a mount away even if somebody still uses it.
fn unmount(path: &Path) {
    let _best_effort = Command::new("umount").arg("--lazy").arg(path).output();
}

/// Takes away what a run that was killed has left: mounts that nobody serves any more.
fn unmount_stale() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines() {
        if let [SOURCE, path, ..] = line.split(' ').collect::<Vec<_>>()[..]
            && std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotConnected)
        {
            unmount(Path::new(path));
            let _left = std::fs::remove_dir(path);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the kernel asks of a file beside its content.
#[derive(Debug, Clone)]
struct Node {
    mode: u16,
    changed: SystemTime,
    opened: u32,
    named: bool,
}

#[derive(Debug)]
struct State {
    before: Image,
    now: Image,
    nodes: HashMap<Ino, Node>,
    last_ino: Ino,
    listings: HashMap<u64, Vec<(Ino, bool, OsString)>>,
    last_listing: u64,
    capacity: u64,
    used: u64,
    refusals: u64,
    record: Option<Vec<Operation>>,
}

impl State {
    fn of(before: Image, capacity: u64) -> Self {
        let mut nodes = HashMap::new();
        for (inos, mode) in [
            (before.files.keys().collect::<Vec<_>>(), 0o600),
            (before.folders.keys().collect(), 0o700),
            (vec![&MARKS_INO], 0o600),
        ] {
            nodes.extend(inos.into_iter().map(|ino| (*ino, Node { mode, changed: now(), opened: 0, named: true })));
        }
        let used = before.files.values().map(|bytes| space(bytes.len() as u64)).sum();
        Self {
            now: before.clone(),
            last_ino: before.last_ino().max(MARKS_INO),
            before,
            nodes,
            listings: HashMap::new(),
            last_listing: 0,
            capacity,
            used,
            refusals: 0,
            record: None,
        }
    }

    fn note(&mut self, operation: Operation) {
        if let Some(record) = &mut self.record {
            record.push(operation);
        }
    }

    fn perform(&mut self, operation: Operation) {
        self.now.apply(&operation);
        self.note(operation);
    }

    fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }

    /// Takes space, if there is any.
    fn take(&mut self, bytes: u64) -> Result<(), Errno> {
        if bytes > self.free() {
            self.refusals += 1;
            return Err(Errno::ENOSPC);
        }
        self.used += bytes;
        Ok(())
    }

    fn touch(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.changed = now();
        }
    }

    fn find(&self, folder: Ino, name: &OsStr) -> Result<Ino, Errno> {
        if folder == ROOT && name == MARKS {
            return Ok(MARKS_INO);
        }
        self.now.find(folder, name).ok_or(Errno::ENOENT)
    }

    fn is_folder(&self, ino: Ino) -> bool {
        self.now.folders.contains_key(&ino)
    }

    fn attributes(&self, ino: Ino) -> Result<FileAttr, Errno> {
        let node = self.nodes.get(&ino).ok_or(Errno::ENOENT)?;
        let folder = self.is_folder(ino);
        let size = if folder { BLOCK } else { self.now.size(ino) };
        Ok(FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: space(size) / 512,
            atime: node.changed,
            mtime: node.changed,
            ctime: node.changed,
            crtime: node.changed,
            kind: if folder { FileType::Directory } else { FileType::RegularFile },
            perm: node.mode,
            nlink: if folder { 2 } else { u32::from(node.named) },
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK as u32,
            flags: 0,
        })
    }

    fn make(&mut self, place: Place, mode: u32, folder: bool) -> Result<FileAttr, Errno> {
        if self.find(place.0, &place.1).is_ok() {
            return Err(Errno::EEXIST);
        }
        self.take(BLOCK)?;
        self.last_ino += 1;
        let ino = self.last_ino;
        self.nodes.insert(ino, Node { mode: mode as u16 & 0o7777, changed: now(), opened: 0, named: true });
        self.touch(place.0);
        self.perform(Operation::Make { place, ino, folder });
        self.attributes(ino)
    }

    fn remove(&mut self, place: Place, folder: bool) -> Result<(), Errno> {
        let ino = self.find(place.0, &place.1)?;
        match (folder, self.now.folders.get(&ino)) {
            (true, None) => return Err(Errno::ENOTDIR),
            (false, Some(_)) => return Err(Errno::EISDIR),
            (true, Some(names)) if !names.is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        self.touch(place.0);
        self.perform(Operation::Remove { place });
        self.unname(ino);
        Ok(())
    }

    fn unname(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.named = false;
        }
        self.let_go(ino);
    }

    /// Gives back the space of a file that nobody can reach any more.
    fn let_go(&mut self, ino: Ino) {
        let gone = self.nodes.get(&ino).is_some_and(|node| !node.named && node.opened == 0);
        if gone && ino != MARKS_INO {
            let bytes = self.now.files.remove(&ino).unwrap_or_default();
            self.used = self.used.saturating_sub(BLOCK + space(bytes.len() as u64));
        }
    }

    fn rename(&mut self, from: Place, to: Place, flags: RenameFlags) -> Result<(), Errno> {
        let ino = self.find(from.0, &from.1)?;
        let replaced = self.find(to.0, &to.1).ok();
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return Err(Errno::EINVAL);
        }
        if let Some(replaced) = replaced {
            if flags.contains(RenameFlags::RENAME_NOREPLACE) {
                return Err(Errno::EEXIST);
            }
            match (self.is_folder(ino), self.now.folders.get(&replaced)) {
                (true, None) => return Err(Errno::ENOTDIR),
                (false, Some(_)) => return Err(Errno::EISDIR),
                (true, Some(names)) if !names.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        self.touch(from.0);
        self.touch(to.0);
        self.perform(Operation::Move { from, to, ino });
        if let Some(replaced) = replaced.filter(|replaced| *replaced != ino) {
            self.unname(replaced);
        }
        Ok(())
    }

    /// Writes what there is room for.
    fn write(&mut self, ino: Ino, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        if ino == MARKS_INO {
            for line in String::from_utf8_lossy(data).lines() {
                self.note(Operation::Mark(line.to_owned()));
            }
            return Ok(data.len() as u32);
        }
        let size = self.now.size(ino);
        let room = space(size) + self.free() / BLOCK * BLOCK;
        let length = room.saturating_sub(offset).min(data.len() as u64);
        if length < data.len() as u64 {
            self.refusals += 1;
        }
        if length == 0 && !data.is_empty() {
            return Err(Errno::ENOSPC);
        }
        self.take(space(size.max(offset + length)) - space(size))?;
        self.touch(ino);
        self.perform(Operation::Write { ino, offset, data: data[..length as usize].to_vec() });
        Ok(length as u32)
    }

    fn cut_off(&mut self, ino: Ino, size: u64) -> Result<(), Errno> {
        let before = self.now.size(ino);
        if ino == MARKS_INO || size == before {
            return Ok(());
        }
        if size > before {
            self.take(space(size) - space(before))?;
        } else {
            self.used = self.used.saturating_sub(space(before) - space(size));
        }
        self.touch(ino);
        self.perform(Operation::Resize { ino, size });
        Ok(())
    }

    fn list(&mut self, folder: Ino) -> u64 {
        let names = self.now.folders.get(&folder).into_iter().flatten();
        let listing = names.map(|(name, ino)| (*ino, self.is_folder(*ino), name.clone())).collect();
        self.last_listing += 1;
        self.listings.insert(self.last_listing, listing);
        self.last_listing
    }
}

/// The space that a file of a size takes.
fn space(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

fn now() -> SystemTime {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let ticks = since.as_millis() / TICK.as_millis();
    SystemTime::UNIX_EPOCH + Duration::from_millis((ticks * TICK.as_millis()) as u64)
}

/// The side that the kernel talks to.
struct Served(Arc<Mutex<State>>);

/// The kernel asks again each time.
const ASK_AGAIN: Duration = Duration::ZERO;

fn place(parent: INodeNo, name: &OsStr) -> Place {
    (parent.0, name.to_owned())
}

fn answer(reply: ReplyEmpty, outcome: Result<(), Errno>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_entry(reply: ReplyEntry, outcome: Result<FileAttr, Errno>) {
    match outcome {
        Ok(found) => reply.entry(&ASK_AGAIN, &found, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn answer_attributes(reply: ReplyAttr, outcome: Result<FileAttr, Errno>) {
    match outcome {
        Ok(found) => reply.attr(&ASK_AGAIN, &found),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let state = lock(&self.0);
        answer_entry(reply, state.find(parent.0, name).and_then(|ino| state.attributes(ino)));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer_attributes(reply, lock(&self.0).attributes(ino.0));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = lock(&self.0);
        if let Some(mode) = mode
            && let Some(node) = state.nodes.get_mut(&ino.0)
        {
            node.mode = mode as u16 & 0o7777;
        }
        let outcome = size.map_or(Ok(()), |size| state.cut_off(ino.0, size));
        answer_attributes(reply, outcome.and_then(|()| state.attributes(ino.0)));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        answer_entry(reply, lock(&self.0).make(place(parent, name), mode & !umask, true));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, lock(&self.0).remove(place(parent, name), false));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, lock(&self.0).remove(place(parent, name), true));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(reply, lock(&self.0).rename(place(parent, name), place(newparent, newname), flags));
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        if let Some(node) = lock(&self.0).nodes.get_mut(&ino.0) {
            node.opened += 1;
        }
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        let mut state = lock(&self.0);
        match state.make(place(parent, name), mode & !umask, false) {
            Ok(made) => {
                if let Some(node) = state.nodes.get_mut(&made.ino.0) {
                    node.opened += 1;
                }
                reply.created(&ASK_AGAIN, &made, Generation(0), FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = lock(&self.0);
        let bytes = state.now.files.get(&ino.0).map_or(&[][..], Vec::as_slice);
        let begin = (offset as usize).min(bytes.len());
        let end = (begin + size as usize).min(bytes.len());
        reply.data(&bytes[begin..end]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match lock(&self.0).write(ino.0, offset, data) {
            Ok(length) => reply.written(length),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let mut state = lock(&self.0);
        if let Some(node) = state.nodes.get_mut(&ino.0) {
            node.opened = node.opened.saturating_sub(1);
        }
        state.let_go(ino.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        lock(&self.0).note(Operation::SyncFile(ino.0));
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        lock(&self.0).note(Operation::SyncFolder(ino.0));
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // What is listed does not move while names are taken away.
        let listing = lock(&self.0).list(ino.0);
        reply.opened(FileHandle(listing), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, _: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let state = lock(&self.0);
        let listing = state.listings.get(&fh.0).map_or(&[][..], Vec::as_slice);
        for (next, (ino, folder, name)) in (1..).zip(listing).skip(offset as usize) {
            let kind = if *folder { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(*ino), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        lock(&self.0).listings.remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let state = lock(&self.0);
        let blocks = state.capacity.min(1 << 40) / BLOCK;
        let free = state.free().min(1 << 40) / BLOCK;
        reply.statfs(blocks, free, free, 1 << 20, 1 << 20, BLOCK as u32, 255, BLOCK as u32);
    }
}
