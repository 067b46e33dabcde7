//! How a failed command ends: one clear `error: …` on stderr with its causes and what to do about it, and an exit code.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const CAUSE: Style = AnsiColor::Yellow.on_default();
const HINT: Style = AnsiColor::Cyan.on_default();

/// An error that says what to do about it.
#[derive(Debug)]
struct Advised {
    error: anyhow::Error,
    hints: Vec<String>,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// A command that was used wrongly in a way that its grammar cannot tell. Ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// Adds what to do about an error.
pub trait Advice<T> {
    /// Adds a line `hint: …`, made only when there is an error.
    fn hint<H: Into<String>>(self, hint: impl FnOnce() -> H) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advice<T> for Result<T, E> {
    fn hint<H: Into<String>>(self, hint: impl FnOnce() -> H) -> anyhow::Result<T> {
        self.map_err(|error| advise(error, hint()))
    }
}

/// An error together with what to do about it, after what was said of that before.
pub fn advise(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> anyhow::Error {
    let mut advised = match error.into().downcast::<Advised>() {
        Ok(advised) => advised,
        Err(error) => Advised { error, hints: Vec::new() },
    };
    advised.hints.push(hint.into());
    anyhow::Error::new(advised)
}

/// Tells an error on stderr and gives the exit code. A reader of our output that went away is no failure of ours.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    // Nothing is left to be done where stderr cannot be written to either.
    let _ = write(&mut anstream::stderr().lock(), error);
    if error.chain().any(|cause| cause.is::<WrongUsage>()) { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// Prints clap's answer: a complaint on stderr with exit code 2, or the help or version that was asked for.
pub(super) fn usage(answer: &clap::Error) -> ExitCode {
    let text = answer.render();
    let written = if answer.use_stderr() {
        write!(anstream::stderr().lock(), "{}", text.ansi())
    } else {
        write!(anstream::stdout().lock(), "{}", text.ansi())
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe))
}

fn write(to: &mut impl Write, error: &anyhow::Error) -> io::Result<()> {
    let message = error.to_string();
    line(to, ERROR, "error: ", &message)?;
    let mut said = vec![message];
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Many errors show their cause in their own words as well.
        if said.iter().any(|before| before.contains(&text)) {
            continue;
        }
        line(to, CAUSE, "  cause: ", &text)?;
        said.push(text);
    }
    let advised = error.chain().filter_map(|it| it.downcast_ref::<Advised>());
    for hint in advised.flat_map(|it| &it.hints) {
        line(to, HINT, "  hint: ", hint)?;
    }
    Ok(())
}

/// One label and a text under which further lines are indented.
fn line(to: &mut impl Write, style: Style, label: &str, text: &str) -> io::Result<()> {
    let mut lines = text.trim_end().lines();
    writeln!(to, "{style}{label}{style:#}{}", lines.next().unwrap_or_default())?;
    for more in lines {
        writeln!(to, "{:width$}{more}", "", width = label.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn told(error: &anyhow::Error) -> String {
        let mut bytes = anstream::StripStream::new(Vec::new());
        write(&mut bytes, error).unwrap();
        String::from_utf8(bytes.into_inner()).unwrap()
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_hints() {
        let cause = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let error = Err::<(), _>(cause)
            .context("no answer from http://127.0.0.1:8080")
            .hint(|| "start it: jobwright serve")
            .unwrap_err();
        assert_eq!(
            told(&error),
            "error: no answer from http://127.0.0.1:8080\n  cause: connection refused\n  hint: start it: jobwright serve\n"
        );
    }

    #[test]
    fn a_cause_that_was_said_already_is_not_said_again() {
        let error = Err::<(), _>(anyhow::anyhow!("no space")).context("writing x: no space");
        assert_eq!(told(&error.unwrap_err()), "error: writing x: no space\n");
    }

    #[test]
    fn one_hint_follows_another() {
        let error = advise(advise(anyhow::anyhow!("no"), "do this"), "or that").context("above");
        assert_eq!(told(&error), "error: above\n  cause: no\n  hint: do this\n  hint: or that\n");
    }

    #[test]
    fn further_lines_are_indented() {
        let error = anyhow::anyhow!("two faults:\na is missing\nb is wrong");
        assert_eq!(told(&error), "error: two faults:\n       a is missing\n       b is wrong\n");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
    }
}
