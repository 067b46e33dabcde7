//! The real program under load, and connections to it with no more of HTTP than the load needs.

#![allow(dead_code, unreachable_pub, reason = "every benchmark uses a part of it")]

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A number that a variable may give.
pub fn asked(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The program, serving from a folder.
pub struct Server {
    child: Child,
    pub address: String,
    pub started_in: Duration,
}

impl Server {
    /// Starts it with these templates and flags, and waits until it is ready.
    pub async fn start(folder: &Path, templates: &[(&str, &str)], flags: &[&str]) -> Result<Self, Failure> {
        let place = folder.join("job-templates");
        fs::create_dir_all(&place)?;
        for (name, text) in templates {
            fs::write(place.join(format!("{name}.yaml")), text)?;
        }
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_jobwright"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .arg("--templates")
            .arg(place)
            .args(flags)
            // Fake nodes have no logs to give, which is said for each job.
            .env("RUST_LOG", "error,kube_client=off")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default().to_owned();
        let mut server = Self { child, address, started_in: Duration::ZERO };
        let mut connection = server.connect().await?;
        while connection.send(&get("/readyz")).await?.status != 200 {
            tokio::task::yield_now().await;
        }
        server.started_in = begun.elapsed();
        Ok(server)
    }

    pub async fn connect(&self) -> Result<Connection, Failure> {
        Connection::to(&self.address).await
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory of the program, in MiB.
    pub fn resident(&self) -> io::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most memory that the program ever had, in MiB.
    pub fn peak(&self) -> io::Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kib.unwrap_or(0) >> 10)
    }

    /// The processor time that the program has taken so far.
    pub fn processor(&self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|it| it.parse().unwrap_or(0)).sum();
        // A hundred a second, on every Linux there is.
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is measured no more; what it leaves is in a temporary folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// One connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn to(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub async fn send(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
            let Some(head) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") else {
                continue;
            };
            let text = std::str::from_utf8(&self.buffer[..head])?;
            let status = text.get(9..12).ok_or("no status")?.parse()?;
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let length = length.ok_or("no length")?;
            while self.buffer.len() < head + 4 + length {
                self.stream.read_buf(&mut self.buffer).await?;
            }
            return Ok(Answer { status, body: self.buffer.split_off(head + 4) });
        }
    }
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

pub fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
