//! Services with something to look at: templates for tests, jobs in every phase, and long histories.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Gate, Setup, TestApp};

/// Does what its one parameter says.
const SCRIPT: &str = r#"---
title: Script
description: Runs a few lines of shell.
parameters:
  type: object
  required: [script]
  properties:
    script: {type: string, maxLength: 5000, description: The lines to run}
examples:
  greeting: {script: echo Good morning}
---
apiVersion: batch/v1
kind: Job
metadata: {name: script}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 3600
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1
          command: [sh, -c, 'eval "$SCRIPT"']
          env: [{name: SCRIPT, value: "{{params.script}}"}]
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

/// Has a parameter of every kind that a form knows. Its job shows what it was given.
pub(crate) const KINDS: &str = r#"---
title: Every kind
description: One parameter of each kind.
parameters:
  type: object
  required: [title, day, level]
  properties:
    title:   {type: string, minLength: 3, maxLength: 40, description: What it is called}
    day:     {type: string, format: date, description: The day to report on}
    at:      {type: string, format: date-time}
    mail:    {type: string, format: email}
    link:    {type: string, format: uri}
    notes:   {type: string, maxLength: 2000, description: As many lines as it takes}
    copies:  {type: integer, minimum: 1, maximum: 50, default: 1}
    ratio:   {type: number, minimum: 0, maximum: 1}
    loud:    {type: boolean, default: false, description: Whether it shouts}
    level:   {type: string, enum: [low, middle, high]}
    names:   {type: array, items: {type: string, minLength: 1}, maxItems: 3}
    address: {type: object, properties: {street: {type: string}, number: {type: integer}}}
    secret:  {type: string, writeOnly: true, default: ""}
examples:
  monday: {title: Monday, day: 2026-02-02, level: low, copies: 3, names: [Ada, Grace]}
  loud: {title: Loud one, day: 2026-01-31, level: high, loud: true}
---
apiVersion: batch/v1
kind: Job
metadata: {name: kinds}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1
          command: [sh, -c, 'echo "$TITLE on $DAY: $LEVEL, $COPIES, $LOUD"']
          env:
            - {name: TITLE, value: "{{params.title}}"}
            - {name: DAY, value: "{{params.day}}"}
            - {name: LEVEL, value: "{{params.level}}"}
            - {name: COPIES, value: "{{params.copies}}"}
            - {name: LOUD, value: "{{params.loud}}"}
            - {name: AT, value: "{{json params.at}}"}
            - {name: MAIL, value: "{{json params.mail}}"}
            - {name: LINK, value: "{{json params.link}}"}
            - {name: NOTES, value: "{{json params.notes}}"}
            - {name: RATIO, value: "{{json params.ratio}}"}
            - {name: NAMES, value: "{{json params.names}}"}
            - {name: ADDRESS, value: "{{json params.address}}"}
            - {name: SECRET, value: "{{params.secret}}"}
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

/// Is recorded and created, and never runs: it takes no process.
const HELD: &str = r#"---
title: Held
description: Waits to be released.
---
apiVersion: batch/v1
kind: Job
metadata: {name: held}
spec:
  suspend: true
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: main, image: "busybox:1", command: [sh, -c, "true"], resources: {limits: {cpu: 100m, memory: 32Mi}}}
"#;

/// A service with these templates.
pub(crate) fn setup() -> Setup {
    Setup::new().template("script", SCRIPT).template("kinds", KINDS).template("held", HELD)
}

/// A service with these templates, that runs.
pub(crate) fn start() -> TestApp {
    setup().start()
}

/// Launches a job of shell, without waiting for it.
pub(crate) fn launch_script(app: &TestApp, id: &str, name: &str, script: &str) {
    let name = (!name.is_empty()).then_some(name);
    let body = json!({"template": "script", "id": id, "name": name, "parameters": {"script": script}});
    let answer = app.post("/api/v1/jobs", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Runs a job of shell to its end.
pub(crate) fn run_script(app: &TestApp, id: &str, name: &str, script: &str) {
    launch_script(app, id, name, script);
    app.wait(id, |job| !job["ended"].is_null());
}

/// A job that does what it is told through a pipe, a line at a time, until it is dropped.
pub(crate) struct Worker {
    pipe: File,
}

impl Worker {
    /// Launches a job of shell that reads the pipe which is given to it.
    pub(crate) fn launch(app: &TestApp, id: &str, script: impl Fn(&str) -> String) -> Self {
        let pipe = app.path().join(format!("lines-{id}"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        launch_script(app, id, "", &script(pipe.to_str().unwrap()));
        app.wait_for_phase(id, "Running");
        // Opens when the job opens its end.
        let pipe = File::options().write(true).open(pipe).unwrap();
        Self { pipe }
    }

    /// Launches a job that runs each line as a line of shell.
    pub(crate) fn shell(app: &TestApp, id: &str) -> Self {
        Self::launch(app, id, |pipe| format!("while read -r line; do eval \"$line\"; done < {pipe}"))
    }

    /// Writes it a line.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.pipe, "{line}").unwrap();
    }
}

/// Launches a job that is held by a gate, and reports for it.
pub(crate) fn launch_reporting(app: &TestApp, id: &str, report: Value) -> Gate {
    let gate = app.launch_gate(id);
    app.wait_for_phase(id, "Running");
    let answer = app.post(&app.callback_path(id), &report);
    assert_eq!(answer.status, 200, "{answer:?}");
    gate
}

/// Launches a job that never runs.
pub(crate) fn launch_held(app: &TestApp, id: &str) {
    let answer = app.post("/api/v1/jobs", &json!({"template": "held", "id": id}));
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Fills a service that does not run with many ended jobs, a minute apart: copies of one that really ran. The newest is
/// `old-1`.
pub(crate) fn with_history(setup: Setup, count: usize) -> Setup {
    let app = setup.start();
    run_script(&app, "old", "Of old", "echo one line");
    let setup = app.stop().setup;
    let export = store(&setup, &["export", "--with-secrets", "-"]);
    let mut lines = export.lines();
    let mut header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let record: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let events = record["events"].as_array().unwrap().len();
    header["jobs"] = json!(count);
    header["sequence"] = json!(count * events);
    let file = setup.path().join("history.jsonl");
    let mut out = std::io::BufWriter::new(File::create(&file).unwrap());
    writeln!(out, "{header}").unwrap();
    let mut ids: Vec<usize> = (1..=count).collect();
    ids.sort_by_key(|index| format!("old-{index}"));
    let text = record.to_string();
    for index in ids {
        let earlier = SignedDuration::from_mins(i64::try_from(index).unwrap());
        let mut copy = retimed(&text, &|time| time - earlier);
        let id = format!("old-{index}");
        copy["intent"]["id"] = json!(id);
        copy["intent"]["object_name"] = json!(format!("script-{index:012x}"));
        // The oldest job has the first events.
        for (place, event) in copy["events"].as_array_mut().unwrap().iter_mut().enumerate() {
            event["job"] = json!(id);
            event["sequence"] = json!((count - index) * events + place + 1);
        }
        writeln!(out, "{copy}").unwrap();
    }
    out.into_inner().unwrap().sync_all().unwrap();
    std::fs::remove_dir_all(setup.data()).unwrap();
    store(&setup, &["import", file.to_str().unwrap()]);
    setup
}

/// A record in which everything came to pass at other times.
pub(crate) fn retimed(record: &str, when: &dyn Fn(Timestamp) -> Timestamp) -> Value {
    fn change(value: &mut Value, when: &dyn Fn(Timestamp) -> Timestamp) {
        match value {
            Value::String(text) => {
                if text.ends_with('Z')
                    && let Ok(time) = text.parse()
                {
                    *text = when(time).to_string();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|it| change(it, when)),
            Value::Object(fields) => fields.values_mut().for_each(|it| change(it, when)),
            _ => {}
        }
    }
    let mut record = serde_json::from_str(record).unwrap();
    change(&mut record, when);
    record
}

/// Runs a command of the store of a service that does not run.
pub(crate) fn store(setup: &Setup, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_jobwright"))
        .arg("store")
        .args(args)
        .arg("--data")
        .arg(setup.data())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
