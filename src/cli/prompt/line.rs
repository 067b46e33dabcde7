//! One line from a terminal, shown while it is typed or not.

use std::io::{self, Read};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// What was typed.
pub(super) enum Line {
    /// A line, without its end.
    Text(String),
    /// There is no more.
    End,
}

/// Where lines come from.
pub(super) trait Lines {
    /// Asks, and reads the answer. A secret one is hidden from before it is asked for: some type ahead, or paste at once.
    fn read(&mut self, secret: bool, ask: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Line>;
}

/// Stdin, which is a terminal.
pub(super) struct Terminal;

impl Lines for Terminal {
    fn read(&mut self, secret: bool, ask: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Line> {
        if secret {
            let raw = Raw::begin()?;
            ask()?;
            let line = read_hidden(io::stdin().lock());
            drop(raw);
            eprintln_end();
            return line;
        }
        ask()?;
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line)?;
        let line = line.trim_end_matches(['\n', '\r']);
        Ok(if read == 0 { Line::End } else { Line::Text(line.to_owned()) })
    }
}

/// The line end that was typed was not shown either.
fn eprintln_end() {
    // Where the terminal is gone, nothing needs to be shown.
    let _ = io::Write::write_all(&mut io::stderr(), b"\n");
}

/// A terminal that shows nothing and passes on every key, until it is dropped. Ctrl-C is such a key: as a signal it would
/// end the program with the terminal left as it is.
struct Raw(Termios);

impl Raw {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nobody to tell that it cannot be put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Reads up to the end of a line, with the keys that take back what was typed.
fn read_hidden(keys: impl Read) -> io::Result<Line> {
    let mut typed = Vec::new();
    #[expect(clippy::unbuffered_bytes, reason = "what is typed after this line is for whoever reads next")]
    let keys = keys.bytes();
    for key in keys {
        match key? {
            b'\n' | b'\r' => return text(typed),
            CTRL_C => return Ok(Line::End),
            CTRL_D if typed.is_empty() => return Ok(Line::End),
            CTRL_U => typed.clear(),
            BACKSPACE | DELETE => {
                // A character of several bytes goes as a whole.
                while typed.pop_if(|byte| *byte & 0xc0 == 0x80).is_some() {}
                typed.pop();
            }
            byte => typed.push(byte),
        }
    }
    if typed.is_empty() { Ok(Line::End) } else { text(typed) }
}

fn text(typed: Vec<u8>) -> io::Result<Line> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "what was typed is no UTF-8 text");
    String::from_utf8(typed).map(Line::Text).map_err(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(keys: &[u8]) -> Option<String> {
        match read_hidden(keys).unwrap() {
            Line::Text(text) => Some(text),
            Line::End => None,
        }
    }

    #[test]
    fn keys_that_take_back_do_so() {
        assert_eq!(hidden(b"secret\rmore").as_deref(), Some("secret"));
        assert_eq!(hidden("aé\u{7f}b\n".as_bytes()).as_deref(), Some("ab"));
        assert_eq!(hidden(b"wrong\x15right\n").as_deref(), Some("right"));
        assert_eq!(hidden(b"\x7f\n").as_deref(), Some(""));
    }

    #[test]
    fn ctrl_c_and_the_end_give_no_line() {
        assert_eq!(hidden(b"sec\x03ret\n"), None);
        assert_eq!(hidden(b"\x04"), None);
        assert_eq!(hidden(b""), None);
    }
}
