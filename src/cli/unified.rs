//! The difference of two texts on a terminal, as `diff -u` shows it.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::unified::{Line, hunks};

const GONE: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();

/// The lines to take from `old` and to add to make `new` of it; nothing where they are equal.
pub fn unified(old: &str, new: &str) -> String {
    let mut out = String::new();
    for hunk in hunks(old, new) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{PLACE}@@ -{} +{} @@{PLACE:#}", hunk.old, hunk.new);
        for line in hunk.lines {
            let _ = match line {
                Line::Same(text) => writeln!(out, " {text}"),
                Line::Gone(text) => writeln!(out, "{GONE}-{text}{GONE:#}"),
                Line::New(text) => writeln!(out, "{NEW}+{text}{NEW:#}"),
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_its_place_its_mark_and_the_lines_around_it() {
        let diff = unified("1\n2\n3\n4\n5\n", "1\n2\n3\n4\nfive\n");
        let plain = anstream::adapter::strip_str(&diff).to_string();
        assert_eq!(plain, "@@ -2 +2 @@\n 2\n 3\n 4\n-5\n+five\n");
        assert_eq!(unified("a\n", "a\n"), "");
    }
}
