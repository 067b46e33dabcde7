//! Answers that are good for a short time, so that a page of twenty requests asks once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use tokio::sync::OnceCell;

/// What an answer is found by: a digest, so that no secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(key)
    }
}

/// Keeps answers for a while, a bounded number of them. Whoever asks what is being asked already waits for that answer.
/// A failure reaches all who wait for it, and is not kept.
pub(super) struct Recent<V, E> {
    slots: Mutex<HashMap<Key, Slot<V, E>>>,
    good_for: Duration,
    most: usize,
}

type Slot<V, E> = Arc<OnceCell<Answer<V, E>>>;

struct Answer<V, E> {
    told: Result<V, E>,
    /// From when on it is to be asked again.
    until: Instant,
}

impl<V: Clone, E: Clone> Recent<V, E> {
    /// Keeps `most` answers for this long, counted from when they were asked for.
    pub(super) fn new(good_for: Duration, most: usize) -> Self {
        Self { slots: Mutex::new(HashMap::new()), good_for, most }
    }

    /// The answer that there is, or the one that `ask` gives.
    pub(super) async fn get<F>(&self, key: Key, ask: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let slot = self.slot(key);
        // Where whoever asks goes away, the next one of those who wait asks in their place.
        let answer = slot.get_or_init(async || {
            let asked = Instant::now();
            let told = ask().await;
            let until = if told.is_ok() { asked + self.good_for } else { asked };
            Answer { told, until }
        });
        answer.await.told.clone()
    }

    fn slot(&self, key: Key) -> Slot<V, E> {
        let now = Instant::now();
        let stale = |slot: &Slot<V, E>| slot.get().is_some_and(|answer| answer.until <= now);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&key).filter(|slot| !stale(slot)) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.most {
            slots.retain(|_, slot| !stale(slot));
        }
        if slots.len() >= self.most {
            // Those who wait for an answer keep their slot; only nobody else finds it any more.
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.get().map_or(now, |answer| answer.until));
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                slots.remove(&oldest);
            }
        }
        let slot = Slot::default();
        slots.insert(key, Arc::clone(&slot));
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    struct Source(AtomicUsize);

    impl Source {
        /// The number of the question.
        async fn ask(&self) -> Result<usize, usize> {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(number)
        }

        async fn fail(&self) -> Result<usize, usize> {
            self.ask().await.and_then(Err)
        }
    }

    fn source() -> Source {
        Source(AtomicUsize::new(0))
    }

    #[tokio::test]
    async fn what_is_asked_at_the_same_time_is_asked_once() {
        let (recent, source) = (Recent::new(LONG, 8), source());
        let key = Key::of(b"a");
        let answers = join_all((0..50).map(|_| recent.get(key, || source.ask()))).await;
        assert_eq!(answers, [Ok(0); 50]);
        assert_eq!(recent.get(key, || source.ask()).await, Ok(0), "and kept");
        assert_eq!(recent.get(Key::of(b"b"), || source.ask()).await, Ok(1), "another question");
    }

    #[tokio::test]
    async fn an_answer_is_asked_for_again_when_its_time_is_over() {
        let (recent, source) = (Recent::new(Duration::ZERO, 8), source());
        let key = Key::of(b"a");
        assert_eq!(recent.get(key, || source.ask()).await, Ok(0));
        assert_eq!(recent.get(key, || source.ask()).await, Ok(1));
    }

    #[tokio::test]
    async fn a_failure_reaches_all_who_wait_and_is_not_kept() {
        let (recent, source) = (Recent::new(LONG, 8), source());
        let key = Key::of(b"a");
        let answers = join_all((0..50).map(|_| recent.get(key, || source.fail()))).await;
        assert_eq!(answers, [Err(0); 50]);
        assert_eq!(recent.get(key, || source.ask()).await, Ok(1));
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_the_question_to_the_next() {
        let (recent, source) = (Recent::<usize, usize>::new(LONG, 8), source());
        let key = Key::of(b"a");
        let mut first = Box::pin(recent.get(key, std::future::pending));
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut second = Box::pin(recent.get(key, || source.ask()));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(second.await, Ok(0));
    }

    #[tokio::test]
    async fn the_number_of_answers_is_bounded() {
        let (recent, source) = (Recent::new(LONG, 3), source());
        for key in 0..100_u8 {
            recent.get(Key::of(&[key]), || source.ask()).await.unwrap();
        }
        assert_eq!(recent.slots.lock().unwrap().len(), 3);
        assert_eq!(recent.get(Key::of(&[99]), || source.ask()).await, Ok(99), "the newest is kept");
        assert_eq!(recent.get(Key::of(&[0]), || source.ask()).await, Ok(100), "the oldest is not");
    }
}
