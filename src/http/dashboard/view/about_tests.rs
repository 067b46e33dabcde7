use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::job::JobId;
use crate::template::{Partials, Settings, State};

const FILE: &str = r##"---
title: Report
parameters:
  type: object
  required: [day]
  properties:
    to: {type: array, maxItems: 3, items: {type: string, format: email}, default: [], description: Who gets it}
    day: {type: string, format: date, description: The day}
    key: {type: string, writeOnly: true, default: "hunter2", description: A secret}
    db:
      type: object
      description: Where from
      properties: {size: {enum: [1, 2], default: 1}, host: {$ref: "#/$defs/host"}}
    steps: {type: array, description: What to do, items: {type: object, required: [run], properties: {run: {type: string}}}}
  $defs: {host: {type: string, minLength: 1}}
settings:
  registry: {type: string, default: localhost, description: Where images come from}
  pull: {type: string, writeOnly: true, default: hunter2}
examples:
  one: {day: 2026-01-31, key: hunter2}
---
apiVersion: batch/v1
kind: Job
metadata: {name: report}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: main, image: "{{settings.registry}}/report:1", args: ["{{params.day}}", "{{json params.to}}"]}
"##;

/// A job as a record shows it.
pub(in crate::http::dashboard) fn job(id: &str, phase: Phase) -> JobView {
    JobView {
        id: id.parse::<JobId>().unwrap(),
        name: None,
        template: "report".to_owned(),
        phase,
        reason: None,
        message: None,
        disputed: false,
        exit_code: None,
        report: None,
        object: None,
        parameters: None,
        digest: "sha256:0123456789abcdef".to_owned(),
        commit: None,
        rerun_of: None,
        rebuilt: None,
        warnings: Vec::new(),
        cancel_requested: false,
        created: at(0),
        started: None,
        ended: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_769_850_000 + second).unwrap()
}

fn loaded() -> Entry {
    let template = Template::load("report", FILE, &Partials::new(), &Settings::new()).unwrap();
    Entry { name: "report".to_owned(), state: State::Loaded(Arc::new(template)) }
}

fn lint(text: &str) -> Report {
    crate::template::lint::lint_template("", "report", text, &Partials::new(), &Settings::new())
}

#[test]
fn the_schema_reads_as_documentation_in_the_order_of_the_file() {
    let about = About::new(&loaded(), None, &[], at(0));
    let lines: Vec<_> = about
        .docs
        .iter()
        .map(|doc| {
            let default = doc.default.as_deref().unwrap_or("-");
            format!("{} {} {}|{}|{}", doc.depth, doc.path, doc.kind, doc.rules, default)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "0 to list of email addresses|At most 3 items.|[]",
            "0 day date||-",
            "0 key text||••••••",
            "0 db object||-",
            "1 db.size choice||1",
            "1 db.host text|Not empty.|-",
            "0 steps list of objects||-",
            "1 steps[].run text||-",
        ]
    );
    assert!(about.docs[1].required && about.docs[2].secret && about.docs[7].required);
    assert_eq!(about.docs[4].options, ["1", "2"]);
}

#[test]
fn settings_show_what_is_in_force_and_no_secret() {
    let about = About::new(&loaded(), None, &[], at(0));
    let settings: Vec<_> = about.settings.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
    assert_eq!(settings, [("pull", MASK), ("registry", "localhost")]);
}

#[test]
fn an_example_leads_to_the_form_that_holds_it() {
    let about = About::new(&loaded(), None, &[], at(0));
    assert_eq!(about.examples[0].href, "/templates/report?example=one#form");
    assert!(!about.examples[0].values.contains("hunter2") && about.examples[0].values.contains("2026-01-31"));
}

#[test]
fn versions_are_those_of_the_jobs_newest_first_and_the_present_one() {
    let of = |digest: &str, second: i64, phase: Phase| JobView {
        digest: digest.to_owned(),
        commit: Some(format!("{digest}-commit")),
        created: at(second),
        ..job("k", phase)
    };
    let jobs = [
        of("b", 30, Phase::Failed),
        of("a", 20, Phase::Succeeded),
        of("b", 10, Phase::Succeeded),
        of(Intent::UNKNOWN_DIGEST, 5, Phase::Lost),
    ];
    let versions = versions(&jobs, Some("sha256:cccc"), at(60));
    let shown: Vec<_> = versions.iter().map(|it| (it.short.as_str(), it.jobs, it.succeeded, it.current)).collect();
    assert_eq!(shown, [("cccc", 0, 0, true), ("b", 2, 1, false), ("a", 1, 1, false)]);
    assert_eq!(versions[0].used, None);
    let (first, last) = versions[1].used.clone().unwrap();
    assert_eq!((first.age.as_str(), last.age.as_str()), ("50 s ago", "30 s ago"));
}

#[test]
fn a_commit_is_short_and_keeps_its_mark() {
    let version =
        |commit: &str| Version { commit: Some(commit.to_owned()), ..versions(&[], Some("a"), at(0)).remove(0) };
    assert_eq!(version("0123456789abcdef").commit_short(), "01234567");
    assert_eq!(version("0123456789abcdef-dirty").commit_short(), "01234567 (dirty)");
}

#[test]
fn a_finding_shows_its_line_with_the_part_that_it_is_about() {
    let report = lint(FILE);
    let about = About::new(&loaded(), Some(&report), &[], at(0));
    let unused = about.findings.iter().find(|it| it.message.contains("`registry`") || it.rule == "unused-parameter");
    let unused = unused.unwrap();
    let (number, [before, marked, after]) = unused.line.clone().unwrap();
    let line = FILE.lines().nth(number - 1).unwrap();
    assert_eq!(format!("{before}{marked}{after}"), line);
    assert_eq!(unused.href.as_deref(), Some(format!("#L{number}").as_str()));
    assert_eq!(about.source[number - 1].found, Some(Level::Warning));
    assert_eq!(about.source.len(), FILE.lines().count());
    assert_eq!(about.source[0].found, None);
}

#[test]
fn a_broken_template_shows_its_text_and_what_is_wrong_with_it() {
    let text = "---\ntitle: [\n---\nkind: Job\n";
    let error = Template::load("report", text, &Partials::new(), &Settings::new()).unwrap_err();
    let state = State::Broken { error, source: Some(text.into()), last_good: None };
    let entry = Entry { name: "report".to_owned(), state };
    let about = About::new(&entry, Some(&lint(text)), &[], at(0));
    assert!(about.docs.is_empty() && about.versions.is_empty());
    assert!(about.findings.iter().all(Finding::is_error) && !about.findings.is_empty());
    assert_eq!(about.source[1].text, "title: [");
    assert_eq!(json!(about.findings[0].rule), json!("front-matter"));
}
