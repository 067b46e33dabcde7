//! The real program, started to die.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jobwright::crash::{Point, VARIABLE};

use crate::support::{Setup, TestApp};

/// Where a process is to die: at a point, when it gets there for the Nth time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub point: Point,
    pub time: u32,
    /// For how long whoever has reached it is held before that, while everything else goes on.
    pub hold: Duration,
}

impl At {
    /// Its first time.
    pub fn first(point: Point) -> Self {
        Self { point, time: 1, hold: Duration::ZERO }
    }

    fn arm(at: Option<Self>, command: &mut Command) {
        command.env_remove(VARIABLE);
        if let Some(at) = at {
            command.env(VARIABLE, format!("{}:{}:{}", at.point.name(), at.time, at.hold.as_millis()));
        }
    }
}

/// A service that runs.
pub struct Instance {
    child: Child,
    /// To talk to it. What it is asked may have no answer.
    pub app: TestApp,
    _stdout: BufReader<std::process::ChildStdout>,
}

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

impl Instance {
    /// Starts the service; none if it died before it listened. Its words go to the end of a file, so that nobody has to
    /// wait for guards that outlive it for a moment.
    pub fn start(setup: &Setup, at: Option<At>) -> Option<Self> {
        let words = OpenOptions::new().create(true).append(true).open(words(setup)).unwrap();
        let mut command = setup.command();
        At::arm(at, &mut command);
        let mut child = command.stderr(words).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stdout = stdout;
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = sender.send((line, stdout));
        });
        let (line, stdout) = first.recv_timeout(PATIENCE).expect("it neither listens nor ends");
        match line.trim().strip_prefix("Jobwright listens on ") {
            Some(url) => Some(Self { child, app: TestApp::at(url, PATIENCE), _stdout: stdout }),
            None => {
                let status = child.wait().unwrap();
                assert!(was_killed(status), "it does not start: {status}; {}", last_words(setup));
                None
            }
        }
    }

    /// Kills it.
    pub fn kill(&self) {
        signal(&self.child, rustix::process::Signal::KILL);
    }

    /// Asks it to stop in good order.
    pub fn stop(&self) {
        signal(&self.child, rustix::process::Signal::TERM);
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not answer, and does not end");
            pause(Duration::from_millis(2));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).unwrap();
    // It has not been waited for, so that the number is still its own.
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether it was SIGKILL that ended a process.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// Runs a subcommand to its end.
pub fn run(setup: &Setup, args: &[&str], at: Option<At>) -> (ExitStatus, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
    command.args(args).current_dir(setup.path()).env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null());
    At::arm(at, &mut command);
    let output = command.output().unwrap();
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status, words)
}

fn words(setup: &Setup) -> PathBuf {
    setup.path().join("words.log")
}

/// What the processes on a folder said last.
pub fn last_words(setup: &Setup) -> String {
    let text = std::fs::read_to_string(words(setup)).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Whether a process has said, since a position in the words, that it dies at a point.
pub fn died_at(setup: &Setup, since: u64, point: Point) -> bool {
    let text = std::fs::read(words(setup)).unwrap_or_default();
    let new = text.get(usize::try_from(since).unwrap()..).unwrap_or_default();
    String::from_utf8_lossy(new).lines().any(|line| line == format!("crash point {}", point.name()))
}

/// The position in the words now.
pub fn words_said(setup: &Setup) -> u64 {
    File::open(words(setup)).and_then(|file| file.metadata()).map_or(0, |found| found.len())
}

/// A folder within that of a setup.
pub fn folder(setup: &Setup, name: &str) -> PathBuf {
    let path: &Path = setup.path();
    path.join(name)
}

#[expect(clippy::disallowed_methods, reason = "for moments that are tried, and for what no event tells")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
