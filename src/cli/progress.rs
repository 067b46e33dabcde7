//! A sign of life on stderr for what takes longer than a second, on a terminal only.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Counts things until it is dropped.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to count things of a kind, silently.
    pub fn new(what: &'static str) -> Self {
        Self { what, began: Instant::now(), bar: None }
    }

    /// Says how many there are by now.
    pub fn count(&mut self, count: usize) {
        self.say(format!("{count} {}", self.what));
    }

    /// Says where things stand, once they have taken a second.
    pub fn say(&mut self, text: impl Into<std::borrow::Cow<'static, str>>) {
        if self.bar.is_none() {
            if self.began.elapsed() < Duration::from_secs(1) || !std::io::stderr().is_terminal() {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
