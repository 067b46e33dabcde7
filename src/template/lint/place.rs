//! From a field's place to the very piece of text that is at fault.

/// Where an expression with `name` stands that the `shell` helper does not quote, on or after a line:
/// line and column, both from 1. A multi-line script has its place at its first line.
pub(super) fn expression(text: &str, from_line: usize, name: &str) -> Option<(usize, usize)> {
    text.lines().enumerate().skip(from_line.saturating_sub(1)).find_map(|(index, line)| {
        let start = line.match_indices("{{").map(|(at, _)| at).find(|at| {
            let expression = &line[*at..];
            let expression = expression.split("}}").next().unwrap_or(expression);
            let words = || expression.split(|c: char| !(c.is_alphanumeric() || "._-".contains(c)));
            words().any(|word| word == name) && !words().any(|word| word == "shell")
        })?;
        Some((index + 1, line[..start].chars().count() + 1))
    })
}

/// The column of a field's own name in its line. The place of a line of a partial counts the
/// columns by which it was indented where it was put in.
pub(super) fn column_in_partial(text: &str, line: usize, path: &str) -> Option<usize> {
    let name = path.rsplit(['.', '[']).find(|part| !part.ends_with(']') && !part.is_empty())?;
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let at = line.find(name)?;
    Some(line[..at].chars().count() + 1)
}

/// Whether all that a line gives its field is one setting.
pub(super) fn is_setting(text: &str, line: usize) -> bool {
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
    let Some((_, value)) = line.split_once(':') else {
        return false;
    };
    let value = value.trim().trim_matches(['"', '\'']);
    let inner = value.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim_matches(['{', '}', ' ']).starts_with("settings.") && !inner.contains("}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "args:\n  - |\n    echo {{shell params.a}} {{params.ab}}\n    echo {{ lower params.a }}\n";

    #[test]
    fn it_finds_the_unquoted_expression() {
        assert_eq!(expression(TEXT, 1, "params.a"), Some((4, 10)));
        assert_eq!(expression(TEXT, 3, "params.ab"), Some((3, 29)));
        assert_eq!(expression(TEXT, 1, "params.b"), None);
    }

    #[test]
    fn the_name_of_a_field_is_found_in_its_line() {
        assert_eq!(column_in_partial("- image: x\n  name: y\n", 1, "spec.containers[0].image"), Some(3));
        assert_eq!(column_in_partial("- [x]\n", 1, "spec.containers[0].args[1]"), None);
    }

    #[test]
    fn a_setting_alone_is_told_from_one_among_text() {
        assert!(is_setting("image: \"{{settings.image}}\"", 1));
        assert!(is_setting("image: {{{ settings.image }}}", 1));
        assert!(!is_setting("image: \"{{settings.registry}}/{{settings.name}}\"", 1));
        assert!(!is_setting("image: \"{{settings.registry}}/a\"", 1));
        assert!(!is_setting("image: a", 1));
    }
}
