//! The logs of a Job's containers: what there is of them, and live.
//!
//! - [`source`]: one answer of the API server as lines;
//! - [`follow`]: all containers of a Job for as long as it runs, across cuts, restarts and new pods.

mod follow;
mod source;

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use self::source::{Lines, Opened, Source};
use super::client::Connection;
use super::{api, evidence};
use crate::executor::{ExecutorError, LogLine, LogOptions, LogRun};
use crate::job::ObjectRef;

/// How many lines are read ahead of whoever takes them.
const LINES_AHEAD: usize = 256;
/// How many containers are read at once.
const AT_ONCE: usize = 32;
/// How many bytes the last lines may have that were asked for, however many.
const LARGEST_TAIL: usize = 16 << 20;

type Item = Result<LogLine, ExecutorError>;

/// Opens the log of a Job's containers.
pub(super) async fn open(
    connection: &Connection,
    namespace: &str,
    object: ObjectRef,
    options: LogOptions,
) -> Result<BoxStream<'static, Item>, ExecutorError> {
    let source = Source::new(connection, namespace);
    if options.follow {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        tokio::spawn(follow::run(connection.clone(), source, object, options, sender));
        return Ok(ReceiverStream::new(lines).boxed());
    }
    let runs = match &options.runs {
        Some(known) => known.clone(),
        None => runs(connection, namespace, &object, &options).await?,
    };
    let (sender, lines) = mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        if let Err(error) = send_all(&source, &runs, &options, &sender).await {
            // If nobody listens any more, nobody misses it.
            let _ = sender.send(Err(error)).await;
        }
    });
    Ok(ReceiverStream::new(lines).boxed())
}

/// What there is to read: the runs of all containers that have started, oldest pod first.
async fn runs(
    connection: &Connection,
    namespace: &str,
    object: &ObjectRef,
    options: &LogOptions,
) -> Result<Vec<LogRun>, ExecutorError> {
    let pods: Api<Pod> = Api::namespaced(connection.calls.clone(), namespace);
    let wanted = ListParams::default().labels(&format!("{}={}", evidence::CONTROLLER_UID, object.uid));
    let listed = pods.list(&wanted).await.map_err(|error| ExecutorError::Unreachable(api::chain(&error)))?;
    let name = |pod: &Pod| pod.metadata.name.clone().unwrap_or_default();
    let mut pods = listed.items;
    pods.retain(|pod| options.pod.as_ref().is_none_or(|wanted| *wanted == name(pod)));
    if pods.is_empty() {
        return Err(ExecutorError::NotFound(format!("no pod is left of {}, and no log with it", object.name)));
    }
    pods.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), name(pod)));
    Ok(pods.iter().flat_map(|pod| runs_of(pod, &name(pod))).collect())
}

fn runs_of(pod: &Pod, name: &str) -> Vec<LogRun> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let run = |container: &str, previous| LogRun { pod: name.to_owned(), container: container.to_owned(), previous };
    let mut runs = Vec::new();
    for shown in containers {
        let state = shown.state.clone().unwrap_or_default();
        let ended_before = shown.last_state.as_ref().is_some_and(|last| last.terminated.is_some());
        let started = state.running.is_some() || state.terminated.is_some();
        if ended_before && started {
            runs.push(run(&shown.name, true));
        }
        if started || ended_before {
            // One that waits to be started again shows the run that ended.
            runs.push(run(&shown.name, false));
        }
    }
    runs
}

async fn send_all(
    source: &Source,
    runs: &[LogRun],
    options: &LogOptions,
    sender: &mpsc::Sender<Item>,
) -> Result<(), ExecutorError> {
    let mut last = Last::default();
    for together in runs.chunks(AT_ONCE) {
        let opening = together.iter().map(|run| source.open(run, options.since, options.tail, false));
        let mut heads = Vec::new();
        for opened in join_all(opening.collect::<Vec<_>>()).await {
            if let Opened::Lines(lines) = opened? {
                heads.push(Head::new(lines).await?);
            }
        }
        while let Some(line) = next(&mut heads).await? {
            if options.since.is_some_and(|since| line.at < since) {
                continue;
            }
            let Some(count) = options.tail else {
                if sender.send(Ok(line)).await.is_err() {
                    return Ok(());
                }
                continue;
            };
            last.push(line, count);
        }
    }
    for line in last.lines {
        if sender.send(Ok(line)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The last lines of several logs together, which are known only at the end of all of them.
#[derive(Default)]
struct Last {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Last {
    fn push(&mut self, line: LogLine, count: usize) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > count || self.bytes > LARGEST_TAIL {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.text.len();
        }
    }
}

/// A log with its next line.
struct Head {
    next: Option<LogLine>,
    rest: Lines,
}

impl Head {
    async fn new(mut rest: Lines) -> Result<Self, ExecutorError> {
        Ok(Self { next: rest.next().await?, rest })
    }
}

/// The earliest of all next lines.
async fn next(heads: &mut [Head]) -> Result<Option<LogLine>, ExecutorError> {
    let earliest =
        heads.iter_mut().filter(|head| head.next.is_some()).min_by_key(|head| head.next.as_ref().map(|it| it.at));
    let Some(head) = earliest else {
        return Ok(None);
    };
    let following = head.rest.next().await?;
    Ok(std::mem::replace(&mut head.next, following))
}
