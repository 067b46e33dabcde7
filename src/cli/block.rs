//! Lines at the end of a terminal that are drawn over themselves.

use std::io::{self, IsTerminal, Write};

/// Whether a stream is a terminal on which what was written can be drawn over.
pub(super) fn can_draw(stream: &impl IsTerminal) -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    stream.is_terminal() && !dumb
}

/// A block of lines on stdout.
#[derive(Debug, Default)]
pub struct Block {
    drawn: usize,
}

impl Block {
    /// A block, where stdout is a terminal that can draw one.
    pub fn on_terminal() -> Option<Self> {
        can_draw(&io::stdout()).then(Self::default)
    }

    /// How many lines there is room for, the one that the cursor stands in left out.
    pub fn height() -> usize {
        let height = terminal_size::terminal_size_of(io::stdout()).map_or(24, |(_, height)| usize::from(height.0));
        height.saturating_sub(1).max(1)
    }

    /// Draws these lines in the place of those that were drawn last.
    pub fn draw(&mut self, text: &str) -> io::Result<()> {
        // What colours are not wanted for are the words; the cursor moves all the same.
        let text = match anstream::AutoStream::choice(&io::stdout()) {
            anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
            _ => text.to_owned(),
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(redrawn(self.drawn, &text).as_bytes())?;
        self.drawn = text.lines().count();
        stdout.flush()
    }
}

/// What draws `text` over `before` lines. A line that is too long is cut by the terminal, which else would break it and
/// so have more lines than were counted.
fn redrawn(before: usize, text: &str) -> String {
    let mut out = String::from("\r");
    if before > 0 {
        out += &format!("\x1b[{before}A");
    }
    out += "\x1b[?7l";
    for line in text.lines() {
        out += &format!("{line}\x1b[K\n");
    }
    out + "\x1b[J\x1b[?7h"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_over_those_before_and_what_is_left_of_them_is_cleared() {
        assert_eq!(redrawn(0, "a\nb\n"), "\r\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h");
        assert_eq!(redrawn(2, "c\n"), "\r\x1b[2A\x1b[?7lc\x1b[K\n\x1b[J\x1b[?7h");
    }
}
