//! Comparisons in words, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::super::unified::unified;
use super::compare::{Compared, Input, Outcome};

/// As `templates test` tells it: a line for each example that changes, and how.
pub(super) fn text(compared: &[Compared]) -> String {
    const GOOD: Style = AnsiColor::Green.on_default();
    const BAD: Style = AnsiColor::Red.on_default();
    const CHANGED: Style = AnsiColor::Yellow.on_default();
    let mut out = String::new();
    for it in compared.iter().filter(|it| it.outcome != Outcome::Same) {
        let style = match it.outcome {
            Outcome::Added { .. } | Outcome::Mended { .. } => GOOD,
            Outcome::Changed { .. } => CHANGED,
            _ => BAD,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}: {style}{}{style:#}", name(it), it.outcome.word());
        for line in it.outcome.why().into_iter().flat_map(str::lines) {
            let _ = writeln!(out, "  {line}");
        }
        out += &lines(&it.outcome);
    }
    out
}

/// What a reader sees first of a pull request: a table, and each change to be unfolded.
pub(super) fn markdown(compared: &[Compared], base: &str) -> String {
    let mut out = format!("### Manifests, compared with `{base}`\n\n{}.\n", summary(compared, base));
    let changes: Vec<_> = compared.iter().filter(|it| it.outcome != Outcome::Same).collect();
    if !changes.is_empty() {
        out += "\n| | |\n|---|---|\n";
    }
    for it in &changes {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {} | {} |", name(it), it.outcome.word());
    }
    for it in changes {
        let _ = write!(out, "\n<details><summary>{}: {}</summary>\n\n", name(it), it.outcome.word());
        if let Some(why) = it.outcome.why() {
            out += &fenced("", why);
        }
        let lines = anstream::adapter::strip_str(&lines(&it.outcome)).to_string();
        if !lines.is_empty() {
            out += &fenced("diff", &lines);
        }
        out += "\n</details>\n";
    }
    out
}

/// A block of code whose fence is longer than any that is in it.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
}

pub(super) fn json(compared: &[Compared], base: &str) -> String {
    let item = |it: &Compared| {
        let (before, now) = it.outcome.manifests();
        let manifest = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "template": it.template, "input": input(&it.input), "outcome": it.outcome.word(),
            "why": it.outcome.why(), "before": manifest(before), "now": manifest(now),
        })
    };
    let items: Vec<_> = compared.iter().map(item).collect();
    format!("{:#}\n", json!({"base": base, "items": items}))
}

fn input(input: &Input) -> Value {
    match input {
        Input::None => Value::Null,
        Input::Example(name) => json!({"example": name}),
        Input::Former(name) => json!({"example": name, "former": true}),
        Input::Job { id, others } => json!({"job": id, "others": others}),
    }
}

/// `7 examples since HEAD: 1 changed, 6 same`.
pub(super) fn summary(compared: &[Compared], base: &str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for it in compared {
        *counts.entry(it.outcome.word()).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let jobs = compared.iter().any(|it| matches!(it.input, Input::Job { .. }));
    let (what, plural) = if jobs { ("input", "inputs") } else { ("example", "examples") };
    match compared.len() {
        0 => "there is nothing to compare".to_owned(),
        1 => format!("1 {what} since {base}: {}", counts.join(", ")),
        total => format!("{total} {plural} since {base}: {}", counts.join(", ")),
    }
}

fn name(it: &Compared) -> String {
    let template = &it.template;
    match &it.input {
        Input::None => template.clone(),
        Input::Example(name) => format!("{template}/{name}"),
        Input::Former(name) => format!("{template}/{name} (as it was)"),
        Input::Job { id, others: 0 } => format!("{template}, job {id}"),
        Input::Job { id, others } => format!("{template}, job {id} and {others} more like it"),
    }
}

/// How the manifest differs. One that is no longer there would only be a wall of lines.
fn lines(outcome: &Outcome) -> String {
    match outcome.manifests() {
        (_, "") => String::new(),
        (before, now) => unified(before, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fenced("diff", "a\n"), "```diff\na\n```\n");
        assert_eq!(fenced("", "a ```` b"), "`````\na ```` b\n`````\n");
    }
}
