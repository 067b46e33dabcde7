//! `jobwright serve`: the service with its page and its API.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::http::Uri;
use clap::ValueEnum;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::access::AccessArgs;
use super::cluster::{ClusterArgs, open_cluster};
use super::identity::IdentityArgs;
use crate::executor::SharedExecutor;
use crate::executor::process::{ImageMapping, ProcessConfig, ProcessExecutor};
use crate::http::auth::{Auth, Sessions, is_loopback_name};
use crate::http::{AppState, Settings, router, server};
use crate::service::{Config, Service};
use crate::store::{Options, Retention, Store};
use crate::template::{Catalog, LiveCatalog, Template, TemplateSource, suggest};

/// What the log shows where `RUST_LOG` does not say.
///
/// What the Kubernetes client says of requests that failed, the executor says itself, with what they were for.
const DEFAULT_LOG: &str = "warn,jobwright=info,kube_client=off";

/// Where it listens unless told otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:8080";

/// Start the service: its page, its API, and the jobs it launches
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright serve                                          the page is at http://127.0.0.1:8080
  jobwright serve --templates jobs/ --set registry=ghcr.io/team
  jobwright serve --image busybox=/bin/sh                  run more than the built-in worker
  jobwright serve --listen 0.0.0.0:8080 --auth token --token-file tokens
  jobwright serve --listen 0.0.0.0:8080 --executor kubernetes --namespace jobs --auth kubernetes

A token file has lines of NAME:SHA256HEX. To make a token and its line:
  TOKEN=$(openssl rand -hex 32); echo \"$TOKEN\"
  echo \"ada:$(printf %s \"$TOKEN\" | sha256sum | cut -d ' ' -f 1)\" >> tokens

Stops in good order on SIGTERM or Ctrl-C; a second one stops it at once. Jobs of the process executor end with the
service: they show as Lost after the next start.")]
pub struct ServeArgs {
    /// The address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN, env = "JOBWRIGHT_LISTEN", value_parser = address)]
    listen: SocketAddr,

    #[command(flatten)]
    parts: PartsArgs,

    /// Where jobs run
    #[arg(long, value_name = "KIND", default_value = "process", env = "JOBWRIGHT_EXECUTOR")]
    executor: ExecutorKind,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// How long a Job may outlive its end at most, with its pods and logs, should this service never delete it: `7d`
    #[arg(long, value_name = "AGE", default_value = "7d", env = "JOBWRIGHT_TTL_BACKSTOP", value_parser = backstop)]
    ttl_backstop: u32,

    /// What workers reach this service by, if not by the address it listens on
    #[arg(long, value_name = "URL", env = "JOBWRIGHT_CALLBACK_URL_BASE", value_parser = base_url)]
    callback_url: Option<String>,

    /// The template that POST /runajob launches
    #[arg(long, value_name = "TEMPLATE", default_value = "dummy-job", env = "JOBWRIGHT_DEFAULT_TEMPLATE")]
    default_template: String,

    #[command(flatten)]
    access: AccessArgs,

    /// Forget ended jobs that were created longer ago than this: `30d`, `12h`
    #[arg(long, value_name = "AGE", env = "JOBWRIGHT_RETENTION_AGE", value_parser = age)]
    retention_age: Option<SignedDuration>,

    /// Forget the oldest ended jobs while there are more jobs than this
    #[arg(long, value_name = "JOBS", env = "JOBWRIGHT_RETENTION_COUNT")]
    retention_count: Option<NonZeroU64>,

    /// How many event and log streams may be open at once
    #[arg(long, value_name = "COUNT", default_value_t = 256, env = "JOBWRIGHT_MAX_STREAMS")]
    max_streams: u16,

    /// How the log on stderr is written; what it shows, RUST_LOG says
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "JOBWRIGHT_LOG_FORMAT")]
    log_format: LogFormat,
}

/// The store, the templates and the programs of a service on this machine.
#[derive(Debug, Clone, clap::Args)]
pub struct PartsArgs {
    /// The folder that records are kept in
    #[arg(long, value_name = "DIR", default_value = "jobwright-data", env = "JOBWRIGHT_DATA")]
    pub data: PathBuf,

    /// Whose records these are.
    #[command(flatten)]
    pub identity: IdentityArgs,

    /// The folder of templates [default: ./job-templates, or else the templates that ship with the program]
    #[arg(long, value_name = "DIR", env = "JOBWRIGHT_TEMPLATES")]
    pub templates: Option<PathBuf>,

    /// A setting of the templates; may be repeated
    #[arg(
        long = "set",
        value_name = "SETTING=VALUE",
        env = "JOBWRIGHT_SET",
        value_delimiter = ',',
        value_parser = setting
    )]
    pub settings: Vec<(String, String)>,

    /// Run containers of an image as a program of this machine; may be repeated
    #[arg(long = "image", value_name = "NAME=PATH", env = "JOBWRIGHT_IMAGES", value_delimiter = ',')]
    pub images: Vec<ImageMapping>,
}

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExecutorKind {
    /// As processes of this machine
    Process,
    /// As Jobs of a Kubernetes cluster
    Kubernetes,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// A line of JSON each
    Json,
}

impl PartsArgs {
    /// Opens the records.
    pub fn open_store(&self, retention: Retention) -> anyhow::Result<Store> {
        let options = Options { retention, identity: self.identity.read()?, ..Options::default() };
        Ok(Store::open(&self.data, options)?)
    }

    /// Loads the templates, and watches their folder.
    pub fn open_catalog(&self) -> anyhow::Result<LiveCatalog> {
        let settings: Map<String, Value> =
            self.settings.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        let source = TemplateSource::or_default(self.templates.clone());
        let catalog = LiveCatalog::start(source, settings.clone())?;
        let snapshot = catalog.snapshot();
        for name in snapshot.undeclared_settings(&settings) {
            let declared =
                snapshot.entries().filter_map(|entry| entry.template()).flat_map(|it| it.declared_settings());
            match suggest::nearest(name, declared.map(|it| it.name.as_str())) {
                Some(near) => tracing::warn!(setting = name, "no template declares this setting; did you mean {near}?"),
                None => tracing::warn!(setting = name, "no template declares this setting"),
            }
        }
        for entry in snapshot.entries() {
            if let Some(error) = entry.error() {
                tracing::warn!(template = %entry.name, %error, "a template is broken");
            }
        }
        Ok(catalog)
    }

    /// One template of the folder, if it is there and loads.
    pub fn load_template(&self, name: &str) -> anyhow::Result<Option<Arc<Template>>> {
        let settings = self.settings.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        Ok(Catalog::load_one(&TemplateSource::or_default(self.templates.clone()), &settings, name)?.ok())
    }

    /// Opens the process executor. Must be called within a Tokio runtime.
    pub fn open_executor(&self, store: &Store) -> anyhow::Result<SharedExecutor> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let root = std::path::absolute(self.data.join("process"))?;
        let mut config = ProcessConfig::new(root, store.installation().clone(), program);
        config.images.clone_from(&self.images);
        Ok(Arc::new(ProcessExecutor::open(config)?))
    }
}

/// Serves until it is told to stop.
pub fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    start_log(args.log_format, DEFAULT_LOG);
    args.access.check(args.listen, args.executor == ExecutorKind::Kubernetes, &args.cluster)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let code = runtime.block_on(Box::pin(serve(args)))?;
    // Whatever still reads or waits is of no use to anybody any more.
    runtime.shutdown_background();
    Ok(code)
}

async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    // From here on, a signal is never missed.
    let mut stop = Stop::new()?;
    let cluster = match args.executor == ExecutorKind::Kubernetes || args.access.asks_cluster() {
        true => Some(args.cluster.connect("run jobs on this machine with --executor process").await?),
        false => None,
    };
    let mode = args.access.mode(cluster.as_ref())?;
    let listener = bind(args.listen)?;
    let address = listener.local_addr().context("cannot tell the address")?;
    let base = args.callback_url.clone().unwrap_or_else(|| format!("http://{}", reachable(address)));

    let store = args
        .parts
        .open_store(Retention { max_age: args.retention_age, max_jobs: args.retention_count.map(NonZeroU64::get) })?;
    let catalog = args.parts.open_catalog()?;
    let executor = match args.executor {
        ExecutorKind::Process => args.parts.open_executor(&store)?,
        ExecutorKind::Kubernetes => {
            let cluster = cluster.context("there is no connection to a cluster")?;
            open_cluster(cluster, &store)
        }
    };
    let config = Config { ttl_backstop_seconds: args.ttl_backstop, ..Config::new(base.clone()) };
    let service = Service::start(config, store, catalog, executor).await?;

    let auth = Auth::new(mode, args.access.hosts(&base), sessions(&service, address, &base));
    let settings = Settings { default_template: args.default_template, max_streams: usize::from(args.max_streams) };
    let app = AppState::new(service.clone(), auth, settings);
    let shutdown = app.shutdown.clone();
    let serving = tokio::spawn(server::run(listener, router(app), server::Limits::default(), shutdown.clone()));
    announce(address)?;

    let name = stop.wait().await;
    tracing::info!(signal = name, "stopping; a second signal stops at once");
    shutdown.cancel();
    let orderly = async {
        let cut = serving.await?;
        if cut > 0 {
            tracing::warn!(connections = cut, "some connections took too long and were cut off");
        }
        service.shutdown().await;
        anyhow::Ok(ExitCode::SUCCESS)
    };
    tokio::select! {
        done = orderly => done,
        name = stop.wait() => bail!("stopped at once by a second signal ({name})"),
    }
}

/// The one line on stdout: who started the service on port 0 learns the port from it.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    let told = writeln!(stdout, "Jobwright listens on http://{}", reachable(address)).and_then(|()| stdout.flush());
    match told {
        // Nobody has to listen to that line.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

/// An address that this machine itself can connect to.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    reachable
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    server::listen(address, &server::Limits::default()).map_err(|error| {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::AddrInUse => anyhow::anyhow!(
                "cannot listen on {address}: another program does already; stop that one, or choose another address with --listen (port 0 takes any free port)"
            ),
            Kind::AddrNotAvailable => anyhow::anyhow!(
                "cannot listen on {address}: this machine does not have that address; choose another one with --listen"
            ),
            Kind::PermissionDenied => anyhow::anyhow!(
                "cannot listen on {address}: this user may not; choose a port from 1024 on with --listen"
            ),
            _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
        }
    })
}

/// Cookies are for HTTPS alone, unless the service can only be reached on this machine.
fn sessions(service: &Service, address: SocketAddr, base: &str) -> Sessions {
    let secure = base.starts_with("https:") || !is_loopback_name(&address.ip().to_string());
    Sessions::new(&service.derive_key("browser sessions"), secure)
}

/// Starts the log on stderr; `default` says what it shows where `RUST_LOG` does not.
pub(super) fn start_log(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // Fails only where a log was started already, which then goes on.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

/// The signals that stop the service.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// An address and a port, by number or by name.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |problem: String| format!("{problem}; expected ADDRESS:PORT, such as 127.0.0.1:8080");
    let mut addresses = text.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    addresses.next().ok_or_else(|| wrong("this name has no address".to_owned()))
}

fn base_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let plain = uri.host().is_some() && uri.query().is_none();
    if !plain || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("expected a URL such as https://jobs.example.org".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected SETTING=VALUE, such as registry=ghcr.io/team".to_owned()),
    }
}

/// Whole seconds, as Kubernetes counts them.
fn backstop(text: &str) -> Result<u32, String> {
    let seconds = age(text)?.as_secs();
    u32::try_from(seconds)
        .ok()
        .filter(|it| i32::try_from(*it).is_ok())
        .ok_or_else(|| "expected less than 68 years".to_owned())
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| "expected a time such as 30d or 12h".to_owned())?;
    let age = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| error.to_string())?;
    if age.is_positive() { Ok(age) } else { Err("expected a time greater than zero".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_days_and_hours() {
        assert_eq!(age("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(age("12h"), Ok(SignedDuration::from_hours(12)));
        for wrong in ["", "30", "-1d", "0h", "1 fortnight"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn workers_and_people_get_an_address_that_can_be_connected_to() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("10.0.0.1:80"), "10.0.0.1:80");
    }

    #[test]
    fn a_base_url_is_one() {
        assert_eq!(base_url("https://jobs.example.org/"), Ok("https://jobs.example.org".to_owned()));
        for wrong in ["", "jobs.example.org", "ftp://x", "http://x/?a=b"] {
            assert!(base_url(wrong).is_err(), "{wrong}");
        }
    }
}
