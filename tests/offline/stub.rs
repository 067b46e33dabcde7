//! A server that gives prepared answers, one connection each, and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// What to do with one request.
pub(crate) enum Reply {
    /// Close the connection without a word.
    Nothing,
    /// Send a status with a JSON body.
    Json(u16, serde_json::Value),
    /// Send a problem.
    Problem(u16, serde_json::Value),
    /// Send some events, then end the stream.
    Events(String),
}

/// One request as it arrived.
#[derive(Debug)]
pub(crate) struct Asked {
    /// `POST /api/v1/jobs`.
    pub(crate) what: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn has_header(&self, line: &str) -> bool {
        self.headers.iter().any(|it| it.eq_ignore_ascii_case(line))
    }
}

pub(crate) struct Stub {
    pub(crate) server: String,
    thread: JoinHandle<Vec<Asked>>,
}

impl Stub {
    /// Answers as many requests as there are replies.
    pub(crate) fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let answer = |reply| answer(&listener, reply);
            replies.into_iter().map(answer).collect()
        });
        Self { server, thread }
    }

    /// What was asked, once every reply was given.
    pub(crate) fn asked(self) -> Vec<Asked> {
        self.thread.join().unwrap()
    }
}

fn answer(listener: &TcpListener, reply: Reply) -> Asked {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let what = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let send = |status: u16, media_type: &str, body: &str| {
        let answer =
            format!("HTTP/1.1 {status} Status\r\ncontent-type: {media_type}\r\nconnection: close\r\n\r\n{body}");
        (&stream).write_all(answer.as_bytes()).unwrap();
    };
    match reply {
        Reply::Nothing => {}
        Reply::Json(status, value) => send(status, "application/json", &value.to_string()),
        Reply::Problem(status, value) => {
            send(status, "application/problem+json", &value.to_string());
        }
        Reply::Events(events) => send(200, "text/event-stream", &events),
    }
    Asked { what, headers: lines, body: String::from_utf8(body).unwrap() }
}
