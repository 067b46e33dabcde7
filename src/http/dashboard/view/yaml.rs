//! Canonical YAML in colours: the text that [`crate::template::yaml::write`] gives, cut into pieces with a class each.
//! Put together again, the pieces are the text; no other YAML has to be understood.

/// A piece of text, and the class that gives its colour; empty for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) class: &'static str,
    pub(crate) text: String,
}

const KEY: &str = "yk";
const TEXT: &str = "ys";
const VALUE: &str = "yv";

/// Beyond so many bytes a text stays in one colour: each piece is an element of the page.
const MOST: usize = 256 * 1024;

/// Cuts a text into pieces.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Found::default();
    if text.len() > MOST {
        found.push("", text);
        return found.0;
    }
    // The column at which the lines of a literal block begin, while we are in one.
    let mut block = None;
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let spaces = content.len() - content.trim_start_matches(' ').len();
        if block.is_some_and(|column| content.is_empty() || spaces >= column) {
            found.push(TEXT, content);
        } else {
            block = self::line(content, &mut found);
        }
        found.push("", &line[content.len()..]);
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Token>);

impl Found {
    fn push(&mut self, class: &'static str, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.class == class => last.text.push_str(text),
            _ => self.0.push(Token { class, text: text.to_owned() }),
        }
    }
}

/// Cuts one line into pieces, and gives the column at which the lines of a block begin, where it opens one.
fn line(line: &str, found: &mut Found) -> Option<usize> {
    let mut column = line.len() - line.trim_start_matches(' ').len();
    let mut content_column = column + 2;
    while line[column..].starts_with("- ") {
        content_column = column + 2;
        column += 2;
    }
    let (mark, rest) = line.split_at(column);
    found.push("", mark);
    let value = match key(rest) {
        Some(length) => {
            content_column = column + 2;
            found.push(KEY, &rest[..length]);
            let value = &rest[length + 1..];
            let gap = value.len() - value.trim_start_matches(' ').len();
            found.push("", &rest[length..=length + gap]);
            &value[gap..]
        }
        None => rest,
    };
    let opens = matches!(value, "|" | "|-");
    let bare = matches!(value, "true" | "false" | "null" | "[]" | "{}");
    let number = value.starts_with(|c: char| c.is_ascii_digit() || c == '-') && value.parse::<f64>().is_ok();
    found.push(
        if opens {
            ""
        } else if bare || number {
            VALUE
        } else {
            TEXT
        },
        value,
    );
    opens.then_some(content_column)
}

/// How long the key is with which a line begins, if it begins with one.
fn key(line: &str) -> Option<usize> {
    let length = if line.starts_with('"') {
        let mut escaped = false;
        let end = line.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        end? + 2
    } else {
        line.strip_suffix(':').map(str::len).into_iter().chain(line.find(": ")).min()?
    };
    let after = &line[length..];
    (after == ":" || after.starts_with(": ")).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::template::yaml;

    fn of(class: &str, text: &str) -> Vec<String> {
        tokens(text).into_iter().filter(|token| token.class == class).map(|token| token.text).collect()
    }

    #[test]
    fn keys_texts_and_other_values_are_told_apart() {
        let text = yaml::write(&json!({
            "a b": "c: d", "args": ["sh", "-c", "echo 1\n\nkey: no\n"], "list": [{"n": 1, "url": "http://x"}, []],
            "off": false, "port": "8080", "quote\"d:": {"k": null}, "when": -2.5
        }));
        assert_eq!(
            of(KEY, &text),
            ["\"a b\"", "args", "list", "\"n\"", "url", "\"off\"", "port", "\"quote\\\"d:\"", "k", "when"]
        );
        assert_eq!(of(VALUE, &text), ["1", "[]", "false", "null", "-2.5"]);
        let block = of(TEXT, &text).into_iter().filter(|text| text.contains("echo") || text.contains("no"));
        assert_eq!(block.collect::<Vec<_>>(), ["  echo 1", "  key: no"]);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-z:\"\\\\ \n|é-]{0,12}".prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            let map = prop::collection::btree_map("[a-z:\" -]{0,6}", inner, 0..4);
            prop_oneof![list, map.prop_map(|map| Value::Object(map.into_iter().collect()))]
        })
    }

    proptest! {
        #[test]
        fn the_pieces_make_the_text_again(value in value()) {
            let text = yaml::write(&value);
            let again: String = tokens(&text).into_iter().map(|token| token.text).collect();
            prop_assert_eq!(again, text);
        }

        #[test]
        fn no_text_is_beyond_it(text in "[ -~\n\té\"]{0,80}") {
            let again: String = tokens(&text).into_iter().map(|token| token.text).collect();
            prop_assert_eq!(again, text);
        }
    }
}
