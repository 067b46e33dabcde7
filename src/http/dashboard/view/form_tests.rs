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
            "limits": {"$ref": "#/$defs/limits", "description": "What it may use"},
            "script": {"type": "string", "format": "multiline"},
            "days": {"type": "array", "uniqueItems": true, "items": {"enum": ["mon", "tue", "wed"]}, "default": ["mon"]},
            "steps": {"type": "array", "items": {"type": "object", "properties": {"run": {"type": "string"}}}},
            "keys": {"type": "array", "items": {"type": "string", "writeOnly": true}},
            "box": {"type": "object", "properties": {"width": {"type": "integer"}}},
            "db": {
                "type": "object",
                "required": ["host"],
                "properties": {
                    "host": {"type": "string", "title": "Host"},
                    "port": {"type": "integer", "default": 5432},
                    "tls": {"type": "boolean", "default": true},
                    "password": {"type": "string", "writeOnly": true},
                    "pool": {"type": "object", "properties": {"size": {"type": "integer"}}}
                }
            },
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

fn declared() -> Vec<Declared> {
    Declared::all(&schema(), &|_| 0)
}

fn form(texts: &Texts, wrongs: &[Wrong]) -> Fields {
    fields(&declared(), texts, wrongs)
}

fn values(pairs: &[(&str, &str)]) -> Value {
    Value::Object(texts(pairs).values(&declared()).map)
}

fn find(fields: &Fields, path: &str) -> Field {
    fields.fields().find(|field| field.control == format!("p.{path}")).unwrap().clone()
}

fn wrong(path: &str) -> Wrong {
    Wrong { path: path.to_owned(), message: "is wrong".to_owned() }
}

#[test]
fn every_type_has_its_control() {
    let fields = form(&Texts::defaults(&declared()), &[]);
    let kinds: BTreeMap<_, _> = fields
        .fields()
        .map(|field| {
            let kind = match &field.input {
                Input::Line { kind, .. } => *kind,
                Input::Area { hidden: true, .. } => "secret",
                Input::Area { code: true, .. } => "yaml",
                Input::Area { .. } => "area",
                Input::Rows { kind, .. } => *kind,
                Input::Ticks { .. } => "ticks",
                Input::Group { .. } => "group",
                Input::Check { .. } => "check",
                Input::Select { .. } => "select",
            };
            (field.control.trim_start_matches("p."), kind)
        })
        .collect();
    let expected = [
        ("at", "datetime-local"),
        ("box", "group"),
        ("box.width", "number"),
        ("copies", "number"),
        ("day", "date"),
        ("days", "ticks"),
        ("db", "group"),
        ("db.host", "text"),
        ("db.password", "password"),
        ("db.pool", "group"),
        ("db.pool.size", "number"),
        ("db.port", "number"),
        ("db.tls", "check"),
        ("dry_run", "check"),
        ("format", "select"),
        ("keys", "secret"),
        ("limits", "yaml"),
        ("note", "text"),
        ("notify", "select"),
        ("password", "password"),
        ("rate", "number"),
        ("script", "area"),
        ("steps", "yaml"),
        ("title", "text"),
        ("to", "email"),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
}

#[test]
fn what_has_to_be_given_comes_first() {
    let fields = form(&Texts::default(), &[]);
    let labels: Vec<_> = fields.fields().map(|field| field.label.as_str()).collect();
    assert_eq!(labels[..3], ["day", "title", "at"]);
    assert!(find(&fields, "day").required && !find(&fields, "at").required);
}

#[test]
fn the_order_is_that_of_the_file() {
    let order = |pointer: &str| match pointer {
        "/properties/to" => 0,
        "/properties/db/properties/tls" => 1,
        _ => 2,
    };
    let fields = fields(&Declared::all(&schema(), &order), &Texts::default(), &[]);
    let paths: Vec<_> = fields.fields().map(|field| field.control.as_str()).collect();
    assert_eq!(paths[..4], ["p.day", "p.title", "p.to", "p.at"]);
    let db = paths.iter().position(|path| *path == "p.db").unwrap();
    assert_eq!(paths[db + 1], "p.db.tls");
}

#[test]
fn what_stands_beside_a_reference_is_said_of_this_place() {
    let limits = find(&form(&Texts::defaults(&declared()), &[]), "limits");
    assert_eq!(limits.help.as_deref(), Some("What it may use"));
    assert!(matches!(limits.input, Input::Area { value, .. } if value == "cpu: \"1\"\n"));
}

#[test]
fn a_number_brings_its_limits_along() {
    let copies = find(&form(&Texts::defaults(&declared()), &[]), "copies");
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
fn a_text_that_is_no_yaml_is_told_with_its_line() {
    let values = texts(&[("p.limits", "cpu: [1")]).values(&declared());
    assert_eq!(values.map["limits"], json!("cpu: [1"));
    assert_eq!(values.unreadable[0].path, "limits");
    assert!(values.unreadable[0].message.starts_with("this is no YAML: line "), "{:?}", values.unreadable);
}

#[test]
fn a_list_of_objects_is_written_as_yaml() {
    assert_eq!(values(&[("p.steps", "- run: a\n- run: b\n")])["steps"], json!([{"run": "a"}, {"run": "b"}]));
}

#[test]
fn what_is_ticked_is_a_list_and_nothing_ticked_is_an_empty_one() {
    assert_eq!(values(&[("p.days", ""), ("p.days", "mon"), ("p.days", "wed")])["days"], json!(["mon", "wed"]));
    assert_eq!(values(&[("p.days", "")])["days"], json!([]));
    assert_eq!(values(&[]).get("days"), None);
    let Input::Ticks { choices } = find(&form(&texts(&[("p.days", "tue"), ("p.days", "sun")]), &[]), "days").input
    else {
        panic!("choices are boxes to tick");
    };
    let ticked: Vec<_> = choices.iter().filter(|it| it.selected).map(|it| it.words.as_str()).collect();
    assert_eq!(ticked, ["tue", "sun (not allowed)"]);
}

#[test]
fn an_object_that_need_not_be_given_is_not_until_one_of_its_fields_is_changed() {
    let fresh = [("p.db", ""), ("p.db.host", ""), ("p.db.port", "5432"), ("p.db.tls", "true"), ("p.db.pool", "")];
    assert_eq!(values(&fresh).get("db"), None);
    let mut changed = fresh;
    changed[1].1 = "db.example";
    assert_eq!(values(&changed)["db"], json!({"host": "db.example", "port": "5432", "tls": true}));
    assert_eq!(values(&changed[..3])["db"], json!({"host": "db.example", "port": "5432", "tls": false}));
    let within = [("p.db", ""), ("p.db.pool", ""), ("p.db.pool.size", "3")];
    assert_eq!(values(&within)["db"]["pool"], json!({"size": "3"}));
}

#[test]
fn an_object_that_was_given_stays_given_until_its_fields_are_emptied() {
    let known = json!({"db": {"host": "h", "port": 5432, "password": "••••••"}});
    let texts = Texts::of_values(&declared(), known.as_object().unwrap());
    assert_eq!(texts.get("db.password"), "");
    assert_eq!(texts.values(&declared()).map["db"], json!({"host": "h", "port": "5432", "tls": true}));
    assert_eq!(values(&[("p.db", "{}"), ("p.db.host", ""), ("p.db.port", "")]).get("db"), None);
}

#[test]
fn an_object_with_more_than_its_fields_is_written_as_a_whole() {
    let known = json!({"box": {"width": 1, "depth": 2}, "db": {"host": "h", "extra": 1}});
    let texts = Texts::of_values(&declared(), known.as_object().unwrap());
    let fields = form(&texts, &[wrong("box.width")]);
    let whole = find(&fields, "box");
    assert!(matches!(whole.input, Input::Area { code: true, value, .. } if value == "depth: 2\nwidth: 1\n"));
    assert_eq!(whole.wrongs, ["box.width: is wrong"]);
    assert!(fields.fields().all(|field| field.control != "p.box.width"));
    assert_eq!(texts.values(&declared()).map["box"], known["box"]);
    // What holds a secret has to be given again in any case.
    assert_eq!(find(&fields, "db").input, Input::Group { mark: String::new() });
}

#[test]
fn what_is_wrong_stands_beside_its_field() {
    let given = texts(&[("p.to", "nobody"), ("p.copies", "many"), ("p.db", "")]);
    let wrongs = ["to[0]", "copies", "db.port", "db", "gone", ""].map(wrong);
    let fields = form(&given, &wrongs);
    let to = find(&fields, "to");
    assert_eq!(to.wrongs, ["to[0]: is wrong"]);
    assert!(matches!(to.input, Input::Rows { wrong, .. } if wrong == "0"));
    let copies = find(&fields, "copies");
    assert_eq!(copies.wrongs, ["is wrong"]);
    assert_eq!(copies.described_by(), "p-copies-wrong p-copies-rule");
    assert!(matches!(copies.input, Input::Line { value, .. } if value == "many"));
    assert_eq!(find(&fields, "db").wrongs, ["is wrong"]);
    let port = find(&fields, "db.port");
    assert_eq!((port.trail.as_str(), port.id.as_str()), ("db › port", "p-db.port"));
    assert_eq!(port.wrongs, ["is wrong"]);
    assert_eq!(fields.others, ["gone: is wrong", "is wrong"]);
    assert_eq!(fields.wrongs(), 6);
    let first: Vec<_> = fields.fields().filter(|field| field.first_wrong).map(|field| &field.label).collect();
    assert_eq!(first, ["copies"], "the page opens at the first of them");
}

#[test]
fn a_secret_is_never_written_into_the_page() {
    let known = json!({"password": "hunter2", "title": "t", "keys": ["hunter2"], "db": {"password": "hunter2"}});
    let from_record = Texts::of_values(&declared(), known.as_object().unwrap());
    assert!(!format!("{from_record:?}").contains("hunter2"), "{from_record:?}");
    let typed = [("p.password", "hunter2"), ("p.keys", "hunter2"), ("p.db", ""), ("p.db.password", "hunter2")];
    let sent = form(&texts(&typed), &[]);
    assert!(!format!("{sent:?}").contains("hunter2"));
    let again = "Type it again: a secret is never sent back to the page.";
    assert_eq!(find(&sent, "db.password").rule.as_deref(), Some(again));
    assert_eq!(find(&form(&Texts::default(), &[]), "password").rule, None);
    assert_eq!(texts(&typed).without_secrets(&declared()), texts(&[("p.db", "")]));
}

#[test]
fn a_form_from_known_values_gives_the_same_values_back() {
    let known = json!({
        "title": "t", "day": "2026-01-31", "at": "2026-01-31T09:00:00Z", "copies": 3, "rate": 0.5, "dry_run": true,
        "notify": false, "format": "html", "to": ["a b", " [x", "c"], "limits": {"cpu": "2"}, "note": "n",
        "db": {"host": "h", "pool": {"size": 2}}, "steps": [{"run": "a: b"}], "days": []
    });
    let values = Texts::of_values(&declared(), known.as_object().unwrap()).values(&declared()).map;
    for name in ["steps", "days"] {
        assert_eq!(values[name], known[name]);
    }
    assert_eq!(values["db"], json!({"host": "h", "port": "5432", "tls": true, "pool": {"size": "2"}}));
    assert_eq!(values["limits"], known["limits"]);
    let list: Value = serde_json::from_str(values["to"].as_str().unwrap()).unwrap();
    assert_eq!(list, known["to"]);
    assert_eq!(values["rate"], json!("0.5"));
    assert_eq!(values["notify"], json!("false"));
}

#[test]
fn a_choice_that_is_not_allowed_stays_visible() {
    let format = find(&form(&texts(&[("p.format", "doc")]), &[]), "format");
    let Input::Select { choices } = format.input else {
        panic!("an enumeration is a choice");
    };
    assert_eq!(choices.last().unwrap(), &Choice::new("doc", "doc (not allowed)", true));
}
