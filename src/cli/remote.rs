//! The news of a job from a server: its history by server-sent events and its log, both taken up again where they broke
//! off.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use super::client::{Client, ClientError, job_path, pause, query};
use super::follow::{self, End, Following, News, Person, Shown};
use super::status::StatusLine;
use crate::executor::LogLine;
use crate::job::{Event, JobView};

/// How long a server may be away before it is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest pause between two attempts to reach it.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One message of the stream of changes: what happened, and the job as it was then.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) event: Event,
    pub(super) job: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct EventPage {
    items: Vec<Event>,
    next: Option<u64>,
}

/// How a connection that broke is taken up again: soon, then less often, and not for ever.
#[derive(Debug)]
pub(super) struct Reconnect {
    lost: Option<Instant>,
    wait: Duration,
}

impl Reconnect {
    const FIRST_PAUSE: Duration = Duration::from_millis(200);

    pub(super) fn new() -> Self {
        Self { lost: None, wait: Self::FIRST_PAUSE }
    }

    /// The connection is there. Returns whether it had been lost.
    pub(super) fn connected(&mut self) -> bool {
        self.wait = Self::FIRST_PAUSE;
        self.lost.take().is_some()
    }

    /// It broke, or could not be made. Waits a little; gives up on an error that will not pass by itself, or that has
    /// lasted. Returns whether this is the first failure in a row.
    pub(super) fn again(&mut self, client: &Client, error: Option<ClientError>) -> anyhow::Result<bool> {
        let first = self.lost.is_none();
        let lost = *self.lost.get_or_insert_with(Instant::now);
        match error {
            Some(error) if !error.is_passing() || lost.elapsed() > PATIENCE => {
                return Err(client.report(error));
            }
            _ => {}
        }
        pause(self.wait);
        self.wait = (self.wait * 2).min(LONGEST_PAUSE);
        Ok(first)
    }
}

/// Says on stderr what a person should know of the connection.
pub(super) fn note(text: &str) -> io::Result<()> {
    let style = AnsiColor::Yellow.on_default();
    writeln!(anstream::stderr(), "{style}{text}{style:#}")
}

/// Shows the news of a job on a server until it has ended.
pub fn follow(client: &Client, job: &JobView, shown: Shown, out: &mut impl Write) -> anyhow::Result<()> {
    let (source, news) = Source::open(client, job);
    let status = StatusLine::off(job.created);
    let following = Following { created: job.created, shown, log: &mut source.log_teller(), person: None, status };
    follow::to_end(&news, following, out).map(drop)
}

/// The same for somebody who watches it: on a terminal with a line that says where things stand, and with a question at
/// Ctrl-C. Elsewhere a signal ends this program, and the job goes on.
pub fn follow_for_person(client: &Client, job: &JobView, shown: Shown, out: &mut impl Write) -> anyhow::Result<End> {
    let (source, news) = Source::open(client, job);
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut asked = Asked { source: source.clone() };
    if can_ask {
        asked.listen().context("cannot listen for Ctrl-C")?;
    }
    let following = Following {
        created: job.created,
        shown,
        log: &mut source.log_teller(),
        person: can_ask.then_some(&mut asked as &mut dyn Person),
        status: StatusLine::new(job.created),
    };
    follow::to_end(&news, following, out)
}

/// Whoever sits at the terminal.
struct Asked {
    source: Source,
}

impl Asked {
    /// From here on Ctrl-C ends nothing by itself: it is news.
    fn listen(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT])?;
        let send = self.source.send.clone();
        thread::spawn(move || signals.forever().map_while(|_| send.send(News::Interrupted).ok()).for_each(drop));
        Ok(())
    }
}

impl Person for Asked {
    fn ask(&mut self) {
        let id = &self.source.id;
        // Where the terminal is gone, the answer is that nobody answers.
        let _ = write!(
            anstream::stderr(),
            "\nCancel the job {id}? y cancels it, n leaves it running, Enter goes on (Ctrl-C leaves it running): "
        );
        let send = self.source.send.clone();
        thread::spawn(move || {
            let mut answer = String::new();
            let read = io::stdin().read_line(&mut answer);
            let _ = send.send(News::Answer(read.is_ok_and(|bytes| bytes > 0).then_some(answer)));
        });
    }

    fn cancel(&mut self) {
        let source = self.source.clone();
        thread::spawn(move || {
            let answer = source.client.post(&format!("{}/cancel", job_path(&source.id)), &serde_json::json!({}));
            // That cancellation was asked for is news of the job itself.
            if let Err(error) = answer {
                let _ = source.send.send(News::Note(format!("the job is not cancelled: {error}")));
            }
        });
    }
}

/// The history of a job, oldest entry first.
pub fn history(client: &Client, id: &str) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut after = Some(0);
    while let Some(number) = after {
        let parameters = [("after", number.to_string()), ("limit", "500".to_owned())];
        let path = format!("{}/events{}", job_path(id), query(parameters));
        let page: EventPage = serde_json::from_value(client.get(&path)?)
            .context("the server's answer is not a history as this version knows it")?;
        events.extend(page.items);
        after = page.next;
    }
    Ok(events)
}

/// Where the news of one job come from, and where they go.
#[derive(Clone)]
struct Source {
    client: Client,
    id: String,
    send: Sender<News>,
}

/// Nobody wants to hear more.
struct Enough;

impl Source {
    /// Has the history of a job told.
    fn open(client: &Client, job: &JobView) -> (Self, Receiver<News>) {
        let (send, news) = mpsc::channel();
        let source = Self { client: client.clone(), id: job.id.to_string(), send };
        let events = source.clone();
        thread::spawn(move || events.tell(|it| it.events()));
        (source, news)
    }

    /// Has its log told, once called.
    fn log_teller(&self) -> impl FnMut() + use<> {
        let source = self.clone();
        move || {
            let log = source.clone();
            thread::spawn(move || log.tell(|it| it.log()));
        }
    }

    /// Tells news of a kind until nobody listens, or none can be had.
    fn tell(self, kind: impl FnOnce(&Self) -> anyhow::Result<Result<(), Enough>>) {
        if let Err(error) = kind(&self) {
            // If nobody listens, nobody needs to know.
            let _ = self.send.send(News::Broken(error));
        }
    }

    fn say(&self, news: News) -> Result<(), Enough> {
        self.send.send(news).map_err(|_| Enough)
    }

    /// Its history: what is on record, then what comes.
    fn events(&self) -> anyhow::Result<Result<(), Enough>> {
        let mut reconnect = Reconnect::new();
        let mut after = "0".to_owned();
        let path = format!("/api/v1/events{}", query([("job", self.id.clone())]));
        loop {
            let error = match self.client.events(&path, Some(&after)) {
                Err(error) => Some(error),
                Ok(messages) => {
                    if reconnect.connected() && self.say(self.back()).is_err() {
                        return Ok(Err(Enough));
                    }
                    for message in messages.map_while(Result::ok) {
                        let change: Change = read(message.data.as_bytes())?;
                        after = message.id.unwrap_or(after);
                        if self.say(News::Event(Box::new(change.event))).is_err() {
                            return Ok(Err(Enough));
                        }
                    }
                    None
                }
            };
            let server = self.client.server();
            if reconnect.again(&self.client, error)? {
                let lost = format!("the connection to {server} is lost; trying again");
                if self.say(News::Note(lost)).is_err() {
                    return Ok(Err(Enough));
                }
            }
        }
    }

    fn back(&self) -> News {
        News::Note(format!("connected to {} again", self.client.server()))
    }

    /// Its log, from the first line to the last.
    fn log(&self) -> anyhow::Result<Result<(), Enough>> {
        let request = LogRequest { follow: true, ..LogRequest::default() };
        let mut enough = false;
        let outcome = read_log(&self.client, &self.id, &request, |line| {
            enough = self.say(News::Line(line)).is_err();
            Ok(!enough)
        });
        match outcome {
            Ok(()) | Err(LogError::None(_)) if enough => Ok(Err(Enough)),
            Ok(()) | Err(LogError::None(_)) => Ok(self.say(News::LogEnded)),
            Err(LogError::Other(error)) => Err(error),
        }
    }
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct LogRequest {
    pub(super) follow: bool,
    pub(super) tail: Option<u32>,
    pub(super) since: Option<Timestamp>,
}

/// Why a log could not be read.
#[derive(Debug)]
pub(super) enum LogError {
    /// There is none.
    None(anyhow::Error),
    /// Something else.
    Other(anyhow::Error),
}

impl From<LogError> for anyhow::Error {
    fn from(error: LogError) -> Self {
        match error {
            LogError::None(error) | LogError::Other(error) => error,
        }
    }
}

/// Reads a log and hands out its lines, until it ends or `take` says that it is enough. If it is followed and breaks
/// off, it is taken up again at the last line.
pub(super) fn read_log(
    client: &Client,
    id: &str,
    request: &LogRequest,
    mut take: impl FnMut(LogLine) -> anyhow::Result<bool>,
) -> Result<(), LogError> {
    let mut reconnect = Reconnect::new();
    let mut request = request.clone();
    // The lines of the last moment, which come again when the log is taken up there.
    let mut seen: Vec<LogLine> = Vec::new();
    loop {
        let stream = client.stream(&log_path(id, &request), &[("accept", "application/x-ndjson")]);
        let error = match stream {
            Err(ClientError::Refused(refusal)) if refusal.name() == "no-log" => {
                return Err(LogError::None(client.report(ClientError::Refused(refusal))));
            }
            Err(error) => Some(error),
            Ok(stream) => {
                reconnect.connected();
                let mut again = seen.clone();
                let mut broken = None;
                for text in BufReader::new(stream).split(b'\n') {
                    let line: LogLine = match text {
                        Ok(text) => read(&text).map_err(LogError::Other)?,
                        Err(error) => {
                            broken = Some(error);
                            break;
                        }
                    };
                    if let Some(index) = again.iter().position(|it| *it == line) {
                        again.swap_remove(index);
                        continue;
                    }
                    seen.retain(|it| it.at == line.at);
                    seen.push(line.clone());
                    if !take(line).map_err(LogError::Other)? {
                        return Ok(());
                    }
                }
                match broken {
                    None => return Ok(()),
                    Some(cause) if !request.follow => {
                        let error = super::client::broken(client.server(), cause);
                        return Err(LogError::Other(error));
                    }
                    Some(_) => None,
                }
            }
        };
        match error {
            Some(error) if !request.follow => return Err(LogError::Other(client.report(error))),
            error => reconnect.again(client, error).map_err(LogError::Other)?,
        };
        if let Some(last) = seen.last() {
            request.since = Some(last.at);
            request.tail = None;
        }
    }
}

fn log_path(id: &str, request: &LogRequest) -> String {
    let mut parameters = Vec::new();
    if request.follow {
        parameters.push(("follow", "true".to_owned()));
    }
    parameters.extend(request.tail.map(|tail| ("tail", tail.to_string())));
    parameters.extend(request.since.map(|since| ("since", since.to_string())));
    format!("{}/logs{}", job_path(id), query(parameters))
}

fn read<T: for<'a> Deserialize<'a>>(json: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(json).context("the server's stream is not as this version knows it")
}
