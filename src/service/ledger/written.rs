//! Changes that are on their way to the disk, and what becomes of a job's entry when they arrive.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Ledger;
use crate::crash::{self, Point};
use crate::job::{JobId, NewEvent};
use crate::store::{Ack, StoreError};

/// Resolves when what was learned is durable. It becomes so even if nobody waits for it.
#[must_use = "what was learned is durable only once this has resolved"]
pub(in crate::service) struct Written(Option<OnTheWay>);

pub(super) struct OnTheWay {
    pub(super) ledger: Arc<Ledger>,
    pub(super) id: JobId,
    /// Which entry it was submitted for: another one may have the ID by the time it arrives.
    pub(super) serial: u64,
    pub(super) change: Sent,
    pub(super) ack: Ack,
}

/// What was submitted.
pub(super) enum Sent {
    /// What is known of the job, with these events.
    Status(Vec<NewEvent>),
    /// That its record is to go.
    Removal,
}

impl Written {
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn after(change: OnTheWay) -> Self {
        Self(Some(change))
    }
}

impl OnTheWay {
    /// Notes what came of it.
    fn arrived(self, result: &Result<(), StoreError>) {
        if result.is_ok() && matches!(self.change, Sent::Status(_)) {
            crash::reached(Point::FactDurable);
        }
        let mut shard = self.ledger.shard(&self.id);
        let Some(entry) = shard.get_mut(&self.id).filter(|entry| entry.serial == self.serial) else {
            return;
        };
        entry.on_the_way = entry.on_the_way.saturating_sub(1);
        match (self.change, result) {
            (Sent::Removal, Ok(())) | (_, Err(StoreError::NotFound(_))) => {
                shard.remove(&self.id);
            }
            (Sent::Status(events), Err(_)) => {
                entry.unwritten.get_or_insert_default().extend(events);
                self.ledger.unwritten.notify_one();
            }
            _ if entry.is_settled() => {
                shard.remove(&self.id);
            }
            _ => entry.let_go(),
        }
    }
}

impl Future for Written {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(change) = &mut self.0 else {
            return Poll::Ready(Ok(()));
        };
        let result = std::task::ready!(Pin::new(&mut change.ack).poll(cx)).map(drop);
        if let Some(change) = self.0.take() {
            change.arrived(&result);
        }
        Poll::Ready(result)
    }
}

impl Drop for Written {
    /// A caller that went away must not keep a failed write from being noticed.
    fn drop(&mut self) {
        if let (Some(mut change), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let result = (&mut change.ack).await.map(drop);
                change.arrived(&result);
            });
        }
    }
}
