//! The last line of a terminal while a job is followed: where it stands, and since when. Never in a pipe.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{block, show, table};
use crate::job::{Event, EventKind, Phase};

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// How wide the bar of a progress is.
const BAR: usize = 20;

/// A line that is drawn over itself.
#[derive(Debug)]
pub struct StatusLine {
    on: bool,
    drawn: bool,
    frame: usize,
    created: Timestamp,
    phase: Phase,
    reason: Option<String>,
    words: String,
    progress: Option<u8>,
}

impl StatusLine {
    /// The line of a job, on stderr if that is a terminal that can draw it.
    pub fn new(created: Timestamp) -> Self {
        let mut line = Self::off(created);
        line.on = block::can_draw(&io::stderr());
        line
    }

    /// A line that is never drawn.
    pub fn off(created: Timestamp) -> Self {
        Self {
            on: false,
            drawn: false,
            frame: 0,
            created,
            phase: Phase::Pending,
            reason: None,
            words: String::new(),
            progress: None,
        }
    }

    /// Whether it is ever drawn.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Takes in what an event says of where the job stands.
    pub fn see(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Phase { to, reason, .. } => {
                self.phase = *to;
                self.reason.clone_from(reason);
            }
            EventKind::Report { report, late: false, after_end: false } => {
                self.words.clone_from(&report.status);
                self.progress = report.progress;
            }
            _ => {}
        }
    }

    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{} {}", FRAMES[self.frame % FRAMES.len()], self.phase);
        if let Some(reason) = &self.reason {
            text += &format!(" ({reason})");
        }
        if let Some(percent) = self.progress {
            let full = usize::from(percent.min(100)) * BAR / 100;
            text += &format!(" {}{} {percent} %", "█".repeat(full), "░".repeat(BAR - full));
        }
        if !self.words.is_empty() {
            text += &format!(" {}", self.words);
        }
        text + &format!(" · {}", show::duration(self.created, now))
    }

    /// Draws it anew. Nothing depends on it: where it cannot be drawn, it is not.
    pub fn draw(&mut self) {
        if !self.on {
            return;
        }
        self.frame += 1;
        self.drawn = true;
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
        let text = table::cut(&table::one_line(&self.text(Timestamp::now())), width.saturating_sub(1));
        let _ = io::stderr().write_all(format!("\r\x1b[2K{text}").as_bytes());
    }

    /// Takes it away, so that something else can be written there.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = io::stderr().write_all(b"\r\x1b[2K");
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_the_job_stands() {
        let created = Timestamp::UNIX_EPOCH;
        let mut line = StatusLine::off(created);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(line.text(at(3)), "⠋ Pending · 3s");
        line.phase = Phase::Running;
        line.words = "Copying".to_owned();
        line.progress = Some(40);
        assert_eq!(line.text(at(125)), "⠋ Running ████████░░░░░░░░░░░░ 40 % Copying · 2m5s");
    }
}
