//! A browser of its own for each test: chromedriver and Chromium, and the few commands of WebDriver that are needed.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Runs chromedriver in a process group of its own, and ends the group when the pipe from this test closes: however the
/// test ends, neither the driver nor Chromium outlives it.
/// The driver alone holds the pipe to the test: where it ends, that is seen.
const GUARD: &str = r#""$0" --port=0 & exec >/dev/null; cat; kill -KILL 0"#;

/// How often the driver is started. It takes a port that is free for one version of the Internet protocol, and ends
/// where somebody else has the same one of the other version.
const STARTS: usize = 5;

/// What a reference to an element is called, by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// chromedriver as it runs, in its process group.
struct Group {
    guard: Child,
    pipe: Option<ChildStdin>,
    /// Read no further, and kept open, since it may say more.
    words: BufReader<ChildStdout>,
}

impl Group {
    /// Starts one, which may fail.
    fn start(program: &str) -> Self {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, program])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (pipe, words) = (guard.stdin.take(), BufReader::new(guard.stdout.take().unwrap()));
        Self { guard, pipe, words }
    }

    /// The port that it listens on, or what it said instead.
    fn port(&mut self) -> Result<u16, String> {
        let mut said = String::new();
        for line in self.words.by_ref().lines().map_while(Result::ok) {
            if let Some(port) = port(&line) {
                return Ok(port);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(said)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.guard.wait();
    }
}

/// A browser, and the protocol to it.
pub(crate) struct Driver {
    _group: Group,
    agent: ureq::Agent,
    /// `http://127.0.0.1:PORT/session/ID`.
    session: String,
}

/// An element of the page that is shown.
#[derive(Debug, Clone)]
pub(crate) struct Element(String);

/// A command that was not done.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What the standard calls it: `no such element`, `stale element reference`.
    pub kind: String,
    /// The driver's own words.
    #[allow(dead_code, reason = "shown when a test fails")]
    pub message: String,
}

impl Driver {
    /// Starts a browser.
    pub(crate) fn start() -> Self {
        let program = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let started = (0..STARTS).map(|_| {
            let mut group = Group::start(&program);
            group.port().map(|port| (group, port))
        });
        let mut said = String::new();
        let found = started.map(|it| it.inspect_err(|words| said.clone_from(words))).find_map(Result::ok);
        let (group, port) = found.unwrap_or_else(|| {
            panic!("{program} does not start; install it with: apt-get install -y chromium chromium-driver\n{said}")
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .build()
            .into();
        let session = format!("http://127.0.0.1:{port}/session");
        let mut driver = Self { _group: group, agent, session };
        let started = driver.post("", &capabilities()).unwrap_or_else(|fault| panic!("no browser: {fault:?}"));
        driver.session = format!("{}/{}", driver.session, started["sessionId"].as_str().unwrap());
        driver
    }

    /// Opens an address, and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url})).unwrap();
    }

    /// Goes back, or does whatever else is one word of the protocol.
    pub(crate) fn go(&self, word: &str) {
        self.post(&format!("/{word}"), &json!({})).unwrap();
    }

    /// The body of a function, which is run in the page. What it gives is given.
    pub(crate) fn run(&self, script: &str, args: Value) -> Result<Value, Fault> {
        self.post("/execute/sync", &json!({"script": script, "args": args}))
    }

    /// As `run`; what it gives is the value of a promise.
    pub(crate) fn run_async(&self, script: &str, args: Value) -> Result<Value, Fault> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...args) => {{ {script} }})(...[...arguments].slice(0, -1)).then(done, (error) => done({{thrown: String(error)}}));"
        );
        self.post("/execute/async", &json!({"script": script, "args": args}))
    }

    /// Speaks to the browser beneath the page.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
            .unwrap_or_else(|fault| panic!("{command}: {fault:?}"))
    }

    /// The element that a script gives.
    pub(crate) fn element(&self, script: &str, args: Value) -> Result<Option<Element>, Fault> {
        let found = self.run(script, args)?;
        Ok(found[ELEMENT].as_str().map(|id| Element(id.to_owned())))
    }

    /// Clicks in the middle of it.
    pub(crate) fn click(&self, element: &Element) -> Result<(), Fault> {
        self.post(&format!("/element/{}/click", element.0), &json!({})).map(drop)
    }

    /// Empties a field.
    pub(crate) fn clear(&self, element: &Element) -> Result<(), Fault> {
        self.post(&format!("/element/{}/clear", element.0), &json!({})).map(drop)
    }

    /// Types into a field.
    pub(crate) fn type_into(&self, element: &Element, text: &str) -> Result<(), Fault> {
        self.post(&format!("/element/{}/value", element.0), &json!({"text": text})).map(drop)
    }

    /// Does things with keys and mouse, as the standard describes them.
    pub(crate) fn act(&self, actions: Value) {
        self.post("/actions", &json!({"actions": actions})).unwrap();
    }

    /// The window that is in front.
    pub(crate) fn window(&self) -> String {
        self.ask("GET", "/window", "").unwrap().as_str().unwrap().to_owned()
    }

    /// Opens another tab, behind this one.
    pub(crate) fn new_window(&self) -> String {
        self.post("/window/new", &json!({"type": "tab"})).unwrap()["handle"].as_str().unwrap().to_owned()
    }

    /// Brings a window to the front.
    pub(crate) fn switch_to(&self, window: &str) {
        self.post("/window", &json!({"handle": window})).unwrap();
    }

    /// Closes the window that is in front.
    pub(crate) fn close_window(&self) {
        self.ask("DELETE", "/window", "").unwrap();
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Fault> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .unwrap();
        let mut response = self.agent.run(request).unwrap_or_else(|error| panic!("{path}: {error}"));
        // A picture of a long page is larger than what is read otherwise.
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(kind) if !response.status().is_success() => {
                let message = value["message"].as_str().unwrap_or_default().to_owned();
                Err(Fault { kind: kind.to_owned(), message })
            }
            _ => Ok(value),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Ends in good order, so that Chromium's folders go too; the guard sees to it in any case.
        let _ = self.agent.delete(&self.session).call();
    }
}

fn port(line: &str) -> Option<u16> {
    // Before the port that it has found stands the one that was asked for: 0, which is any.
    line.split_once(" on port ")?.1.trim_end_matches('.').parse().ok().filter(|port| *port != 0)
}

fn capabilities() -> Value {
    let mut args = vec![
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--font-render-hinting=none",
        "--hide-scrollbars",
        "--lang=en-GB",
        // Chromium ends with its driver.
        "--remote-debugging-pipe",
    ];
    if rustix::process::geteuid().is_root() {
        // Its sandbox is not for root. Nothing but this test's own pages is opened.
        args.push("--no-sandbox");
    }
    let binary = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    json!({"capabilities": {"alwaysMatch": {
        "browserName": "chrome",
        "timeouts": {"script": 60_000, "pageLoad": 60_000, "implicit": 0},
        "unhandledPromptBehavior": "ignore",
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"binary": binary, "args": args},
    }}})
}
