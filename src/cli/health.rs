//! `jobwright health`: whether the service on this machine is alive. Images have no shell and no client of their own that
//! could ask.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use ureq::Agent;

use super::serve;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const LARGEST_ANSWER: u64 = 64 << 10;

/// Ask the service on this machine whether it is alive, as the health check of a container does
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright health                                     the service that JOBWRIGHT_LISTEN tells of
  jobwright health --url http://127.0.0.1:8080/readyz  whether it can do its work as well

Exit code 0 if it says so within two seconds, else 1.")]
pub struct HealthArgs {
    /// The address that the service listens on, as `serve` takes it
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = serve::LISTEN,
        env = "JOBWRIGHT_LISTEN",
        value_parser = serve::address
    )]
    listen: SocketAddr,

    /// What to ask, if not /healthz at that address
    #[arg(long, value_name = "URL", env = "JOBWRIGHT_HEALTH_URL")]
    url: Option<String>,
}

/// Asks, and shows the answer.
pub fn run(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let url = args.url.unwrap_or_else(|| format!("http://{}/healthz", serve::reachable(args.listen)));
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // A proxy is between this machine and others, not between it and itself.
        .proxy(None)
        .user_agent(concat!("jobwright/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let silent = || format!("no answer from {url}");
    let mut answer = agent.get(&url).call().map_err(ureq::Error::into_io).with_context(silent)?;
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER);
    let body = body.read_to_string().map_err(ureq::Error::into_io).with_context(silent)?;
    if !answer.status().is_success() {
        bail!("{url} answered {}: {}", answer.status(), body.trim());
    }
    writeln!(std::io::stdout(), "{}", body.trim())?;
    Ok(ExitCode::SUCCESS)
}
