//! Who callers are and what they may do, by the cluster's word, which is remembered for a short time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::super::ApiError;
use super::recent::{Key, Recent};
use crate::executor::review::{Reviewer, Unreviewed, User, Verb, Verdict};

/// How long an answer is good: a right that is given or taken away counts after this time at the latest.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// How many answers of a kind are kept.
const MOST: usize = 4096;
/// How many questions may be on their way to the cluster at once: whoever tries out tokens keeps it no busier.
const AT_ONCE: usize = 16;

/// Asks a [`Reviewer`], once for all who ask the same.
pub struct Reviews {
    reviewer: Arc<dyn Reviewer>,
    users: Recent<Option<Arc<User>>, Unreviewed>,
    verdicts: Recent<Verdict, Unreviewed>,
    at_once: Semaphore,
}

/// Somebody who lacks a right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the user {user} may not {verb} jobs in the namespace {namespace}: that takes a Role there which allows the verb {verb} on the resource jobs of the API group batch{}",
    reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
)]
pub struct Missing {
    /// Who.
    pub user: String,
    /// The verb that is not allowed.
    pub verb: Verb,
    /// Where.
    pub namespace: String,
    /// Why not, where the cluster says.
    pub reason: Option<String>,
}

impl Reviews {
    /// Nothing is asked yet.
    pub fn new(reviewer: Arc<dyn Reviewer>) -> Self {
        Self {
            reviewer,
            users: Recent::new(GOOD_FOR, MOST),
            verdicts: Recent::new(GOOD_FOR, MOST),
            at_once: Semaphore::new(AT_ONCE),
        }
    }

    /// The user that a token belongs to.
    pub(super) async fn user(&self, token: &str) -> Result<Arc<User>, ApiError> {
        if token.is_empty() {
            return Err(ApiError::Unauthorized { given: true });
        }
        let ask = async || self.ask(self.reviewer.user(token)).await.map(|user| user.map(Arc::new));
        let user = self.users.get(Key::of(token.as_bytes()), ask).await.map_err(unavailable)?;
        user.ok_or(ApiError::Unauthorized { given: true })
    }

    /// Refuses a user who lacks one of these rights.
    pub(super) async fn check(&self, user: &User, verbs: &[Verb]) -> Result<(), ApiError> {
        for verb in verbs {
            // Its members have names, so that no two users look the same.
            let subject = serde_json::to_vec(&(user, verb.as_str())).map_err(ApiError::internal)?;
            let ask = || self.ask(self.reviewer.may(user, *verb));
            let verdict = self.verdicts.get(Key::of(&subject), ask).await.map_err(unavailable)?;
            if let Verdict::Denied { reason } = verdict {
                let namespace = self.reviewer.namespace().to_owned();
                let missing = Missing { user: user.name.clone(), verb: *verb, namespace, reason };
                return Err(ApiError::Forbidden(Box::new(missing)));
            }
        }
        Ok(())
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, Unreviewed>>) -> Result<T, Unreviewed> {
        // Never closed.
        let _turn = self.at_once.acquire().await.map_err(|error| Unreviewed(error.to_string()))?;
        let answer = question.await;
        if let Err(error) = &answer {
            tracing::warn!(%error, "a caller could not be reviewed");
        }
        answer
    }
}

/// What went wrong is in the log; it may name accounts that are none of the caller's business.
fn unavailable(_: Unreviewed) -> ApiError {
    ApiError::Unreviewed
}

#[cfg(test)]
#[path = "reviews_tests.rs"]
mod tests;
