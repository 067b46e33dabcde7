//! Reads the logs of an object's containers, merged by time, and follows them.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::disk;
use super::object::Object;
use crate::executor::{ExecutorError, LogLine, LogOptions};

/// How many lines are read from disk before they are handed on.
const BATCH: usize = 512;
/// How much of a line of the file is read at most; guards write no longer ones.
const LONGEST_LINE: u64 = 128 * 1024;

/// What a log stream gives.
pub(super) type Item = Result<LogLine, ExecutorError>;

/// Sends the lines that are asked for, until all are sent or nobody takes them any more.
pub(super) async fn send(object: Arc<Object>, options: LogOptions, lines: mpsc::Sender<Item>) {
    let mut sender = Sender { object, options, lines };
    if let Err(Stop::Failed(error)) = sender.run().await {
        let message = format!("the log cannot be read: {error}");
        // If nobody listens any more, nobody misses it.
        let _ = sender.lines.send(Err(ExecutorError::Unreachable(message))).await;
    }
}

/// Why a stream ends before its time.
enum Stop {
    /// Nobody takes its lines any more.
    Unwanted,
    /// The log cannot be read.
    Failed(io::Error),
}

struct Sender {
    object: Arc<Object>,
    options: LogOptions,
    lines: mpsc::Sender<Item>,
}

impl Sender {
    async fn run(&mut self) -> Result<(), Stop> {
        let mut changes = self.object.subscribe();
        let mut beats = self.object.log_beats();
        let mut merge = Merge::default();
        let mut tail = self.options.tail;
        loop {
            // Whether it has ended and what has changed is looked up before reading, so that nothing can come between.
            let ended = self.object.has_ended();
            changes.mark_unchanged();
            beats.mark_unchanged();
            merge = self.send_what_is_there(merge, tail.take()).await?;
            if ended || !self.options.follow {
                return Ok(());
            }
            for (log, read) in merge.positions() {
                self.object.want_log(log, read);
            }
            tokio::select! {
                _ = changes.changed() => {}
                _ = beats.changed() => {}
                () = self.lines.closed() => return Err(Stop::Unwanted),
            }
        }
    }

    async fn send_what_is_there(&self, mut merge: Merge, tail: Option<usize>) -> Result<Merge, Stop> {
        let folder = self.object.folder.clone();
        merge = blocking(move || {
            merge.find_files(&folder, tail)?;
            Ok(merge)
        })
        .await?;
        let mut last = VecDeque::new();
        loop {
            let (lines, rest) = blocking(move || Ok((merge.read(BATCH)?, merge))).await?;
            merge = rest;
            let done = lines.is_empty();
            for line in lines {
                let of_another = self.options.pod.as_ref().is_some_and(|pod| *pod != line.pod);
                if of_another || self.options.since.is_some_and(|since| line.at < since) {
                    continue;
                }
                match tail {
                    None => self.send(line).await?,
                    Some(0) => {}
                    Some(count) => {
                        if last.len() == count {
                            last.pop_front();
                        }
                        last.push_back(line);
                    }
                }
            }
            if done {
                break;
            }
        }
        for line in last {
            self.send(line).await?;
        }
        Ok(merge)
    }

    async fn send(&self, line: LogLine) -> Result<(), Stop> {
        let sent = self.lines.send(Ok(line)).await;
        sent.map_err(|_| Stop::Unwanted)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Stop> {
    let result = tokio::task::spawn_blocking(work).await;
    result.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(Stop::Failed)
}

/// Several log files, read as one.
#[derive(Debug, Default)]
pub(super) struct Merge {
    files: BTreeMap<PathBuf, LogReader>,
}

impl Merge {
    /// Looks for log files that are new. With `tail`, each is read from about that many lines before its end.
    pub(super) fn find_files(&mut self, object: &Path, tail: Option<usize>) -> io::Result<()> {
        for pod in disk::read_pods(object)? {
            for (container, runs) in pod.containers {
                for run in runs {
                    if self.files.contains_key(&run.log) {
                        continue;
                    }
                    match LogReader::open(&run.log, &pod.name, &container, tail) {
                        Ok(reader) => self.files.insert(run.log, reader),
                        // A run that could not be started has no log.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    };
                }
            }
        }
        Ok(())
    }

    /// The next lines by time, at most so many; none if all that is there was read.
    pub(super) fn read(&mut self, most: usize) -> io::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        while lines.len() < most {
            let mut earliest: Option<(Timestamp, &mut LogReader)> = None;
            for reader in self.files.values_mut() {
                if let Some(at) = reader.peek()?
                    && earliest.as_ref().is_none_or(|(other, _)| at < *other)
                {
                    earliest = Some((at, reader));
                }
            }
            let Some(line) = earliest.and_then(|(_, reader)| reader.next.take()) else {
                break;
            };
            lines.push(line);
        }
        Ok(lines)
    }

    fn positions(&self) -> impl Iterator<Item = (&PathBuf, u64)> {
        self.files.iter().map(|(path, reader)| (path, reader.position))
    }
}

/// One log file.
#[derive(Debug)]
struct LogReader {
    file: BufReader<File>,
    pod: String,
    container: String,
    /// How many bytes of whole lines were read.
    position: u64,
    /// The beginning of a line that is not whole yet.
    partial: Vec<u8>,
    next: Option<LogLine>,
}

impl LogReader {
    fn open(path: &Path, pod: &str, container: &str, tail: Option<usize>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let position = match tail {
            Some(lines) => start_of_tail(&mut file, lines)?,
            None => 0,
        };
        file.seek(SeekFrom::Start(position))?;
        Ok(Self {
            file: BufReader::with_capacity(64 * 1024, file),
            pod: pod.to_owned(),
            container: container.to_owned(),
            position,
            partial: Vec::new(),
            next: None,
        })
    }

    /// When the next line was written, if there is one.
    fn peek(&mut self) -> io::Result<Option<Timestamp>> {
        while self.next.is_none() {
            let room = LONGEST_LINE.saturating_sub(self.partial.len() as u64).max(1);
            let read = (&mut self.file).take(room).read_until(b'\n', &mut self.partial)?;
            let whole = self.partial.last() == Some(&b'\n') || self.partial.len() as u64 >= LONGEST_LINE;
            if !whole {
                if read == 0 {
                    return Ok(None);
                }
                continue;
            }
            self.position += self.partial.len() as u64;
            let line = std::mem::take(&mut self.partial);
            // A line that a full disk broke is passed over.
            self.next = parse_line(&line).map(|(at, text)| LogLine {
                at,
                pod: self.pod.clone(),
                container: self.container.clone(),
                text: String::from_utf8_lossy(text).into_owned(),
            });
        }
        Ok(self.next.as_ref().map(|line| line.at))
    }
}

/// Reads `TIME STREAM MARK TEXT`.
fn parse_line(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut parts = line.splitn(4, |&byte| byte == b' ');
    let at = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let known = matches!(parts.next()?, b"stdout" | b"stderr") && matches!(parts.next()?, b"F" | b"P");
    known.then_some((at, parts.next()?))
}

/// Where the last so many lines of a file begin, found from its end.
fn start_of_tail(file: &mut File, lines: usize) -> io::Result<u64> {
    const CHUNK: u64 = 64 * 1024;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut ends_to_pass = lines.saturating_add(1);
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        file.take(end - start).read_to_end(&mut chunk)?;
        for (index, _) in chunk.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            ends_to_pass -= 1;
            if ends_to_pass == 0 {
                return Ok(start + index as u64 + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
