//! Which Jobs have ever been in a namespace, told apart by their UIDs: a count that does not go through Jobwright's own
//! code, and holds over whatever happens to the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Event;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Config};

use crate::house::Cluster;

/// The count, as it goes on.
pub struct Creations {
    stop: tokio::sync::oneshot::Sender<()>,
    watching: std::thread::JoinHandle<BTreeMap<String, String>>,
}

impl Cluster {
    /// Counts the Jobs that come to be here from now on.
    pub fn creations(&self) -> Creations {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, begun) = std::sync::mpsc::channel();
        let namespace = self.namespace().to_owned();
        let watching = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let mut count = Count::new(&namespace).await;
                count.list().await.unwrap();
                tell.send(()).unwrap();
                tokio::select! {
                    never = count.watch() => match never {},
                    _ = stopped => {}
                }
                count.finish().await
            })
        });
        begun.recv().unwrap();
        Creations { stop, watching }
    }
}

impl Creations {
    /// Ends the count when all that exists now is in it. Returns the names of the Jobs by their UIDs.
    pub fn stop(self) -> BTreeMap<String, String> {
        // It waits for nothing else.
        let _ = self.stop.send(());
        self.watching.join().unwrap()
    }
}

struct Count {
    jobs: Api<Job>,
    events: Api<Event>,
    /// Up to which version all was seen; none where everything has to be listed.
    version: Option<String>,
    seen: BTreeMap<String, String>,
}

impl Count {
    async fn new(namespace: &str) -> Self {
        let mut config = Config::infer().await.unwrap();
        (config.connect_timeout, config.read_timeout) = (Some(Duration::from_secs(5)), Some(Duration::from_secs(12)));
        let client = Client::try_from(config).unwrap();
        let (jobs, events) = (Api::namespaced(client.clone(), namespace), Api::namespaced(client, namespace));
        Self { jobs, events, version: None, seen: BTreeMap::new() }
    }

    fn note(&mut self, job: Job) {
        self.version = job.metadata.resource_version.or(self.version.take());
        self.seen.insert(job.metadata.uid.unwrap(), job.metadata.name.unwrap());
    }

    async fn list(&mut self) -> kube::Result<()> {
        let list = self.jobs.list(&ListParams::default()).await?;
        list.items.into_iter().for_each(|job| self.note(job));
        self.version = list.metadata.resource_version;
        Ok(())
    }

    /// Watches from the version that was seen last, and lists only where the server does not remember that far back.
    async fn watch(&mut self) -> std::convert::Infallible {
        loop {
            if self.watch_once().await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn watch_once(&mut self) -> kube::Result<()> {
        if self.version.is_none() {
            self.list().await?;
        }
        let version = self.version.clone().unwrap_or_default();
        let mut watched = self.jobs.watch(&WatchParams::default().timeout(8), &version).await?.boxed();
        while let Some(event) = watched.try_next().await? {
            match event {
                WatchEvent::Added(job) | WatchEvent::Modified(job) | WatchEvent::Deleted(job) => self.note(job),
                WatchEvent::Bookmark(mark) => self.version = Some(mark.metadata.resource_version),
                WatchEvent::Error(_) => {
                    self.version = None;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Adds what exists now, and what the events of the namespace tell of Jobs that pods were made for: those of an
    /// hour, whatever has become of the Jobs.
    async fn finish(mut self) -> BTreeMap<String, String> {
        self.list().await.unwrap();
        for event in self.events.list(&ListParams::default()).await.unwrap() {
            let about = event.involved_object;
            if let (Some("Job"), Some(uid), Some(name)) = (about.kind.as_deref(), about.uid, about.name) {
                self.seen.insert(uid, name);
            }
        }
        self.seen
    }
}
