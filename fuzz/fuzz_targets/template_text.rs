//! Any text as the Job of a template: it loads or is refused, it renders or is refused, and nothing panics.

#![no_main]

use jobwright::template::{Context, Partials, Settings, Template};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const HEAD: &str = "---
parameters:
  properties:
    s: {type: string, default: x}
    n: {type: integer, default: 1}
    b: {type: boolean, default: true}
    e: {enum: [a, b], default: a}
    l: {type: array, items: {type: string}, default: [x, y]}
    o: {type: object, properties: {k: {type: string}}, default: {k: v}}
settings: {image: {type: string, default: busybox}}
---
";

fuzz_target!(|body: &str| {
    let partials = Partials::from([
        ("p".to_owned(), "a: {{params.s}}\nb: {{job.id}}\n".into()),
        ("q".to_owned(), body.into()),
    ]);
    let Ok(template) = Template::load("t", &format!("{HEAD}{body}"), &partials, &Settings::new())
    else {
        return;
    };
    for given in [json!({}), json!({"b": false, "l": [], "s": "a: b\n- {{x}}", "e": "b"})] {
        let given = given.as_object().cloned().unwrap_or_default();
        if let Ok(checked) = template.check(&given)
            && let Ok(rendered) = template.render(&checked, &Context::example())
        {
            // What is written is read back as the same manifest.
            let read = jobwright::template::yaml::read_object(&rendered.to_yaml());
            assert_eq!(read.map(serde_json::Value::Object).as_ref(), Ok(rendered.masked()));
        }
    }
});
