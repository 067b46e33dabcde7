//! What reaches a guard: orders and signals, both as something to poll.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use super::Order;

/// The orders of the service, line by line.
pub(super) struct Orders {
    pending: Vec<u8>,
    /// Whether the service is gone.
    pub(super) closed: bool,
}

impl Orders {
    pub(super) fn new() -> io::Result<Self> {
        set_nonblocking(io::stdin().as_fd())?;
        Ok(Self { pending: Vec::new(), closed: false })
    }

    /// Takes in what the pipe holds now.
    fn fill(&mut self) {
        let mut buffer = [0; 8 * 1024];
        while !self.closed {
            match rustix::io::read(io::stdin(), &mut buffer) {
                Ok(0) => self.closed = true,
                Ok(len) => self.pending.extend_from_slice(&buffer[..len]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.closed = true,
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = self.pending.iter().position(|&byte| byte == b'\n')?;
        let line = self.pending.drain(..=end).collect::<Vec<u8>>();
        Some(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    /// Waits for the first line; `None` if the pipe closes before it is whole.
    pub(super) fn first_line(&mut self) -> io::Result<Option<String>> {
        loop {
            self.fill();
            if let Some(line) = self.line() {
                return Ok(Some(line));
            }
            if self.closed {
                return Ok(None);
            }
            match poll(&mut [poll_in(&io::stdin())], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All orders that have come. What is no order is passed over: a guard must go on guarding.
    pub(super) fn read(&mut self) -> Vec<Order> {
        self.fill();
        let lines = std::iter::from_fn(|| self.line());
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }
}

/// Signals as something to poll.
pub(super) struct Signals {
    /// Readable when a child may have ended.
    pub(super) child: UnixStream,
    /// Readable when this process is told to stop.
    pub(super) stop: UnixStream,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let (child, child_end) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGCHLD, child_end)?;
        let (stop, stop_end) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, stop_end.try_clone()?)?;
        }
        child.set_nonblocking(true)?;
        stop.set_nonblocking(true)?;
        Ok(Self { child, stop })
    }

    pub(super) fn drain(mut stream: &UnixStream) {
        let mut buffer = [0; 64];
        while matches!(stream.read(&mut buffer), Ok(len) if len > 0) {}
    }
}

pub(super) fn poll_in<Fd: AsFd>(fd: &Fd) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::IN)
}

pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?)
}
