//! Watches Jobs, Pods and warnings, and turns them into observations.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Client, ResourceExt};

use super::index::{Index, Input};
use crate::executor::Observation;

/// How long the API server may keep one watch, in seconds. Shorter than the time after which a silent connection counts
/// as dead, or else a quiet watch would look like one.
pub(super) const WATCH_SECONDS: u32 = 8;

/// Everything there is to see of an installation's objects, from now on.
pub(super) fn observations(client: &Client, namespace: &str, selector: &str) -> BoxStream<'static, Observation> {
    let labelled = Config::default().labels(selector).timeout(WATCH_SECONDS);
    let warnings = Config::default().fields("type=Warning").timeout(WATCH_SECONDS);
    let jobs = watch::<Job>(client, namespace, labelled.clone(), Input::Jobs);
    let pods = watch::<Pod>(client, namespace, labelled, Input::Pods);
    let events = watch::<Event>(client, namespace, warnings, Input::Warnings)
        // Without them only the reasons of refusals are missing; that is no reason to be called unreachable.
        .filter(|input| std::future::ready(!matches!(input, Input::Failed(_))));
    let inputs = stream::select(stream::select(jobs, pods), events);
    let start = (inputs.boxed(), Index::default());
    stream::unfold(start, |(mut inputs, mut index)| async move {
        let input = inputs.next().await?;
        let observations = index.take(input, Timestamp::now());
        Some((stream::iter(observations), (inputs, index)))
    })
    .flatten()
    .boxed()
}

fn watch<K>(
    client: &Client,
    namespace: &str,
    config: Config,
    input: fn(watcher::Event<K>) -> Input,
) -> impl Stream<Item = Input> + Send + 'static
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let kind = K::kind(&K::DynamicType::default()).into_owned();
    watcher(api, config).modify(|object| object.managed_fields_mut().clear()).backoff(Doubling::default()).map(
        move |event| match event {
            Ok(event) => input(event),
            Err(error) => Input::Failed(format!("the watch of {kind}s failed: {}", super::api::chain(&error))),
        },
    )
}

/// Pauses between attempts that grow from a tenth of a second to one: a watch that is down costs the truth of every
/// phase shown, and one request a second costs the API server nothing.
#[derive(Debug, Default)]
pub(super) struct Doubling(u32);

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(100).saturating_mul(1 << self.0.min(10));
        self.0 += 1;
        Some(pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
