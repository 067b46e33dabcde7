//! The lines of a log as plain text.

/// A line without what only a terminal understands: control sequences (ECMA-48) and control characters but the tab.
pub(crate) fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\t' => text.push(c),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text
}

/// Passes over what follows an escape character.
fn skip_sequence(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        // A control sequence ends with its first byte from `@` to `~`.
        Some('[') => {
            chars.find(|c| ('@'..='~').contains(c));
        }
        // A command to the terminal, such as one that sets its title, ends with BEL or ESC `\`.
        Some(']') => {
            let end = chars.find(|c| matches!(c, '\u{7}' | '\u{1b}'));
            if let Some('\u{1b}') = end {
                chars.next();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_titles_and_controls_are_dropped() {
        for (line, text) in [
            ("\u{1b}[1;31mred\u{1b}[0m and\ttab", "red and\ttab"),
            ("\u{1b}]0;title\u{7}a\u{1b}]0;title\u{1b}\\b", "ab"),
            ("50 %\r100 %\u{0}", "50 %100 %"),
            ("cut \u{1b}[1;3", "cut "),
            ("<b>ü</b>", "<b>ü</b>"),
        ] {
            assert_eq!(plain(line), text);
        }
    }
}
