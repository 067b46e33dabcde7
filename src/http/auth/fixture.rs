//! What the tests of this room share: a cluster's word as a test wants it, and a service that goes by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Map;
use tempfile::TempDir;

use super::{Auth, Hosts, Mode, Reviews, Sessions};
use crate::executor::SharedExecutor;
use crate::executor::fake::FakeExecutor;
use crate::executor::review::{Reviewer, Unreviewed, User, Verb, Verdict};
use crate::http::{AppState, Settings};
use crate::service::{Config, Service};
use crate::store::{Options, Store};
use crate::template::{LiveCatalog, TemplateSource};

/// A cluster that knows each user by their own name as the token. Clones share their state.
#[derive(Clone, Default)]
pub(super) struct Cluster(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rights: BTreeMap<String, Vec<Verb>>,
    away: bool,
    asked: Vec<String>,
}

impl Cluster {
    /// Lets a user in, with these rights and no others.
    pub(super) fn grant(&self, user: &str, verbs: &[Verb]) {
        self.0.lock().unwrap().rights.insert(user.to_owned(), verbs.to_vec());
    }

    /// Knows a user no more.
    pub(super) fn forget(&self, user: &str) {
        self.0.lock().unwrap().rights.remove(user);
    }

    /// Whether it gives answers from now on.
    pub(super) fn set_away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }

    /// All that it was asked so far: `who TOKEN` and `may USER VERB`.
    pub(super) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    fn answer<T>(&self, question: String, answer: impl FnOnce(&State) -> T) -> Result<T, Unreviewed> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(question);
        if state.away {
            return Err(Unreviewed("connection refused".to_owned()));
        }
        Ok(answer(&state))
    }
}

impl Reviewer for Cluster {
    fn namespace(&self) -> &'static str {
        "jobs-here"
    }

    fn user<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, Unreviewed>> {
        async move {
            tokio::task::yield_now().await;
            self.answer(format!("who {token}"), |state| {
                let known = state.rights.contains_key(token);
                known.then(|| User { name: token.to_owned(), groups: vec!["dev".to_owned()], ..User::default() })
            })
        }
        .boxed()
    }

    fn may<'a>(&'a self, user: &'a User, verb: Verb) -> BoxFuture<'a, Result<Verdict, Unreviewed>> {
        async move {
            tokio::task::yield_now().await;
            self.answer(format!("may {} {verb}", user.name), |state| {
                let allowed = state.rights.get(&user.name).is_some_and(|verbs| verbs.contains(&verb));
                if allowed { Verdict::Allowed } else { Verdict::Denied { reason: None } }
            })
        }
        .boxed()
    }
}

/// Goes by a cluster's word.
pub(super) fn auth_by(cluster: &Cluster) -> Auth {
    let mode = Mode::Cluster(Reviews::new(Arc::new(cluster.clone())));
    Auth::new(mode, Hosts::default(), Sessions::new(&[7; 32], false))
}

/// A service without jobs and templates, and the folder that it needs.
pub(super) async fn app(auth: Auth) -> (AppState, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("job-templates");
    std::fs::create_dir(&templates).unwrap();
    let catalog = LiveCatalog::start(TemplateSource::Folder(templates), Map::new()).unwrap();
    let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
    let (executor, _) = FakeExecutor::new([]);
    let executor: SharedExecutor = Arc::new(executor);
    let service = Service::start(Config::new("http://127.0.0.1:8080"), store, catalog, executor).await.unwrap();
    (AppState::new(service, auth, Settings::default()), folder)
}
