//! Starts a command and reports for it.
//!
//! The command gets this process's standard input and error; its standard output is passed on line by line, so that
//! progress lines can be read in passing. Signals are passed on to it. It ends this process with its own exit code.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::endpoint::{Endpoint, EndpointArgs, Report};
use crate::progress::{self, Progress};
use crate::reporter::Reporter;
use crate::say;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// How often to report that the command still runs, such as 10s, 500ms or 2m
    #[arg(long, value_name = "TIME", default_value = "10s", env = "JOBWRIGHT_HEARTBEAT", value_parser = duration)]
    heartbeat: Duration,
    /// How long to go on trying if the last report does not arrive
    #[arg(long, value_name = "TIME", default_value = "30s", env = "JOBWRIGHT_REPORT_DEADLINE", value_parser = duration)]
    report_deadline: Duration,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<std::ffi::OsString>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 10s, 500ms or 2m".to_owned();
    let unit = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..unit].parse().map_err(|_| expected())?;
    let seconds = match &text[unit..] {
        "ms" => number / 1_000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(expected()),
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(expected)
}

/// What happens to the command.
enum Event {
    Progress(Progress),
    OutputEnded,
    Ended,
}

/// How long a command's output is waited for after the command has ended: a process that it left behind may hold it
/// open for ever.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// Runs the command. The exit code is the command's own; 128 and the signal's number where a signal ended it, 127
/// where there is no such command and 126 where it cannot be started, as a shell has it.
pub fn run(args: RunArgs) -> ExitCode {
    let endpoint = Endpoint::new(args.endpoint);
    if endpoint.is_none() {
        say("no --api-end-point given: nothing is reported");
    }
    let mut reporter = Reporter::start(endpoint);
    // Before the command starts, so that no signal that comes then ends this process alone.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]);
    let program = args.command[0].to_string_lossy().into_owned();
    let started = signals.and_then(|signals| {
        let mut command = Command::new(&args.command[0]);
        let child = command.args(&args.command[1..]).stdout(Stdio::piped()).spawn()?;
        Ok((child, signals))
    });
    let (code, last) = match started {
        Ok((child, signals)) => {
            let message = Some(format!("started {program}"));
            reporter.send(Report { message, ..running(None) });
            let (status, progress) = attend(child, signals, &mut reporter, args.heartbeat);
            (exit_code(status), last_report(status, progress))
        }
        Err(error) => {
            say(format_args!("cannot start {program}: {error}"));
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let message = Some(format!("cannot start {program}: {error}"));
            (if missing { 127 } else { 126 }, Report { status: "ERROR".into(), message, ..Report::default() })
        }
    };
    reporter.send(last);
    reporter.finish(args.report_deadline);
    ExitCode::from(code)
}

/// Sees the command to its end.
fn attend(
    mut child: Child,
    signals: Signals,
    reporter: &mut Reporter,
    heartbeat: Duration,
) -> (Option<ExitStatus>, Option<Progress>) {
    let (sender, events) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        let sender = sender.clone();
        std::thread::spawn(move || pass_on(output, &sender));
    }
    let pid = Arc::new(Mutex::new(i32::try_from(child.id()).ok().and_then(Pid::from_raw)));
    pass_signals(signals, pid.clone());
    let waited = pid.clone();
    std::thread::spawn(move || {
        await_end(&waited);
        // Nobody listens any more where the main thread has ended.
        let _ = sender.send(Event::Ended);
    });
    let last = follow(&events, reporter, heartbeat);
    // From here on the process ID may be another process's.
    pid.lock().unwrap_or_else(PoisonError::into_inner).take();
    (child.wait().ok(), last)
}

/// Waits for the end of a process without taking its exit status, so that its ID stays its own.
fn await_end(pid: &Mutex<Option<Pid>>) {
    let Some(pid) = *pid.lock().unwrap_or_else(PoisonError::into_inner) else {
        return;
    };
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
}

fn pass_signals(mut signals: Signals, pid: Arc<Mutex<Option<Pid>>>) {
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let pid = pid.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(pid), Some(signal)) = (*pid, Signal::from_named_raw(signal)) {
                // A command that has just ended needs no signal.
                let _ = kill_process(pid, signal);
            }
        }
    });
}

/// Reports until the command has ended and its output is through.
fn follow(events: &mpsc::Receiver<Event>, reporter: &mut Reporter, heartbeat: Duration) -> Option<Progress> {
    let (mut progress, mut ended, mut output_ended) = (None, None, false);
    loop {
        let wait = match ended {
            Some(at) if output_ended || Instant::now() >= at => return progress,
            Some(at) => at.saturating_duration_since(Instant::now()),
            None => heartbeat,
        };
        match events.recv_timeout(wait) {
            Ok(Event::Progress(now)) => {
                reporter.send_passing(running(Some(&now)));
                progress = Some(now);
            }
            Ok(Event::OutputEnded) => output_ended = true,
            Ok(Event::Ended) => ended = Some(Instant::now() + LAST_OUTPUT),
            Err(RecvTimeoutError::Timeout) if ended.is_none() => {
                reporter.send_passing(running(progress.as_ref()));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return progress,
        }
    }
}

/// Passes a command's output on, line by line, and picks the progress lines up.
fn pass_on(output: ChildStdout, events: &mpsc::Sender<Event>) {
    /// A line that is longer is passed on in pieces.
    const LONGEST_LINE: u64 = 64 * 1024;
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    let mut open = true;
    loop {
        line.clear();
        match output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        // The command must not be held up where nobody reads what it writes.
        let mut out = std::io::stdout().lock();
        open = open && out.write_all(&line).and_then(|()| out.flush()).is_ok();
        drop(out);
        if let Some(progress) = progress::parse(&line) {
            let _ = events.send(Event::Progress(progress));
        }
    }
    let _ = events.send(Event::OutputEnded);
}

fn running(progress: Option<&Progress>) -> Report {
    Report {
        status: "Running".to_owned(),
        message: progress.and_then(|it| it.message.clone()),
        progress: progress.map(|it| it.percent),
        sequence: None,
    }
}

fn last_report(status: Option<ExitStatus>, progress: Option<Progress>) -> Report {
    let percent = progress.map(|it| it.percent);
    let (words, message, progress) = match status {
        Some(status) if status.success() => ("Done", None, percent.map(|_| 100)),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => ("ERROR", Some(format!("exit code {code}")), percent),
            (None, signal) => ("ERROR", Some(format!("ended by signal {}", signal.unwrap_or(0))), percent),
        },
        None => ("ERROR", Some("its end could not be seen".to_owned()), percent),
    };
    Report { status: words.to_owned(), message, progress, sequence: None }
}

fn exit_code(status: Option<ExitStatus>) -> u8 {
    let code = status.and_then(|status| status.code().or_else(|| Some(128 + status.signal()?)));
    code.and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_may_have_a_unit() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1_500)));
        for bad in ["", "s", "0s", "-1s", "10 s", "1d", "1e400"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_end_is_told_as_a_shell_has_it() {
        let status = |raw| Some(ExitStatus::from_raw(raw));
        assert_eq!(exit_code(status(3 << 8)), 3);
        assert_eq!(exit_code(status(15)), 143);
        assert_eq!(last_report(status(3 << 8), None).message.as_deref(), Some("exit code 3"));
        assert_eq!(last_report(status(15), None).message.as_deref(), Some("ended by signal 15"));
        let progress = Some(Progress { percent: 40, message: None });
        assert_eq!(last_report(status(0), progress).progress, Some(100));
    }
}
