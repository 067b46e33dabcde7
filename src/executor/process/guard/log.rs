//! Writes a container's output in the format of container runtimes (CRI):
//! `2026-01-31T09:00:00.000000001Z stdout F text`, where `P` instead of `F` marks a piece of a line that goes on.
//!
//! Format: <https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md>

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

/// The longest piece of a line, in bytes. Longer lines are written in pieces.
pub(crate) const LONGEST_PIECE: usize = 64 * 1024;

/// Where output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    const fn word(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// The log of one run of a container.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: File,
    len: u64,
    last: Timestamp,
    unfinished: [Vec<u8>; 2],
    failure: Option<(u64, io::Error)>,
}

impl LogWriter {
    /// Creates the log file, which must not exist.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Self { file, len: 0, last: Timestamp::UNIX_EPOCH, unfinished: [Vec::new(), Vec::new()], failure: None })
    }

    /// How many bytes of whole lines the file holds.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Takes in a chunk of output as it was read at a moment. A log that cannot be written must not hold up the
    /// program, so a failure is counted and told at the end.
    pub(crate) fn write(&mut self, stream: Stream, chunk: &[u8], now: Timestamp) {
        // Times never go back within a file, so that logs can be merged by them.
        self.last = self.last.max(now);
        let mut unfinished = std::mem::take(&mut self.unfinished[stream as usize]);
        let mut out = Vec::with_capacity(chunk.len() + 256);
        let prefix = |mark| format!("{:.9} {} {mark} ", self.last, stream.word());
        let (whole, piece) = (prefix('F'), prefix('P'));
        for part in chunk.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            unfinished.extend_from_slice(text);
            while unfinished.len() > LONGEST_PIECE {
                let rest = unfinished.split_off(piece_end(&unfinished));
                push_line(&mut out, &piece, &unfinished);
                unfinished = rest;
            }
            if ends {
                push_line(&mut out, &whole, &unfinished);
                unfinished.clear();
            }
        }
        self.unfinished[stream as usize] = unfinished;
        self.append(&out);
    }

    /// Writes lines that had no end, and makes the file durable. Answers what could not be written, if anything.
    pub(crate) fn finish(mut self, now: Timestamp) -> Option<String> {
        for stream in [Stream::Out, Stream::Err] {
            if !self.unfinished[stream as usize].is_empty() {
                self.write(stream, b"\n", now);
            }
        }
        if let Err(error) = self.file.sync_all() {
            return Some(format!("its log may not be durable: {error}"));
        }
        let (bytes, error) = self.failure?;
        Some(format!("{bytes} bytes of its log could not be written: {error}"))
    }

    fn append(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        match self.file.write_all(lines) {
            Ok(()) => self.len += lines.len() as u64,
            Err(error) => {
                // What was written in part is cut off again, so that the file holds whole lines only. If even that
                // fails, readers pass over the broken line.
                let _ = self.file.set_len(self.len);
                let lost = lines.len() as u64;
                self.failure = match self.failure.take() {
                    None => Some((lost, error)),
                    Some((before, first)) => Some((before + lost, first)),
                };
            }
        }
    }
}

fn push_line(out: &mut Vec<u8>, prefix: &str, text: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Where to cut a text that is longer than a piece: not within a UTF-8 character.
fn piece_end(text: &[u8]) -> usize {
    let is_continuation = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    (LONGEST_PIECE - 3..=LONGEST_PIECE)
        .rev()
        .find(|&at| text.get(at).is_some_and(|&byte| !is_continuation(byte)))
        .unwrap_or(LONGEST_PIECE)
}
