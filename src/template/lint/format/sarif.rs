//! For code scanners: SARIF 2.1.0 (OASIS, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>).

use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::report::{Diagnostic, Level, Report};
use super::super::rules::RULES;
use super::super::span::span;

/// Writes one run with all rules and findings.
///
/// # Errors
/// When the writer fails.
pub fn sarif(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": {"text": rule.summary},
                "defaultConfiguration": {"level": level(rule.level)},
            })
        })
        .collect();
    let results: Vec<Value> = report.diagnostics.iter().map(|d| result(d, report)).collect();
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "jobwright",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    writeln!(out, "{value:#}")
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

fn result(diagnostic: &Diagnostic, report: &Report) -> Value {
    let mut text = diagnostic.message.clone();
    for part in [&diagnostic.path, &diagnostic.help].into_iter().flatten() {
        text.push('\n');
        text.push_str(part);
    }
    let index = RULES.iter().position(|rule| rule.name == diagnostic.rule);
    let mut place = json!({"artifactLocation": {"uri": uri(&diagnostic.file)}});
    if let Some(line) = diagnostic.line {
        place["region"] = region(line, diagnostic.column, report.sources.get(&diagnostic.file).map(AsRef::as_ref));
    }
    json!({
        "ruleId": diagnostic.rule,
        "ruleIndex": index,
        "level": level(diagnostic.level),
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    })
}

fn region(line: usize, column: Option<usize>, source: Option<&str>) -> Value {
    let mut region = json!({"startLine": line});
    if let Some(column) = column {
        region["startColumn"] = column.into();
        if let Some(source) = source {
            let width = source[span(source, line, Some(column))].chars().count();
            region["endColumn"] = (column + width).into();
        }
    }
    region
}

/// A relative URI reference: what may not stand in one is percent-encoded.
fn uri(file: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const NOT_IN_A_PATH: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b']')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}')
        .add(b'\\');
    utf8_percent_encode(file, NOT_IN_A_PATH).to_string()
}
