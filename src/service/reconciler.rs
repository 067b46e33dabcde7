//! What the executor shows → the record.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;

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
                Observation::Listed { began, objects } => {
                    crash::reached(Point::EvidenceListed);
                    self.compare(began, objects);
                    crash::reached(Point::EvidenceCompared);
                }
                Observation::Unreachable(why) => {
                    tracing::warn!(%why, "the executor cannot be reached; the phases shown are those seen last");
                }
            }
        }
        tracing::error!("the executor shows nothing more; phases stay as they are until a restart");
    }

    /// Takes in a complete list. What came to pass unseen shows here: a job whose object was known before the list was
    /// begun, and is not in it, may have lost it. A list can be wrongly empty or old, and an end is for good, so that the
    /// object is asked for by its name first.
    fn compare(&self, began: Timestamp, objects: Vec<(crate::job::JobId, Evidence)>) {
        let listed: std::collections::HashSet<String> =
            objects.iter().map(|(_, evidence)| evidence.object().uid.clone()).collect();
        for (id, evidence) in objects {
            self.note(&id, Fact::Evidence(evidence));
        }
        for (id, object) in self.0.ledger.running_since_before(began) {
            if !listed.contains(&object.uid) {
                let service = self.clone();
                self.spawn(async move { service.look_again(&id).await });
            }
        }
        self.0.executor_seen.store(true, Ordering::Relaxed);
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
