//! Posts one report.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::endpoint::{Endpoint, EndpointArgs, Report};
use crate::reporter::Reporter;
use crate::say;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// How far the work is, 0 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    progress: Option<u8>,
    /// A sentence more
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Seconds to go on trying if the report does not arrive
    #[arg(long, value_name = "N", default_value_t = 30)]
    report_deadline: u64,
    /// Where the work stands, in your own words
    #[arg(required = true, value_name = "STATUS")]
    status: Vec<String>,
}

/// Prints the words and posts the report. A report that does not arrive is said on standard error and changes nothing
/// else: the work matters more than what is said of it.
pub fn run(args: ReportArgs) -> ExitCode {
    use std::io::Write;
    let status = args.status.join(" ");
    if writeln!(std::io::stdout(), "{status}").is_err() {
        say("standard output is closed");
    }
    let endpoint = Endpoint::new(args.endpoint);
    if endpoint.is_none() {
        say("no --api-end-point given: nothing is reported");
    }
    let mut reporter = Reporter::start(endpoint);
    reporter.send(Report { status, message: args.message, progress: args.progress, sequence: None });
    reporter.finish(Duration::from_secs(args.report_deadline));
    ExitCode::SUCCESS
}
