//! From a line and column to the piece of text that is underlined.

use std::ops::Range;

/// The bytes of `source` to underline: the expression, word or text that begins at the column, or
/// the whole line where the column is not known.
pub(super) fn span(source: &str, line: usize, column: Option<usize>) -> Range<usize> {
    let start =
        source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>().min(source.len());
    let text = source[start..].lines().next().unwrap_or("");
    let begin = match column {
        Some(column) => text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(i, _)| i),
        None => text.len() - text.trim_start().len(),
    };
    let rest = &text[begin..];
    let length = match column {
        Some(_) => word(rest),
        None => rest.trim_end().len(),
    };
    start + begin..start + begin + length
}

/// How many bytes the word at the beginning of `rest` takes.
fn word(rest: &str) -> usize {
    if rest.starts_with("{{") {
        return rest.find("}}").map_or(rest.len(), |end| end + 2);
    }
    for quote in ['"', '\''] {
        if let Some(inner) = rest.strip_prefix(quote) {
            return inner.find(quote).map_or(rest.trim_end().len(), |end| end + 2);
        }
    }
    if rest.starts_with("# ") {
        return rest.trim_end().len();
    }
    let end = rest.find([' ', ',', ']', '}', '\t']).unwrap_or(rest.len());
    let word = rest[..end].trim_end_matches(':').len();
    word.max(rest.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn it_underlines_what_begins_at_the_column() {
        let source = "a: 1\n  image: x{{params.y}}é, z\n- \"two words\"\n";
        let at = |line, column| &source[span(source, line, column)];
        assert_eq!(at(2, Some(3)), "image");
        assert_eq!(at(2, Some(11)), "{{params.y}}");
        assert_eq!(at(3, Some(3)), "\"two words\"");
        assert_eq!(at(2, None), "image: x{{params.y}}é, z");
        assert_eq!(at(2, Some(99)), "");
        assert_eq!(at(99, None), "");
    }
}
