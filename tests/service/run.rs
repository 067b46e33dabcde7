//! `jobwright run`: here without a server, and on one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{PATIENCE, Setup};

/// A template around the built-in worker or, by `--image`, a shell.
fn template(folder: &Path, name: &str, container: &str) {
    let text = format!(
        "---\ntitle: {name}\nparameters:\n  type: object\n  properties:\n    text: {{type: string, maxLength: 5, default: none}}\n    \
         copies: {{type: integer, default: 1}}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n  \
         backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - {{name: main, {container}}}\n"
    );
    std::fs::write(folder.join("templates").join(format!("{name}.yaml")), text).unwrap();
}

/// A folder with templates of its own.
struct Here(Setup);

impl Here {
    fn new() -> Self {
        let setup = Setup::new();
        let folder = setup.path();
        let endpoint = r#""--api-end-point", "{{callback.url}}", "--job-id", "{{job.id}}""#;
        let demo = |percent: u8| {
            format!(
                r#"image: jobwright-worker, args: [demo, {endpoint}, "--step-seconds", "0", "--fail-percent", "{percent}"]"#
            )
        };
        template(folder, "good", &demo(0));
        template(folder, "bad", &demo(100));
        let slow = demo(0).replace(r#""--step-seconds", "0""#, r#""--step-seconds", "600""#);
        template(folder, "slow", &slow);
        let echo = r#"image: busybox, command: [sh, -c, 'echo "said $TEXT"; exit 3'], env: [{name: TEXT, value: "{{params.text}}"}]"#;
        template(folder, "echo", echo);
        Self(setup)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
        for (name, _) in std::env::vars() {
            if name.starts_with("JOBWRIGHT_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env("JOBWRIGHT_DATA", self.0.data())
            .env("JOBWRIGHT_TEMPLATES", "templates")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }
}

/// What came of a command.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    data: String,
    words: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            data: String::from_utf8(output.stdout).unwrap(),
            words: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The lines on stdout, without their times.
    fn story(&self) -> Vec<&str> {
        let lines = self.data.lines();
        lines.map(|line| line.split_once("s  ").map_or(line, |(_, what)| what)).collect()
    }
}

#[test]
fn a_job_runs_here_and_is_followed_to_its_end() {
    let here = Here::new();
    let began = Instant::now();
    let ended = here.run(&["run", "good", "--local", "--id", "k1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let story = ended.story();
    let mut at = 0;
    for line in ["Pending", "Running", "worker: Start Processing", "worker: Processing...", "worker: Done", "Succeeded"]
    {
        let found = story[at..].iter().position(|it| *it == line);
        at += found.unwrap_or_else(|| panic!("no {line:?} in its place: {ended:?}")) + 1;
    }
    assert!(story.contains(&"│ jobwright-worker: Done"), "{ended:?}");
    assert_eq!(story.last(), Some(&"Succeeded"));
    assert!(ended.words.contains("job k1 succeeded after "), "{ended:?}");
    // The promise is one second; a machine that is busy with other tests gets some more.
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn its_record_and_its_log_stay_and_the_same_request_is_the_same_job() {
    let here = Here::new();
    let args = ["run", "good", "--local", "--id", "k1", "-o", "json"];
    let first = here.run(&args);
    assert_eq!(first.code, Some(0), "{first:?}");
    let again = here.run(&args);
    assert_eq!((again.code, &again.data), (Some(0), &first.data));

    let other = here.run(&["run", "good", "--local", "--id", "k1", "-p", "copies=2"]);
    assert_eq!(other.code, Some(1));
    assert!(other.words.contains("parameters.copies: recorded 1, requested 2"), "{other:?}");

    let exported = here.run(&["store", "export"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert_eq!(exported.data.matches("jobwright-worker: Done").count(), 1);
}

#[test]
fn the_exit_code_is_the_jobs_own() {
    let here = Here::new();
    let bad = here.run(&["run", "bad", "--local"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.story().contains(&"worker: ERROR"), "{bad:?}");
    assert!(bad.words.contains("exit code 1"), "{bad:?}");

    let args = ["run", "echo", "--local", "--image", "busybox=/bin/sh"];
    let echo = here.run(&[&args[..], &["-p", "text=a b"]].concat());
    assert_eq!(echo.code, Some(1), "{echo:?}");
    assert!(echo.story().contains(&"│ said a b"), "{echo:?}");
    assert!(echo.words.contains("exit code 3"), "{echo:?}");

    let quiet = here.run(&[&args[..], &["--wait"]].concat());
    assert_eq!(quiet.code, Some(1));
    assert!(!quiet.data.contains("said"), "{quiet:?}");
}

#[test]
fn as_data_the_job_alone_is_on_stdout() {
    let here = Here::new();
    let ended = here.run(&["run", "bad", "--local", "--name", "Daily", "-o", "json"]);
    assert_eq!(ended.code, Some(1));
    let job: Value = serde_json::from_str(&ended.data).unwrap();
    assert_eq!((&job["name"], &job["phase"]), (&"Daily".into(), &"Failed".into()));
    assert_eq!(job["report"]["status"], "ERROR");
    assert!(ended.words.contains("worker: ERROR"), "{ended:?}");
}

#[test]
fn what_is_wrong_is_told_at_once_and_nothing_is_launched() {
    let here = Here::new();
    let faulty = ["-p", "text=too long", "-p", "copies=x", "-p", "txt=a"];
    let ended = here.run(&[&["run", "echo", "--local"], &faulty[..]].concat());
    assert_eq!((ended.code, ended.data.as_str()), (Some(1), ""));
    for word in ["text", "copies", "txt", "did you mean `text`?"] {
        assert!(ended.words.contains(word), "{word:?} in {ended:?}");
    }
    let unmapped = here.run(&["run", "echo", "--local"]);
    assert_eq!(unmapped.code, Some(1));
    assert!(unmapped.words.contains("--image"), "{unmapped:?}");
    let unknown = here.run(&["run", "ecko", "--local"]);
    assert!(unknown.words.contains("did you mean \"echo\"?"), "{unknown:?}");
    let exported = here.run(&["store", "export"]);
    assert!(!exported.data.contains("\"echo\""), "{exported:?}");
}

#[test]
fn the_first_signal_cancels_the_job_and_the_second_leaves() {
    let here = Here::new();
    let mut child = here
        .command(&["run", "slow", "--local", "--id", "k1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = lines.by_ref().map(Result::unwrap);
    assert!(begun.into_iter().any(|line| line.ends_with("worker: Start Processing")));

    // A second process finds the folder in use, and says what to do.
    let second = here.run(&["run", "good", "--local"]);
    assert_eq!(second.code, Some(1));
    assert!(second.words.contains("in use") && second.words.contains("leave out --local"));

    let began = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let last = lines.map(Result::unwrap).last().unwrap();
    assert!(last.ends_with("Cancelled (Cancelled)"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn on_a_server_it_launches_and_follows_there() {
    let here = Here::new();
    let templates = here.0.path().join("templates");
    let app = Setup::new().with(&["--templates", templates.to_str().unwrap()]).start();
    let run = |args: &[&str]| {
        let mut command = here.command(args);
        Ended::of(command.env("JOBWRIGHT_SERVER", &app.url).output().unwrap())
    };
    let launched = run(&["run", "slow", "--id", "s1", "-o", "name"]);
    assert_eq!((launched.code, launched.data.as_str()), (Some(0), "s1\n"));
    assert_eq!(run(&["jobs", "cancel", "s1", "--wait"]).code, Some(0));

    let followed = run(&["run", "bad", "--id", "b1", "--follow"]);
    assert_eq!(followed.code, Some(1), "{followed:?}");
    assert!(followed.story().contains(&"│ jobwright-worker: ERROR"));
    assert!(followed.words.contains("launched bad as b1"));
    assert_eq!(run(&["run", "good", "--wait"]).code, Some(0));

    let warned = run(&["run", "good", "--image", "a=/b", "-o", "name"]);
    assert!(warned.words.contains("no effect without --local"), "{warned:?}");
}
