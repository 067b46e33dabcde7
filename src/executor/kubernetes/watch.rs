//! Watches Jobs, Pods and warnings, and turns them into observations.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::api;
use super::client::Connection;
use super::index::{Index, Input, Revisions};
use super::past::Past;
use crate::executor::Observation;

/// Something that can be watched in a namespace.
pub(super) trait Watchable:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl Watchable for Job {}
impl Watchable for Pod {}
impl Watchable for Event {}

/// Tells when the server was set back to an earlier state.
type Setbacks = tokio::sync::watch::Receiver<u64>;

/// Everything there is to see of an installation's objects, from now on.
pub(super) fn observations(
    connection: &Connection,
    namespace: &str,
    selector: &str,
    revisions: Arc<Revisions>,
    past: Arc<Past>,
) -> BoxStream<'static, Observation> {
    let labelled = Config::default().labels(selector);
    let warnings = Config::default().fields("type=Warning");
    let jobs = inputs::<Job>(connection, namespace, labelled.clone(), past.setbacks(), Input::Jobs);
    let pods = inputs::<Pod>(connection, namespace, labelled, past.setbacks(), Input::Pods);
    let events = inputs::<Event>(connection, namespace, warnings, past.setbacks(), Input::Warnings)
        // Without them only the reasons of refusals are missing; that is no reason to be called unreachable.
        .filter(|input| std::future::ready(!matches!(input, Input::Failed(_))));
    let inputs = stream::select(stream::select(jobs, pods), events);
    let inputs =
        stream::select(inputs, stream::once(notice_setbacks(connection.clone(), namespace.to_owned(), past.clone())));
    let start = (inputs.boxed(), Index::new(revisions));
    let look = move |(mut inputs, mut index): (BoxStream<'static, Input>, Index), past: Arc<Past>| async move {
        let input = inputs.next().await?;
        if let Input::Jobs(watcher::Event::Apply(job) | watcher::Event::Delete(job)) = &input {
            past.saw(job.metadata.resource_version.as_deref());
        }
        let observations = index.take(input, Timestamp::now());
        Some((stream::iter(observations), (inputs, index)))
    };
    stream::unfold(start, move |state| look(state, past.clone())).flatten().boxed()
}

/// Looks for setbacks, for as long as there are watches.
async fn notice_setbacks(connection: Connection, namespace: String, past: Arc<Past>) -> Input {
    let jobs = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
    // A setback takes a while, in which connections break and everything is listed anew. This is for one that nobody
    // has noticed.
    let pause = Duration::from_secs(connection.timeouts.watch_seconds.into());
    loop {
        tokio::time::sleep(pause).await;
        past.notice_setback(&connection, &jobs).await;
    }
}

fn inputs<K: Watchable>(
    connection: &Connection,
    namespace: &str,
    config: Config,
    setbacks: Setbacks,
    input: fn(watcher::Event<K>) -> Input,
) -> impl Stream<Item = Input> + Send + 'static {
    let kind = K::kind(&());
    events(connection, namespace, config, Some(setbacks)).map(move |event| match event {
        Ok(event) => input(event),
        Err(error) => Input::Failed(format!("the watch of {kind}s failed: {}", api::chain(&error))),
    })
}

/// A watch that begins anew after every failure and setback, with a list: what was missed meanwhile comes as no event,
/// and a server that was set back to an earlier state would have none to go on from.
pub(super) fn events<K: Watchable>(
    connection: &Connection,
    namespace: &str,
    config: Config,
    setbacks: Option<Setbacks>,
) -> BoxStream<'static, watcher::Result<watcher::Event<K>>> {
    let api: Api<K> = Api::namespaced(connection.calls.clone(), namespace);
    let config = config.timeout(connection.timeouts.watch_seconds);
    let begin = move || watcher(api.clone(), config.clone()).modify(|it| it.managed_fields_mut().clear()).boxed();
    let pauses = Pauses::default();
    let state = Restarting { watch: begin(), begin, setbacks, pauses, pause: None, failure: None };
    stream::unfold(state, |mut state| async move { Some((state.next().await?, state)) }).boxed()
}

/// A watch and how to begin it anew.
struct Restarting<K: Watchable, F> {
    watch: BoxStream<'static, watcher::Result<watcher::Event<K>>>,
    begin: F,
    setbacks: Option<Setbacks>,
    pauses: Pauses,
    /// How long to wait before the next request.
    pause: Option<Duration>,
    /// A failure that is yet to be told.
    failure: Option<watcher::Error>,
}

impl<K: Watchable, F: Fn() -> BoxStream<'static, watcher::Result<watcher::Event<K>>>> Restarting<K, F> {
    async fn next(&mut self) -> Option<watcher::Result<watcher::Event<K>>> {
        if let Some(failure) = self.failure.take() {
            return Some(Err(failure));
        }
        if let Some(pause) = self.pause.take() {
            tokio::time::sleep(pause).await;
        }
        let error = tokio::select! {
            event = self.watch.next() => match event? {
                Ok(event) => return Some(Ok(event)),
                Err(error) => error,
            },
            () = set_back(&mut self.setbacks) => {
                self.watch = (self.begin)();
                return self.watch.next().await;
            }
        };
        self.pause = Some(self.pauses.next(Instant::now()));
        self.failure = Some(error).filter(|error| !is_expiry(error));
        self.watch = (self.begin)();
        // The first thing that a watch says, before it asks for anything, is that a list begins. It comes before the
        // failure and the pause, so that nobody takes what is known for what there is meanwhile.
        self.watch.next().await
    }
}

/// Resolves when the server was set back; never where nobody looks for that.
async fn set_back(setbacks: &mut Option<Setbacks>) {
    if let Some(setbacks) = setbacks
        && setbacks.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Whether a server only says that it does not remember far enough back: it is there, and a list is all it takes.
fn is_expiry(error: &watcher::Error) -> bool {
    use watcher::Error as E;
    match error {
        E::WatchError(status) => status.code == 410,
        E::WatchStartFailed(kube::Error::Api(status)) | E::InitialListFailed(kube::Error::Api(status)) => {
            status.code == 410
        }
        _ => false,
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long all must be well before the next failure counts as a first one.
const CALM: Duration = Duration::from_secs(10);

/// Pauses after failures that grow from a tenth of a second to one: a watch that is down costs the truth of every phase
/// shown, and one request a second costs the API server nothing.
#[derive(Debug, Default)]
struct Pauses {
    /// The last pause, and when it was over.
    last: Option<(Duration, Instant)>,
}

impl Pauses {
    /// The pause after a failure that came just now.
    fn next(&mut self, now: Instant) -> Duration {
        let pause = match self.last {
            Some((last, over)) if now.saturating_duration_since(over) < CALM => (last * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some((pause, now + pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_begin_anew_after_a_calm() {
        let mut pauses = Pauses::default();
        let mut now = Instant::now();
        let mut seen = Vec::new();
        for calm in [0, 0, 0, 0, 0, 1, 30] {
            now += Duration::from_secs(calm);
            let pause = pauses.next(now);
            seen.push(pause.as_millis());
            now += pause;
        }
        assert_eq!(seen, [100, 200, 400, 800, 1000, 1000, 100]);
    }
}
