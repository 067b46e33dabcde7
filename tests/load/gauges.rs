//! What the service says of itself at `/metrics`, and what the system says of it: whether anything grows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::server::{Connection, Failure, Server, get};
use crate::world::{PATIENCE, QUIET, World};

/// How often it is looked at.
const OFTEN: Duration = Duration::from_secs(5);
/// For how long nothing may change before the service counts as at rest. Threads that have nothing to do go after 10 s.
const REST: u32 = 15;
/// How long it may take to come to rest.
const COMES_TO_REST: Duration = Duration::from_secs(300);

const MEBIBYTE: f64 = 1_048_576.0;
/// For how long memory grows to what it then stays at: each of many threads takes what it needs at some time.
const WARM: Duration = Duration::from_secs(600);
/// What it may grow by while it is not warm. A short run finds what leaks some kilobytes a job; to find less takes longer.
const WARMING: f64 = 64.0 * MEBIBYTE;

/// What must not grow: its name at `/metrics`, its name on the page, and by how much it may differ besides a tenth.
///
/// A job that is under way has a few tasks and files, and there are more such jobs whenever the machine is slower. A leak
/// is another thing: one in a hundred jobs would come to more than this within ten minutes, and a single one is found when
/// the service has come to rest.
const FLAT: [(&str, &str, f64); 5] = [
    ("process_resident_memory_bytes", "resident memory", 8.0 * MEBIBYTE),
    ("tokio_alive_tasks", "tasks", 250.0),
    ("process_open_fds", "file descriptors", 250.0),
    ("process_threads", "threads", 8.0),
    ("children", "child processes", 50.0),
];

/// Looks at one service.
pub struct Gauges {
    address: String,
    pid: u32,
    data: PathBuf,
}

/// What it showed once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample(BTreeMap<String, f64>);

/// What it showed over a run.
#[derive(Debug, Default)]
pub struct Samples(Vec<Sample>);

impl Gauges {
    pub fn new(server: &Server, data: PathBuf) -> Self {
        Self { address: server.address.clone(), pid: server.pid(), data }
    }

    async fn look(&self) -> Result<Sample, Failure> {
        let ask = async { Connection::to(&self.address).await?.send(&get("/metrics")).await };
        let answer = timeout(PATIENCE, ask).await.map_err(|_| "/metrics does not answer")??;
        let mut sample = Sample::of(std::str::from_utf8(&answer.body)?);
        sample.0.insert("children".to_owned(), self.children()? as f64);
        Ok(sample)
    }

    fn children(&self) -> Result<usize, Failure> {
        let mut count = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end meanwhile; what it started is then shown by another one.
            let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            count += children.split_whitespace().count();
        }
        Ok(count)
    }

    /// Looks again and again for so long.
    pub async fn watch(&self, world: &World, time: Duration) -> Result<Samples, Failure> {
        let (end, mut samples) = (Instant::now() + time, Samples::default());
        let mut ticks = interval(OFTEN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while ticks.tick().await < end && !world.is_broken() {
            let sample = self.look().await?;
            if samples.0.len() % 12 == 0 {
                eprintln!("{}", sample.line());
            }
            samples.0.push(sample);
            world.most("the records' files at most, MiB", (size(&self.data) - size(&self.data.join("process"))) >> 20);
        }
        Ok(samples)
    }

    /// Waits until nothing changes any more, and says what there is then.
    pub async fn rest(&self, world: &World) -> Result<Sample, Failure> {
        let (mut ticks, end) = (interval(Duration::from_secs(1)), Instant::now() + COMES_TO_REST);
        let (mut before, mut same) = (Sample::default(), 0);
        loop {
            let now = ticks.tick().await;
            let sample = self.look().await?;
            same = if sample.stands_as(&before) { same + 1 } else { 0 };
            if same >= REST {
                return Ok(sample);
            }
            if now > end {
                world.fault(format!("the service does not come to rest: {}, then {}", before.line(), sample.line()));
                return Ok(sample);
            }
            before = sample;
        }
    }
}

/// The size of all files in a folder, in bytes.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(it) if it.is_dir() => size(&entry.path()),
            Ok(it) => it.len(),
            Err(_) => 0,
        })
        .sum()
}

impl Sample {
    fn of(text: &str) -> Self {
        let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(values.collect())
    }

    fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub fn jobs(&self, phase: &str) -> f64 {
        self.get(&format!("jobwright_jobs{{phase=\"{phase}\"}}"))
    }

    fn line(&self) -> String {
        let shown = FLAT.iter().map(|(name, _, _)| *name).chain(["jobwright_streams", "process_cpu_seconds_total"]);
        let shown = shown.filter_map(|name| Some(format!("{name} {}", self.0.get(name)?)));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Whether nothing but memory differs.
    fn stands_as(&self, other: &Self) -> bool {
        let mut names = FLAT.iter().map(|(name, _, _)| *name).skip(1).chain(["jobwright_streams"]);
        names.all(|name| self.0.get(name) == other.0.get(name))
    }

    /// Whether nothing is left of what was there between two rests.
    pub fn is_as(&self, base: &Self) -> Result<(), Vec<String>> {
        let names = FLAT.iter().map(|(name, what, _)| (*name, *what)).skip(1).chain([("jobwright_streams", "streams")]);
        let more = names.filter(|(name, _)| {
            // sled has a few threads of its own, which come and go as it likes.
            let room = if *name == "process_threads" { 4.0 } else { 0.0 };
            self.get(name) > base.get(name) + room
        });
        let faults: Vec<String> =
            more.map(|(name, what)| format!("{what}: {} before, {} after", base.get(name), self.get(name))).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

impl Samples {
    /// Whether the median of the run's last quarter is that of the second one, or less than a tenth and a bit above it.
    ///
    /// Where the load was not steady, since the machine had too much else to do, there are more tasks or fewer of them for
    /// that reason alone: then it is only memory that must be flat. What is left over in the end shows in any case.
    pub fn flat(&self, steady: bool) -> Result<(), Vec<String>> {
        let faults: Vec<String> = FLAT
            .iter()
            .take(if steady { FLAT.len() } else { 1 })
            .filter_map(|(name, what, room)| {
                let (second, last) = self.medians(name);
                let cold = name.ends_with("bytes") && OFTEN * u32::try_from(self.0.len() / 4).unwrap() < WARM;
                let room = if cold { WARMING } else { *room };
                (last > second * 1.1 + room).then(|| format!("{what} grew from {second} to {last}"))
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The medians of the second and of the last quarter.
    fn medians(&self, name: &str) -> (f64, f64) {
        let quarter = self.0.len() / 4;
        let median = |part: &[Sample]| {
            let mut values: Vec<f64> = part.iter().map(|sample| sample.get(name)).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        (median(&self.0[quarter..2 * quarter]), median(&self.0[3 * quarter..]))
    }

    /// Puts the figures into the tally.
    pub fn count(&self, world: &World, base: &Sample, end: &Sample) {
        for (name, what, _) in FLAT {
            let (second, last) = self.medians(name);
            let (unit, divisor) = if name.ends_with("bytes") { (", MiB", MEBIBYTE) } else { ("", 1.0) };
            let note = |when: &str, value: f64| world.most(&format!("{what}{unit}: {when}"), (value / divisor) as u64);
            note("before", base.get(name));
            note("median of the second quarter", second);
            note("median of the last quarter", last);
            note("afterwards", end.get(name));
        }
        let (_, streams) = self.medians("jobwright_streams");
        world.most("streams open, median of the last quarter", streams as u64);
        let spent = end.get("process_cpu_seconds_total") - base.get("process_cpu_seconds_total");
        world.most("processor time of the service, s", spent as u64);
    }
}

/// Whether all jobs that are on record have ended as they should.
pub fn all_ended(end: &Sample) -> Result<(), Vec<String>> {
    let others = ["Pending", "Suspended", "Waiting", "Running", "Failed", "Rejected", "Lost"];
    let wrong = others.iter().filter(|phase| end.jobs(phase) != 0.0);
    let mut faults: Vec<String> = wrong.map(|phase| format!("{} jobs are {phase}", end.jobs(phase))).collect();
    // Its record is the oldest, and may be gone by now. Those who followed it saw it cancelled.
    if end.jobs("Cancelled") > 1.0 {
        faults.push(format!("{} jobs are Cancelled, and only {QUIET} should be", end.jobs("Cancelled")));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(resident: impl Fn(u64) -> u64) -> Samples {
        let sample = |turn| {
            let mut sample = Sample::of(&format!("# HELP x\nprocess_resident_memory_bytes {}\n", resident(turn)));
            for (name, _, _) in &FLAT[1..] {
                sample.0.insert((*name).to_owned(), 7.0);
            }
            sample
        };
        // More than the time after which memory should be warm, in each quarter.
        Samples((0..600).map(sample).collect())
    }

    #[test]
    fn what_grows_on_is_found_and_what_wavers_is_not() {
        assert_eq!(samples(|turn| (100 + turn % 7) << 20).flat(true), Ok(()));
        assert_eq!(samples(|turn| turn.min(150) * (1 << 20)).flat(true), Ok(()), "it may grow at the beginning");
        let faults = samples(|turn| (100 << 20) + turn * (1 << 17)).flat(true).unwrap_err();
        assert!(faults[0].starts_with("resident memory grew from"), "{faults:?}");
    }

    #[test]
    fn what_is_left_over_is_found() {
        let sample = |tasks: f64| {
            let mut sample = samples(|_| 1).0.remove(0);
            sample.0.extend([("jobwright_streams".to_owned(), 0.0), ("tokio_alive_tasks".to_owned(), tasks)]);
            sample
        };
        assert_eq!(sample(7.0).is_as(&sample(7.0)), Ok(()));
        assert_eq!(sample(8.0).is_as(&sample(7.0)), Err(vec!["tasks: 7 before, 8 after".to_owned()]));
    }
}
