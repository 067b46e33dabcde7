//! Runs one job in this process: store, templates, executor and service as a server has them, but only for as long as
//! the job takes, and with no route but the one that its worker reports to.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::ClientError;
use super::failure::advise;
use super::follow::{self, Following, News, Shown};
use super::launch::{self, LaunchArgs};
use super::serve::{LogFormat, PartsArgs, start_log};
use super::show::Format;
use super::status::StatusLine;
use crate::executor::LogOptions;
use crate::http::auth::{Auth, Hosts, Mode, Sessions};
use crate::http::{ApiError, AppState, Settings, callback_router, server};
use crate::job::{JobId, JobView};
use crate::service::{Config, LaunchRequest, Service, ServiceError};
use crate::store::{OpenError, Retention, Store};

/// What the log shows on stderr where `RUST_LOG` does not say: the job's own story is told anyway.
const DEFAULT_LOG: &str = "warn";
/// How long the end of an ended job's log may take to be on record. What is not is put there at the next start.
const LOG_GRACE: Duration = Duration::from_secs(5);
/// How many entries of a history are read at once.
const BATCH: usize = 256;

/// Launches a job here and follows it to its end.
pub(super) fn run(
    parts: &PartsArgs,
    template: String,
    parameters: Map<String, Value>,
    args: &LaunchArgs,
) -> anyhow::Result<ExitCode> {
    start_log(LogFormat::Text, DEFAULT_LOG);
    let request = LaunchRequest {
        template,
        id: args.id.as_deref().map(str::parse).transpose()?,
        name: args.name.as_deref().map(str::parse).transpose()?,
        parameters,
        by: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let house = runtime.block_on(Box::pin(House::open(parts)))?;
    let outcome = see_through(&runtime, &house.service, request, args);
    runtime.block_on(house.close())?;
    // Whatever still reads or waits is of no use to anybody any more.
    runtime.shutdown_background();
    let job = outcome?;
    let answer = serde_json::to_value(&job).context("the job cannot be written as JSON")?;
    launch::finish(&answer, &job, args.output.output, true)
}

/// A service of one's own.
struct House {
    service: Service,
    callbacks: JoinHandle<usize>,
    shutdown: CancellationToken,
}

impl House {
    async fn open(parts: &PartsArgs) -> anyhow::Result<Self> {
        let store = open_store(parts)?;
        let catalog = parts.open_catalog()?;
        let executor = parts.open_executor(&store)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen for the worker's reports on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot tell the address")?;
        let config = Config::new(format!("http://{address}"));
        let service = Service::start(config, store, catalog, executor).await?;

        let auth = Auth::new(Mode::None, Hosts::new([]), Sessions::new(&service.derive_key("browser sessions"), false));
        let app = AppState::new(service.clone(), auth, Settings::default());
        let shutdown = app.shutdown.clone();
        let callbacks =
            tokio::spawn(server::run(listener, callback_router(app), server::Limits::default(), shutdown.clone()));
        Ok(Self { service, callbacks, shutdown })
    }

    async fn close(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.callbacks.await.context("the worker's reports could not be taken to the end")?;
        self.service.shutdown().await;
        Ok(())
    }
}

fn open_store(parts: &PartsArgs) -> anyhow::Result<Store> {
    parts.open_store(Retention::default()).map_err(|error| {
        let in_use = matches!(error.downcast_ref(), Some(OpenError::InUse(_)));
        match in_use {
            true => advise(error, "if a server uses it, run the job there: leave out --local"),
            false => error,
        }
    })
}

/// From the launch to the end, shown as it comes.
fn see_through(
    runtime: &Runtime,
    service: &Service,
    request: LaunchRequest,
    args: &LaunchArgs,
) -> anyhow::Result<JobView> {
    let (send, news) = mpsc::channel();
    // From here on, no signal ends this process by itself.
    let signals = runtime.block_on(async { Signals::new() })?;
    let launched = runtime.block_on(service.launch(request)).map_err(told)?;
    if !launched.created {
        launch::said(&launched.job, launched.created)?;
    }
    let (id, created) = (launched.job.id, launched.job.created);
    runtime.spawn(cancel_on_signal(signals, service.clone(), id.clone(), send.clone()));
    runtime.spawn(tell_events(service.clone(), id.clone(), send.clone()));
    let mut log = || {
        runtime.spawn(tell_log(service.clone(), id.clone(), send.clone()));
    };
    let shown = args.shown().unwrap_or(Shown::All);
    let status = StatusLine::new(created);
    let following = Following { created, shown, log: &mut log, person: None, status };
    match args.output.output {
        Format::Table | Format::Wide => follow::to_end(&news, following, &mut anstream::stdout())?,
        _ => follow::to_end(&news, following, &mut anstream::stderr())?,
    };
    await_kept_log(service, &id, &news)?;
    let job = service.store().view(&id)?;
    job.with_context(|| format!("the record of job {id} is gone"))
}

/// The log is to be on record before this process goes: a later `jobs logs` on the same folder shows it then.
fn await_kept_log(service: &Service, id: &JobId, news: &Receiver<News>) -> anyhow::Result<()> {
    let deadline = Instant::now() + LOG_GRACE;
    loop {
        let status = service.store().status(id)?;
        if status.is_none_or(|it| it.log_kept || it.object.is_none()) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match news.recv_timeout(left) {
            Ok(_) => {}
            // It is taken up at the next start.
            Err(_) => return Ok(()),
        }
    }
}

/// An error in the words of the API, with every fault.
fn told(error: ServiceError) -> anyhow::Error {
    let text = error.to_string();
    let problem = serde_json::to_value(ApiError::from(error).problem());
    match problem.and_then(serde_json::from_value) {
        Ok(refusal) => ClientError::Refused(refusal).into_report(),
        Err(_) => anyhow!(text),
    }
}

/// Tells a job's history: what is on record, then what comes.
async fn tell_events(service: Service, id: JobId, send: Sender<News>) {
    let store = service.store();
    // Subscribing comes before reading, so that nothing can come between.
    let mut changes = store.subscribe();
    let mut after = 0;
    loop {
        match store.job_events(&id, after, BATCH) {
            Ok(events) if events.is_empty() => loop {
                match changes.recv().await {
                    Ok(change) if change.job == id => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            },
            Ok(events) => {
                for event in events {
                    after = event.sequence;
                    if send.send(News::Event(Box::new(event))).is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                // Where nobody listens, nobody needs to know.
                let _ = send.send(News::Broken(error.into()));
                return;
            }
        }
    }
}

/// Tells a job's log, from the first line to the last.
async fn tell_log(service: Service, id: JobId, send: Sender<News>) {
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let broken = match service.logs(&id, options).await {
        Err(ServiceError::NoLog(_)) => None,
        Err(error) => Some(error.into()),
        Ok(mut lines) => loop {
            match lines.next().await {
                None => break None,
                Some(Err(error)) => break Some(anyhow::Error::from(error)),
                Some(Ok(line)) => {
                    if send.send(News::Line(line)).is_err() {
                        return;
                    }
                }
            }
        },
    };
    // The job goes on without its log being seen; where nobody listens, nobody needs to know.
    if let Some(error) = broken {
        let _ = send.send(News::Note(format!("its log cannot be shown: {error:#}")));
    }
    let _ = send.send(News::LogEnded);
}

/// The signals that ask this process to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The first signal cancels the job, the second gives it up.
async fn cancel_on_signal(mut signals: Signals, service: Service, id: JobId, send: Sender<News>) {
    signals.next().await;
    let note = match service.cancel(&id, None).await {
        Ok(_) => "cancelling the job; a second signal leaves at once".to_owned(),
        Err(ServiceError::Ended { .. }) => "the job has ended already".to_owned(),
        Err(error) => format!("the job cannot be cancelled: {error}"),
    };
    // Where nobody listens any more, the job has ended.
    let _ = send.send(News::Note(note));
    signals.next().await;
    let _ = send.send(News::Broken(advise(
        anyhow!("stopped by a second signal, before the job's end"),
        "its processes end with this one; its record tells so from the next start on",
    )));
}
