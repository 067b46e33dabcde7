//! For programs.

use std::io::{self, Write};

use serde_json::json;

use super::super::report::{Level, Report};

/// Writes one object: `{"templates": 3, "errors": 1, "warnings": 0, "findings": [{…}]}`.
///
/// # Errors
/// When the writer fails.
pub fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let value = json!({
        "templates": report.templates,
        "errors": report.count(Level::Error),
        "warnings": report.count(Level::Warning),
        "findings": report.diagnostics,
    });
    writeln!(out, "{value:#}")
}
