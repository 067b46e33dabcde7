//! The worker as its users see it: a real process that reports to a server on this machine.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// A server that keeps what is posted to it and answers with the next of these statuses, then with 200.
struct Server {
    url: String,
    posts: Receiver<Vec<(String, String)>>,
}

impl Server {
    fn start(mut answers: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/callback/TOKEN", listener.local_addr().unwrap());
        let (sender, posts) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(form) = read_post(&mut stream) {
                    let status = if answers.is_empty() { "200 OK" } else { answers.remove(0) };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\n\"ok\"");
                    // The test may have ended.
                    let _ = sender.send(form);
                    if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        Self { url, posts }
    }

    /// The next post's fields but for its sequence, which must rise.
    fn next(&self) -> Vec<(String, String)> {
        self.posts.recv_timeout(Duration::from_secs(20)).expect("no report came")
    }

    fn statuses(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| field(&self.next(), "status").unwrap()).collect()
    }
}

fn read_post(stream: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let body = String::from_utf8(body).unwrap();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    Some(pairs.map(|(key, value)| (decode(key), decode(value))).collect())
}

fn field(form: &[(String, String)], name: &str) -> Option<String> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

fn worker(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright-worker"));
    command.args(args).env("JOBWRIGHT_CALLBACK_URL", url).env("JOBWRIGHT_JOB_ID", "k1");
    command
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn the_demo_job_says_the_old_words() {
    for (percent, last, code) in [("0", "Done", 0), ("100", "ERROR", 1)] {
        let server = Server::start(vec![]);
        let args = ["demo", "--step-seconds", "0.05", "--fail-percent", percent];
        let status = worker("", &args).args(["--api-end-point", &server.url, "--job-id", "k1"]).status().unwrap();
        assert_eq!(status.code(), Some(code));
        assert_eq!(server.statuses(3), ["Start Processing", "Processing...", last]);
    }
}

#[test]
fn under_its_old_name_it_is_the_demo_job() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("dummyjob");
    symlink(env!("CARGO_BIN_EXE_jobwright-worker"), &program).unwrap();
    let server = Server::start(vec![]);
    let mut child = Command::new(program)
        .args(["--api-end-point", &server.url, "--job-id", "k1"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let first = server.next();
    assert_eq!(field(&first, "status").as_deref(), Some("Start Processing"));
    assert_eq!(field(&first, "job-id").as_deref(), Some("k1"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_command_runs_as_if_alone_and_its_progress_is_reported() {
    let server = Server::start(vec![]);
    let script = "echo one; echo ::progress 40 half way; echo err >&2; cat; exit 3";
    let mut child = worker(&server.url, &["run", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = server.next();
    assert_eq!(field(&first, "message").as_deref(), Some("started sh"));
    let progress = server.next();
    assert_eq!(field(&progress, "progress").as_deref(), Some("40"));
    assert_eq!(field(&progress, "message").as_deref(), Some("half way"));
    child.stdin.take().unwrap().write_all(b"from stdin\n").unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let last = server.next();
    assert_eq!(status.code(), Some(3));
    assert_eq!(text(&stdout), "one\n::progress 40 half way\nfrom stdin\n");
    assert_eq!(text(&stderr), "err\n");
    assert_eq!(field(&last, "status").as_deref(), Some("ERROR"));
    assert_eq!(field(&last, "message").as_deref(), Some("exit code 3"));
    let numbers: Vec<u64> =
        [&first, &progress, &last].map(|form| field(form, "sequence").unwrap().parse().unwrap()).into();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn it_says_now_and_then_that_the_command_still_runs() {
    let server = Server::start(vec![]);
    let mut child = worker(&server.url, &["run", "--heartbeat", "20ms", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(server.statuses(4), ["Running"; 4]);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let last = std::iter::from_fn(|| Some(field(&server.next(), "status").unwrap())).find(|it| it != "Running");
    assert_eq!(last.as_deref(), Some("Done"));
}

#[test]
fn signals_are_passed_on_and_a_deadly_one_shows_in_the_exit_code() {
    for (script, signal, code) in [
        // A shell acts on a trapped signal once the command under way has ended.
        ("trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done", "USR1", 7),
        ("echo ready; exec cat", "TERM", 143),
    ] {
        let server = Server::start(vec![]);
        let mut child = worker(&server.url, &["run", "--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{script}");
    }
}

#[test]
fn a_report_is_sent_again_until_it_arrives() {
    let server = Server::start(vec!["503 Busy", "429 Slow down", "500 Oh"]);
    let output = worker(&server.url, &["report", "--progress", "40", "Copying", "files"]).output().unwrap();
    assert_eq!(text(&output.stdout), "Copying files\n");
    assert!(text(&output.stderr).contains("trying again: the server answered 503"), "{}", text(&output.stderr));
    let posts: Vec<_> = (0..4).map(|_| server.next()).collect();
    assert!(posts.iter().all(|post| post == &posts[0]), "{posts:?}");
}

#[test]
fn a_refused_report_is_not_sent_again_and_changes_nothing() {
    let server = Server::start(vec!["403 Forbidden"]);
    let begun = Instant::now();
    let output = worker(&server.url, &["report", "Done"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert!(said.contains("a report was refused: the server answered 403"), "{said}");
    assert!(!said.contains("TOKEN") && begun.elapsed() < Duration::from_secs(10));
    server.next();
    // The worker has ended, so that whatever it sent has come.
    assert_eq!(server.posts.try_iter().count(), 0);
}

#[test]
fn a_server_that_is_away_never_changes_the_exit_code() {
    // Nobody listens on the port of a listener that is gone.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/callback/TOKEN");
    let output = worker(&url, &["run", "--report-deadline", "300ms", "--", "sh", "-c", "exit 5"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains("did not arrive"), "{}", text(&output.stderr));
}

#[test]
fn a_command_that_cannot_start_ends_as_in_a_shell() {
    let server = Server::start(vec![]);
    let missing = worker(&server.url, &["run", "--", "no-such-command"]).status().unwrap();
    assert_eq!(missing.code(), Some(127));
    assert_eq!(server.statuses(1), ["ERROR"]);
    let folder = worker(&server.url, &["run", "--", "/"]).status().unwrap();
    assert_eq!(folder.code(), Some(126));
}

#[test]
fn wrong_arguments_are_said_and_end_with_2() {
    for args in [&["run"][..], &["run", "--heartbeat", "0s", "--", "true"], &["demo", "--fail-percent", "101"], &["x"]]
    {
        let output = worker("", args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{}", text(&output.stderr));
    }
}

#[test]
fn without_an_endpoint_the_command_runs_all_the_same() {
    let output = worker("", &["run", "--", "sh", "-c", "echo hi"]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "hi\n"));
    assert!(text(&output.stderr).contains("nothing is reported"));
}
