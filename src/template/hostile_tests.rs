//! Hostile values and hostile templates: no value changes a manifest's shape, nothing panics.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::{Context, Partials, Settings, Template};

/// What means something to YAML, to Handlebars, to JSON, to a shell or to the renderer itself.
const FRAGMENTS: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  - ",
    ": ",
    "a: b",
    "#",
    " #",
    "&a",
    "*a",
    "!!str",
    "!t",
    "---",
    "\n---\n",
    "...",
    "|",
    ">-",
    "\"",
    "'",
    "\\",
    "\"]",
    "}",
    "{",
    "[",
    "]",
    ",",
    "%YAML 1.1",
    "@",
    "`",
    "?",
    "<<",
    "=",
    "~",
    "null",
    "true",
    "no",
    "0x1",
    "1e3",
    "1234567890123456789",
    "z1234567890123456789z",
    "{{params.a}}",
    "{{{",
    "}}",
    "{{> x}}",
    "{{#if x}}",
    "{{!--",
    "$(A)",
    "$(reboot)",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{fffe}",
    "\u{10ffff}",
    "\u{7f}",
    "\u{1b}[2J",
    "\0",
    "é",
    "日本",
    "🦀",
    "\u{202e}",
    "image: evil",
];

/// A text that somebody may try.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::collection::vec(select(FRAGMENTS), 0..6).prop_map(|parts| parts.concat()),
        1 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
}

/// A JSON value that somebody may try; its numbers are such as a manifest can carry.
pub(super) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

const TEMPLATE: &str = r#"---
parameters:
  required: [a, b, list, any, flag]
  properties:
    a: {type: string}
    b: {type: string}
    list: {type: array, items: {type: string}}
    any: {}
    flag: {type: boolean}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: t
  annotations: {any: "{{json params.any}}", shell: "{{shell params.a}}"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1.37
          args: ["{{params.a}}", {{params.a}}, '<{{params.b}}>', "{{params.a}}{{params.b}}"]
          workingDir: {{params.b}}
          env:
            {{#each params.list}}
            - {name: "N{{@index}}", value: "{{this}}"}
            {{/each}}
            {{#if params.flag}}
            - name: FLAG
              value: >-
                x {{params.a}}
            {{/if}}
"#;

/// Parameters of [`TEMPLATE`].
#[derive(Debug, Clone)]
struct Given {
    a: String,
    b: String,
    list: Vec<String>,
    any: Value,
    flag: bool,
}

fn given() -> impl Strategy<Value = Given> {
    (text(), text(), proptest::collection::vec(text(), 0..4), json_value(), any::<bool>())
        .prop_map(|(a, b, list, any, flag)| Given { a, b, list, any, flag })
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

impl Given {
    fn parameters(&self) -> Map<String, Value> {
        let Self { a, b, list, any, flag } = self;
        Map::from_iter([
            ("a".to_owned(), json!(a)),
            ("b".to_owned(), json!(b)),
            ("list".to_owned(), json!(list)),
            ("any".to_owned(), any.clone()),
            ("flag".to_owned(), json!(flag)),
        ])
    }

    /// The manifest, made without any text being parsed. Where Kubernetes expands references, dollars are doubled.
    fn manifest(&self) -> Value {
        let Self { a, b, list, any, flag } = self;
        let doubled = |text: &str| text.replace('$', "$$");
        let numbered = list.iter().enumerate();
        let mut env: Vec<Value> =
            numbered.map(|(index, value)| json!({"name": format!("N{index}"), "value": doubled(value)})).collect();
        if *flag {
            env.push(json!({"name": "FLAG", "value": doubled(&format!("x {a}"))}));
        }
        let args = [a.clone(), a.clone(), format!("<{b}>"), format!("{a}{b}")].map(|text| doubled(&text));
        // An empty block leaves the field without a value.
        let env = if env.is_empty() { Value::Null } else { Value::Array(env) };
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "t", "annotations": {
                "any": any.to_string(),
                "shell": format!("'{}'", a.replace('\'', r"'\''")),
            }},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "name": "main",
                    "image": "busybox:1.37",
                    "args": args,
                    "workingDir": b,
                    "env": env,
                }],
            }}},
        })
    }
}

fn load(source: &str) -> Template {
    Template::load("t", source, &Partials::new(), &Settings::new()).unwrap()
}

/// A render gives exactly the manifest with these values; only what no manifest can carry is refused.
fn renders_exactly(template: &Template, given: &Given) -> Result<(), TestCaseError> {
    let parameters = given.parameters();
    let checked = match template.check(&parameters) {
        Ok(checked) => checked,
        Err(faults) => {
            let nul = has_nul(&Value::Object(parameters));
            prop_assert!(nul, "{:?}", faults);
            return Ok(());
        }
    };
    let rendered = template.render(&checked, &Context::example());
    let rendered = rendered.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(rendered.manifest(), &given.manifest());
    Ok(())
}

fn run(cases: u32) {
    let template = load(TEMPLATE);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tested = TestRunner::new(config).run(&given(), |given| renders_exactly(&template, &given));
    tested.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_value_changes_a_manifests_shape() {
    run(300);
}

/// `JOBWRIGHT_TEST_RENDERS=100000000 cargo test --release --lib hostile -- --ignored`: a million without the variable.
#[test]
#[ignore = "a long run"]
fn no_value_changes_a_manifests_shape_in_a_long_run() {
    let cases = std::env::var("JOBWRIGHT_TEST_RENDERS").map(|text| text.parse());
    run(cases.unwrap_or(Ok(1_000_000)).expect("JOBWRIGHT_TEST_RENDERS is a number"));
}

/// Pieces that template texts are made of, whole and broken.
const PIECES: &[&str] = &[
    "---\n",
    "title: t\n",
    "parameters: {properties: {a: {type: string}, l: {type: array}, b: {type: boolean}}}\n",
    "apiVersion: batch/v1\nkind: Job\nspec:\n",
    "  a: ",
    "\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    ": ",
    "&x ",
    "*x",
    "!t ",
    "{{params.a}}",
    "{{{params.a}}}",
    "{{#if params.b}}",
    "{{else}}",
    "{{else if params.b}}",
    "{{/if}}",
    "{{^}}",
    "{{#each params.l as |x i|}}",
    "{{this}}",
    "{{x}}",
    "{{@index}}",
    "{{../params.a}}",
    "{{/each}}",
    "{{#with params.b}}",
    "{{/with}}",
    "{{> p}}",
    "{{> p x=params.a}}",
    "{{json (lower params.a)}}",
    "{{!-- c --}}",
    "{{~params.a~}}",
    "\\{{a}}",
    "{{",
    "}}",
    "{{{{raw}}}}",
    "{{{{/raw}}}}",
    "|\n  x",
    "# c",
    "é",
    "\u{2028}",
];

proptest! {
    #[test]
    fn a_whole_value_of_another_type_is_refused_and_never_reinterpreted(value in json_value()) {
        let source = TEMPLATE.replace("args: [", "args: [{{params.any}}, ");
        let template = load(&source);
        let given = Given { a: "a".into(), b: "b".into(), list: vec![], any: value.clone(), flag: true };
        if let Ok(checked) = template.check(&given.parameters()) {
            match template.render(&checked, &Context::example()) {
                Ok(rendered) => {
                    let args = &rendered.manifest()["spec"]["template"]["spec"]["containers"][0]["args"];
                    // Without a value the item is left out.
                    let text = value.as_str().map(|text| text.replace('$', "$$"));
                    let same = text.is_some() && args[0].as_str() == text.as_deref();
                    prop_assert!(same || value.is_null() && args[0] == "a");
                }
                Err(_) => prop_assert!(!value.is_string()),
            }
        }
    }

    #[test]
    fn no_template_text_is_too_odd(pieces in proptest::collection::vec(select(PIECES), 0..24), text in text()) {
        let body = pieces.concat();
        let partials = Partials::from([("p".to_owned(), text.as_str().into())]);
        for source in [body.clone(), text, format!("---\ntitle: t\n---\n{body}"), format!("---\n{}---\n{body}", PIECES[2])] {
            if let Ok(template) = Template::load("t", &source, &partials, &Settings::new()) {
                let given = json!({"a": "x", "l": ["y"], "b": true});
                if let Ok(checked) = template.check(given.as_object().unwrap()) {
                    let _ = template.render(&checked, &Context::example());
                }
            }
        }
    }
}
