//! Follows all containers of a Job for as long as it runs.
//!
//! A watch of the Job and its pods says which runs there are; a task for each container reads them one after another.
//! A log stream that was cut without a word shows in nothing, so that a failing watch makes every task open its stream
//! anew: no line is lost or doubled by that ([`resume`]).

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::runtime::watcher::{Config, Event};
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;

use super::super::client::Connection;
use super::super::resume::{self, Position};
use super::super::{evidence, watch};
use super::Item;
use super::source::{Opened, Source};
use crate::executor::{ExecutorError, LogOptions, LogRun};
use crate::job::ObjectRef;

/// How long the status of a container may lag behind the end of its log before the log is opened again.
const STATUS_LAG: Duration = Duration::from_secs(1);
/// How long the end of a log may lag behind the end of its container. A connection that was cut without a word has none,
/// and the watch may not notice, as where each is held by another API server.
const END_LAG: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is known of a container: how many runs have started, how many of them have ended, and whether more may come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Runs {
    started: u32,
    ended: u32,
    over: bool,
}

#[allow(clippy::large_enum_variant, reason = "each is moved once, and never kept")]
enum Seen {
    Pod(Event<Pod>),
    Job(Event<Job>),
    Cut,
}

/// Follows until the Job has ended, and all its containers with it, or nobody takes the lines any more.
pub(super) async fn run(
    connection: Connection,
    source: Source,
    object: ObjectRef,
    options: LogOptions,
    lines: mpsc::Sender<Item>,
) {
    let mut follower = Follower {
        containers: HashMap::new(),
        readers: JoinSet::new(),
        cuts: channel::channel(0).0,
        job_ended: options.pod.is_some(),
        pods_listed: false,
        job_listed: options.pod.is_some(),
        of_list: HashSet::new(),
        source,
        options,
        lines: lines.clone(),
    };
    let mut seen = pin!(watches(&connection, &object, follower.options.pod.as_deref()));
    loop {
        if follower.is_over() {
            break;
        }
        tokio::select! {
            next = seen.next() => match next {
                Some(seen) => follower.take(seen),
                None => break,
            },
            Some(_) = follower.readers.join_next(), if !follower.readers.is_empty() => {}
            () = lines.closed() => return,
        }
    }
}

fn watches(connection: &Connection, object: &ObjectRef, pod: Option<&str>) -> BoxStream<'static, Seen> {
    let label = format!("{}={}", evidence::CONTROLLER_UID, object.uid);
    let mut wanted = Config::default().labels(&label);
    if let Some(pod) = pod {
        wanted = wanted.fields(&format!("metadata.name={pod}"));
    }
    let pods = watch::events(connection, &object.namespace, wanted, None).map(|it| it.map_or(Seen::Cut, Seen::Pod));
    if pod.is_some() {
        return pods.boxed();
    }
    let wanted = Config::default().fields(&format!("metadata.name={}", object.name));
    let uid = object.uid.clone();
    let of_another = move |job: &Job| job.metadata.uid.as_deref() != Some(&uid);
    let jobs = watch::events(connection, &object.namespace, wanted, None).filter_map(move |it| {
        let seen = match it {
            Err(_) => Some(Seen::Cut),
            Ok(Event::Apply(job) | Event::InitApply(job) | Event::Delete(job)) if of_another(&job) => None,
            Ok(event) => Some(Seen::Job(event)),
        };
        std::future::ready(seen)
    });
    stream::select(pods, jobs).boxed()
}

struct Follower {
    containers: HashMap<(String, String), channel::Sender<Runs>>,
    readers: JoinSet<()>,
    /// Counts the cuts of the watch.
    cuts: channel::Sender<u64>,
    job_ended: bool,
    job_listed: bool,
    pods_listed: bool,
    /// The pods of the list that is under way.
    of_list: HashSet<String>,
    source: Source,
    options: LogOptions,
    lines: mpsc::Sender<Item>,
}

impl Follower {
    fn is_over(&self) -> bool {
        let known = self.job_listed && self.pods_listed;
        known && self.job_ended && self.readers.is_empty()
    }

    fn take(&mut self, seen: Seen) {
        match seen {
            Seen::Cut => self.cuts.send_modify(|cuts| *cuts += 1),
            Seen::Job(Event::Apply(job)) => self.job_ended |= evidence::has_ended(&job),
            Seen::Job(Event::Delete(_)) => self.job_ended = true,
            Seen::Job(Event::Init) => (self.job_listed, self.job_ended) = (false, true),
            Seen::Job(Event::InitApply(job)) => self.job_ended = evidence::has_ended(&job),
            Seen::Job(Event::InitDone) => self.job_listed = true,
            Seen::Pod(Event::Init) => self.of_list.clear(),
            Seen::Pod(Event::InitApply(pod)) => {
                self.of_list.extend(pod.metadata.name.clone());
                self.show(&pod, false);
            }
            Seen::Pod(Event::InitDone) => {
                self.pods_listed = true;
                // A pod that is not listed is gone, and its log with it.
                for ((pod, _), runs) in &self.containers {
                    if !self.of_list.contains(pod) {
                        runs.send_modify(|runs| runs.over = true);
                    }
                }
            }
            Seen::Pod(Event::Apply(pod)) => self.show(&pod, false),
            Seen::Pod(Event::Delete(pod)) => self.show(&pod, true),
        }
    }

    fn show(&mut self, pod: &Pod, gone: bool) {
        let (Some(name), Some(status)) = (&pod.metadata.name, &pod.status) else {
            return;
        };
        let over = gone || matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let init = status.init_container_statuses.iter().flatten();
        for shown in init.chain(status.container_statuses.iter().flatten()) {
            let key = (name.clone(), shown.name.clone());
            let known = self.containers.get(&key);
            let runs = Runs { over, ..runs_of(shown) };
            match known {
                Some(known) => known.send_modify(|it| {
                    *it = Runs {
                        started: it.started.max(runs.started),
                        ended: it.ended.max(runs.ended),
                        over: it.over || over,
                    };
                }),
                None => self.read(key, runs),
            }
        }
    }

    fn read(&mut self, key: (String, String), runs: Runs) {
        let (sender, runs) = channel::channel(runs);
        let reader = Reader {
            source: self.source.clone(),
            pod: key.0.clone(),
            container: key.1.clone(),
            runs,
            cuts: self.cuts.subscribe(),
            position: Position::default(),
            tail: self.options.tail,
            options: self.options.clone(),
            lines: self.lines.clone(),
        };
        self.containers.insert(key, sender);
        self.readers.spawn(reader.read());
    }
}

fn runs_of(shown: &ContainerStatus) -> Runs {
    let before = u32::try_from(shown.restart_count).unwrap_or(0);
    let state = shown.state.clone().unwrap_or_default();
    let waits_again = state.waiting.is_some() && shown.last_state.as_ref().is_some_and(|it| it.terminated.is_some());
    let ended = before + u32::from(state.terminated.is_some() || waits_again);
    let started = ended.max(before + u32::from(state.running.is_some()));
    Runs { started, ended, over: false }
}

/// Reads one container, run after run.
struct Reader {
    source: Source,
    pod: String,
    container: String,
    runs: channel::Receiver<Runs>,
    cuts: channel::Receiver<u64>,
    position: Position,
    /// Applies to what is there at first.
    tail: Option<usize>,
    options: LogOptions,
    lines: mpsc::Sender<Item>,
}

/// How reading a stream ended.
enum End {
    /// The API server says that this was all.
    Told,
    /// It was cut, or may have been.
    Cut,
    /// There is nothing (more) to read.
    Gone,
    /// Nobody takes the lines.
    Unwanted,
}

impl Reader {
    async fn read(mut self) {
        let mut read = 0;
        loop {
            // A sender that is gone will not tell of another run.
            let next = self.runs.wait_for(|runs| runs.started > read || runs.over).await.map(|runs| *runs);
            match next {
                Ok(runs) if runs.started > read => {}
                _ => return,
            }
            match self.read_run(read).await {
                End::Unwanted => return,
                // Runs that came and went meanwhile are in no log that can be asked for.
                _ => read = self.runs.borrow().ended.max(read + 1),
            }
        }
    }

    async fn read_run(&mut self, run: u32) -> End {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended_before = self.has_ended(run);
            let end = match self.stream(run, !ended_before).await {
                Ok(end) => end,
                Err(ExecutorError::Refused(said)) => {
                    let _ = self.lines.send(Err(ExecutorError::Refused(said))).await;
                    return End::Unwanted;
                }
                Err(_) => End::Cut,
            };
            match end {
                End::Unwanted | End::Gone => return end,
                // Read once more after the end was known, so that an end that was a cut in truth loses nothing.
                End::Told if ended_before => return end,
                End::Told => {
                    let ended = self.runs.wait_for(|runs| runs.ended > run || runs.over);
                    let _ = tokio::time::timeout(STATUS_LAG, ended).await;
                    pause = FIRST_PAUSE;
                }
                End::Cut => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn has_ended(&self, run: u32) -> bool {
        let runs = self.runs.borrow();
        runs.ended > run || runs.over
    }

    /// Reads one answer to its end, or until the watch was cut, or until it has gone on for too long after the run.
    async fn stream(&mut self, run: u32, follow: bool) -> Result<End, ExecutorError> {
        self.cuts.mark_unchanged();
        let wanted = LogRun { pod: self.pod.clone(), container: self.container.clone(), previous: false };
        let since = self.position.since().or(self.options.since);
        let mut overdue = pin!(overdue(self.runs.clone(), run, follow));
        let opening = self.source.open(&wanted, since, self.tail, follow);
        let opened = tokio::select! {
            opened = opening => opened?,
            _ = self.cuts.changed() => return Ok(End::Cut),
            () = &mut overdue => return Ok(End::Cut),
        };
        let mut lines = match opened {
            Opened::Lines(lines) => lines,
            Opened::NotYet => return Ok(End::Cut),
            Opened::Gone if self.runs.borrow().over => return Ok(End::Gone),
            Opened::Gone => return Ok(End::Cut),
        };
        let mut resumed: resume::Resumed<'_> = self.position.resume();
        loop {
            let line = tokio::select! {
                line = lines.next() => line?,
                _ = self.cuts.changed() => return Ok(End::Cut),
                () = &mut overdue => return Ok(End::Cut),
                () = self.lines.closed() => return Ok(End::Unwanted),
            };
            let Some(line) = line else {
                return Ok(End::Told);
            };
            self.tail = None;
            let early = self.options.since.is_some_and(|since| line.at < since);
            if resumed.is_new(line.at) && !early && self.lines.send(Ok(line)).await.is_err() {
                return Ok(End::Unwanted);
            }
        }
    }
}

/// Resolves some time after a run has ended; never for a log that is not followed, whose end is not waited for.
async fn overdue(mut runs: channel::Receiver<Runs>, run: u32, follow: bool) {
    if follow && runs.wait_for(|runs| runs.ended > run || runs.over).await.is_ok() {
        return tokio::time::sleep(END_LAG).await;
    }
    std::future::pending().await
}
