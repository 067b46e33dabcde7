//! How jobs look on a terminal, and as data.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::failure::Advice;
use super::table::{self, Cell, Column};
use crate::job::{JobView, Phase};
use crate::template::yaml;

/// How to write jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For people, with more columns
    Wide,
    /// The API's own JSON
    Json,
    /// The same as YAML
    Yaml,
    /// Nothing but job IDs, one a line
    Name,
}

/// The flag that chooses a [`Format`].
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct OutputArgs {
    /// How to write the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table", env = "JOBWRIGHT_OUTPUT")]
    pub output: Format,
}

/// The terminal's width, where stdout is one.
pub fn room() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Writes a value as JSON or YAML.
pub fn data(to: &mut impl Write, value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Yaml {
        to.write_all(yaml::write(value).as_bytes())?;
    } else {
        serde_json::to_writer_pretty(&mut *to, value).map_err(io::Error::from)?;
        writeln!(to)?;
    }
    Ok(())
}

/// Reads a job from the API's JSON.
pub fn job(value: &Value) -> anyhow::Result<JobView> {
    serde_json::from_value(value.clone())
        .context("the server's answer is not a job as this version of jobwright knows it")
        .hint(|| "the server is of another version, probably: use the jobwright of that version")
}

const COLUMNS: [Column; 6] = [
    column("ID", Some(20)),
    column("NAME", Some(8)),
    column("TEMPLATE", Some(10)),
    column("PHASE", None),
    column("STATUS", Some(10)),
    column("AGE", None),
];

const WIDE: [Column; 5] = [
    column("REASON", Some(10)),
    column("STARTED", None),
    column("TOOK", None),
    column("OBJECT", Some(16)),
    column("COMMIT", Some(8)),
];

const fn column(title: &'static str, shrinks_to: Option<usize>) -> Column {
    Column { title, shrinks_to }
}

/// The columns of a list of jobs.
pub fn columns(wide: bool) -> Vec<Column> {
    let mut columns = COLUMNS.to_vec();
    if wide {
        columns.extend(WIDE);
    }
    columns
}

/// One job as a row under [`columns`].
pub fn row(job: &JobView, now: Timestamp, wide: bool) -> Vec<Cell> {
    let text = |it: Option<&str>| Cell::from(it.unwrap_or_default());
    let mut row = vec![
        Cell::from(job.id.as_str()),
        text(job.name.as_ref().map(|name| name.as_str())),
        Cell::from(job.template.as_str()),
        Cell::styled(phase_text(job), phase_style(job.phase)),
        Cell::from(words(job)),
        Cell::from(duration(job.created, now)),
    ];
    if wide {
        let object = job.object.as_ref();
        row.extend([
            text(job.reason.as_deref()),
            Cell::from(job.started.map(|at| at.to_string()).unwrap_or_default()),
            Cell::from(took(job).unwrap_or_default()),
            text(object.map(|object| object.name.as_str())),
            text(job.commit.as_deref()),
        ]);
    }
    row
}

/// A table of jobs.
pub fn jobs(jobs: &[JobView], now: Timestamp, wide: bool, room: Option<usize>) -> String {
    let rows: Vec<_> = jobs.iter().map(|job| row(job, now, wide)).collect();
    table::layout(&columns(wide), &rows, room)
}

/// One job in full.
pub fn card(job: &JobView, now: Timestamp) -> String {
    let mut rows: Vec<(&str, String)> = vec![("id", job.id.to_string())];
    let mut add = |title, text: Option<String>| rows.extend(text.map(|text| (title, text)));
    add("name", job.name.as_ref().map(ToString::to_string));
    add("template", Some(job.template.clone()));
    let style = phase_style(job.phase);
    add("phase", Some(format!("{style}{}{style:#}", phase_text(job))));
    add("because", because(job));
    add("worker says", Some(words(job)).filter(|it| !it.is_empty()));
    add("object", job.object.as_ref().map(|it| format!("{}/{}", it.namespace, it.name)));
    let ago = |at: Timestamp| format!("{at} ({} ago)", duration(at, now));
    add("created", Some(ago(job.created)));
    add("started", job.started.map(ago));
    add("ended", job.ended.map(ago));
    add("took", took(job));
    add("repeats", job.rerun_of.as_ref().map(ToString::to_string));
    add("commit", job.commit.clone());
    add("digest", Some(job.digest.clone()));
    if let Some(at) = job.rebuilt {
        let words = "its record was lost, and rebuilt from its object";
        rows.push(("rebuilt", format!("{at} ({} ago): {words}", duration(at, now))));
    }
    if job.parameters.is_none() {
        rows.push(("parameters", "not known".to_owned()));
    }
    for (name, value) in job.parameters.iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"));
        rows.push(("parameter", format!("{name} = {value}")));
    }
    rows.iter().map(|(title, text)| format!("{title:<12} {text}\n")).collect()
}

/// Why a job is where it is, as far as that is known.
pub fn because(job: &JobView) -> Option<String> {
    let code = job.exit_code.map(|code| format!("exit code {code}"));
    let parts: Vec<String> = [job.reason.clone(), code, job.message.clone()].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How a phase looks.
pub fn phase_style(phase: Phase) -> Style {
    let colour = match phase {
        Phase::Pending | Phase::Suspended | Phase::Waiting => AnsiColor::Yellow,
        Phase::Running => AnsiColor::Blue,
        Phase::Succeeded => AnsiColor::Green,
        Phase::Failed | Phase::Rejected | Phase::Lost => AnsiColor::Red,
        Phase::Cancelled => AnsiColor::Magenta,
    };
    colour.on_default()
}

fn phase_text(job: &JobView) -> String {
    if job.disputed { format!("{} (disputed)", job.phase) } else { job.phase.to_string() }
}

/// The worker's latest words, with its progress.
fn words(job: &JobView) -> String {
    let Some(report) = &job.report else {
        return String::new();
    };
    match report.progress {
        Some(percent) => format!("{} {percent} %", report.status),
        None => report.status.clone(),
    }
}

fn took(job: &JobView) -> Option<String> {
    Some(duration(job.started?, job.ended?))
}

/// The time between two moments in its two largest units that say something: `45s`, `2m5s`, `3h`, `12d`.
pub fn duration(from: Timestamp, to: Timestamp) -> String {
    let millis = to.duration_since(from).as_millis().max(0);
    let seconds = millis / 1000;
    let two = |large: i128, unit: char, small: i128, smaller: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{smaller}"),
    };
    match seconds {
        0 if millis > 0 => format!("{millis}ms"),
        0..=119 => format!("{seconds}s"),
        120..=7199 => two(seconds / 60, 'm', seconds % 60, 's'),
        7200..=172_799 => two(seconds / 3600, 'h', seconds / 60 % 60, 'm'),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (millis, text) in [
            (0, "0s"),
            (45, "45ms"),
            (45_900, "45s"),
            (125_000, "2m5s"),
            (600_000, "10m"),
            (7_260_000, "2h1m"),
            (400_000_000, "4d"),
        ] {
            let to = Timestamp::from_millisecond(millis).unwrap();
            assert_eq!(duration(Timestamp::UNIX_EPOCH, to), text);
            assert_eq!(duration(to, Timestamp::UNIX_EPOCH), "0s");
        }
    }
}
