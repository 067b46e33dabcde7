//! `jobwright templates`: list, show, and golden manifests.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use crate::program::{jobwright, told};

const HELLO: &str = "---
title: Hello
parameters: {required: [name], properties: {name: {type: string, description: Whom to greet}}}
settings: {image: {type: string, default: \"busybox:1.37\", description: What it runs in}}
examples:
  ada: {name: Ada}
---
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: hello
          image: \"{{settings.image}}\"
          args: [hello, \"{{params.name}}\"]
";

fn templates(dir: &Path, args: &[&str]) -> String {
    let dir = dir.to_str().unwrap();
    let args = [&["templates"], args, &["--templates", dir]].concat();
    told(&jobwright(&args).output().unwrap()).replace(dir, "DIR")
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("hello.yaml"), HELLO).unwrap();
    dir
}

#[test]
fn a_list_names_broken_templates_with_the_reason() {
    let dir = folder();
    fs::write(dir.path().join("bad.yaml"), HELLO.replace("params.name}}", "params.nmae}}")).unwrap();
    assert_snapshot!("list", templates(dir.path(), &["list"]));
    let json = templates(dir.path(), &["list", "-o", "json"]);
    let json = json.strip_prefix("exit code 0\n--- stdout\n").unwrap();
    let list: Value = serde_json::from_str(json.strip_suffix("--- stderr\n").unwrap()).unwrap();
    assert_eq!(list["items"][0]["usable"], false);
    assert_eq!(list["items"][0]["problems"][0]["suggestion"], "params.name");
    assert_eq!(list["items"][1]["parameters"]["required"][0], "name");
}

#[test]
fn a_template_is_shown_with_all_that_it_takes() {
    let dir = folder();
    assert_snapshot!("show", templates(dir.path(), &["show", "hello"]));
    assert_snapshot!("show_yaml", templates(dir.path(), &["show", "hello", "-o", "yaml", "--set", "image=x:1"]));
    assert_snapshot!("show_unknown", templates(dir.path(), &["show", "helo"]));
}

#[test]
fn golden_manifests_are_written_compared_and_forgotten() {
    let dir = folder();
    assert_snapshot!("golden_missing", templates(dir.path(), &["test"]));
    assert_snapshot!("golden_written", templates(dir.path(), &["test", "--update"]));
    assert!(dir.path().join("golden/hello/ada.yaml").is_file());
    assert_snapshot!("golden_same", templates(dir.path(), &["test"]));
    // Golden manifests are no templates.
    assert!(!templates(dir.path(), &["list"]).contains("ada"));

    let changed = HELLO.replace("backoffLimit: 0", "backoffLimit: 3");
    fs::write(dir.path().join("hello.yaml"), &changed).unwrap();
    assert_snapshot!("golden_differs", templates(dir.path(), &["test"]));

    fs::write(dir.path().join("hello.yaml"), HELLO.replace("ada:", "grace:")).unwrap();
    assert_snapshot!("golden_orphan", templates(dir.path(), &["test"]));
    assert_snapshot!("golden_moved", templates(dir.path(), &["test", "--update"]));
    assert!(!dir.path().join("golden/hello/ada.yaml").exists());
}

#[test]
fn an_example_that_does_not_render_fails_even_an_update() {
    let dir = folder();
    templates(dir.path(), &["test", "--update"]);
    let wrong = HELLO.replace("{name: Ada}", "{nmae: Ada}");
    fs::write(dir.path().join("hello.yaml"), wrong).unwrap();
    assert_snapshot!("golden_misfit", templates(dir.path(), &["test", "--update"]));
    fs::write(dir.path().join("hello.yaml"), HELLO.replace("params.name}}", "params.nmae}}")).unwrap();
    assert_snapshot!("golden_broken", templates(dir.path(), &["test", "--update"]));
    assert!(dir.path().join("golden/hello/ada.yaml").is_file(), "what it gave is kept");
}
