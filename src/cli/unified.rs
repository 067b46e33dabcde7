//! The difference of two texts, line by line, as `diff -u` shows it.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

const GONE: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();

/// Equal lines that are shown around a change.
const AROUND: usize = 3;

/// Beyond so many pairs of lines, all that differs is shown as replaced: the search takes time and memory for each pair.
const MOST_PAIRS: usize = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The lines to take from `old` and to add to make `new` of it; nothing where they are equal.
pub fn unified(old: &str, new: &str) -> String {
    let lines = compare(old, new);
    let mut out = String::new();
    let (mut at_old, mut at_new) = (1, 1);
    let mut shown_to = 0;
    for (index, line) in lines.iter().enumerate() {
        let near = lines[index.saturating_sub(AROUND)..(index + AROUND + 1).min(lines.len())]
            .iter()
            .any(|line| !matches!(line, Line::Same(_)));
        if near {
            // Writing to a String cannot fail.
            if shown_to < index || index == 0 {
                let _ = writeln!(out, "{PLACE}@@ -{at_old} +{at_new} @@{PLACE:#}");
            }
            let _ = match line {
                Line::Same(text) => writeln!(out, " {text}"),
                Line::Gone(text) => writeln!(out, "{GONE}-{text}{GONE:#}"),
                Line::New(text) => writeln!(out, "{NEW}+{text}{NEW:#}"),
            };
            shown_to = index + 1;
        }
        at_old += usize::from(!matches!(line, Line::New(_)));
        at_new += usize::from(!matches!(line, Line::Gone(_)));
    }
    out
}

fn compare<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_mid, new_mid) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut lines: Vec<_> = old[..head].iter().map(|text| Line::Same(text)).collect();
    middle(old_mid, new_mid, &mut lines);
    lines.extend(old[old.len() - tail..].iter().map(|text| Line::Same(text)));
    lines
}

/// The longest common subsequence of lines, by the table of its lengths.
fn middle<'a>(old: &[&'a str], new: &[&'a str], lines: &mut Vec<Line<'a>>) {
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        lines.extend(old.iter().map(|text| Line::Gone(text)));
        lines.extend(new.iter().map(|text| Line::New(text)));
        return;
    }
    let width = new.len() + 1;
    let mut common = vec![0usize; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(old: &str, new: &str) -> String {
        anstream::adapter::strip_str(&unified(old, new)).to_string()
    }

    #[test]
    fn a_changed_line_is_shown_with_those_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        assert_eq!(plain(old, new), "@@ -2 +2 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    }

    #[test]
    fn changes_that_lie_apart_have_a_place_each() {
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let new = old.replace("2\n3\n", "2\n").replace("27\n", "27\nmore\n");
        let diff = plain(&old, &new);
        assert_eq!(diff.matches("@@ -").count(), 2, "{diff}");
        assert!(diff.contains("-3\n") && diff.contains("+more\n"));
    }

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(unified("a\nb\n", "a\nb\n"), "");
    }

    proptest! {
        #[test]
        fn the_lines_make_either_text_again(old in "([abc]\n){0,12}", new in "([abc]\n){0,12}") {
            let lines = compare(&old, &new);
            let text = |keep: fn(&Line<'_>) -> bool| -> String {
                lines
                    .iter()
                    .filter(|line| keep(line))
                    .map(|(Line::Same(text) | Line::Gone(text) | Line::New(text))| format!("{text}\n"))
                    .collect()
            };
            prop_assert_eq!(text(|line| !matches!(line, Line::New(_))), old.clone());
            prop_assert_eq!(text(|line| !matches!(line, Line::Gone(_))), new.clone());
        }
    }
}
