//! What the service promises on a cluster, measured against the real program and beside a bare client in the same run.
//!
//! `KUBECONFIG=… cargo bench --bench cluster` prints tables. It makes two namespaces of its own and removes them.
//!
//! - *Scale* launches very many jobs whose pods end at once: it needs nodes with the label `type=fake` and the taint
//!   `fake`, as `kwok` makes them.
//! - *The whole way* launches jobs of `true` on real nodes, one after the other.
//!
//! | variable | what it says |
//! |---|---|
//! | `JOBWRIGHT_BENCH_JOBS` | how many jobs scale takes; 5000 |
//! | `JOBWRIGHT_BENCH_PODS` | how many jobs go the whole way; 20 |
//! | `JOBWRIGHT_TEST_BUSYBOX` | an image with `true`; `localhost/busybox:1` |
//!
//! The load, the bare client and the subscriber are this one process, on the same machine as the cluster: their share of
//! the processors is part of every figure. That every job ends as `Succeeded` on record is checked; how fast, is told.

use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

#[path = "support/server.rs"]
mod server;

use server::{Failure, Server, asked, get, post};

/// How many launches are under way at once.
const AT_ONCE: u64 = 32;
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(120);

const TEMPLATE: &str = r#"---
title: Bench
description: A job with nothing to do.
parameters:
  type: object
  required: [spec]
  properties:
    spec: {type: object, description: The spec of the Job}
---
apiVersion: batch/v1
kind: Job
metadata: {name: bench}
spec: {{params.spec}}
"#;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Failure> {
    let client = Client::try_default().await?;
    let pods = asked("JOBWRIGHT_BENCH_PODS", 20);
    if pods > 0 {
        let (bare, ours) = (Place::make(&client, "pods-bare").await?, Place::make(&client, "pods").await?);
        let measured = the_whole_way(&client, &bare, &ours, pods).await;
        removed(&client, [bare, ours]).await.and(measured)?;
    }
    let jobs = asked("JOBWRIGHT_BENCH_JOBS", 5000);
    if jobs > 0 {
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default().labels("type=fake")).await?;
        if nodes.items.is_empty() {
            return Err("no node has the label type=fake; add some with kwok, or set JOBWRIGHT_BENCH_JOBS=0".into());
        }
        let (bare, ours) = (Place::make(&client, "scale-bare").await?, Place::make(&client, "scale").await?);
        let measured = scale(&client, &bare, &ours, jobs).await;
        removed(&client, [bare, ours]).await.and(measured)?;
    }
    Ok(())
}

async fn removed(client: &Client, places: [Place; 2]) -> Result<(), Failure> {
    for place in places {
        Api::<Namespace>::all(client.clone()).delete(&place.name, &DeleteParams::background()).await?;
    }
    Ok(())
}

/// A namespace of this run.
struct Place {
    name: String,
}

impl Place {
    async fn make(client: &Client, purpose: &str) -> Result<Self, Failure> {
        let name = format!("jobwright-bench-{}-{purpose}", std::process::id());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        // Without it the first pods are refused, and tried again seconds later.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        let made = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
        tokio::time::timeout(PATIENCE, made).await??;
        Ok(Self { name })
    }

    fn jobs(&self, client: &Client) -> Api<Job> {
        Api::namespaced(client.clone(), &self.name)
    }
}

/// Something that was seen of a job, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sight {
    /// A bare watch of Pods shows that its container has ended.
    PodEnded,
    /// A bare watch of Jobs shows that it is complete.
    JobComplete,
    /// A subscriber is told that its container has ended.
    ToldContainerEnded,
    /// A subscriber is told that it is about to end.
    ToldFinishing,
    /// A subscriber is told that it has succeeded.
    ToldSucceeded,
    /// A subscriber is told that it has ended in another way.
    ToldElse,
}

/// A job's ID (or, of a bare one, the Job's name), what was seen of it, and when.
type Seen = (String, Sight, Instant);

/// What was seen first of each kind, of each job.
#[derive(Default)]
struct Sights(HashMap<(String, Sight), Instant>);

impl Sights {
    fn note(&mut self, (job, sight, at): Seen) -> bool {
        let fresh = !self.0.contains_key(&(job.clone(), sight));
        self.0.entry((job, sight)).or_insert(at);
        fresh
    }

    fn at(&self, job: &str, sight: Sight) -> Option<Instant> {
        self.0.get(&(job.to_owned(), sight)).copied()
    }

    /// Takes in what is seen until this was seen of so many jobs.
    async fn until(&mut self, seen: &mut UnboundedReceiver<Seen>, sight: Sight, count: u64) -> Result<(), Failure> {
        let mut left = count - self.0.keys().filter(|(_, known)| *known == sight).count() as u64;
        while left > 0 {
            let next = tokio::time::timeout(PATIENCE, seen.recv()).await;
            let next = next.map_err(|_| format!("{left} jobs of {count} never came to {sight:?}"))?;
            let next = next.ok_or("nothing is seen any more")?;
            if next.1 == Sight::ToldElse {
                return Err(format!("the job {} did not succeed", next.0).into());
            }
            let wanted = next.1 == sight;
            left -= u64::from(self.note(next) && wanted);
        }
        Ok(())
    }

    /// How much later the one was seen than the other, of every job of which both were, in milliseconds.
    fn delays(&self, from: Sight, to: Sight) -> Vec<f64> {
        let later = |((job, sight), at): (&(String, Sight), &Instant)| {
            let begun = self.at(job, from).filter(|_| *sight == to)?;
            Some(milliseconds(begun, *at))
        };
        self.0.iter().filter_map(later).collect()
    }
}

/// From one moment to another; less than nothing if it was before.
fn milliseconds(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(later) => later.as_secs_f64() * 1_000.0,
        None => -from.duration_since(to).as_secs_f64() * 1_000.0,
    }
}

/// Watches Jobs and Pods as any client would.
fn watch(client: &Client, place: &Place, tell: &UnboundedSender<Seen>) {
    let (jobs, told) = (place.jobs(client), tell.clone());
    tokio::spawn(async move {
        let mut events = watcher(jobs, watcher::Config::default()).boxed();
        while let Some(event) = events.next().await {
            if let Ok(watcher::Event::Apply(job) | watcher::Event::InitApply(job)) = event
                && is_complete(&job)
            {
                let _ = told.send((id_of(&job), Sight::JobComplete, Instant::now()));
            }
        }
    });
    let (pods, told) = (Api::<Pod>::namespaced(client.clone(), &place.name), tell.clone());
    tokio::spawn(async move {
        let mut events = watcher(pods, watcher::Config::default()).boxed();
        while let Some(event) = events.next().await {
            if let Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) = event
                && has_ended(&pod)
            {
                let job = pod.metadata.labels.unwrap_or_default().remove("batch.kubernetes.io/job-name");
                let _ = told.send((job.unwrap_or_default(), Sight::PodEnded, Instant::now()));
            }
        }
    });
}

fn is_complete(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Complete" && it.status == "True")
}

fn has_ended(pod: &Pod) -> bool {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.into_iter().flatten().any(|it| it.state.as_ref().is_some_and(|state| state.terminated.is_some()))
}

/// The name of a Job, by which everything that is seen of it is put together.
fn id_of(job: &Job) -> String {
    job.metadata.name.clone().unwrap_or_default()
}

/// What is read of a server-sent event.
#[derive(Deserialize)]
struct Change {
    event: ChangeEvent,
    job: ChangeJob,
}

#[derive(Deserialize)]
struct ChangeEvent {
    #[serde(rename = "type")]
    kind: String,
    to: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct ChangeJob {
    object: Option<ChangeObject>,
}

#[derive(Deserialize)]
struct ChangeObject {
    name: String,
}

/// Follows the stream of all changes, on a thread of its own; comes back for what it missed when it is cut off.
fn subscribe(address: &str, tell: UnboundedSender<Seen>) {
    let url = format!("http://{address}/api/v1/events");
    thread::spawn(move || {
        let mut last = 0_u64;
        let mut cuts = 0;
        while let Ok(response) = ureq::get(&format!("{url}?after={last}")).call() {
            for line in BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok) {
                let at = Instant::now();
                if let Some(number) = line.strip_prefix("id: ") {
                    last = number.parse().unwrap_or(last);
                }
                let change = line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Change>(data).ok());
                let Some((name, sight)) = change.and_then(sight_of) else { continue };
                if tell.send((name, sight, at)).is_err() {
                    return;
                }
            }
            cuts += 1;
            let _ = writeln!(io::stderr().lock(), "the subscriber was cut off ({cuts})");
        }
    });
}

fn sight_of(change: Change) -> Option<(String, Sight)> {
    let name = change.job.object?.name;
    let sight = match (change.event.kind.as_str(), change.event.to.as_deref(), change.event.reason.as_deref()) {
        ("containerEnded", ..) => Sight::ToldContainerEnded,
        ("phase", Some("Running"), Some("Finishing")) => Sight::ToldFinishing,
        ("phase", Some("Succeeded"), _) => Sight::ToldSucceeded,
        ("phase", Some("Failed" | "Cancelled" | "Rejected" | "Lost"), _) => Sight::ToldElse,
        _ => return None,
    };
    Some((name, sight))
}

/// The service on a namespace, with a bare watch of the same namespace and a subscriber.
struct Site {
    server: Server,
    seen: UnboundedReceiver<Seen>,
    sights: Sights,
}

impl Site {
    async fn start(client: &Client, folder: &Path, place: &Place) -> Result<Self, Failure> {
        let flags = ["--executor", "kubernetes", "--namespace", &place.name];
        let server = Server::start(folder, &[("bench", TEMPLATE)], &flags).await?;
        let (tell, seen) = unbounded_channel();
        watch(client, place, &tell);
        subscribe(&server.address, tell);
        Ok(Self { server, seen, sights: Sights::default() })
    }

    /// Launches many, each over one of so many connections; gives the launches a second.
    async fn launch_all(&self, spec: &Value, count: u64) -> Result<f64, Failure> {
        let mut workers = Vec::new();
        for _ in 0..AT_ONCE {
            let connection = Arc::new(tokio::sync::Mutex::new(self.server.connect().await?));
            let spec = spec.clone();
            workers.push(move |number: u64| {
                let (connection, spec) = (connection.clone(), spec.clone());
                async move {
                    launch(&mut *connection.lock().await, &format!("scale-{number}"), &spec).await?;
                    Ok(())
                }
            });
        }
        launches(count, workers).await
    }

    async fn until(&mut self, sight: Sight, count: u64) -> Result<(), Failure> {
        self.sights.until(&mut self.seen, sight, count).await
    }

    /// How many jobs are on record as succeeded, counted page by page.
    async fn succeeded(&self) -> Result<u64, Failure> {
        let mut connection = self.server.connect().await?;
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let path = format!("/api/v1/jobs?phase=Succeeded&limit=500{cursor}");
            let page: Value = serde_json::from_slice(&connection.send(&get(&path)).await?.body)?;
            count += page["items"].as_array().ok_or("no list")?.len() as u64;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(count),
            }
        }
    }
}

/// Launches a job, and gives the name of its object.
async fn launch(connection: &mut server::Connection, id: &str, spec: &Value) -> Result<String, Failure> {
    let body = json!({"template": "bench", "id": id, "parameters": {"spec": spec}}).to_string();
    let answer = connection.send(&post("/api/v1/jobs", "application/json", &body)).await?;
    if answer.status != 201 {
        return Err(String::from_utf8_lossy(&answer.body).into());
    }
    let job: Value = serde_json::from_slice(&answer.body)?;
    Ok(job["object"]["name"].as_str().unwrap_or_default().to_owned())
}

fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// Median, 99th percentile and largest of some figures.
fn tell(name: &str, mut figures: Vec<f64>) -> Result<(), Failure> {
    figures.sort_by(f64::total_cmp);
    let at = |percent: usize| figures.get((figures.len() * percent / 100).min(figures.len().saturating_sub(1)));
    let [median, high, most] = [at(50), at(99), figures.last()].map(|it| it.copied().unwrap_or(f64::NAN));
    say(&format!("{name:<60} {:>6} {median:>10.1} {high:>10.1} {most:>10.1}", figures.len()))
}

/// How busy the machine is: on a quiet one alone do the figures say something.
fn load() -> Result<(), Failure> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    say(&format!("load of the machine over the last minute: {}", load.split(' ').next().unwrap_or_default()))
}

fn heading(text: &str) -> Result<(), Failure> {
    say(&format!("\n{text:<60} {:>6} {:>10} {:>10} {:>10}", "of", "median", "99th", "most"))
}

/// Jobs of `true` on real nodes, a bare one and one of ours in turn.
async fn the_whole_way(client: &Client, bare: &Place, ours: &Place, count: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut site = Site::start(client, folder.path(), ours).await?;
    let image = env::var("JOBWRIGHT_TEST_BUSYBOX").unwrap_or_else(|_| "localhost/busybox:1".to_owned());
    let spec = json!({
        "backoffLimit": 0,
        "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [
                {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["true"]},
            ],
        }},
    });
    let (to_bare, mut seen_bare) = unbounded_channel();
    watch(client, bare, &to_bare);
    let mut bare_sights = Sights::default();
    let (mut bare_ended, mut bare_complete) = (Vec::new(), Vec::new());
    let (mut exits, mut ends) = (Vec::new(), Vec::new());
    let mut connection = site.server.connect().await?;
    for number in 0..count {
        let name = format!("bare-{number}");
        let begun = Instant::now();
        bare.jobs(client).create(&PostParams::default(), &job(&name, &spec)?).await?;
        bare_sights.until(&mut seen_bare, Sight::JobComplete, number + 1).await?;
        bare_sights.until(&mut seen_bare, Sight::PodEnded, number + 1).await?;
        let after = |sights: &Sights, name: &str, sight| sights.at(name, sight).map(|at| milliseconds(begun, at));
        bare_ended.extend(after(&bare_sights, &name, Sight::PodEnded));
        bare_complete.extend(after(&bare_sights, &name, Sight::JobComplete));

        let begun = Instant::now();
        let name = launch(&mut connection, &format!("whole-way-{number}"), &spec).await?;
        for sight in [Sight::ToldSucceeded, Sight::JobComplete, Sight::PodEnded, Sight::ToldFinishing] {
            site.until(sight, number + 1).await?;
        }
        let after = |sight| site.sights.at(&name, sight).map(|at| milliseconds(begun, at));
        exits.extend(after(Sight::ToldFinishing));
        ends.extend(after(Sight::ToldSucceeded));
    }
    load()?;
    heading("the whole way of a job of `true` on a real pod, in ms")?;
    tell("a bare Job: POST, to its container's end in a bare watch", bare_ended)?;
    tell("a bare Job: POST, to Complete in a bare watch", bare_complete)?;
    tell("launch, to the container's exit at a subscriber (Finishing)", exits)?;
    tell("launch, to Succeeded at a subscriber", ends)?;
    tell(
        "the exit: from a bare watch of the pod to a subscriber",
        site.sights.delays(Sight::PodEnded, Sight::ToldFinishing),
    )?;
    tell(
        "the end: from a bare watch of the Job to a subscriber",
        site.sights.delays(Sight::JobComplete, Sight::ToldSucceeded),
    )?;
    tell(
        "from the exit at a subscriber to Succeeded there",
        site.sights.delays(Sight::ToldFinishing, Sight::ToldSucceeded),
    )
}

fn job(name: &str, spec: &Value) -> Result<Job, Failure> {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec});
    Ok(serde_json::from_value(job)?)
}

/// Very many jobs whose pods end at once.
async fn scale(client: &Client, bare: &Place, ours: &Place, count: u64) -> Result<(), Failure> {
    let spec = json!({
        "backoffLimit": 0,
        "template": {"spec": {
            "restartPolicy": "Never",
            "nodeSelector": {"type": "fake"},
            "tolerations": [{"key": "fake", "operator": "Exists"}],
            "containers": [{"name": "main", "image": "localhost/none:1", "command": ["true"]}],
        }},
    });
    say(&format!("\n{count} jobs, {AT_ONCE} launches at a time"))?;
    load()?;
    let bare_rate = scale_bare(client, bare, &spec, count).await?;
    remove_all(client, bare).await?;

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut site = Site::start(client, folder.path(), ours).await?;
    let begun = Instant::now();
    let rate = site.launch_all(&spec, count).await?;
    let (launched, spent) = (begun.elapsed(), site.server.processor()?);
    site.until(Sight::ToldSucceeded, count).await?;
    let took = begun.elapsed();
    site.until(Sight::JobComplete, count).await?;
    site.until(Sight::PodEnded, count).await?;
    say(&format!(
        "the service: {rate:.0} launches/s, all Succeeded after {:.1} s; {:.0} % of the bare client's launches",
        took.as_secs_f64(),
        100.0 * rate / bare_rate,
    ))?;
    say(&format!(
        "it took {:.1} s of processor time in {:.1} s of launches, {:.1} s of {:.1} s in all, and {} MiB at the end, {} at most",
        spent.as_secs_f64(),
        launched.as_secs_f64(),
        site.server.processor()?.as_secs_f64(),
        took.as_secs_f64(),
        site.server.resident()?,
        site.server.peak()?,
    ))?;
    heading("from what a bare watch shows to a subscriber, in ms")?;
    tell("a container has ended", site.sights.delays(Sight::PodEnded, Sight::ToldContainerEnded))?;
    tell("a Job is complete", site.sights.delays(Sight::JobComplete, Sight::ToldSucceeded))?;
    let succeeded = site.succeeded().await?;
    if succeeded != count {
        return Err(format!("{succeeded} jobs of {count} are on record as Succeeded").into());
    }
    say(&format!("all {succeeded} are on record as Succeeded"))
}

/// The same Jobs by a bare client: gives its launches a second.
async fn scale_bare(client: &Client, place: &Place, spec: &Value, count: u64) -> Result<f64, Failure> {
    let (tell, mut seen) = unbounded_channel();
    watch(client, place, &tell);
    let jobs = place.jobs(client);
    let spec = spec.clone();
    let create = move |number: u64| {
        let (jobs, name, spec) = (jobs.clone(), format!("scale-{number}"), spec.clone());
        async move {
            jobs.create(&PostParams::default(), &job(&name, &spec)?).await?;
            Ok(())
        }
    };
    let begun = Instant::now();
    let rate = launches(count, vec![create; usize::try_from(AT_ONCE)?]).await?;
    Sights::default().until(&mut seen, Sight::JobComplete, count).await?;
    say(&format!("a bare client: {rate:.0} launches/s, all Complete after {:.1} s", begun.elapsed().as_secs_f64()))?;
    Ok(rate)
}

/// Lets each worker launch one after the other, until there are `count` in all; gives the launches a second.
async fn launches<W, F>(count: u64, workers: Vec<W>) -> Result<f64, Failure>
where
    W: Fn(u64) -> F + Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let running: Vec<_> = workers
        .into_iter()
        .map(|launch| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Failure>(());
                    }
                    launch(number).await?;
                }
            })
        })
        .collect();
    for worker in running {
        worker.await??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Removes the bare Jobs, so that the next ones find the cluster as these did.
async fn remove_all(client: &Client, place: &Place) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &place.name);
    let mut events = watcher(pods, watcher::Config::default()).boxed();
    let mut left = std::collections::HashSet::new();
    let mut asked_for = false;
    loop {
        let event = tokio::time::timeout(PATIENCE, events.next()).await?.ok_or("the watch ended")?;
        match event? {
            watcher::Event::InitApply(pod) | watcher::Event::Apply(pod) => {
                left.insert(pod.metadata.uid.unwrap_or_default());
            }
            watcher::Event::Delete(pod) => {
                left.remove(&pod.metadata.uid.unwrap_or_default());
            }
            watcher::Event::InitDone if !asked_for => {
                asked_for = true;
                place.jobs(client).delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
        if asked_for && left.is_empty() {
            return Ok(());
        }
    }
}
