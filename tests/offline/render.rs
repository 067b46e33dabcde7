//! `jobwright render`: a manifest, or everything that is wrong, with its place.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{jobwright, told};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/job-templates");

/// Renders a template that ships with the program.
fn shipped(args: &[&str]) -> String {
    let args = [&["render", "--templates", SHIPPED], args].concat();
    told(&jobwright(&args).output().unwrap())
}

/// A folder with one template `t` of this head and body.
fn folder(head: &str, body: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.yaml"), format!("---\n{head}---\n{body}")).unwrap();
    dir
}

fn partial(dir: &TempDir, name: &str, text: &str) {
    let partials = dir.path().join("partials");
    fs::create_dir_all(&partials).unwrap();
    fs::write(partials.join(name), text).unwrap();
}

fn render_in(dir: &Path, args: &[&str]) -> String {
    let dir = dir.to_str().unwrap();
    let args = [&["render", "t", "--templates", dir], args].concat();
    told(&jobwright(&args).output().unwrap()).replace(dir, "DIR")
}

fn render(head: &str, body: &str) -> String {
    render_in(folder(head, body).path(), &[])
}

/// A Job with this container below its name and image.
fn job(container: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: t
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1.37
{container}"
    )
}

const ONE: &str = "parameters: {properties: {p: {type: string}}}\n";

/// The only line of `stderr` after its head.
fn complaint(told: &str) -> &str {
    assert!(told.starts_with("exit code 1\n--- stdout\n--- stderr\n"), "{told}");
    told.split_once("--- stderr\n").unwrap().1
}

#[test]
fn a_manifest_goes_to_stdout_as_yaml_or_json() {
    assert_snapshot!("yaml", shipped(&["hello", "-p", "name=Ada"]));
    let json = shipped(&["hello", "-p", "name=Ada", "-o", "json", "--id", "k1", "--name", "Mine"]);
    let text = json.split("--- stdout\n").nth(1).unwrap();
    let text = text.split("--- stderr").next().unwrap();
    let manifest: Value = serde_json::from_str(text).unwrap();
    let args = &manifest["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args[4], "k1");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let args = ["nightly-report", "-p", "day=2026-01-31", "-p", "to=a@b.org", "-p", "to=c@d.org"];
    assert_eq!(shipped(&args), shipped(&args));
}

#[test]
fn parameters_come_from_files_and_variables_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yaml");
    fs::write(&file, "day: 2026-01-31\ncopies: 2\n").unwrap();
    let from_file = shipped(&["nightly-report", "-f", file.to_str().unwrap()]);
    let from_flags = shipped(&["nightly-report", "-p", "day=2026-01-31", "-p", "copies=2"]);
    assert_eq!(from_file, from_flags);
    let output = jobwright(&["render", "nightly-report", "-p", "day=2026-01-31"])
        .env("JOBWRIGHT_TEMPLATES", SHIPPED)
        .env("JOBWRIGHT_SET", "worker_image=eu.example.com/worker:1.4")
        .output()
        .unwrap();
    assert!(told(&output).contains("image: eu.example.com/worker:1.4"));
}

#[test]
fn every_fault_of_the_parameters_is_listed() {
    let faults = [
        "nightly-report",
        "-p",
        "copies=99",
        "-p",
        "dry_run=maybe",
        "-p",
        "format=pfd",
        "-p",
        "to=ada",
        "-p",
        "to=ada",
        "-p",
        "dya=2026-01-31",
    ];
    assert_snapshot!("faults", shipped(&faults));
    assert_snapshot!("wrong_date", shipped(&["nightly-report", "-p", "day=31.1.2026"]));
    assert_snapshot!(
        "wrong_object",
        shipped(&["resources", "-p", r#"resources={"limit":{},"requests":{"cpu":"much"}}"#])
    );
}

#[test]
fn a_name_that_is_no_template_gets_a_suggestion() {
    assert_snapshot!("unknown_template", shipped(&["nightly_reprot"]));
    assert_snapshot!("no_folder", {
        let output = jobwright(&["render", "t", "--templates", "/nowhere"]).output();
        told(&output.unwrap())
    });
}

#[test]
fn a_misspelt_setting_is_told_and_renders_all_the_same() {
    let told = shipped(&["hello", "-p", "name=Ada", "--set", "worker_imgae=x:1"]);
    assert!(told.starts_with("exit code 0"), "{told}");
    assert!(told.contains("has no setting `worker_imgae`; did you mean `worker_image`?"));
    assert_snapshot!(
        "missing_setting",
        render("settings: {registry: {type: string}}\n", &job("          args: [\"{{settings.registry}}\"]\n"))
    );
}

#[test]
fn secrets_are_masked() {
    let told = shipped(&["shell-task", "-p", "message=m", "-p", "token=hunter2"]);
    assert!(told.starts_with("exit code 0") && !told.contains("hunter2"), "{told}");
}

#[test]
fn a_template_that_is_wrong_is_refused_with_the_place() {
    let hole = |hole: &str| job(&format!("          args: [\"{hole}\"]\n"));
    for (case, head, body) in [
        ("unclosed_tag", ONE, hole("{{params.p")),
        (
            "unclosed_block",
            "parameters: {properties: {b: {type: boolean}}}\n",
            job("          {{#if params.b}}\n          tty: true\n"),
        ),
        ("no_expression", ONE, hole("{{params.p = }}")),
        ("misspelt_parameter", ONE, hole("{{params.q}}")),
        ("misspelt_root", ONE, hole("{{parms.p}}")),
        (
            "misspelt_name_in_a_block",
            "parameters: {properties: {dry_run: {type: boolean}}}\n",
            job("          {{#if params.dryrun}}\n          tty: true\n          {{/if}}\n"),
        ),
        ("block_over_a_text", ONE, job("          {{#if params.p}}\n          tty: true\n          {{/if}}\n")),
        ("unknown_helper", ONE, hole("{{lowr params.p}}")),
        ("unknown_block", ONE, job("          {{#unles params.p}}{{/unles}}\n")),
        ("unknown_partial", "", job("          {{> restricted}}\n")),
        ("unknown_field", "", job("          imagePullPolcy: Always\n")),
        ("wrong_type", "", job("          args: run\n          tty: 1\n")),
        ("broken_yaml", "", job("          args: [a, b\n")),
        ("two_documents", "", format!("{}---\napiVersion: v1\nkind: Pod\n", job(""))),
        ("no_document", "", "# nothing\n".to_owned()),
        ("another_kind", "", "apiVersion: batch/v1\nkind: CronJob\n".to_owned()),
        ("another_version", "", "apiVersion: batch/v1beta1\nkind: Job\n".to_owned()),
        ("refused_by_kubernetes", "", job("        - name: main\n").replace("Never", "Always")),
        ("value_in_a_key", ONE, job("          env: [{name: A, \"{{params.p}}\": b}]\n")),
        ("value_as_a_tag", ONE, job("          args: [!{{params.p}} x]\n")),
        ("value_as_an_alias", ONE, job("          args: [*{{params.p}}]\n")),
        ("no_value_for_a_text", ONE, hole("x{{params.p}}")),
        ("tag", "", job("          args: [!thing x]\n")),
        ("duplicate_key", "", job("          tty: true\n          tty: false\n")),
        ("head_key", "titel: T\n", job("")),
        ("head_keyword", "parameters: {properties: {p: {tpye: string}}}\n", job("")),
        ("head_default", "parameters: {properties: {p: {type: integer, default: many}}}\n", job("")),
        ("head_yaml", "title: [\n", job("")),
    ] {
        let told = render(head, &body);
        let said = complaint(&told);
        assert!(said.contains("t.yaml"), "{case} names the file: {said}");
        assert_snapshot!(format!("template_{case}"), said);
    }
}

#[test]
fn a_fault_within_a_partial_is_placed_in_the_partial() {
    let dir = folder("", &job("          {{> extra}}\n"));
    partial(&dir, "extra.yaml", "# more\nworkingDir: /tmp\nttyy: true\n");
    let told = render_in(dir.path(), &[]);
    assert!(complaint(&told).contains("partials/extra.yaml:3:1: "), "{told}");
}

#[test]
fn a_file_without_front_matter_is_told_how_to_begin() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.yaml"), job("")).unwrap();
    assert_snapshot!("no_front_matter", complaint(&render_in(dir.path(), &[])));
}

/// Values that mean something to YAML, to Handlebars or to the tokens that stand for them.
const SHAPED: [&str; 20] = [
    "a\nb: c",
    "a: b",
    "x # y",
    "&a",
    "*a",
    "!!binary aGk=",
    "---",
    "--- {a: b}",
    "...",
    "\"",
    "'",
    "\"]\nimage: evil",
    "{{params.p}}",
    "{{> x}}",
    "{a: b}",
    "[1, 2]",
    "null",
    "1e3",
    "\t- a",
    "\u{2028}\u{feff}",
];

#[test]
fn values_that_look_like_yaml_stay_the_values_that_they_are() {
    let body = job(
        "          args: [\"{{params.p}}\", {{params.p}}, \"<{{params.p}}>\"]\n          env:\n            - {name: P, value: '{{params.p}}'}\n",
    );
    let dir = folder("parameters: {required: [p], properties: {p: {type: string}}}\n", &body);
    for value in SHAPED {
        let file = dir.path().join("p.json");
        fs::write(&file, json!({"p": value}).to_string()).unwrap();
        let told = render_in(dir.path(), &["-o", "json", "-f", file.to_str().unwrap()]);
        let text = told.strip_prefix("exit code 0\n--- stdout\n");
        let text = text.unwrap_or_else(|| panic!("{value:?}: {told}"));
        let manifest: Value = serde_json::from_str(text.strip_suffix("--- stderr\n").unwrap()).unwrap();
        let container = json!({
            "name": "main", "image": "busybox:1.37",
            "args": [value, value, format!("<{value}>")],
            "env": [{"name": "P", "value": value}],
        });
        assert_eq!(manifest["spec"]["template"]["spec"]["containers"], json!([container]), "{value:?}");
    }
}

#[test]
fn the_yaml_that_is_written_reads_as_the_json_that_is_written() {
    let body = job("          args: [\"{{params.p}}\"]\n");
    let dir = folder("parameters: {required: [p], properties: {p: {type: string}}}\n", &body);
    for value in SHAPED {
        let file = dir.path().join("p.json");
        fs::write(&file, json!({"p": value}).to_string()).unwrap();
        let told = render_in(dir.path(), &["-f", file.to_str().unwrap()]);
        let text = told.strip_prefix("exit code 0\n--- stdout\n").unwrap();
        let read = jobwright::template::yaml::read_object(text.strip_suffix("--- stderr\n").unwrap()).unwrap();
        assert_eq!(read["spec"]["template"]["spec"]["containers"][0]["args"], json!([value]));
    }
}

#[test]
fn what_no_container_can_carry_is_refused_and_not_changed() {
    let dir = folder(
        "parameters: {properties: {p: {type: string}, n: {type: number}}}\n",
        &job("          args: [\"{{json params.p}}\", \"{{json params.n}}\"]\n"),
    );
    let given = |json: &str| {
        let file = dir.path().join("p.json");
        fs::write(&file, json).unwrap();
        let told = render_in(dir.path(), &["-f", file.to_str().unwrap()]);
        complaint(&told).replace(file.to_str().unwrap(), "FILE")
    };
    assert_snapshot!("nul", given(r#"{"p": "a\u0000b"}"#));
    assert_snapshot!("lone_surrogate", given(r#"{"p": "a\ud800b"}"#));
    assert_snapshot!("huge_integer", given(r#"{"n": 123456789012345678901234567890}"#));
    assert_snapshot!("huge_fraction", given(r#"{"n": 1e400}"#));
    assert_snapshot!("inexact_number", given(r#"{"n": 1e300}"#));
    let long = "x".repeat(1024 * 1024 + 1);
    assert_snapshot!("too_long", given(&json!({"p": long}).to_string()));
}

#[test]
fn a_mebibyte_of_text_arrives_whole() {
    let dir = folder("parameters: {properties: {p: {type: string}}}\n", &job("          args: [\"{{params.p}}\"]\n"));
    let long = "é\n".repeat(1024 * 1024 / 3);
    let file = dir.path().join("p.json");
    fs::write(&file, json!({"p": long}).to_string()).unwrap();
    let told = render_in(dir.path(), &["-o", "json", "-f", file.to_str().unwrap()]);
    let text = told.strip_prefix("exit code 0\n--- stdout\n").unwrap();
    let manifest: Value = serde_json::from_str(text.strip_suffix("--- stderr\n").unwrap()).unwrap();
    assert_eq!(manifest["spec"]["template"]["spec"]["containers"][0]["args"][0], long);
}

#[test]
fn a_bomb_is_refused_by_a_limit_with_its_name() {
    // Ten levels of ten aliases each.
    let mut aliases = "a0: &a0 [x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        aliases += &format!("a{level}: &a{level} [{before}]\n");
    }
    let bomb = render("", &format!("{aliases}{}", job("")));
    assert!(complaint(&bomb).contains("limit `yaml-nodes`"), "{bomb}");
    let bomb = render(&format!("{aliases}title: t\n"), &job(""));
    assert!(complaint(&bomb).contains("limit `yaml-nodes`"), "{bomb}");
    let deep = render("", &job(&format!("          args: {}{}\n", "[".repeat(5000), "]".repeat(5000))));
    assert!(complaint(&deep).contains("limit `nesting-depth`"), "{deep}");
    let large = render("", &job(&format!("          # {}\n", "x".repeat(256 * 1024))));
    assert!(complaint(&large).contains("limit `template-size`"), "{large}");

    let list = "parameters: {properties: {l: {type: array, items: {type: integer}}, n: {}}}\n";
    let dir = folder(list, &job("          {{#each params.l}}{{#each ../params.l}}{{/each}}{{/each}}\n"));
    let file = dir.path().join("p.json");
    let given = |value: Value| {
        fs::write(&file, value.to_string()).unwrap();
        render_in(dir.path(), &["-f", file.to_str().unwrap()])
    };
    let long = given(json!({"l": vec![1; 1_000_000]}));
    assert!(complaint(&long).contains("limit `"), "{long}");
    let long = given(json!({"l": vec![1; 20_000]}));
    assert!(complaint(&long).contains("limit `list-items`"), "{long}");
    let square = given(json!({"l": vec![1; 1000]}));
    assert!(complaint(&square).contains("limit `loop-iterations`"), "{square}");
}

#[test]
fn partials_that_include_each_other_are_refused_by_a_limit() {
    let dir = folder("", &job("          {{> ping}}\n"));
    partial(&dir, "ping.yaml", "{{> pong}}\n");
    partial(&dir, "pong.yaml", "{{> ping}}\n");
    assert_snapshot!("partials", complaint(&render_in(dir.path(), &[])));
}
