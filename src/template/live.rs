//! A catalog that follows its folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::catalog::{Catalog, CatalogError, TemplateSource};
use super::template::Settings;

/// Changes are gathered until none has come for this long: an editor or `git checkout` writes
/// many files, and a half-written folder is not worth loading.
const QUIET: Duration = Duration::from_millis(60);

/// Changes are gathered for no longer than this, however many come.
const LONGEST: Duration = Duration::from_secs(2);

/// A [`Catalog`] that is loaded anew whenever its folder changes, and swapped as a whole.
///
/// A mounted ConfigMap changes by the renaming of its `..data` link, and a git-sync folder by the
/// renaming of the link to it; both are seen. Dropping it ends the watch.
#[derive(Debug)]
pub struct LiveCatalog {
    snapshots: watch::Receiver<Arc<Catalog>>,
    stop: Option<Sender<Message>>,
}

enum Message {
    Changed,
    Stop,
}

impl LiveCatalog {
    /// Loads the catalog and begins to watch its folder.
    ///
    /// # Errors
    /// When the folder is missing or cannot be read. A folder that cannot be watched is used as
    /// it is, with a warning in the log.
    pub fn start(source: TemplateSource, settings: Settings) -> Result<Self, CatalogError> {
        let TemplateSource::Folder(folder) = &source else {
            let (_, snapshots) = watch::channel(Arc::new(Catalog::load(&source, &settings)?));
            return Ok(Self { snapshots, stop: None });
        };
        let (sender, receiver) = mpsc::channel();
        let mut watches = Watches::new(folder.clone(), sender.clone());
        // Watch first, then load: a change between the two is seen.
        if let Some(watches) = &mut watches {
            watches.renew();
        }
        let (publish, snapshots) = watch::channel(Arc::new(Catalog::load(&source, &settings)?));
        let Some(watches) = watches else {
            return Ok(Self { snapshots, stop: None });
        };
        let follower = Follower { source, settings, watches, publish };
        let spawned = thread::Builder::new().name("templates".to_owned()).spawn(move || follower.run(&receiver));
        if let Err(error) = spawned {
            tracing::warn!(%error, "templates are not reloaded: no thread to watch their folder");
        }
        Ok(Self { snapshots, stop: Some(sender) })
    }

    /// The catalog as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Catalog> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Every catalog from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Catalog>> {
        self.snapshots.clone()
    }
}

impl Drop for LiveCatalog {
    fn drop(&mut self) {
        if let Some(stop) = &self.stop {
            // Fails only when the thread has ended already.
            let _ = stop.send(Message::Stop);
        }
    }
}

struct Follower {
    source: TemplateSource,
    settings: Settings,
    watches: Watches,
    publish: watch::Sender<Arc<Catalog>>,
}

impl Follower {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(Message::Changed) = messages.recv() {
            if !settle(messages) {
                return;
            }
            // Folders and links may be new ones now.
            self.watches.renew();
            let before = Arc::clone(&self.publish.borrow());
            match before.reload(&self.source, &self.settings) {
                Ok(catalog) => {
                    report(&before, &catalog);
                    self.publish.send_replace(Arc::new(catalog));
                }
                Err(error) => {
                    tracing::warn!(%error, "the templates loaded before stay in use");
                }
            }
        }
    }
}

/// Waits until changes stop coming; false when the watch is to end.
fn settle(messages: &Receiver<Message>) -> bool {
    let begin = std::time::Instant::now();
    while begin.elapsed() < LONGEST {
        match messages.recv_timeout(QUIET) {
            Ok(Message::Changed) => {}
            Err(RecvTimeoutError::Timeout) => break,
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

fn report(before: &Catalog, now: &Catalog) {
    for entry in now.entries() {
        if let Some(error) = entry.error() {
            let known = before.entry(&entry.name).and_then(|entry| entry.error());
            if known != Some(error) {
                tracing::warn!(template = entry.name, %error, "a template does not load");
            }
        }
    }
    tracing::info!(templates = now.entries().len(), "templates reloaded");
}

/// What is watched for one template folder.
struct Watches {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    watched: Vec<PathBuf>,
}

impl Watches {
    fn new(folder: PathBuf, changed: Sender<Message>) -> Option<Self> {
        let handler = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(event.kind)) {
                let _ = changed.send(Message::Changed);
            }
        };
        match notify::recommended_watcher(handler) {
            Ok(watcher) => Some(Self { folder, watcher, watched: Vec::new() }),
            Err(error) => {
                tracing::warn!(%error, "templates are not reloaded: cannot watch their folder");
                None
            }
        }
    }

    /// Watches the folders as they are now.
    fn renew(&mut self) {
        for path in std::mem::take(&mut self.watched) {
            // A folder that is gone is not watched any more.
            let _ = self.watcher.unwatch(&path);
        }
        let mut paths = vec![self.folder.clone(), self.folder.join("partials")];
        // The link itself, or the folder when it is replaced, changes in the folder around it.
        let parent = self.folder.parent().map(|parent| match parent.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => parent.to_owned(),
        });
        paths.extend(parent.filter(|_| is_link(&self.folder) || !self.folder.is_dir()));
        for path in paths.into_iter().filter(|path| path.is_dir()) {
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => self.watched.push(path),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "cannot watch a folder");
                }
            }
        }
    }
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink())
}

/// Reading a file is no change, though it is an event.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
