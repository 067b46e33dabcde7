//! For GitHub Actions: workflow commands that become annotations of a pull request
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).

use std::io::{self, Write};

use super::super::report::{Diagnostic, Report};

/// Writes one line for each finding.
///
/// # Errors
/// When the writer fails.
pub fn github(report: &Report, out: &mut impl Write) -> io::Result<()> {
    report.diagnostics.iter().try_for_each(|diagnostic| writeln!(out, "{}", command(diagnostic)))
}

fn command(diagnostic: &Diagnostic) -> String {
    let mut properties = format!("file={}", property(&diagnostic.file));
    if let Some(line) = diagnostic.line {
        properties.push_str(&format!(",line={line}"));
    }
    if let Some(column) = diagnostic.column {
        properties.push_str(&format!(",col={column}"));
    }
    properties.push_str(&format!(",title={}", property(&format!("jobwright {}", diagnostic.rule))));
    let mut text = diagnostic.message.clone();
    if let Some(path) = &diagnostic.path {
        text = format!("{path}: {text}");
    }
    if let Some(help) = &diagnostic.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    format!("::{} {properties}::{}", diagnostic.level, data(&text))
}

/// Escapes the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
