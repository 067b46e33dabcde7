//! Servers by name: `jobwright context`, and which server a command talks to.

use std::path::PathBuf;
use std::process::{Command, Output};

use insta::assert_snapshot;
use serde_json::json;

use crate::program::{jobwright, told};
use crate::stub::{Reply, Stub};

/// A folder with a file of contexts of its own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = jobwright(args);
        command.env("HOME", self.0.path()).env_remove("XDG_CONFIG_HOME").current_dir(self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn told(&self, args: &[&str]) -> String {
        told(&self.run(args)).replace(self.0.path().to_str().unwrap(), "HOME")
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(".config/jobwright/config.yaml")
    }

    /// The token that a server is shown by a command, if any.
    fn shown(&self, stub: Stub, command: &mut Command) -> Option<String> {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        let asked = stub.asked().remove(0);
        let header = asked.headers.iter().find_map(|line| line.strip_prefix("authorization: Bearer "));
        header.map(str::to_owned)
    }
}

fn server() -> Stub {
    Stub::new(vec![Reply::Json(200, json!({"items": [], "next": null}))])
}

#[test]
fn contexts_are_added_listed_chosen_renamed_and_removed() {
    let home = Home::new();
    let steps: [&[&str]; 13] = [
        &["context", "list"],
        &["context", "current"],
        &["context", "add", "local", "--server", "http://127.0.0.1:8080"],
        &["context", "add", "staging", "--server", "https://jobs.example.org/", "--token-file", "token"],
        &["context", "add", "staging", "--server", "https://other.example.org"],
        &[
            "context",
            "add",
            "cluster",
            "--server",
            "https://jobs.example.com",
            "--token-command",
            "print s3cret",
            "--use",
        ],
        &["context", "list"],
        &["context", "list", "-o", "yaml"],
        &["context", "use", "stagin"],
        &["context", "use", "staging"],
        &["context", "rename", "staging", "test"],
        &["context", "current"],
        &["context", "remove", "test"],
    ];
    let story: Vec<_> =
        steps.iter().map(|step| format!("$ jobwright {}\n{}", step.join(" "), home.told(step))).collect();
    assert_snapshot!(story.join("\n"));
    assert!(!home.told(&["context", "list", "-o", "json"]).contains("s3cret"));
}

#[test]
fn a_command_talks_to_the_server_of_the_context_with_its_token() {
    let home = Home::new();
    let add = |name: &str, stub: &Stub, token: &str| {
        let command = format!("printf {token}");
        let output = home.run(&["context", "add", name, "--server", &stub.server, "--token-command", &command]);
        assert!(output.status.success(), "{}", told(&output));
    };
    let (current, named) = (server(), server());
    add("current", &current, "one");
    add("named", &named, "two");
    assert_eq!(home.shown(current, &mut home.command(&["jobs", "list"])).as_deref(), Some("one"));
    let list = ["jobs", "list", "--context", "named"];
    // A flag wins over variables, the token of its context too.
    let mut command = home.command(&list);
    command.env("JOBWRIGHT_SERVER", "http://127.0.0.1:1").env("JOBWRIGHT_TOKEN", "three");
    assert_eq!(home.shown(named, &mut command).as_deref(), Some("two"));
}

#[test]
fn a_server_that_is_named_wins_over_a_context_whose_token_it_is_never_shown() {
    let home = Home::new();
    home.run(&["context", "add", "x", "--server", "http://127.0.0.1:1", "--token-command", "printf one"]);
    let other = server();
    let args = ["jobs", "list", "--server", &other.server.clone(), "--context", "x"];
    assert_eq!(home.shown(other, &mut home.command(&args)), None);
    let other = server();
    let mut command = home.command(&["jobs", "list"]);
    command.env("JOBWRIGHT_SERVER", &other.server).env("JOBWRIGHT_TOKEN", "two");
    assert_eq!(home.shown(other, &mut command).as_deref(), Some("two"));
}

#[test]
fn what_is_wrong_with_a_context_is_told() {
    let home = Home::new();
    home.run(&["context", "add", "staging", "--server", "http://127.0.0.1:1", "--token-command", "exit 3"]);
    assert_snapshot!("unknown_context", home.told(&["jobs", "list", "--context", "stagign"]));
    assert_snapshot!("token_command_fails", home.told(&["jobs", "list"]));
    home.run(&["context", "add", "staging", "--server", "http://127.0.0.1:1", "--replace"]);
    assert_snapshot!("no_server_of_a_context", home.told(&["jobs", "list"]));
    std::fs::write(home.file(), "contexts: [").unwrap();
    assert_snapshot!("broken_contexts", home.told(&["jobs", "list"]));
    assert_snapshot!("no_name", home.told(&["context", "add", "x y", "--server", "http://127.0.0.1:1"]));
}
