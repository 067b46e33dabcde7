//! What the system and the runtime say of this process, under the names that every dashboard knows.
//!
//! Read at each scrape. What the system does not tell, because it is no Linux, is left out.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::runtime::Handle;

/// The process and its runtime.
#[derive(Debug)]
pub(super) struct Vitals;

impl Collector for Vitals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: Option<u64>| match value {
            Some(value) => show(&mut encoder, name, help, &ConstGauge::new(value)),
            None => Ok(()),
        };
        let process = Process::read();
        gauge("process_resident_memory_bytes", "Resident memory size in bytes", process.resident)?;
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes", process.size)?;
        gauge("process_threads", "Threads of the process", process.threads)?;
        gauge("process_open_fds", "File descriptors that are open", open_files())?;
        gauge("process_max_fds", "File descriptors that may be open", most_files())?;
        if let Ok(runtime) = Handle::try_current() {
            let runtime = runtime.metrics();
            let count = |count: usize| Some(count as u64);
            gauge("tokio_workers", "Worker threads of the runtime", count(runtime.num_workers()))?;
            gauge("tokio_alive_tasks", "Tasks that have not ended", count(runtime.num_alive_tasks()))?;
            gauge(
                "tokio_global_queue_depth",
                "Tasks that wait in the queue which all workers share",
                count(runtime.global_queue_depth()),
            )?;
        }
        match processor_seconds() {
            Some(seconds) => {
                let help = "User and system processor time spent in seconds";
                show(&mut encoder, "process_cpu_seconds", help, &ConstCounter::new(seconds))
            }
            None => Ok(()),
        }
    }
}

fn show(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: &impl EncodeMetric) -> fmt::Result {
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}

/// What `/proc/self/status` tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Process {
    resident: Option<u64>,
    size: Option<u64>,
    threads: Option<u64>,
}

impl Process {
    fn read() -> Self {
        fs::read_to_string("/proc/self/status").map(|text| Self::of(&text)).unwrap_or_default()
    }

    fn of(status: &str) -> Self {
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let bytes = |name: &str| number(name).map(|kib| kib * 1024);
        Self { resident: bytes("VmRSS"), size: bytes("VmSize"), threads: number("Threads") }
    }
}

fn open_files() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the folder that is being read.
    Some((entries as u64).saturating_sub(1))
}

fn most_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// The time in clock ticks is in the fields that stand 12 and 13 places after the name; a hundred ticks are a second on
/// every Linux there is.
fn processor_seconds() -> Option<f64> {
    processor_ticks(&fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| ticks as f64 / 100.0)
}

fn processor_ticks(stat: &str) -> Option<u64> {
    // The name is in brackets, and may hold some itself.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let text = "Name:\tjobwright\nVmSize:\t  104 kB\nVmRSS:\t    3 kB\nThreads:\t9\n";
        assert_eq!(Process::of(text), Process { resident: Some(3072), size: Some(106_496), threads: Some(9) });
        assert_eq!(Process::of("VmRSS:\tmuch\n"), Process::default());
        let stat = "12 (a) name) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(processor_ticks(stat), Some(200));
        assert_eq!(processor_ticks("12 (cut"), None);
    }
}
