use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["day", "title"],
        "properties": {
            "title": {"type": "string", "maxLength": 60},
            "day": {"type": "string", "format": "date", "description": "The day to report on"},
            "at": {"type": "string", "format": "date-time"},
            "copies": {"type": "integer", "minimum": 1, "maximum": 50, "default": 1},
            "rate": {"type": "number"},
            "dry_run": {"type": "boolean", "default": false},
            "notify": {"type": "boolean"},
            "format": {"enum": ["pdf", "html"], "default": "pdf"},
            "to": {"type": "array", "items": {"type": "string", "format": "email"}, "default": []},
            "limits": {"$ref": "#/$defs/limits"},
            "note": {"type": "string", "default": "none"},
            "password": {"type": "string", "writeOnly": true}
        },
        "$defs": {"limits": {"type": "object", "default": {"cpu": "1"}}}
    })
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Texts::read(&pairs)
}

fn values(pairs: &[(&str, &str)]) -> Value {
    let json_object = |text: &str| serde_json::from_str(text).ok();
    Value::Object(texts(pairs).values(&schema(), json_object))
}

fn find(fields: &Fields, label: &str) -> Field {
    fields.fields.iter().find(|field| field.label == label).unwrap().clone()
}

#[test]
fn every_type_has_its_control() {
    let fields = fields(&schema(), &Texts::defaults(&schema()), &[]);
    let kinds: BTreeMap<_, _> = fields
        .fields
        .iter()
        .map(|field| {
            let kind = match &field.input {
                Input::Line { kind, .. } => *kind,
                Input::Area { code: true, .. } => "yaml",
                Input::Area { .. } => "area",
                Input::Check { .. } => "check",
                Input::Select { .. } => "select",
            };
            (field.label.as_str(), kind)
        })
        .collect();
    let expected = [
        ("at", "datetime-local"),
        ("copies", "number"),
        ("day", "date"),
        ("dry_run", "check"),
        ("format", "select"),
        ("limits", "yaml"),
        ("note", "text"),
        ("notify", "select"),
        ("password", "password"),
        ("rate", "number"),
        ("title", "text"),
        ("to", "area"),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
}

#[test]
fn what_has_to_be_given_comes_first() {
    let fields = fields(&schema(), &Texts::default(), &[]);
    let labels: Vec<_> = fields.fields.iter().map(|field| field.label.as_str()).collect();
    assert_eq!(labels[..3], ["day", "title", "at"]);
    assert!(fields.fields[0].required && !fields.fields[2].required);
}

#[test]
fn a_number_brings_its_limits_along() {
    let copies = find(&fields(&schema(), &Texts::defaults(&schema()), &[]), "copies");
    assert_eq!(copies.rule.as_deref(), Some("From 1 to 50. When left empty: 1."));
    let Input::Line { value, min, max, step, .. } = copies.input else {
        panic!("a number is one line");
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((value, min, max, step), ("1".to_owned(), text("1"), text("50"), text("1")));
}

#[test]
fn empty_controls_give_nothing_but_where_an_empty_text_was_meant() {
    assert_eq!(
        values(&[("p.title", ""), ("p.copies", ""), ("p.day", ""), ("p.format", ""), ("p.note", "")]),
        json!({"title": "", "note": "", "dry_run": false})
    );
}

#[test]
fn values_come_back_as_they_were_meant() {
    let given = [
        ("p.title", "<script>\u{202e}"),
        ("p.at", "2026-01-31T09:00"),
        ("p.dry_run", "true"),
        ("p.to", "a@b.c\r\nd@e.f"),
        ("p.limits", "{\"cpu\": \"2\"}"),
        ("id", "not a parameter"),
    ];
    assert_eq!(
        values(&given),
        json!({
            "title": "<script>\u{202e}",
            "at": "2026-01-31T09:00:00Z",
            "dry_run": true,
            "to": "a@b.c\nd@e.f",
            "limits": {"cpu": "2"},
        })
    );
}

#[test]
fn what_is_no_object_goes_to_the_check_as_text() {
    assert_eq!(values(&[("p.limits", "cpu 2")])["limits"], json!("cpu 2"));
}

#[test]
fn a_parameter_that_the_template_no_longer_has_goes_to_the_check() {
    assert_eq!(values(&[("p.gone", "x")])["gone"], json!("x"));
}

#[test]
fn what_is_wrong_stands_beside_its_field() {
    let wrong = |path: &str| Wrong { path: path.to_owned(), message: "is wrong".to_owned() };
    let given = texts(&[("p.to", "nobody"), ("p.copies", "many")]);
    let fields = fields(&schema(), &given, &[wrong("to[0]"), wrong("copies"), wrong("gone"), wrong("")]);
    assert_eq!(find(&fields, "to").wrongs, ["to[0]: is wrong"]);
    let copies = find(&fields, "copies");
    assert_eq!(copies.wrongs, ["is wrong"]);
    assert_eq!(copies.described_by(), "p-copies-wrong p-copies-rule");
    assert!(matches!(copies.input, Input::Line { value, .. } if value == "many"));
    assert_eq!(fields.others, ["gone: is wrong", "is wrong"]);
    assert_eq!(fields.wrongs(), 4);
}

#[test]
fn a_secret_is_never_written_into_the_page() {
    let known = json!({"password": "hunter2", "title": "t"});
    let from_record = Texts::of_values(&schema(), known.as_object().unwrap());
    assert_eq!(from_record, texts(&[("p.title", "t")]));
    let sent = fields(&schema(), &texts(&[("p.password", "hunter2")]), &[]);
    assert!(!format!("{sent:?}").contains("hunter2"));
}

#[test]
fn a_form_from_known_values_gives_the_same_values_back() {
    let known = json!({
        "title": "t", "day": "2026-01-31", "at": "2026-01-31T09:00:00Z", "copies": 3, "rate": 0.5, "dry_run": true,
        "notify": false, "format": "html", "to": ["a b", " [x", "c"], "limits": {"cpu": "2"}, "note": "n"
    });
    let schema = schema();
    let texts = Texts::of_values(&schema, known.as_object().unwrap());
    let values = texts.values(&schema, |text| crate::template::yaml::read_object(text).ok());
    assert_eq!(values["limits"], known["limits"]);
    let list: Value = serde_json::from_str(values["to"].as_str().unwrap()).unwrap();
    assert_eq!(list, known["to"]);
    assert_eq!(values["rate"], json!("0.5"));
    assert_eq!(values["notify"], json!("false"));
}

#[test]
fn a_choice_that_is_not_allowed_stays_visible() {
    let format = find(&fields(&schema(), &texts(&[("p.format", "doc")]), &[]), "format");
    let Input::Select { choices } = format.input else {
        panic!("an enumeration is a choice");
    };
    assert_eq!(choices.last().unwrap(), &Choice::new("doc", "doc (not allowed)", true));
}
