//! Lint over `tests/lint`: a folder of bad templates, one for every kind of fault, and a good one.

use std::path::PathBuf;

use proptest::prelude::*;

use super::report::{Level, Report};
use super::rules::RULES;
use super::{LintError, format, lint_paths, lint_template};
use crate::template::{Partials, Settings};

fn lint(paths: &[&str]) -> Report {
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    lint_paths(&paths, &Settings::new()).unwrap()
}

fn shown(report: &Report, write: fn(&Report, &mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    String::from_utf8(anstream::adapter::strip_bytes(&out).into_vec()).unwrap()
}

#[test]
fn every_kind_of_bad_template_is_shown_to_people_with_its_line() {
    let report = lint(&["tests/lint/bad"]);
    insta::assert_snapshot!(shown(&report, format::human));
    insta::assert_snapshot!("summary", report.summary());
}

#[test]
fn every_kind_of_bad_template_is_told_to_programs() {
    insta::assert_snapshot!(shown(&lint(&["tests/lint/bad"]), format::json));
}

#[test]
fn every_kind_of_bad_template_becomes_an_annotation() {
    insta::assert_snapshot!(shown(&lint(&["tests/lint/bad"]), format::github));
}

#[test]
fn sarif_names_the_rules_and_the_places() {
    let report = lint(&["tests/lint/bad/careless.yaml", "tests/lint/bad/syntax.yaml"]);
    insta::assert_snapshot!(shown(&report, format::sarif));
}

#[test]
fn a_good_template_has_no_findings() {
    assert_eq!(shown(&lint(&["tests/lint/good"]), format::human), "");
}

#[test]
fn the_templates_that_ship_have_no_findings() {
    assert_eq!(shown(&lint(&["job-templates"]), format::human), "");
}

#[test]
fn the_bad_templates_break_every_rule() {
    let report = lint(&["tests/lint/bad"]);
    let unbroken: Vec<&str> =
        RULES.iter().map(|rule| rule.name).filter(|name| !report.diagnostics.iter().any(|d| d.rule == *name)).collect();
    // A file that cannot be read, a setting that no value fits and a bomb cannot lie in a folder.
    assert_eq!(unbroken, ["unreadable", "setting", "limit"]);
}

#[test]
fn a_finding_has_the_level_of_its_rule() {
    for diagnostic in lint(&["tests/lint/bad"]).diagnostics {
        let rule = RULES.iter().find(|rule| rule.name == diagnostic.rule).unwrap();
        assert_eq!(rule.level, diagnostic.level, "{}", diagnostic.rule);
    }
}

#[test]
fn a_secret_is_in_no_finding() {
    let report = lint(&["tests/lint/bad"]);
    for write in [format::human, format::json, format::sarif, format::github] {
        assert!(!shown(&report, write).contains("hunter2"));
    }
}

#[test]
fn a_file_named_twice_is_looked_at_once() {
    let report = lint(&["tests/lint/good", "tests/lint/good/tidy.yaml"]);
    assert_eq!(report.summary(), "checked 1 template: no errors, no warnings");
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_and_not_a_clean_bill() {
    let lint = |path: &str| lint_paths(&[PathBuf::from(path)], &Settings::new());
    assert!(matches!(lint("tests/lint/none"), Err(LintError::Missing(_))));
    assert!(matches!(lint("Cargo.toml"), Err(LintError::NotATemplate(_))));
}

#[test]
fn a_file_that_is_no_text_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), [0xff, 0xfe]).unwrap();
    let report = lint_paths(&[folder.path().to_owned()], &Settings::new()).unwrap();
    assert_eq!(report.diagnostics[0].rule, "unreadable");
}

#[test]
fn a_setting_that_is_given_is_used_and_a_missing_one_is_made_up() {
    let source = "---\nsettings: {tag: {type: string, description: A tag}}\n---\n\
        apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  ttlSecondsAfterFinished: 1\n  template:\n    spec:\n      \
        restartPolicy: Never\n      containers:\n        - name: a\n          image: \"a:{{settings.tag}}\"\n          \
        resources: {limits: {memory: 1Mi}}\n";
    let lint = |settings: &Settings| lint_template("", "a", source, &Partials::new(), settings);
    assert_eq!(lint(&Settings::new()).diagnostics, []);
    let mut latest = Settings::new();
    latest.insert("tag".to_owned(), "latest".into());
    let report = lint(&latest);
    assert_eq!(report.diagnostics[0].rule, "image-tag");
    assert_eq!(report.count(Level::Warning), 1);
}

#[test]
fn rules_have_names_of_their_own_and_are_documented() {
    let docs = include_str!("../../../docs/lint.md");
    for rule in RULES {
        assert_eq!(RULES.iter().filter(|other| other.name == rule.name).count(), 1);
        assert!(docs.contains(&format!("`{}`", rule.name)), "docs/lint.md does not name {}", rule.name);
    }
}

proptest! {
    #[test]
    fn no_text_makes_lint_panic(head in "[-a-z:{}\\[\\]'\" \n#]{0,80}", body in "[-a-z:{}\\[\\]'\" \n#|>&*!%@.éΩ]{0,120}") {
        let source = format!("---\n{head}\n---\n{body}");
        for source in [source.as_str(), &body] {
            let report = lint_template("f", "t", source, &Partials::new(), &Settings::new());
            shown(&report, format::human);
            shown(&report, format::sarif);
        }
    }
}
