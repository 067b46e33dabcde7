//! What the store promises, measured: durable changes a second beside the disk's own syncs, and lists, memory and
//! opening with very many jobs.
//!
//! `cargo bench --bench store` prints a table. `JOBWRIGHT_BENCH_JOBS` (a million) and `JOBWRIGHT_BENCH_SECONDS` (2, for
//! each row of the first table) make it shorter.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jobwright::job::{Fact, Phase, Report};
use jobwright::store::{Change, Options, Query, Store, compact, fill};

#[path = "support/records.rs"]
mod records;

use records::{ended, job};

const READER: &str = "--read-this-store";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip_while(|argument| argument != READER);
    if let Some(folder) = arguments.nth(1) {
        return read(Path::new(&folder));
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    writes(place.path())?;
    reads(place.path())
}

fn asked(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Changes a second that are durable when they are acknowledged.
fn writes(place: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let span = Duration::from_secs(asked("JOBWRIGHT_BENCH_SECONDS", 2));
    let mut out = io::stdout().lock();
    writeln!(out, "{:>12} {:>12} {:>10} {:>10}", "submitters", "changes/s", "p50", "p99")?;
    let syncs = disk(place, span)?;
    writeln!(out, "{:>12} {syncs:>12.0} {:>10} {:>10}", "fsync alone", "", "")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    for submitters in [1, 8, 64, 512] {
        let store = Store::open(&place.join(format!("writes-{submitters}")), Options::default())?;
        let started = Instant::now();
        let mut took = runtime.block_on(async {
            let tasks: Vec<_> =
                (0..submitters).map(|number| tokio::spawn(submit(store.clone(), number, started + span))).collect();
            let mut took = Vec::new();
            for task in tasks {
                took.extend(task.await?);
            }
            Ok::<_, tokio::task::JoinError>(took)
        })?;
        let rate = took.len() as f64 / started.elapsed().as_secs_f64();
        took.sort();
        let at = |percent: usize| format!("{:.2} ms", millis(took[took.len() * percent / 100]));
        writeln!(out, "{submitters:>12} {rate:>12.0} {:>10} {:>10}", at(50), at(99))?;
    }
    Ok(())
}

/// The disk's own syncs a second, after a write of one page each.
fn disk(place: &Path, span: Duration) -> io::Result<f64> {
    let mut file = File::create(place.join("syncs"))?;
    let (started, mut syncs) = (Instant::now(), 0_u32);
    while started.elapsed() < span {
        file.write_all(&[1; 4096])?;
        file.sync_all()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / started.elapsed().as_secs_f64())
}

/// One job whose worker reports as fast as reports become durable.
async fn submit(store: Store, number: u64, until: Instant) -> Vec<Duration> {
    let mut job = job(number);
    store.submit(Change::insert(&job, Vec::new())).await.expect("a new job");
    let mut took = Vec::new();
    for sequence in 0.. {
        let started = Instant::now();
        if started >= until {
            break;
        }
        let report =
            Report::new(Timestamp::UNIX_EPOCH, Some(sequence), "Processing...".to_owned(), None, Some(sequence % 100));
        let learned = job.status.learn(Fact::Report(report.expect("a report")));
        let change = Change::update(&job, learned.events);
        store.submit(change).await.expect("a report on record");
        took.push(started.elapsed());
    }
    took
}

/// Lists out of very many jobs, in a process that does nothing else.
fn reads(place: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let jobs = asked("JOBWRIGHT_BENCH_JOBS", 1_000_000);
    let folder = place.join("reads");
    let started = Instant::now();
    fill(&folder, (0..jobs).map(ended))?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n{jobs} jobs, filled in {:.0} s, {} MiB on disk",
        started.elapsed().as_secs_f64(),
        size(&folder)? >> 20
    )?;
    out.flush()?;
    read_apart(&folder)?;
    let started = Instant::now();
    compact(&folder, &mut |_| {})?;
    writeln!(out, "\ncompacted in {:.0} s, {} MiB on disk", started.elapsed().as_secs_f64(), size(&folder)? >> 20)?;
    out.flush()?;
    read_apart(&folder)
}

fn read_apart(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let done = Command::new(env::current_exe()?).arg(READER).arg(folder).status()?;
    if !done.success() {
        return Err("the reading process failed".into());
    }
    Ok(())
}

fn read(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    let started = Instant::now();
    let store = Store::open_existing(folder, Options::default())?;
    let took = millis(started.elapsed());
    writeln!(out, "{:>34} {took:>8.0} ms, {} MiB resident", "open", resident()?)?;
    let started = Instant::now();
    let active = store.active()?.len();
    let took = millis(started.elapsed());
    writeln!(out, "{:>34} {took:>8.0} ms, {active} jobs", "what is left to be done")?;
    let phases = |phases: &[Phase]| Query { phases: phases.to_vec(), ..Query::default() };
    let text = |text: &str| Query { text: Some(text.to_owned()), ..Query::default() };
    let template = Query { template: Some("template-3".to_owned()), ..Query::default() };
    let both = Query { template: template.template.clone(), ..phases(&[Phase::Failed]) };
    for (name, query) in [
        ("newest 50", Query::default()),
        ("50 of a frequent phase", phases(&[Phase::Succeeded])),
        ("50 of two phases", phases(&[Phase::Failed, Phase::Pending])),
        ("50 of a template", template),
        ("50 of a template and a rare phase", both),
        ("50 by text in the name", text("report 7")),
        ("a job by its ID", text("job-0000042")),
        ("text that is nowhere", text("no such words")),
    ] {
        pages(&mut out, &store, name, query)?;
    }
    writeln!(out, "{:>34} {:>8} MiB resident", "after all that", resident()?)?;
    Ok(())
}

/// Twenty pages in a row, ten times over.
fn pages(out: &mut impl Write, store: &Store, name: &str, query: Query) -> Result<(), Box<dyn std::error::Error>> {
    let (mut took, mut found) = (Vec::new(), 0);
    for _ in 0..10 {
        let mut query = query.clone();
        for _ in 0..20 {
            let started = Instant::now();
            let page = store.page(&query)?;
            took.push(started.elapsed());
            found = found.max(page.items.len());
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
    }
    took.sort();
    let at = |percent: usize| millis(took[took.len() * percent / 100]);
    writeln!(out, "{name:>34} {:>8.2} ms median, {:.2} ms p99, up to {found} jobs a page", at(50), at(99))?;
    Ok(())
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// The memory of this process, in MiB.
fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kib.unwrap_or(0) >> 10)
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}
