//! The guard: a small process of our own between the service and one run of one container.
//!
//! It starts the program in a process group of its own, writes its output to a log file, and makes log and exit code
//! durable when it ends. It holds a pipe from the service: when that closes, because the service ended in whatever
//! way, it ends the program. Whatever the program has started ends with it, even a process that left its group and
//! session: the guard is its subreaper, so such a process becomes the guard's child as soon as its parent is gone.
//!
//! The guard waits in one place, `poll`, for orders, output, signals and the end of its grace.

mod descendants;
mod inbox;
mod log;
mod protocol;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group};

use self::inbox::{Orders, Signals, poll_in, set_nonblocking};
use self::log::{LogWriter, Stream};
pub(crate) use self::protocol::{Exit, Instructions, Notice, Order};
use super::disk;
use crate::crash::{self, Point};

/// What the hidden subcommand `jobwright guard` runs. It takes no arguments: its instructions come on standard input.
/// It must be reached before the program does anything else, since a guard is started for every container.
pub fn guard_main(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match guard() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed too.
            let _ = writeln!(io::stderr(), "jobwright guard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn guard() -> io::Result<()> {
    let mut orders = Orders::new()?;
    // No instructions: the service went away before it could give any.
    let Some(line) = orders.first_line()? else {
        return Ok(());
    };
    let instructions: Instructions = serde_json::from_str(&line).map_err(|error| {
        io::Error::other(format!("its instructions cannot be read: {error}; this command is for Jobwright's own use"))
    })?;
    crash::reached(Point::GuardReady);
    let signals = Signals::new()?;
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    match Guard::start(&instructions, orders, signals) {
        Ok(guard) => guard.run(&instructions),
        Err(error) => {
            let message = format!("{} cannot be started: {error}", instructions.program.display());
            conclude(&instructions, Exit::start_error(Timestamp::now(), message))
        }
    }
}

/// Makes the end durable, then tells it.
fn conclude(instructions: &Instructions, exit: Exit) -> io::Result<()> {
    crash::reached(Point::GuardReaped);
    disk::write_exit(&instructions.folder, instructions.run, &exit)?;
    crash::reached(Point::GuardWritten);
    tell(&Notice::Ended(exit));
    Ok(())
}

/// Tells the service. If it is gone, the pipe of orders shows that too, so a failure needs no answer here.
fn tell(notice: &Notice) {
    if let Ok(mut line) = serde_json::to_vec(notice) {
        line.push(b'\n');
        let _ = io::stdout().lock().write_all(&line);
    }
}

/// What woke the guard up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Order,
    Child,
    Signal,
    Output(Stream),
}

struct Guard {
    orders: Orders,
    signals: Signals,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    log: LogWriter,
    wanted: Option<u64>,
    main: Pid,
    started: Timestamp,
    ended: Option<(Timestamp, WaitStatus)>,
    grace: Duration,
    kill_at: Option<Instant>,
    /// Whether the program was told to stop because the service is gone: then how it ends says nothing about its work.
    abandoned: bool,
}

impl Guard {
    fn start(instructions: &Instructions, orders: Orders, signals: Signals) -> io::Result<Self> {
        let work = disk::work_folder(&instructions.folder);
        fs::create_dir_all(&work)?;
        let log = LogWriter::create(&disk::log_file(&instructions.folder, instructions.run))?;
        let mut command = Command::new(&instructions.program);
        if let Some(name) = &instructions.arg0 {
            command.arg0(name);
        }
        let mut child = command
            .args(&instructions.args)
            .env_clear()
            .env("HOME", &work)
            .env("TMPDIR", &work)
            .envs(instructions.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&work)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let started = Timestamp::now();
        let main = Pid::from_child(&child);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        for pipe in [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)] {
            pipe.map(set_nonblocking).transpose()?;
        }
        tell(&Notice::Started { at: started, pid: main.as_raw_nonzero().get() });
        crash::reached(Point::GuardTold);
        Ok(Self {
            orders,
            signals,
            out,
            err,
            log,
            wanted: None,
            main,
            started,
            ended: None,
            grace: Duration::from_millis(instructions.grace_ms),
            kill_at: None,
            abandoned: false,
        })
    }

    fn run(mut self, instructions: &Instructions) -> io::Result<()> {
        // Orders may have come along with the instructions.
        self.follow_orders();
        loop {
            for wake in self.wait()? {
                match wake {
                    Wake::Order => self.follow_orders(),
                    Wake::Signal => {
                        Signals::drain(&self.signals.stop);
                        self.stop();
                    }
                    Wake::Output(stream) => {
                        self.copy_output(stream);
                    }
                    Wake::Child => {
                        Signals::drain(&self.signals.child);
                        if let Some((finished, status)) = self.reap()? {
                            return self.finish(instructions, finished, status);
                        }
                    }
                }
            }
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill_at = None;
                signal_group(self.main, Signal::KILL);
            }
        }
    }

    /// Waits until something is to be done.
    fn wait(&self) -> io::Result<Vec<Wake>> {
        let mut wakes = vec![Wake::Child, Wake::Signal];
        let mut fds = vec![poll_in(&self.signals.child), poll_in(&self.signals.stop)];
        let stdin = io::stdin();
        let more = [
            (Wake::Order, (!self.orders.closed).then(|| stdin.as_fd())),
            (Wake::Output(Stream::Out), self.out.as_ref().map(AsFd::as_fd)),
            (Wake::Output(Stream::Err), self.err.as_ref().map(AsFd::as_fd)),
        ];
        for (wake, fd) in more {
            if let Some(fd) = fd {
                wakes.push(wake);
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            }
        }
        let timeout = self.kill_at.and_then(|at| at.saturating_duration_since(Instant::now()).try_into().ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = wakes.into_iter().zip(&fds);
        Ok(ready.filter(|(_, fd)| !fd.revents().is_empty()).map(|(wake, _)| wake).collect())
    }

    fn follow_orders(&mut self) {
        for order in self.orders.read() {
            match order {
                Order::Stop => self.stop(),
                Order::Want(len) if len < self.log.len() => tell(&Notice::Log),
                Order::Want(len) => self.wanted = Some(self.wanted.map_or(len, |it| it.min(len))),
            }
        }
        if self.orders.closed && !self.abandoned {
            self.abandoned = self.ended.is_none();
            self.stop();
        }
    }

    /// Asks the program to end, once.
    fn stop(&mut self) {
        if self.kill_at.is_none() && self.ended.is_none() {
            self.kill_at = Some(Instant::now() + self.grace);
            signal_group(self.main, Signal::TERM);
            // A program that was stopped (SIGSTOP) could not take the signal.
            signal_group(self.main, Signal::CONT);
        }
    }

    /// Reads what there is, up to a bound; answers whether there may be more.
    fn copy_output(&mut self, stream: Stream) -> bool {
        let mut buffer = [0; 64 * 1024];
        let read = match stream {
            Stream::Out => self.out.as_mut().map(|pipe| pipe.read(&mut buffer)),
            Stream::Err => self.err.as_mut().map(|pipe| pipe.read(&mut buffer)),
        };
        match read {
            None => return false,
            Some(Ok(len)) if len > 0 => self.log.write(stream, &buffer[..len], Timestamp::now()),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Some(Ok(_) | Err(_)) => {
                match stream {
                    Stream::Out => self.out = None,
                    Stream::Err => self.err = None,
                }
                return false;
            }
        }
        if self.wanted.is_some_and(|len| len < self.log.len()) {
            self.wanted = None;
            tell(&Notice::Log);
        }
        true
    }

    /// Takes note of children that ended. When the program itself has, all that is left of it is killed, and once
    /// nothing is, the answer is how the program ended.
    fn reap(&mut self) -> io::Result<Option<(Timestamp, WaitStatus)>> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.main => {
                    self.ended = Some((Timestamp::now(), status));
                    signal_group(self.main, Signal::KILL);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(Errno::CHILD) => return Ok(self.ended),
                Err(error) => return Err(error.into()),
            }
        }
        if self.ended.is_some() {
            descendants::kill_all();
        }
        Ok(None)
    }

    /// All have ended, so what the pipes hold now is all that they will ever hold.
    fn finish(mut self, instructions: &Instructions, finished: Timestamp, status: WaitStatus) -> io::Result<()> {
        for stream in [Stream::Out, Stream::Err] {
            while self.copy_output(stream) {}
        }
        let log_failure = self.log.finish(finished);
        if self.abandoned {
            return Ok(());
        }
        let exit = describe_exit(self.started, finished, status, log_failure);
        conclude(instructions, exit)
    }
}

fn describe_exit(started: Timestamp, finished: Timestamp, status: WaitStatus, log_failure: Option<String>) -> Exit {
    let signal = status.terminating_signal();
    let exit_code = signal.map_or_else(|| status.exit_status().unwrap_or(-1), |it| 128 + it);
    let reason = if exit_code == 0 { "Completed" } else { "Error" };
    let by_signal = signal.map(|number| format!("ended by signal {number}"));
    let messages: Vec<String> = by_signal.into_iter().chain(log_failure).collect();
    Exit {
        started: Some(started),
        finished,
        exit_code,
        signal,
        reason: reason.to_owned(),
        message: (!messages.is_empty()).then(|| messages.join("; ")),
    }
}

fn signal_group(leader: Pid, signal: Signal) {
    // The group may be gone already, which is what is wanted.
    let _ = kill_process_group(leader, signal);
}
