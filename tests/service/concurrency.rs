//! Many at once: callers that launch one job, and services that want one data folder.

use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestApp, count};
use crate::tally::Tally;

/// How many launch at the same moment.
const CROWD: usize = 1000;

/// A job that leaves a mark each time it runs.
const MARK: &str = r#"---
title: Mark
parameters:
  type: object
  required: [file, number]
  properties:
    file: {type: string}
    number: {type: integer}
---
apiVersion: batch/v1
kind: Job
metadata: {name: mark}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox
          command: [sh, -c, 'echo "$NUMBER" >> "$FILE"']
          env:
            - {name: FILE, value: "{{params.file}}"}
            - {name: NUMBER, value: "{{params.number}}"}
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

/// Launches one job many times at once, with these numbers. Gives the answers, and the marks that the job has left.
fn launch_at_once(app: &TestApp, id: &str, number: impl Fn(usize) -> usize) -> (Vec<Answer>, Vec<String>) {
    let file = app.path().join(id);
    let body = |it| json!({"template": "mark", "id": id, "parameters": {"file": file, "number": number(it)}});
    let bodies: Vec<Value> = (0..CROWD).map(body).collect();
    let answers = app.post_at_once("/api/v1/jobs", &bodies);
    app.wait_for_phase(id, "Succeeded");
    let marks = std::fs::read_to_string(file).unwrap();
    (answers, marks.lines().map(str::to_owned).collect())
}

#[test]
fn of_a_thousand_launches_of_one_job_at_once_one_launches_it() {
    let app = Setup::new().template("mark", MARK).start();
    let mut tally = Tally::of("concurrency-process");

    let (answers, marks) = launch_at_once(&app, "same", |_| 7);
    assert_eq!((count(&answers, 201), count(&answers, 200), marks.len()), (1, CROWD - 1, 1));
    tally.add("launches of one job at once", answers.len() as u64);
    tally.add("of them answered 201", count(&answers, 201) as u64);
    tally.add("processes started", marks.len() as u64);

    let (answers, marks) = launch_at_once(&app, "different", |it| it);
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, CROWD - 1));
    let launched = answers.iter().position(|answer| answer.status == 201).unwrap();
    assert_eq!(marks, [launched.to_string()], "the one that was told so is the one that ran");
    let refused = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert_eq!(refused.problem(), "job-conflict");
    tally.add("launches of one ID with different parameters at once", answers.len() as u64);
    tally.add("of these answered 201", count(&answers, 201) as u64);
    tally.add("processes started", marks.len() as u64);
    tally.finish();
}

#[test]
fn a_second_service_is_kept_off_a_data_folder_until_the_first_one_is_dead() {
    let first = TestApp::start();
    let data = first.path().join("data");
    let second = Setup::new().with(&["--data", data.to_str().unwrap()]);
    let gate = first.launch_gate("k1");
    first.wait_for_phase("k1", "Running");
    for _ in 0..5 {
        let (code, words) = second.fail();
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains("in use by another process") && words.contains("--data"), "{words}");
    }
    // The first one has not noticed anything.
    assert_eq!(first.get("/readyz").status, 200);
    gate.open(0);
    first.wait_for_phase("k1", "Succeeded");
    // Nothing is left that keeps the second one out.
    let _ended = first.kill();
    let second = second.start();
    assert_eq!(second.get("/api/v1/jobs/k1").json()["phase"], "Succeeded");
}
