//! One stream of the service: its head, its chunks, its events.

use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::server::Failure;

/// A stream that is open.
pub struct Stream {
    stream: TcpStream,
    /// What came and is not decoded.
    raw: Vec<u8>,
    /// What was decoded.
    body: Vec<u8>,
    /// How much of that was taken.
    taken: usize,
    /// All that came, in bytes.
    pub received: u64,
    ended: bool,
}

/// How a reading came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    More,
    /// The service ended the stream.
    End,
    /// The connection broke.
    Broken,
}

/// A server-sent event, or a comment.
#[derive(Debug)]
pub enum Told {
    Event(Event),
    Comment,
    /// The service ended the stream, or the connection broke.
    Cut,
}

/// What is looked at of an event.
#[derive(Debug)]
pub struct Event {
    pub id: u64,
    pub kind: String,
    pub job: String,
    pub at: Timestamp,
    /// The phase that it brings.
    pub to: Option<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    event: Happened<'a>,
}

#[derive(Deserialize)]
struct Happened<'a> {
    job: &'a str,
    at: Timestamp,
    to: Option<&'a str>,
}

impl Stream {
    /// Opens a stream; the last event that is known, where one is.
    pub async fn open(address: &str, path: &str, after: Option<u64>) -> Result<Self, Failure> {
        Self::open_narrow(address, path, after, None).await
    }

    /// Opens one that takes little before somebody reads it.
    pub async fn open_narrow(
        address: &str,
        path: &str,
        after: Option<u64>,
        buffer: Option<u32>,
    ) -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4()?;
        if let Some(buffer) = buffer {
            socket.set_recv_buffer_size(buffer)?;
        }
        let mut stream = socket.connect(address.parse()?).await?;
        let after = after.map_or(String::new(), |after| format!("last-event-id: {after}\r\n"));
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{after}\r\n").as_bytes()).await?;
        let mut raw = Vec::new();
        let head = loop {
            if stream.read_buf(&mut raw).await? == 0 {
                return Err(format!("{path}: the connection was closed").into());
            }
            if let Some(end) = raw.windows(4).position(|it| it == b"\r\n\r\n") {
                break end;
            }
        };
        let text = std::str::from_utf8(&raw[..head])?.to_owned();
        if !text.starts_with("HTTP/1.1 200") || !text.to_lowercase().contains("transfer-encoding: chunked") {
            return Err(format!("{path}: {text}").into());
        }
        raw.drain(..head + 4);
        let mut it = Self { stream, received: raw.len() as u64, raw, body: Vec::new(), taken: 0, ended: false };
        it.decode()?;
        Ok(it)
    }

    /// Waits for more of the body, of so many bytes at most.
    pub async fn read(&mut self, most: usize) -> Result<Read, Failure> {
        if self.ended {
            return Ok(Read::End);
        }
        // Into a place of its own: who does not wait for the end of this leaves nothing behind.
        let mut buffer = vec![0; most];
        // Whether it is closed or reset makes no difference to who reads.
        let count = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.raw.extend_from_slice(&buffer[..count]);
        self.received += count as u64;
        if count == 0 {
            return Ok(Read::Broken);
        }
        self.decode()?;
        Ok(Read::More)
    }

    fn decode(&mut self) -> Result<(), Failure> {
        let mut taken = 0;
        while let Some(line) = self.raw[taken..].windows(2).position(|it| it == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[taken..taken + line])?;
            let size = usize::from_str_radix(size, 16)?;
            let begin = taken + line + 2;
            if size == 0 {
                self.ended = true;
                break;
            }
            if self.raw.len() < begin + size + 2 {
                break;
            }
            self.body.extend_from_slice(&self.raw[begin..begin + size]);
            taken = begin + size + 2;
        }
        self.raw.drain(..taken);
        Ok(())
    }

    /// The next event or comment. Fails on one that cannot be read.
    pub async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            if let Some(told) = self.take()? {
                return Ok(told);
            }
            self.body.drain(..std::mem::take(&mut self.taken));
            if self.read(65_536).await? != Read::More {
                return Ok(Told::Cut);
            }
        }
    }

    fn take(&mut self) -> Result<Option<Told>, Failure> {
        let rest = &self.body[self.taken..];
        let Some(end) = rest.windows(2).position(|it| it == b"\n\n") else {
            return Ok(None);
        };
        let told = parse(std::str::from_utf8(&rest[..end])?)?;
        self.taken += end + 2;
        Ok(Some(told))
    }

    /// All of the body that has come, where none of it was taken.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

fn parse(text: &str) -> Result<Told, Failure> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let (Some(id), Some(kind), Some(data)) = (field("id"), field("event"), field("data")) else {
        return if text.lines().any(|line| line.starts_with(':')) {
            Ok(Told::Comment)
        } else {
            Err(format!("no event: {text:?}").into())
        };
    };
    let data: Data<'_> = serde_json::from_str(data).map_err(|error| format!("{error} in {text:?}"))?;
    let Happened { job, at, to } = data.event;
    Ok(Told::Event(Event {
        id: id.parse()?,
        kind: kind.to_owned(),
        job: job.to_owned(),
        at,
        to: to.map(str::to_owned),
    }))
}
