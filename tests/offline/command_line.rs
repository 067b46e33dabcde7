//! How the program answers: exit codes, streams and messages.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Output, Stdio};

use insta::assert_snapshot;

use crate::program::{jobwright, told};

fn output(args: &[&str]) -> Output {
    jobwright(args).output().unwrap()
}

#[test]
fn no_server_is_one_clear_error_with_what_to_do() {
    // Bound and dropped: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{free}");
    let output = output(&["jobs", "list", "--server", &server]);
    assert_snapshot!(told(&output).replace(&server, "http://127.0.0.1:PORT"));
}

#[test]
fn a_stranger_is_told_from_a_server() {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let stranger = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let body = "<html>hello</html>";
        write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
            .unwrap();
    });
    let output = output(&["jobs", "get", "k1", "--server", &server]);
    stranger.join().unwrap();
    assert_snapshot!(told(&output).replace(&server, "http://127.0.0.1:PORT"));
}

#[test]
fn wrong_usage_exits_with_2_and_suggests() {
    assert_snapshot!("misspelt_subcommand", told(&output(&["jbos"])));
    assert_snapshot!("misspelt_flag", told(&output(&["jobs", "list", "--limt", "3"])));
    assert_snapshot!("no_assignment", told(&output(&["run", "hello", "-p", "name"])));
    assert_snapshot!("no_job_id", told(&output(&["jobs", "get", "a/b"])));
    assert_snapshot!("no_moment", told(&output(&["jobs", "list", "--since", "yesterday"])));
    assert_snapshot!("no_url", told(&output(&["jobs", "list", "--server", "localhost:8080"])));
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stderr.is_empty());
    assert!(String::from_utf8(help.stdout).unwrap().contains("Usage: jobwright"));
    let version = output(&["--version"]);
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(text.starts_with("jobwright "), "{text}");
}

#[test]
fn colours_are_for_terminals_unless_they_are_asked_for() {
    let coloured = |args: &[&str]| output(args).stderr.contains(&0x1b);
    assert!(!coloured(&["jbos"]));
    assert!(!coloured(&["jobs", "list", "--server", "x"]));
    assert!(coloured(&["jobs", "list", "--server", "x", "--color", "always"]));
    assert!(!coloured(&["jobs", "list", "--server", "x", "--color", "never"]));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = jobwright(&["man", "--markdown"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = output(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{shell}");
        assert!(script.contains("rerun"), "{shell} does not know `jobs rerun`");
        assert!(!script.contains("guard"), "{shell} offers a hidden command");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let dir = tempfile::tempdir().unwrap();
    let output = output(&["man", dir.path().to_str().unwrap()]);
    assert!(output.status.success());
    let mut pages: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    for page in ["jobwright.1", "jobwright-run.1", "jobwright-jobs-list.1"] {
        assert!(pages.iter().any(|it| it == page), "{page} is not among {pages:?}");
    }
    let page = std::fs::read_to_string(dir.path().join("jobwright-run.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("JOBWRIGHT_LOCAL"));
}

#[test]
fn variables_stand_in_for_flags() {
    let output = jobwright(&["jobs", "list"]).env("JOBWRIGHT_SERVER", "nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"nowhere\" is no server"));
    let markdown = jobwright(&["man"]).env("JOBWRIGHT_MAN_MARKDOWN", "1").output().unwrap();
    assert!(markdown.stdout.starts_with(b"# The command line"));
}
