//! One answer of the API server as lines of a log.

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::client::Connection;
use super::super::{api, resume};
use crate::executor::{ExecutorError, LogLine, LogRun};

/// How much of a line is held before it is given as if it ended there.
const LONGEST_LINE: usize = 128 * 1024;

/// Where logs are read.
#[derive(Clone)]
pub(super) struct Source {
    calls: Client,
    streams: Client,
    namespace: String,
}

/// What came of opening a log.
pub(super) enum Opened {
    /// Its lines.
    Lines(Lines),
    /// There is none yet: the container has not started.
    NotYet,
    /// There is none any more.
    Gone,
}

impl Source {
    pub(super) fn new(connection: &Connection, namespace: &str) -> Self {
        let (calls, streams) = (connection.calls.clone(), connection.streams.clone());
        Self { calls, streams, namespace: namespace.to_owned() }
    }

    /// Opens a log; with `follow` it goes on until the run has ended.
    pub(super) async fn open(
        &self,
        wanted: &LogRun,
        since: Option<Timestamp>,
        tail: Option<usize>,
        follow: bool,
    ) -> Result<Opened, ExecutorError> {
        let request = http::Request::get(self.path(wanted, since, tail, follow)).body(Body::empty());
        let request = request.map_err(|error| ExecutorError::Unreachable(error.to_string()))?;
        // A log may be silent for as long as it likes while it is followed, and only then.
        let client = if follow { &self.streams } else { &self.calls };
        let unreachable = |error: kube::Error| ExecutorError::Unreachable(api::chain(&error));
        let response = client.send(request).await.map_err(unreachable)?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(Opened::Lines(Lines::new(body, wanted)));
        }
        let body = body.collect().await.map_err(unreachable)?.to_bytes();
        let failure = api::failure(head.status, &head.headers, &body);
        let said = failure.message;
        match failure.code {
            // A log that is gone is looked for no more, so that nobody but the API server may say so.
            _ if !failure.by_server => Err(ExecutorError::Unreachable(said)),
            404 => Ok(Opened::Gone),
            // The kubelet says in one way that a container waits, and in another that there was no run before.
            400 if said.contains("waiting to start") || said.contains("is not valid for pod") => Ok(Opened::NotYet),
            400 => Ok(Opened::Gone),
            401 | 403 => Err(ExecutorError::Refused(said)),
            _ => Err(ExecutorError::Unreachable(said)),
        }
    }

    fn path(&self, wanted: &LogRun, since: Option<Timestamp>, tail: Option<usize>, follow: bool) -> String {
        let LogRun { pod, container, previous } = wanted;
        let mut path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&timestamps=true",
            self.namespace,
            escaped(pod),
            escaped(container)
        );
        if *previous {
            path.push_str("&previous=true");
        }
        if follow {
            path.push_str("&follow=true");
        }
        if let Some(since) = since {
            path.push_str("&sinceTime=");
            path.push_str(&escaped(&resume::whole_second(since).to_string()));
        }
        if let Some(tail) = tail {
            path.push_str(&format!("&tailLines={tail}"));
        }
        path
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The lines of one answer.
pub(super) struct Lines {
    chunks: BoxStream<'static, Result<bytes::Bytes, kube::Error>>,
    buffer: BytesMut,
    /// How much of the buffer holds no line end.
    searched: usize,
    ended: bool,
    /// The time stamp of a line that was given before its end: what comes next is the rest of it.
    open: Option<Timestamp>,
    pod: String,
    container: String,
}

impl Lines {
    fn new(body: Body, wanted: &LogRun) -> Self {
        Self {
            chunks: body.into_data_stream().boxed(),
            buffer: BytesMut::new(),
            searched: 0,
            ended: false,
            open: None,
            pod: wanted.pod.clone(),
            container: wanted.container.clone(),
        }
    }

    /// The next line; none at the end of the answer. Cancelling the wait for it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<LogLine>, ExecutorError> {
        loop {
            while let Some((line, whole)) = self.take_line() {
                // What bears no time stamp is no line of the log.
                if let Some((at, text)) = self.read(&line, whole) {
                    let (pod, container) = (self.pod.clone(), self.container.clone());
                    return Ok(Some(LogLine { at, pod, container, text }));
                }
            }
            if self.ended {
                return Ok(None);
            }
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(error)) => return Err(ExecutorError::Unreachable(api::chain(&error))),
                None => self.ended = true,
            }
        }
    }

    /// What a line, or the next piece of one, says. Nothing where it is no line of the log.
    fn read(&mut self, line: &[u8], whole: bool) -> Option<(Timestamp, String)> {
        let read = match self.open {
            Some(at) => Some((at, String::from_utf8_lossy(line).into_owned())),
            None => resume::parse(line),
        };
        self.open = read.as_ref().map(|(at, _)| *at).filter(|_| !whole);
        read
    }

    /// Takes a line, or the next piece of one that is too long to be held, always of the same length so that it comes
    /// in the same pieces again. Whether it ends there is told beside it.
    fn take_line(&mut self) -> Option<(BytesMut, bool)> {
        let end = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n').map(|at| self.searched + at);
        let (length, whole) = match end {
            Some(end) if end <= LONGEST_LINE => (end, true),
            _ if self.buffer.len() > LONGEST_LINE => (LONGEST_LINE, false),
            _ if self.ended && !self.buffer.is_empty() => (self.buffer.len(), true),
            _ => {
                self.searched = self.buffer.len();
                return None;
            }
        };
        self.searched = 0;
        let line = self.buffer.split_to(length);
        if end == Some(length) {
            self.buffer.advance(1);
        }
        Some((line, whole))
    }
}
