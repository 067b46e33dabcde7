//! Comments that switch rules off: `# jobwright: allow(RULE, RULE) reason`.

use super::rules::{self, RULES};

/// One rule that a file switches off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allow {
    pub(super) rule: &'static str,
    /// Line of the comment, from 1.
    pub(super) line: usize,
    /// Column of the comment, from 1.
    pub(super) column: usize,
}

/// A comment that is meant to switch something off and does not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadAllow {
    pub(super) message: String,
    pub(super) help: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

const MARK: &str = "# jobwright:";
const FORM: &str = "write `# jobwright: allow(RULE) why this is fine here`";

/// All such comments of a file.
pub(super) fn read(source: &str) -> (Vec<Allow>, Vec<BadAllow>) {
    let mut allows = Vec::new();
    let mut bad = Vec::new();
    if !source.contains(MARK) {
        return (allows, bad);
    }
    for (index, text) in source.lines().enumerate() {
        let Some((column, comment)) = directive(text) else {
            continue;
        };
        let line = index + 1;
        let mut complain = |message: String, help: String| {
            bad.push(BadAllow { message, help, line, column });
        };
        let Some((names, reason)) = comment.strip_prefix("allow(").and_then(|rest| rest.split_once(')')) else {
            complain("this comment is for jobwright, but says nothing it knows".to_owned(), FORM.to_owned());
            continue;
        };
        if reason.trim().is_empty() {
            complain(format!("`allow({names})` gives no reason"), FORM.to_owned());
            continue;
        }
        for name in names.split(',').map(str::trim) {
            match rules::named(name) {
                Some(rule) if rule.can_be_allowed => allows.push(Allow { rule: rule.name, line, column }),
                Some(rule) => complain(
                    format!("`{}` cannot be switched off: {}", rule.name, rule.summary),
                    "mend the template".to_owned(),
                ),
                None => complain(format!("there is no rule `{name}`"), known(name)),
            }
        }
    }
    (allows, bad)
}

/// The part of a line after `# jobwright:`, and the column of the `#`.
fn directive(line: &str) -> Option<(usize, &str)> {
    let at = line.find(MARK)?;
    let before = &line[..at];
    // In YAML a comment begins a line or stands after white space.
    if !before.is_empty() && !before.ends_with([' ', '\t']) {
        return None;
    }
    Some((before.chars().count() + 1, line[at + MARK.len()..].trim()))
}

fn known(name: &str) -> String {
    let allowable = || RULES.iter().filter(|rule| rule.can_be_allowed).map(|rule| rule.name);
    match crate::template::suggest::nearest(name, allowable()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the rules are {}", allowable().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_switched_off_by_name_and_reason() {
        let (allows, bad) = read("a: 1\n  # jobwright: allow(ttl, image-tag) kept for audits\n");
        assert_eq!(bad, []);
        let found: Vec<_> = allows.iter().map(|a| (a.rule, a.line, a.column)).collect();
        assert_eq!(found, [("ttl", 2, 3), ("image-tag", 2, 3)]);
    }

    #[test]
    fn a_missing_reason_an_unknown_rule_and_other_words_are_findings() {
        for (comment, words) in [
            ("# jobwright: allow(ttl)", "gives no reason"),
            ("# jobwright: allow(tttl) because", "no rule `tttl`"),
            ("# jobwright: allow(invalid) because", "cannot be switched off"),
            ("# jobwright: ignore ttl", "says nothing it knows"),
        ] {
            let (allows, bad) = read(comment);
            assert_eq!(allows, []);
            assert!(bad[0].message.contains(words), "{comment}: {bad:?}");
        }
    }

    #[test]
    fn other_comments_and_texts_are_left_alone() {
        assert_eq!(read("x: 'a# jobwright: allow(ttl)'\n# allow(ttl)\n"), (vec![], vec![]));
    }
}
