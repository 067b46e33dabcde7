//! What the service promises over HTTP, measured against the real program: launches and reports a second, and lists,
//! start and memory with very many jobs.
//!
//! `cargo bench --bench service` prints tables. The load comes from this process, on the same machine: its share of
//! the processors is part of every figure. `JOBWRIGHT_BENCH_JOBS` (a million) and `JOBWRIGHT_BENCH_SECONDS` (3, for each
//! row) make it shorter.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jobwright::service::secrets::Secrets;
use jobwright::store::{Options, Store, fill};

#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;

use server::{Failure, Server, asked, get, post};

const TEMPLATES: &[(&str, &str)] = &[("parked", PARKED)];

/// A job that exists and never runs, so that nothing but the service is measured.
const PARKED: &str = r#"---
title: Parked
description: A job that is suspended for ever.
parameters: {type: object, properties: {}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: parked}
spec:
  suspend: true
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: main, image: "localhost/jobwright-worker:1", command: [jobwright-worker], args: [report, hello]}
"#;

fn main() -> Result<(), Failure> {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let span = Duration::from_secs(asked("JOBWRIGHT_BENCH_SECONDS", 3));
    runtime.block_on(reports(place.path(), span))?;
    runtime.block_on(lists(place.path(), span))
}

/// Sends requests over some connections until the time is up; the n-th request is made from n.
async fn load(
    server: &Server,
    connections: u64,
    until: Until,
    request: impl Fn(u64) -> Vec<u8> + Clone + 'static,
) -> Result<Row, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks = tokio::task::LocalSet::new();
    let mut running = Vec::new();
    for _ in 0..connections {
        let (mut connection, next, request) = (server.connect().await?, next.clone(), request.clone());
        running.push(tasks.spawn_local(async move {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if until.is_reached(begun, number) {
                    return Ok::<_, Failure>(took);
                }
                let sent = Instant::now();
                let answer = connection.send(&request(number)).await?;
                took.push(sent.elapsed());
                if !(200..300).contains(&answer.status) {
                    return Err(String::from_utf8_lossy(&answer.body).into());
                }
            }
        }));
    }
    let mut took = Vec::new();
    tasks
        .run_until(async {
            for task in running {
                took.extend(task.await??);
            }
            Ok::<_, Failure>(())
        })
        .await?;
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort();
    Ok(Row { rate, took })
}

#[derive(Clone, Copy)]
enum Until {
    Time(Duration),
    Count(u64),
}

impl Until {
    fn is_reached(self, begun: Instant, number: u64) -> bool {
        match self {
            Self::Time(span) => begun.elapsed() >= span,
            Self::Count(count) => number >= count,
        }
    }
}

/// What a load came to.
struct Row {
    rate: f64,
    took: Vec<Duration>,
}

impl Row {
    fn print(&self, name: &str) -> io::Result<()> {
        let at = |percent: usize| self.took[self.took.len() * percent / 100].as_secs_f64() * 1_000.0;
        writeln!(io::stdout().lock(), "{name:<44} {:>9.0}/s {:>9.2} ms {:>9.2} ms", self.rate, at(50), at(99))
    }
}

fn heading(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "\n{text:<44} {:>11} {:>12} {:>12}", "rate", "p50", "p99")
}

/// Launches, and then reports for the jobs that were launched.
async fn reports(place: &Path, span: Duration) -> Result<(), Failure> {
    for jobs in [10, 10_000] {
        let folder: PathBuf = place.join(format!("reports-{jobs}"));
        let secrets = {
            let store = Store::open(&folder.join("data"), Options::default())?;
            Secrets::new(store.key(), store.installation().clone())
        };
        let server = Server::start(&folder, TEMPLATES, &[]).await?;
        heading(&format!("with {jobs} jobs"))?;
        let launch = move |number: u64| {
            let body = format!(r#"{{"template":"parked","id":"job-{number}","parameters":{{}}}}"#);
            post("/api/v1/jobs", "application/json", &body)
        };
        let launched = load(&server, 32, Until::Count(jobs), launch).await?;
        launched.print("launches, 32 connections")?;
        let tokens: Arc<[String]> = (0..jobs)
            .map(|number| Ok(secrets.callback_token(&format!("job-{number}").parse()?)))
            .collect::<Result<_, Failure>>()?;
        for connections in [1, 16, 64] {
            let tokens = tokens.clone();
            let report = move |number: u64| {
                let token = &tokens[usize::try_from(number % jobs).unwrap_or(0)];
                let form = "status=Processing...&progress=40";
                post(&format!("/callback/{token}"), "application/x-www-form-urlencoded", form)
            };
            let row = load(&server, connections, Until::Time(span), report).await?;
            row.print(&format!("durable reports, {connections} connections"))?;
        }
        writeln!(io::stdout().lock(), "memory of the service at the end: {} MiB", server.resident()?)?;
    }
    Ok(())
}

/// Lists, start and memory with very many jobs.
async fn lists(place: &Path, span: Duration) -> Result<(), Failure> {
    let jobs = asked("JOBWRIGHT_BENCH_JOBS", 1_000_000);
    let folder = place.join("lists");
    let empty = Server::start(&place.join("empty"), TEMPLATES, &[]).await?;
    writeln!(
        io::stdout().lock(),
        "\nno jobs: ready in {:.0} ms, {} MiB",
        empty.started_in.as_secs_f64() * 1_000.0,
        empty.resident()?
    )?;
    drop(empty);
    // One in ten thousand of these records is of a job that has not ended: the first start finds all of those gone.
    fill(&folder.join("data"), (0..jobs).map(records::ended))?;
    for start in ["first", "second"] {
        let server = Server::start(&folder, TEMPLATES, &[]).await?;
        writeln!(
            io::stdout().lock(),
            "{jobs} jobs, {start} start: ready in {:.0} ms, {} MiB",
            server.started_in.as_secs_f64() * 1_000.0,
            server.resident()?
        )?;
        if start == "first" {
            continue;
        }
        heading(&format!("with {jobs} jobs, 1 connection"))?;
        for (name, query) in [
            ("newest 50", "limit=50"),
            ("50 failed", "limit=50&phase=Failed"),
            ("50 of a template", "limit=50&template=template-3"),
            ("50 failed of a template", "limit=50&phase=Failed&template=template-7"),
            ("one by its ID", "limit=50&q=job-0500000"),
            ("by text that many have", "limit=50&q=report"),
        ] {
            let row = load(&server, 1, Until::Time(span), move |_| get(&format!("/api/v1/jobs?{query}"))).await?;
            row.print(name)?;
        }
        writeln!(io::stdout().lock(), "memory of the service at the end: {} MiB", server.resident()?)?;
    }
    Ok(())
}
