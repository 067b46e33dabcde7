//! A bound on the streams that are open at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;

/// Counts open streams. Each holds a [`Permit`] while it lives.
#[derive(Debug, Clone)]
pub struct Streams {
    slots: Arc<Semaphore>,
    limit: usize,
}

/// A stream's place; dropping it makes room.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Streams {
    /// A bound of `limit` streams.
    pub fn new(limit: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(limit)), limit }
    }

    /// A place for one more stream, or an error that tells the client to come back.
    pub fn enter(&self) -> Result<Permit, ApiError> {
        let slots = Arc::clone(&self.slots);
        let permit = slots.try_acquire_owned().map_err(|_| ApiError::TooManyStreams { limit: self.limit })?;
        Ok(Permit(permit))
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.limit - self.slots.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_ends() {
        let streams = Streams::new(1);
        let first = streams.enter().unwrap();
        assert_eq!(streams.open(), 1);
        assert!(matches!(streams.enter(), Err(ApiError::TooManyStreams { limit: 1 })));
        drop(first);
        assert!(streams.enter().is_ok());
    }
}
