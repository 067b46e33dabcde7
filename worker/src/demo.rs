//! The demo job: it posts `Start Processing`, two seconds later `Processing...`, fifteen seconds later `ERROR` (three
//! times in ten, with exit code 1) or `Done`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::endpoint::{Endpoint, EndpointArgs, Report};
use crate::reporter::Reporter;
use crate::say;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// Seconds that each of the two steps takes, in place of 2 and 15
    #[arg(long, value_name = "N", value_parser = seconds)]
    step_seconds: Option<Duration>,
    /// How often it fails, of a hundred times
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=100))]
    fail_percent: u64,
    /// Seconds to go on trying if the last report does not arrive
    #[arg(long, value_name = "N", default_value_t = 30)]
    report_deadline: u64,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Runs the demo job. Ends with 0 after `Done`, with 1 after `ERROR`, with 128 and the signal's number when it is told
/// to stop.
pub fn run(args: DemoArgs) -> ExitCode {
    let step = |usual| args.step_seconds.unwrap_or(Duration::from_secs(usual));
    let stop = match stop_signals() {
        Ok(stop) => stop,
        Err(error) => {
            say(format_args!("cannot listen for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let endpoint = Endpoint::new(args.endpoint);
    if endpoint.is_none() {
        say("no --api-end-point given: nothing is reported");
    }
    let mut reporter = Reporter::start(endpoint);
    for (status, pause) in [("Start Processing", step(2)), ("Processing...", step(15))] {
        tell(&mut reporter, status);
        if let Ok(signal) = stop.recv_timeout(pause) {
            say(format_args!("told to stop by signal {signal}"));
            return ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX));
        }
    }
    let fails = RandomState::new().build_hasher().finish() % 100 < args.fail_percent;
    tell(&mut reporter, if fails { "ERROR" } else { "Done" });
    reporter.finish(Duration::from_secs(args.report_deadline));
    ExitCode::from(u8::from(fails))
}

fn tell(reporter: &mut Reporter, status: &str) {
    say(status);
    reporter.send(Report { status: status.to_owned(), ..Report::default() });
}

/// The signals that ask a process to stop. The first process of a container gets none of them by default.
fn stop_signals() -> std::io::Result<mpsc::Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
