//! `jobwright diff`: what a change of the templates changes, against a repository of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{jobwright, told};
use crate::stub::{Reply, Stub};

const HELLO: &str = "---
title: Hello
parameters: {required: [name], properties: {name: {type: string, description: Whom to greet}}}
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
          image: busybox
          args: [hello, \"{{params.name}}\"]
";

fn git(folder: &Path, args: &[&str]) {
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(folder).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A repository with one commit of these templates, in a folder below its root.
fn repository(templates: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    git(root.path(), &["init", "--quiet"]);
    for (name, text) in templates {
        write(&root, name, text);
    }
    commit(&root);
    root
}

fn write(root: &TempDir, name: &str, text: &str) {
    let path = root.path().join("job-templates").join(format!("{name}.yaml"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn commit(root: &TempDir) {
    git(root.path(), &["add", "--all"]);
    git(root.path(), &["commit", "--quiet", "--message", "As it is"]);
}

fn diff(root: &TempDir, args: &[&str]) -> String {
    let mut command = jobwright(&[&["diff"], args].concat());
    command.current_dir(root.path());
    told(&command.output().unwrap()).replace(root.path().to_str().unwrap(), "ROOT")
}

#[test]
fn nothing_is_shown_where_every_manifest_is_as_it_was() {
    let root = repository(&[("hello", HELLO)]);
    write(&root, "hello", &HELLO.replace("title: Hello", "title: Greetings"));
    assert_snapshot!(diff(&root, &[]), @r"
    exit code 0
    --- stdout
    --- stderr
    1 example since HEAD: 1 same
    ");
}

#[test]
fn what_a_change_does_to_every_example_is_shown() {
    let root = repository(&[("hello", HELLO), ("gone", HELLO), ("worse", HELLO)]);
    write(&root, "hello", &HELLO.replace("backoffLimit: 0", "backoffLimit: 3"));
    write(
        &root,
        "worse",
        &HELLO.replace("required: [name]", "required: [name, day]").replace(
            "{name: {type: string, description: Whom to greet}}",
            "{name: {type: string}, day: {type: string}}",
        ),
    );
    write(&root, "new", HELLO);
    fs::remove_file(root.path().join("job-templates/gone.yaml")).unwrap();
    assert_snapshot!("changes", diff(&root, &[]));
    assert_snapshot!("changes_as_markdown", diff(&root, &["-o", "markdown", "hello", "worse"]));
    let json = diff(&root, &["-o", "json"]);
    let json = json.strip_prefix("exit code 1\n--- stdout\n").unwrap().split("--- stderr").next().unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    let outcomes: Vec<_> = json["items"].as_array().unwrap().iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["removed", "changed", "added", "broken"]);
}

#[test]
fn what_counts_as_a_failure_can_be_said() {
    let root = repository(&[("hello", HELLO)]);
    write(&root, "hello", &HELLO.replace("backoffLimit: 0", "backoffLimit: 3"));
    let code = |args: &[&str]| diff(&root, args).lines().next().unwrap().to_owned();
    assert_eq!(code(&[]), "exit code 1");
    assert_eq!(code(&["--fail-on", "break"]), "exit code 0");
    write(&root, "hello", &HELLO.replace("{{params.name}}", "{{params.nmae}}"));
    assert_eq!(code(&["--fail-on", "break"]), "exit code 1");
    assert_eq!(code(&["--fail-on", "never"]), "exit code 0");
}

#[test]
fn an_example_whose_parameters_have_changed_is_rendered_as_it_was_too() {
    let root = repository(&[("hello", HELLO)]);
    write(
        &root,
        "hello",
        &HELLO.replace("{name: Ada}", "{name: Grace}").replace("type: string", "type: string, minLength: 4"),
    );
    let shown = diff(&root, &[]);
    assert!(shown.contains("hello/ada (as it was): broken"), "{shown}");
    assert!(shown.contains("2 examples since HEAD: 1 broken, 1 same"), "{shown}");
}

#[test]
fn a_revision_brings_its_own_partials_and_any_commit_can_be_named() {
    let uses = HELLO.replace("image: busybox", "{{> image}}");
    let root = repository(&[("hello", &uses), ("partials/image", "image: busybox:1.36\n")]);
    git(root.path(), &["tag", "v1"]);
    write(&root, "partials/image", "image: busybox:1.37\n");
    commit(&root);
    let shown = diff(&root, &["--base", "v1"]);
    assert!(
        shown.contains("-        image: busybox:1.36") && shown.contains("+        image: busybox:1.37"),
        "{shown}"
    );
    assert!(diff(&root, &["--base", "HEAD~0"]).contains("1 same"));
}

#[test]
fn where_no_comparison_can_be_made_it_is_said_why() {
    let root = repository(&[("hello", HELLO)]);
    let bare = tempfile::tempdir().unwrap();
    write(&bare, "hello", HELLO);
    let empty = tempfile::tempdir().unwrap();
    let told = [diff(&root, &["--base", "v9"]), diff(&root, &["helo"]), diff(&bare, &[]), diff(&empty, &[])];
    assert_snapshot!("no_comparison", told.join("\n"));
}

#[test]
fn recorded_jobs_are_rendered_with_both_versions() {
    let root = repository(&[("hello", HELLO)]);
    write(&root, "hello", &HELLO.replace("type: string", "type: string, maxLength: 4"));
    let job = |id: &str, name: &str| json!({"id": id, "template": "hello", "parameters": {"name": name}});
    let pages = [
        json!({"items": [job("k4", "Ada"), job("k3", "Grace")], "next": "more"}),
        json!({"items": [job("k2", "Ada"), job("k1", "Ada")], "next": null}),
    ];
    let stub = Stub::new(pages.into_iter().map(|page| Reply::Json(200, page)).collect());
    let mut command = jobwright(&["replay", "--since", "2026-01-01T00:00:00Z", "--server", &stub.server]);
    let told = told(&command.current_dir(root.path()).output().unwrap());
    assert_snapshot!("replay", told);
    let asked: Vec<_> = stub.asked().into_iter().map(|asked| asked.what).collect();
    assert!(asked[0].contains("since=2026-01-01T00%3A00%3A00Z") && asked[1].contains("cursor=more"), "{asked:?}");
}
