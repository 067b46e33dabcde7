use proptest::prelude::*;
use serde_json::json;

use super::super::hostile_tests::{json_value, text};
use super::*;

fn refused(yaml: &str) -> YamlError {
    read_all(yaml).unwrap_err()
}

#[test]
fn documents_are_read_and_empty_ones_passed_over() {
    assert_eq!(read_all("---\na: 1\n---\n---\nb: [x]\n").unwrap(), [json!({"a": 1}), json!({"b": ["x"]})]);
    assert_eq!(read("# nothing\n").unwrap(), json!(null));
    assert!(read("a: 1\n---\nb: 2\n").unwrap_err().message.contains("found 2"));
}

#[test]
fn keys_are_texts_and_come_once() {
    assert_eq!(read("{1: a, true: b}").unwrap(), json!({"1": "a", "true": "b"}));
    let error = refused("x:\n  a: 1\n  a: 2\n");
    assert!(error.message.contains("duplicate key `a`"));
    assert_eq!(error.line, Some(2));
}

#[test]
fn merge_keys_give_what_is_not_there_already() {
    assert_eq!(read("d: &d {a: 1, b: 2}\ne: {<<: *d, b: 3}\n").unwrap()["e"], json!({"a": 1, "b": 3}));
    assert!(refused("a: {<<: 1}").message.contains("merge key"));
}

#[test]
fn a_tag_is_refused() {
    assert!(refused("a: !thing x").message.contains("`!thing` means nothing here"));
}

#[test]
fn numbers_are_exact_or_refused() {
    assert_eq!(read("18446744073709551615").unwrap(), json!(u64::MAX));
    assert_eq!(read("-9223372036854775808").unwrap(), json!(i64::MIN));
    for number in ["18446744073709551616", "1e300", ".inf", ".nan"] {
        assert_eq!(refused(number).limit, Some(Limit::NumberRange), "{number}");
    }
}

#[test]
fn a_message_holds_no_place_of_its_own() {
    let error = refused("a: 1\nargs: [a, b\nc: d\n");
    assert!(!error.message.contains("line"), "{}", error.message);
    assert!(error.line.is_some());
}

#[test]
fn bombs_run_into_a_limit() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(refused(&deep).limit, Some(Limit::NestingDepth));
    assert_eq!(refused(&"[".repeat(100_000)).limit, Some(Limit::NestingDepth));
    let wide = "- x\n".repeat(Limit::YamlNodes.max() + 1);
    assert_eq!(refused(&wide).limit, Some(Limit::YamlNodes));
}

#[test]
fn an_object_is_read_from_yaml_or_json() {
    assert_eq!(read_object("").unwrap(), Map::new());
    assert_eq!(Value::Object(read_object("{\"a\": [1]}").unwrap()), json!({"a": [1]}));
    assert_eq!(read_object("[1]").unwrap_err(), "expected a mapping of names to values");
    assert!(read_object("a: [").unwrap_err().starts_with("line "));
}

#[test]
fn strings_that_any_reader_could_mistake_are_quoted() {
    for text in [
        "",
        "no",
        "Off",
        "null",
        "~",
        "1",
        "0x1f",
        "1_000",
        "1:30",
        "2026-01-31",
        "1e3",
        ".5",
        "-",
        "a: b",
        "a #b",
        "a:",
        "<<",
        "=",
        "{",
        "@a",
        "`a",
        "%a",
        "\u{feff}a",
        "\u{85}",
        "\u{2028}",
        "\r",
        "\t",
        " a",
        "a ",
    ] {
        let written = write(&json!(text));
        assert!(written.starts_with('"'), "{text:?} is written as {written}");
    }
    for text in ["busybox", "/app/dummyjob", "--day", "batch/v1", "http://a.b:80/c"] {
        assert_eq!(write(&json!(text)), format!("{text}\n"));
    }
}

#[test]
fn several_lines_are_a_literal_block_where_that_is_exact() {
    assert_eq!(write(&json!({"a": "x\ny\n"})), "a: |\n  x\n  y\n");
    assert_eq!(write(&json!({"a": "x\ny"})), "a: |-\n  x\n  y\n");
    assert_eq!(write(&json!({"a": " x\ny"})), "a: \" x\\ny\"\n");
    assert_eq!(write(&json!({"a": "x\n\n"})), "a: \"x\\n\\n\"\n");
}

#[test]
fn a_document_that_is_one_text_is_never_a_block() {
    for text in ["a: b\n---\n", "a\n...\nb", "x\ny\n"] {
        let written = write(&json!(text));
        assert!(written.starts_with('"'), "{text:?} is written as {written}");
        assert_eq!(read(&written), Ok(json!(text)));
        assert_eq!(read(&write(&json!([text]))), Ok(json!([text])));
    }
}

/// `serde_yaml` does not tell whether a key was quoted, so that a key `"<<"` is taken for the merge key `<<`. What is
/// written is right all the same: other readers tell the two apart.
fn has_merge_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_merge_key),
        Value::Object(fields) => fields.iter().any(|(key, value)| key == "<<" || has_merge_key(value)),
        _ => false,
    }
}

#[test]
fn a_key_of_two_less_than_signs_is_a_merge_key_even_if_quoted() {
    assert!(read("\"<<\": text").unwrap_err().message.contains("a merge key"));
    assert_eq!(read("\"<<\": {a: 1}"), Ok(json!({"a": 1})));
    assert_eq!(write(&json!({"<<": 1})), "\"<<\": 1\n");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in json_value().prop_filter("a merge key", |value| !has_merge_key(value))) {
        let written = write(&value);
        prop_assert_eq!(read(&written), Ok(value), "{}", written);
    }

    #[test]
    fn every_text_survives_as_value_and_as_key(text in text().prop_filter("a merge key", |text| text != "<<")) {
        let value = json!({"list": [text, [text]], "key": {text.as_str(): text}});
        prop_assert_eq!(read(&write(&value)), Ok(value));
    }

    #[test]
    fn no_text_is_too_odd_to_read(text in text()) {
        let _ = read_all(&text);
    }
}
