//! `jobwright jobs watch`.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::list::{FilterArgs, page_path};
use crate::cli::block::Block;
use crate::cli::client::{Client, ServerArgs, job_id, job_path};
use crate::cli::remote::{Change, Reconnect, note};
use crate::cli::show::{self, Format, OutputArgs};
use crate::cli::table::{self, Cell};
use crate::job::JobView;

/// Shows jobs, and then every change of them as it comes
///
/// On a terminal the table is drawn in place. Elsewhere, and as data, each change is written when it comes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright jobs watch                      all jobs, until Ctrl-C
  jobwright jobs watch --template hello --phase Running
  jobwright jobs watch nightly-7 nightly-8  these jobs, until all of them have ended
  jobwright jobs watch -o json | jq -r 'select(.disputed).id'")]
pub(super) struct WatchArgs {
    /// Only these jobs, until all of them have ended
    #[arg(value_name = "ID", value_parser = job_id)]
    ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// How many of the newest jobs to show first
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        env = "JOBWRIGHT_LIMIT",
        value_parser = clap::value_parser!(u64).range(1..=500)
    )]
    limit: u64,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// How long changes are gathered before they are drawn, and how long at most while more of them come.
const GATHER: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(200));
/// How often ages are drawn anew.
const AGES: Duration = Duration::from_secs(1);

/// What the server's stream tells.
enum Update {
    /// It is there: what changes from now on is told.
    Connected,
    Change(Box<Change>),
    /// Something that the person should know of the connection.
    Note(String),
    /// It cannot be had any more.
    Failed(anyhow::Error),
}

/// Shows jobs and their changes: drawn in place on a terminal, line by line elsewhere.
pub(super) fn run(args: WatchArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server)?;
    // Each update is taken before the next one is looked for.
    let (send, updates) = mpsc::sync_channel(0);
    let feeding = client.clone();
    thread::spawn(move || {
        if let Err(error) = feed(&feeding, &send) {
            // If nobody listens, nobody needs to know.
            let _ = send.send(Update::Failed(error));
        }
    });
    let table = matches!(args.output.output, Format::Table | Format::Wide);
    let block = if table { Block::on_terminal() } else { None };
    let mut watch = Watch { args: &args, shown: BTreeMap::new(), widths: Vec::new(), block, note: None };
    let mut changed: Option<Instant> = None;
    loop {
        let patience = match (&watch.block, changed) {
            (None, _) => None,
            (Some(_), None) => Some(AGES),
            (Some(_), Some(since)) => Some(GATHER.0.min(GATHER.1.saturating_sub(since.elapsed()))),
        };
        let update = match patience {
            None => updates.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => updates.recv_timeout(patience),
        };
        match update {
            Ok(update) => watch.take(&client, update)?,
            Err(RecvTimeoutError::Timeout) => {
                watch.draw()?;
                changed = None;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the stream of changes ended"),
        }
        changed.get_or_insert_with(Instant::now);
        if watch.is_over() {
            watch.draw()?;
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Reads the server's stream and tells what it says, until nobody listens. Where it breaks off it is taken up again.
fn feed(client: &Client, send: &SyncSender<Update>) -> anyhow::Result<()> {
    let mut reconnect = Reconnect::new();
    let server = client.server();
    loop {
        let error = match client.events("/api/v1/events", None) {
            Err(error) => Some(error),
            Ok(messages) => {
                let back = reconnect.connected().then(|| Update::Note(format!("connected to {server} again")));
                // First the stream, then the list: what changes in between is in both, and nothing is in neither.
                for update in back.into_iter().chain([Update::Connected]) {
                    if send.send(update).is_err() {
                        return Ok(());
                    }
                }
                for message in messages.map_while(Result::ok) {
                    if send.send(Update::Change(serde_json::from_str(&message.data)?)).is_err() {
                        return Ok(());
                    }
                }
                None
            }
        };
        if reconnect.again(client, error)? {
            let lost = Update::Note(format!("the connection to {server} is lost; trying again"));
            if send.send(lost).is_err() {
                return Ok(());
            }
        }
    }
}

struct Watch<'a> {
    args: &'a WatchArgs,
    /// What was shown last of each job.
    shown: BTreeMap<String, Value>,
    widths: Vec<usize>,
    /// Where the table is drawn in place.
    block: Option<Block>,
    /// What was said last of the connection, below such a table.
    note: Option<String>,
}

impl Watch<'_> {
    fn take(&mut self, client: &Client, update: Update) -> anyhow::Result<()> {
        match update {
            Update::Connected => self.begin(client),
            Update::Change(change) => match change.job {
                Some(job) => self.see(job),
                None => {
                    self.shown.remove(change.event.job.as_str());
                    Ok(())
                }
            },
            Update::Note(text) if self.block.is_some() => {
                self.note = Some(text);
                Ok(())
            }
            Update::Note(text) => Ok(note(&text)?),
            Update::Failed(error) => {
                self.draw()?;
                Err(error)
            }
        }
    }

    /// Draws all that is shown in place.
    fn draw(&mut self) -> anyhow::Result<()> {
        let Some(block) = &mut self.block else { return Ok(()) };
        let mut jobs = self.shown.values().map(show::job).collect::<anyhow::Result<Vec<_>>>()?;
        // In the order that they were asked for in, or the newest first.
        let place = |job: &JobView| self.args.ids.iter().position(|id| id == job.id.as_str());
        jobs.sort_by_key(|job| (place(job), std::cmp::Reverse(job.created)));
        let room = Block::height().saturating_sub(1 + usize::from(self.note.is_some())).max(1);
        jobs.truncate(room);
        let wide = self.args.output.output == Format::Wide;
        let mut text = show::jobs(&jobs, Timestamp::now(), wide, show::room());
        text.extend(self.note.iter().map(|note| format!("{note}\n")));
        Ok(block.draw(&text)?)
    }

    /// Shows what there is, and what has changed since it was shown last.
    fn begin(&mut self, client: &Client) -> anyhow::Result<()> {
        let mut jobs = Vec::new();
        if self.args.ids.is_empty() {
            let path = page_path(&self.args.filter, None, None, self.args.limit, None);
            if let Value::Array(items) = client.get(&path)?["items"].take() {
                jobs = items;
            }
            jobs.reverse();
        } else {
            for id in &self.args.ids {
                jobs.push(client.get(&job_path(id))?);
            }
        }
        if self.widths.is_empty() && self.block.is_none() {
            self.head(&jobs)?;
        }
        jobs.into_iter().try_for_each(|job| self.see(job))
    }

    /// The titles, over columns that fit what is there now.
    fn head(&mut self, jobs: &[Value]) -> anyhow::Result<()> {
        let format = self.args.output.output;
        let (wide, now) = (format == Format::Wide, Timestamp::now());
        let columns = show::columns(wide);
        let views = jobs.iter().map(show::job).collect::<anyhow::Result<Vec<_>>>()?;
        let rows: Vec<Vec<Cell>> = views.iter().map(|job| show::row(job, now, wide)).collect();
        self.widths = table::widths(&columns, &rows, show::room());
        for (column, width) in columns.iter().zip(&mut self.widths) {
            // Room for what may come: the widest phase, a status, an age.
            *width = (*width).max(match column.title {
                "PHASE" => 9,
                "STATUS" => 14,
                "AGE" => 5,
                "ID" if jobs.is_empty() => 36,
                _ => 8,
            });
        }
        if matches!(format, Format::Table | Format::Wide) {
            self.line(&columns.iter().map(|it| Cell::from(it.title)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Shows a job if it is meant and has changed.
    fn see(&mut self, value: Value) -> anyhow::Result<()> {
        let job = show::job(&value)?;
        let id = job.id.to_string();
        let before = self.shown.get(&id);
        if before == Some(&value) || (before.is_none() && !self.means(&job)) {
            return Ok(());
        }
        let mut stdout = anstream::stdout();
        match self.args.output.output {
            Format::Table | Format::Wide if self.block.is_some() => {}
            Format::Json => writeln!(stdout, "{value}")?,
            Format::Yaml => {
                writeln!(stdout, "---")?;
                show::data(&mut stdout, &value, Format::Yaml)?;
            }
            Format::Name => writeln!(stdout, "{id}")?,
            format => {
                self.line(&show::row(&job, Timestamp::now(), format == Format::Wide))?;
            }
        }
        stdout.flush()?;
        self.shown.insert(id, value);
        Ok(())
    }

    fn line(&self, row: &[Cell]) -> std::io::Result<()> {
        let mut text = String::new();
        table::line(row, &self.widths, &mut text);
        anstream::stdout().write_all(text.as_bytes())
    }

    /// Whether a job is one of those that are asked for.
    fn means(&self, job: &JobView) -> bool {
        if !self.args.ids.is_empty() {
            return self.args.ids.iter().any(|id| id == job.id.as_str());
        }
        let filter = &self.args.filter;
        let holds = |text: &str| {
            let text = text.to_lowercase();
            let name = job.name.as_ref().map(|name| name.as_str().to_lowercase());
            job.id.as_str().to_lowercase().contains(&text) || name.is_some_and(|name| name.contains(&text))
        };
        (filter.phase.is_empty() || filter.phase.contains(&job.phase))
            && filter.template.as_ref().is_none_or(|it| *it == job.template)
            && filter.q.as_deref().is_none_or(holds)
    }

    /// Whether every job that was asked for by its ID has ended.
    fn is_over(&self) -> bool {
        let ended = |id: &String| {
            let phase = self.shown.get(id).and_then(|job| show::job(job).ok());
            phase.is_some_and(|job| job.phase.is_terminal())
        };
        !self.args.ids.is_empty() && self.args.ids.iter().all(ended)
    }
}
