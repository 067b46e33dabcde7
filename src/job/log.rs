//! What a job writes, and how much of it stays on record.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{ContainerState, PodStatus, Snapshot};

/// One line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The text, without its line end; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The tail of a job's log, oldest line first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Whether lines before these were left out.
    #[serde(default)]
    pub truncated: bool,
}

impl LogTail {
    /// How many bytes of text are kept of a job's log.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// How many lines are kept at most, however short they are.
    pub const MAX_LINES: usize = 20_000;

    /// Keeps the last [`LogTail::MAX_BYTES`] of text, in [`LogTail::MAX_LINES`] at most. A line that is longer than
    /// that by itself keeps its end.
    pub fn of(lines: impl IntoIterator<Item = LogLine>) -> Self {
        let mut kept = TailBuffer::default();
        for line in lines {
            kept.push(line);
        }
        kept.into_tail()
    }

    /// What was on record, with what was read later. A container's log may have lost its beginning meanwhile, with a
    /// run of it that is forgotten or a file that was rotated: what is older than the first line that was read stays.
    pub fn merge(self, read: Self) -> Self {
        let mut first: HashMap<(&str, &str), Timestamp> = HashMap::new();
        for line in &read.lines {
            first.entry(source(line)).or_insert(line.at);
        }
        let older = |line: &LogLine| first.get(&source(line)).is_none_or(|first| line.at < *first);
        let kept: Vec<_> = self.lines.into_iter().filter(older).collect();
        let truncated = self.truncated || read.truncated;
        let merged = Self::of(in_order(kept.into_iter().chain(read.lines).collect()));
        Self { truncated: merged.truncated || truncated, ..merged }
    }
}

/// Which container a line is of.
fn source(line: &LogLine) -> (&str, &str) {
    (&line.pod, &line.container)
}

/// Lines of several containers by their time. Those of one container stay in the order in which it wrote them, whatever
/// the clock did.
fn in_order(lines: Vec<LogLine>) -> Vec<LogLine> {
    let mut latest: HashMap<(&str, &str), Timestamp> = HashMap::new();
    let mut keys = Vec::with_capacity(lines.len());
    for line in &lines {
        let latest = latest.entry(source(line)).or_insert(line.at);
        *latest = line.at.max(*latest);
        keys.push(*latest);
    }
    let mut keyed: Vec<_> = keys.into_iter().zip(lines).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, line)| line).collect()
}

/// Takes lines one after another, and never holds more than what is kept.
#[derive(Debug, Default)]
pub struct TailBuffer {
    lines: VecDeque<LogLine>,
    bytes: usize,
    truncated: bool,
}

impl TailBuffer {
    /// Takes the next line.
    pub fn push(&mut self, mut line: LogLine) {
        if line.text.len() > LogTail::MAX_BYTES {
            let cut = line.text.ceil_char_boundary(line.text.len() - LogTail::MAX_BYTES);
            line.text.drain(..cut);
            self.truncated = true;
        }
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.bytes > LogTail::MAX_BYTES || self.lines.len() > LogTail::MAX_LINES {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.text.len();
            self.truncated = true;
        }
    }

    /// What is kept.
    pub fn into_tail(self) -> LogTail {
        LogTail { lines: self.lines.into(), truncated: self.truncated }
    }
}

/// How much of a job's log is there to be read. Where this changes, the log has to be read (again).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogMark {
    /// How many runs of a container have ended, by pod and container.
    ended: BTreeMap<(String, String), u32>,
    /// The pods that were told to stop, and in which a container still runs: their log goes with them.
    leaving: Vec<String>,
    /// Whether a container of a pod that is still there may write more.
    writing: bool,
}

impl LogMark {
    /// What a snapshot says of it.
    pub fn of(seen: Option<&Snapshot>) -> Self {
        let mut mark = Self::default();
        let Some(seen) = seen else {
            return mark;
        };
        for (name, pod) in &seen.pods {
            let there = !seen.is_gone(pod);
            for (container, status) in &pod.containers {
                let ended = matches!(status.state, ContainerState::Terminated { .. });
                let runs = status.restarts + u32::from(ended);
                if runs > 0 {
                    mark.ended.insert((name.clone(), container.clone()), runs);
                }
                mark.writing |= there && !ended;
            }
            if there && pod.deleting && runs_something(pod) {
                mark.leaving.push(name.clone());
            }
        }
        mark
    }

    /// Whether there is something to be put on record that was not there before.
    pub fn is_news_after(&self, before: &Self) -> bool {
        self.ended != before.ended || self.leaving.iter().any(|pod| !before.leaving.contains(pod))
    }

    /// The pods whose log has to be followed now or never.
    pub fn leaving(&self) -> &[String] {
        &self.leaving
    }

    /// Whether a container of a pod that is still there may write more.
    pub fn is_writing(&self) -> bool {
        self.writing
    }
}

/// One run of a container, whose output can be read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRun {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether it is the run before the current one; older ones are not kept anywhere.
    pub previous: bool,
}

impl LogRun {
    /// The runs that a snapshot shows, of pods that are still there, oldest pod first.
    pub fn of(seen: &Snapshot) -> Vec<Self> {
        let mut there: Vec<_> = seen.pods.iter().filter(|(_, pod)| !seen.is_gone(pod)).collect();
        there.sort_by_key(|(name, pod)| (pod.created, *name));
        let mut runs = Vec::new();
        for (name, pod) in there {
            let init_first = [true, false].map(|init| pod.containers.iter().filter(move |(_, it)| it.init == init));
            for (container, status) in init_first.into_iter().flatten() {
                let waits = matches!(status.state, ContainerState::Waiting { .. });
                let ended_before = status.restarts > 0 || status.last_exit.is_some();
                let run = |previous| Self { pod: name.clone(), container: container.clone(), previous };
                if ended_before && !waits {
                    runs.push(run(true));
                }
                if ended_before || !waits {
                    // One that waits to be started again shows the run that ended.
                    runs.push(run(false));
                }
            }
        }
        runs
    }
}

fn runs_something(pod: &PodStatus) -> bool {
    pod.containers.values().any(|container| matches!(container.state, ContainerState::Running { .. }))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
