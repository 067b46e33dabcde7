//! What the executor shows → the record.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;

use super::Service;
use crate::crash::{self, Point};
use crate::executor::Observation;
use crate::job::{Evidence, Fact};

impl Service {
    /// Takes in what the executor shows, for as long as the service lives.
    pub(super) async fn reconcile(self) {
        let mut shown = self.0.executor.watch();
        while let Some(observation) = shown.next().await {
            match observation {
                Observation::Changed(id, evidence) => {
                    crash::reached(Point::EvidenceShown);
                    self.note(&id, Fact::Evidence(evidence));
                    crash::reached(Point::EvidenceNoted);
                }
                Observation::Listed(objects) => {
                    crash::reached(Point::EvidenceListed);
                    self.compare(objects);
                    crash::reached(Point::EvidenceCompared);
                }
                Observation::Unreachable(why) => {
                    tracing::warn!(%why, "the executor cannot be reached; the phases shown are those seen last");
                }
            }
        }
        tracing::error!("the executor shows nothing more; phases stay as they are until a restart");
    }

    /// Takes in a complete list. What came to pass unseen shows here: a job whose object is not in it may have lost it.
    /// Or the list is older than the object; or it is old, or wrongly empty. An end is for good, so that the object is
    /// asked for by its name first.
    ///
    /// This goes for objects of which this process has only just learned, too: one that was deleted before the list was
    /// read is in no list, and no watch that goes on from there ever shows it.
    pub(super) fn compare(&self, objects: Vec<(crate::job::JobId, Evidence)>) {
        // Whoever learns of an object after this looks at it by itself.
        self.0.lists.fetch_add(1, Ordering::SeqCst);
        let listed: std::collections::HashSet<String> =
            objects.iter().map(|(_, evidence)| evidence.object().uid.clone()).collect();
        for (id, evidence) in objects {
            self.note(&id, Fact::Evidence(evidence));
        }
        for (id, object, cancelled) in self.0.ledger.running() {
            let service = self.clone();
            if !listed.contains(&object.uid) {
                self.spawn(async move { service.look_again(&id).await });
            } else if cancelled {
                // An executor that was set back may have forgotten that it was asked. Asking twice changes nothing.
                self.spawn(service.see_cancelled(id));
            }
        }
    }

    /// Writes again what the store could not take, as soon as it does.
    pub(super) async fn write_again(self) {
        const PAUSE: Duration = Duration::from_millis(500);
        loop {
            self.0.ledger.something_unwritten().await;
            while let Err(error) = self.0.ledger.write_again().await {
                tracing::error!(%error, "what was learned is not on record yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
