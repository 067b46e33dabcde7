//! Any values for a fixed template: the manifest keeps its shape and holds exactly the values, or they are refused.

#![no_main]

use std::sync::LazyLock;

use jobwright::template::{Context, Partials, Settings, Template};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let source = r#"---
parameters:
  properties:
    s: {type: string, default: x}
    n: {type: number, default: 1}
    any: {}
    l: {type: array, items: {type: string}, default: []}
---
apiVersion: batch/v1
kind: Job
metadata: {name: t, annotations: {n: "{{params.n}}", any: "{{json params.any}}"}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1.37
          args: ["{{params.s}}", {{params.s}}, '<{{params.s}}>']
          env:
            {{#each params.l}}
            - {name: "N{{@index}}", value: "{{this}}"}
            {{/each}}
"#;
    match Template::load("t", source, &Partials::new(), &Settings::new()) {
        Ok(template) => template,
        Err(error) => panic!("{error}"),
    }
});

fn render(given: &Map<String, Value>) -> Option<Value> {
    let checked = TEMPLATE.check(given).ok()?;
    let rendered = TEMPLATE.render(&checked, &Context::example()).ok()?;
    let manifest = rendered.manifest();
    let text = &checked.values()["s"];
    let args = json!([text, text, format!("<{}>", text.as_str().unwrap_or_default())]);
    let container = &manifest["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], args);
    let list = checked.values()["l"].as_array().cloned().unwrap_or_default();
    let env: Vec<Value> = list
        .iter()
        .enumerate()
        .map(|(index, value)| json!({"name": format!("N{index}"), "value": value}))
        .collect();
    assert_eq!(container["env"].as_array().cloned().unwrap_or_default(), env);
    assert_eq!(container.as_object().map(Map::len), Some(4));
    assert_eq!(manifest.as_object().map(Map::len), Some(4));
    Some(manifest.clone())
}

fuzz_target!(|data: &[u8]| {
    if let Ok(Value::Object(given)) = serde_json::from_slice(data) {
        render(&given);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let given = json!({"s": text, "l": text, "n": text, "any": text});
        let _ = TEMPLATE.check(given.as_object().unwrap_or(&Map::new()));
        let given = json!({"s": text, "l": [text, text], "any": text});
        let rendered = render(given.as_object().unwrap_or(&Map::new()));
        // Nothing that a text may hold is refused but NUL; every value but a text past its limit arrives.
        assert_eq!(rendered.is_some(), !text.contains('\0'));
    }
});
