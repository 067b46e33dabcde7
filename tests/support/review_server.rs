//! A stub of an API server that knows reviews and nothing else: TokenReview and SubjectAccessReview. Each user's token
//! is the user's name.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The server; it ends with the test's process.
pub struct ReviewServer {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rights: BTreeMap<String, Vec<String>>,
    away: bool,
    asked: Vec<Value>,
}

impl ReviewServer {
    /// A server that knows nobody.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                // A client that goes away ends its connection.
                thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { address, state }
    }

    /// Lets a user in, with these verbs on jobs and no others.
    pub fn grant(&self, user: &str, verbs: &[&str]) {
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self.state.lock().unwrap().rights.insert(user.to_owned(), verbs);
    }

    /// Knows a user no more.
    pub fn forget(&self, user: &str) {
        self.state.lock().unwrap().rights.remove(user);
    }

    /// Answers every review with 503 from now on, or no longer.
    pub fn set_away(&self, away: bool) {
        self.state.lock().unwrap().away = away;
    }

    /// The specs of all reviews of callers so far.
    pub fn asked(&self) -> Vec<Value> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Writes a kubeconfig that leads here.
    pub fn kubeconfig(&self, path: &Path) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "stub",
            "clusters": [{"name": "stub", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
            "users": [{"name": "stub", "user": {}}],
        });
        fs::write(path, config.to_string()).unwrap();
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (path, body) = request(&mut reader)?;
        let (status, answer) = answer(&path, &body, &mut state.lock().unwrap());
        let answer = answer.to_string();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", answer.len());
        let mut writer = stream;
        writer.write_all(format!("{head}\r\n{answer}").as_bytes()).ok()?;
    }
}

/// The path of the next request, and its body.
fn request(reader: &mut impl BufRead) -> Option<(String, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.split('?').next()?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, serde_json::from_slice(&body).unwrap_or_default()))
}

fn answer(path: &str, review: &Value, state: &mut State) -> (&'static str, Value) {
    let kind = path.rsplit('/').next().unwrap_or_default();
    let spec = &review["spec"];
    if kind == "selfsubjectaccessreviews" {
        return ("201 Created", json!({"status": {"allowed": true}}));
    }
    state.asked.push(spec.clone());
    if state.away {
        let message = "the stub is away, and nobody needs to know";
        return ("503 Service Unavailable", json!({"kind": "Status", "status": "Failure", "message": message}));
    }
    let status = match kind {
        "tokenreviews" => match spec["token"].as_str().and_then(|name| state.rights.get_key_value(name)) {
            Some((name, _)) => json!({
                "authenticated": true,
                "user": {"username": name, "uid": "7", "groups": ["dev", "system:authenticated"]},
            }),
            None => json!({"authenticated": false, "error": "invalid bearer token"}),
        },
        "subjectaccessreviews" => {
            let wanted = &spec["resourceAttributes"];
            let here = *wanted
                == json!({
                    "group": "batch", "resource": "jobs", "namespace": "jobs-here", "verb": wanted["verb"],
                });
            let known = spec["user"].as_str().and_then(|name| state.rights.get(name));
            let may = known.is_some_and(|verbs| verbs.iter().any(|verb| *verb == wanted["verb"]));
            json!({"allowed": here && may})
        }
        _ => return ("404 Not Found", json!({"kind": "Status", "status": "Failure", "message": "no such thing"})),
    };
    ("201 Created", json!({"status": status}))
}
