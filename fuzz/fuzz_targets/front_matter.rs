//! Any text as the head of a template: it is read or refused, and what it declares can be asked for.

#![no_main]

use jobwright::template::{Context, Partials, Settings, Template};
use libfuzzer_sys::fuzz_target;

const BODY: &str = "
---
apiVersion: batch/v1
kind: Job
metadata: {name: t}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox}]
";

fuzz_target!(|head: &str| {
    let source = format!("---\n{head}{BODY}");
    let Ok(template) = Template::load("t", &source, &Partials::new(), &Settings::new()) else {
        return;
    };
    for parameters in template.examples().values() {
        if let Ok(checked) = template.check(parameters) {
            let _ = template.render(&checked, &Context::example());
            let _ = checked.masked();
        }
    }
    // Defaults alone.
    let _ = template.check(&serde_json::Map::new());
});
