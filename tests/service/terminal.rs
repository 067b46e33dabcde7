//! The command line at a terminal: questions, Ctrl-C, and what is drawn in place.

use std::path::Path;
use std::process::Command;

use crate::support::{Setup, TestApp};
use crate::typist::Terminal;

const CTRL_C: &str = "\u{3}";

fn jobwright(app: &TestApp, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
    for (name, _) in std::env::vars() {
        if name.starts_with("JOBWRIGHT_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(app.path())
        .env("JOBWRIGHT_SERVER", &app.url)
        .env("JOBWRIGHT_CONFIG", app.path().join("config.yaml"))
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG");
    command
}

fn at_terminal(app: &TestApp, args: &[&str]) -> Terminal {
    Terminal::start(&jobwright(app, args))
}

/// A job that runs until its gate is opened, and its command at a terminal, which follows it.
fn followed(app: &TestApp, id: &str) -> Terminal {
    let _gate = app.launch_gate(id);
    app.wait_for_phase(id, "Running");
    let pipe = app.path().join(format!("pipe-{id}"));
    let pipe = format!("pipe={}", Path::new(&pipe).display());
    let mut terminal = at_terminal(app, &["run", "gate", "-p", &pipe, "--id", id, "--follow"]);
    // The same request again is the same job.
    terminal.expect(&format!("already launched: gate as {id}, running"));
    // The line that says where things stand comes once nothing else does.
    terminal.expect("⠙ Running");
    terminal
}

#[test]
fn missing_parameters_are_asked_for_and_checked_at_once() {
    let app = TestApp::start();
    let mut terminal = at_terminal(&app, &["run", "typed", "-p", "copies=2", "--id", "k1"]);
    terminal.expect("day: The day (date)");
    terminal.expect("> ");
    terminal.press("tomorrow\n");
    terminal.expect("  day: ");
    terminal.expect("> ");
    terminal.press("2026-01-31\n");
    let (status, text) = terminal.end();
    assert_eq!(status.code(), Some(0), "{text}");
    let job = app.get("/api/v1/jobs/k1").json();
    assert_eq!((&job["parameters"]["day"], &job["parameters"]["copies"]), (&"2026-01-31".into(), &2.into()));
}

#[test]
fn a_secret_is_not_shown_while_it_is_typed() {
    let app = TestApp::start();
    let mut terminal = at_terminal(&app, &["render", "typed", "--ask", "--templates", "templates", "-p", "copies=1"]);
    terminal.expect("day: The day (date)");
    terminal.expect("> ");
    terminal.press("2026-01-31\n");
    terminal.expect("secret (text; not shown)");
    terminal.expect("> ");
    terminal.press("s3cret\n");
    let (status, text) = terminal.end();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn nothing_is_asked_without_a_terminal_or_if_that_is_not_wanted() {
    let app = TestApp::start();
    let output = jobwright(&app, &["run", "typed"]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains("day: missing") && words.contains("-p day=VALUE"), "{words}");
    let (status, text) = at_terminal(&app, &["run", "typed", "--no-input"]).end();
    assert_eq!(status.code(), Some(1));
    assert!(text.contains("day: missing") && !text.contains("> "), "{text}");
    let asked = jobwright(&app, &["run", "typed", "--ask"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(2));
}

#[test]
fn ctrl_c_asks_and_cancels_if_that_is_the_answer() {
    let app = TestApp::start();
    let mut terminal = followed(&app, "k1");
    terminal.press(CTRL_C);
    terminal.expect("Cancel the job k1?");
    terminal.press("y\n");
    terminal.expect("cancellation asked for");
    let (status, text) = terminal.end();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("job k1 cancelled"), "{text}");
}

#[test]
fn ctrl_c_leaves_the_job_running_if_that_is_the_answer_or_at_the_second_one() {
    let app = TestApp::start();
    for (id, answer) in [("k1", "n\n"), ("k2", CTRL_C)] {
        let mut terminal = followed(&app, id);
        terminal.press(CTRL_C);
        terminal.expect("Cancel the job");
        terminal.press(answer);
        let (status, text) = terminal.end();
        assert_eq!(status.code(), Some(130), "{text}");
        assert!(text.contains(&format!("left the job {id}, which goes on")), "{text}");
        assert_eq!(app.get(&format!("/api/v1/jobs/{id}")).json()["phase"], "Running");
    }
}

#[test]
fn a_watch_draws_its_table_in_place() {
    let app = Setup::new().start();
    let gate = app.launch_gate("k1");
    app.wait_for_phase("k1", "Running");
    let mut terminal = at_terminal(&app, &["jobs", "watch", "k1"]);
    terminal.expect("Running");
    gate.open(0);
    terminal.expect("\u{1b}[2A");
    terminal.expect("Succeeded");
    let (status, text) = terminal.end();
    assert_eq!(status.code(), Some(0), "{text}");
    let last = text.rsplit("\u{1b}[2A").next().unwrap();
    assert_eq!((last.matches("k1").count(), last.matches("ID").count()), (1, 1), "{text}");
}
