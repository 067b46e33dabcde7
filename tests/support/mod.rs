//! A service of its own for each test: the real program, on a free port, with a folder of its own.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A template whose job does what the test says: it prints its callback URL, reports that it has begun by creating the
/// pipe's reader, and ends with the exit code that is written into the pipe.
pub const GATE: &str = r#"---
title: Gate
parameters:
  type: object
  required: [pipe]
  properties:
    pipe: {type: string}
examples:
  one: {pipe: /tmp/pipe}
---
apiVersion: batch/v1
kind: Job
metadata: {name: gate}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox
          command: [sh, -c, 'echo "$URL"; read code < "$PIPE"; exit "$code"']
          env:
            - {name: URL, value: "{{callback.url}}"}
            - {name: PIPE, value: "{{params.pipe}}"}
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

/// A template of many typed parameters, whose job ends at once.
pub const TYPED: &str = r#"---
title: Typed
parameters:
  type: object
  required: [day]
  properties:
    day:     {type: string, format: date, description: The day}
    copies:  {type: integer, minimum: 1, maximum: 5, default: 1}
    secret:  {type: string, writeOnly: true, default: ""}
examples:
  one: {day: 2026-01-31}
---
apiVersion: batch/v1
kind: Job
metadata: {name: typed}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox
          command: [sh, -c, 'echo "$DAY"; echo "$COPIES"']
          env:
            - {name: DAY, value: "{{params.day}}"}
            - {name: COPIES, value: "{{params.copies}}"}
            - {name: SECRET, value: "{{params.secret}}"}
          resources: {limits: {cpu: 100m, memory: 32Mi}}
"#;

/// A template that does not load.
pub const BROKEN: &str = "---\ntitle: [\n---\nkind: Job\n";

/// Folders and flags of a service that is not running (yet, or any more).
pub struct Setup {
    folder: TempDir,
    args: Vec<String>,
    variables: Vec<(String, OsString)>,
    patience: Duration,
}

/// A service that runs.
pub struct TestApp {
    /// Its process, where this test has started it.
    child: Option<Child>,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    agent: ureq::Agent,
    patience: Duration,
    token: Option<String>,
    setup: Option<Setup>,
    words: Option<thread::JoinHandle<String>>,
    _guard: Option<Guard>,
}

/// Ends a process when the pipe from this test closes: it does not outlive a test that is killed. Has a process group of
/// its own, so that Ctrl-C does not end the guard first.
struct Guard(Child);

impl Guard {
    fn of(pid: u32) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "read -r end; kill -KILL \"$0\"", &pid.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a service ended.
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said on stderr.
    pub words: String,
    /// To start it again on the same folder.
    pub setup: Setup,
}

impl Setup {
    /// A new folder with the test templates.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("templates");
        fs::create_dir(&templates).unwrap();
        for (name, text) in [("gate", GATE), ("typed", TYPED), ("broken", BROKEN)] {
            fs::write(templates.join(format!("{name}.yaml")), text).unwrap();
        }
        Self { folder, args: Vec::new(), variables: Vec::new(), patience: PATIENCE }
    }

    /// Adds flags.
    pub fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a template, or replaces it.
    pub fn template(self, name: &str, text: &str) -> Self {
        fs::write(self.path().join("templates").join(format!("{name}.yaml")), text).unwrap();
        self
    }

    /// Gives everything more time, or less.
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The folder that everything is in.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the records.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The command that starts the service.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
        command
            .arg("serve")
            .args(&self.args)
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let templates = self.path().join("templates");
        let usual = [("--listen", PathBuf::from("127.0.0.1:0")), ("--data", self.data()), ("--templates", templates)];
        if !self.args.iter().any(|arg| arg == "--executor") {
            command.args(["--image", "busybox=/bin/sh"]);
        }
        for (flag, value) in usual {
            if !self.args.iter().any(|arg| arg == flag) {
                command.arg(flag).arg(value);
            }
        }
        command
    }

    /// Starts the service and waits until it is ready.
    pub fn start(self) -> TestApp {
        let app = self.start_unready();
        let ready = app.until(|| Some(app.get("/readyz")).filter(|answer| answer.status == 200));
        assert_eq!(ready.json()["ready"], true);
        app
    }

    /// Starts the service and waits until it answers, ready or not.
    pub fn start_unready(self) -> TestApp {
        let mut child = self.command().spawn().unwrap();
        let guard = Guard::of(child.id());
        let stderr = child.stderr.take().unwrap();
        let words = thread::spawn(move || {
            let mut words = String::new();
            let _ = BufReader::new(stderr).read_to_string(&mut words);
            words
        });
        let stdout = child.stdout.take().unwrap();
        let (sender, first_line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = first_line.recv_timeout(PATIENCE).unwrap();
        let Some(url) = line.trim().strip_prefix("Jobwright listens on ") else {
            let _ = child.kill();
            panic!("no address in {line:?}; it said: {}", words.join().unwrap());
        };
        let (url, agent, patience) = (url.to_owned(), agent(self.patience), self.patience);
        let child = Some(child);
        TestApp { url, child, agent, patience, token: None, setup: Some(self), words: Some(words), _guard: Some(guard) }
    }

    /// Runs a service that is to fail at its start, and gives its exit code and its words.
    pub fn fail(&self) -> (Option<i32>, String) {
        let output = self.command().output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{words}");
        (output.status.code(), words)
    }
}

fn agent(patience: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(patience))
        .build()
        .into()
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The name of the problem's type, after checking that it is one in every respect.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{self:?}");
        let kind = problem["type"].as_str().unwrap();
        let name = kind.strip_prefix("https://jobwright.dev/problems/");
        name.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The words of the problem.
    pub fn detail(&self) -> String {
        self.problem();
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

/// How many of the answers have this status.
pub fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// A request that is being put together.
pub struct Request<'a> {
    app: &'a TestApp,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request<'_> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends JSON.
    pub fn json(self, body: &Value) -> Answer {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends a form.
    pub fn form(self, body: &str) -> Answer {
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// Sends a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self.send()
    }

    /// Sends it.
    pub fn send(self) -> Answer {
        let mut response = self.begin();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        Answer { status: response.status().as_u16(), headers, body: response.body_mut().read_to_string().unwrap() }
    }

    /// Sends it, and gives the answer's lines as they come.
    pub fn lines(self) -> impl Iterator<Item = String> {
        let response = self.begin();
        assert_eq!(response.status().as_u16(), 200);
        let lines = BufReader::new(response.into_body().into_reader()).lines();
        lines.map_while(Result::ok)
    }

    /// Sends it, unless the service is gone.
    pub fn try_send(self) -> Option<Answer> {
        let mut response = self.try_begin().ok()?;
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string().ok()?;
        Some(Answer { status, headers: Vec::new(), body })
    }

    /// Somebody else's service is reached by a way that may break and be made anew: a GET that it cost is sent again.
    fn begin(self) -> ureq::http::Response<ureq::Body> {
        if self.method == "GET" && self.app.child.is_none() {
            return self.app.until(|| self.try_begin().ok());
        }
        self.try_begin().unwrap()
    }

    fn try_begin(&self) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut request =
            ureq::http::Request::builder().method(self.method).uri(format!("{}{}", self.app.url, self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.app.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(self.body.clone()).unwrap();
        self.app.agent.run(request)
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerEvent {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub event: String,
    /// Its data.
    pub data: Value,
}

/// Reads server-sent events out of lines.
pub fn server_events(lines: impl Iterator<Item = String>) -> impl Iterator<Item = ServerEvent> {
    let mut lines = lines;
    std::iter::from_fn(move || {
        let (mut id, mut event, mut data) = (None, None, None);
        for line in lines.by_ref() {
            match line.split_once(": ") {
                Some(("id", value)) => id = value.parse().ok(),
                Some(("event", value)) => event = Some(value.to_owned()),
                Some(("data", value)) => data = serde_json::from_str(value).ok(),
                _ if line.is_empty() && id.is_some() => {
                    return Some(ServerEvent { id: id?, event: event?, data: data? });
                }
                _ => {}
            }
        }
        None
    })
}

impl TestApp {
    /// A service with nothing special about it.
    pub fn start() -> Self {
        Setup::new().start()
    }

    /// A service that somebody else runs.
    pub fn at(url: &str, patience: Duration) -> Self {
        Self {
            url: url.to_owned(),
            child: None,
            agent: agent(patience),
            patience,
            token: None,
            setup: None,
            words: None,
            _guard: None,
        }
    }

    /// Shows this token with every request from now on.
    pub fn sign_in(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// Shows no token any more.
    pub fn sign_out(&mut self) {
        self.token = None;
    }

    /// The folder that everything is in.
    pub fn path(&self) -> &Path {
        self.setup.as_ref().unwrap().path()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process().id()
    }

    fn process(&self) -> &Child {
        self.child.as_ref().expect("this test has started it")
    }

    /// A request.
    pub fn request(&self, method: &'static str, path: &str) -> Request<'_> {
        Request { app: self, method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    /// A GET; nothing if the service is gone.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        self.request("GET", path).try_send()
    }

    /// A POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body)
    }

    /// A POST of JSON; nothing if the service is gone.
    pub fn try_post(&self, path: &str, body: &Value) -> Option<Answer> {
        let mut request = self.request("POST", path).header("content-type", "application/json");
        request.body = body.to_string().into_bytes();
        request.try_send()
    }

    /// Sends many POSTs, all of them at the same moment, and gives the answers in their order.
    pub fn post_at_once(&self, path: &str, bodies: &[Value]) -> Vec<Answer> {
        let start = std::sync::Barrier::new(bodies.len());
        thread::scope(|scope| {
            let ask = |body| {
                let (this, start) = (self, &start);
                let asking = move || {
                    start.wait();
                    this.post(path, body)
                };
                thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, asking).unwrap()
            };
            let asking: Vec<_> = bodies.iter().map(ask).collect();
            asking.into_iter().map(|it| it.join().unwrap()).collect()
        })
    }

    /// Looks again until there is something. For what no event tells.
    pub fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < self.patience, "it did not come to pass");
            #[expect(clippy::disallowed_methods, reason = "only for what no event tells")]
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Follows a job's events until one of them shows what is wanted of the job.
    pub fn wait(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/events?after=0&job={id}");
        let lines = self.request("GET", &path).lines();
        server_events(lines)
            .map(|event| event.data["job"].clone())
            .find(|job| wanted(job))
            .unwrap_or_else(|| panic!("the stream ended: {}", self.get(&format!("/api/v1/jobs/{id}")).body))
    }

    /// Waits for a phase.
    pub fn wait_for_phase(&self, id: &str, phase: &str) -> Value {
        self.wait(id, |job| job["phase"] == phase)
    }

    /// Launches a job that runs until its gate is opened.
    pub fn launch_gate(&self, id: &str) -> Gate {
        let pipe = self.path().join(format!("pipe-{id}"));
        if !pipe.exists() {
            let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
            assert!(made.success());
        }
        let body = serde_json::json!({
            "template": "gate", "id": id, "parameters": {"pipe": pipe.to_str().unwrap()},
        });
        let answer = self.post("/api/v1/jobs", &body);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        Gate { pipe }
    }

    /// The callback URL's path of a job that prints it: its token is in there.
    pub fn callback_path(&self, id: &str) -> String {
        let path = format!("/api/v1/jobs/{id}/logs?follow=true");
        let line = self.request("GET", &path).lines().next().unwrap();
        line.strip_prefix(&self.url).unwrap().to_owned()
    }

    /// Kills the process, as a crash would end it.
    pub fn kill(mut self) -> Ended {
        self.child.as_mut().unwrap().kill().unwrap();
        self.collect()
    }

    /// Asks the process to stop, and waits for its end.
    pub fn stop(mut self) -> Ended {
        self.signal(rustix::process::Signal::TERM);
        self.collect()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process().id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end of a process that was told to end.
    pub fn collect(&mut self) -> Ended {
        Ended {
            status: self.child.as_mut().unwrap().wait().unwrap(),
            words: self.words.take().unwrap().join().unwrap(),
            setup: self.setup.take().unwrap(),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Holds a job until it is opened.
pub struct Gate {
    pipe: PathBuf,
}

impl Gate {
    /// Lets the job end with this exit code. Returns once the job has taken it.
    pub fn open(self, code: u8) {
        fs::write(&self.pipe, format!("{code}\n")).unwrap();
    }
}
