//! Follows one job to its end: its phases, its worker's reports and its log, in one stream of lines.
//!
//! The news come over a channel, from a server ([`crate::cli::remote`]) or from the service in this very process
//! ([`crate::cli::local`]); what is shown of them, and when the end is reached, is decided here.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::event_line::{DIM, WARNING, event_line, moment};
use super::status::StatusLine;
use crate::executor::LogLine;
use crate::job::{Event, EventKind, Phase};

/// How long the rest of a log is waited for once the job has ended.
const LOG_GRACE: Duration = Duration::from_secs(5);
/// How often the line that says where things stand is drawn anew while nothing else comes.
const TICK: Duration = Duration::from_millis(120);

/// Something that is new of the job that is followed.
#[derive(Debug)]
pub enum News {
    /// An entry of its history.
    Event(Box<Event>),
    /// A line of its log.
    Line(LogLine),
    /// Its log has ended, or there is none.
    LogEnded,
    /// Something that the person should know of the connection.
    Note(String),
    /// It can be followed no more.
    Broken(anyhow::Error),
    /// The person pressed Ctrl-C.
    Interrupted,
    /// What they answered to the question that this raised; nothing, where nobody answers.
    Answer(Option<String>),
}

/// Which news are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Phases, reports and log.
    All,
    /// Phases and reports.
    WithoutLog,
}

/// How the following of a job came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The job has ended, in this phase.
    Phase(Phase),
    /// The person does not want to see more; the job goes on.
    Left,
}

/// What a person wants done with the job that they interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Cancel,
    Leave,
    GoOn,
}

/// Somebody at a terminal, who is asked when they press Ctrl-C.
pub trait Person {
    /// Puts the question. The answer is expected among the news.
    fn ask(&mut self);

    /// Has the job cancelled, and says how that went among the news.
    fn cancel(&mut self);
}

/// How a job is followed.
pub struct Following<'a> {
    /// When it was created.
    pub created: Timestamp,
    /// What is shown of it.
    pub shown: Shown,
    /// Called once, as soon as there may be a log to be read. Its lines are then expected among the news.
    pub log: &'a mut dyn FnMut(),
    /// Who is asked at Ctrl-C, if anybody can be.
    pub person: Option<&'a mut dyn Person>,
    /// The line that says where things stand.
    pub status: StatusLine,
}

/// Shows the news of a job until it has ended, or until nobody wants to see them any more.
pub fn to_end(news: &Receiver<News>, following: Following<'_>, out: &mut impl Write) -> anyhow::Result<End> {
    let printer = Printer { out, created: following.created, last_sequence: 0, first_pod: None };
    let mut follower = Follower {
        printer,
        log_open: false,
        log_wanted: following.shown == Shown::All,
        following,
        end: None,
        held: None,
        left: false,
    };
    loop {
        if follower.left {
            return Ok(End::Left);
        }
        if let Some(phase) = follower.is_over()? {
            return Ok(End::Phase(phase));
        }
        let patience = match (&follower.end, follower.is_drawing()) {
            (_, true) => Some(TICK),
            (Some(_), false) => Some(LOG_GRACE),
            (None, false) => None,
        };
        let next = match patience {
            None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => news.recv_timeout(patience),
        };
        match next {
            Ok(news) => follower.take(news)?,
            Err(RecvTimeoutError::Timeout) if follower.is_drawing() => follower.following.status.draw(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if follower.end.is_some() => follower.log_open = false,
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the job's news ended before the job did"),
        }
    }
}

/// What is known while a job is followed.
struct Follower<'a, 'b, W> {
    following: Following<'a>,
    printer: Printer<'b, W>,
    log_open: bool,
    log_wanted: bool,
    /// The event that ended the job, which is shown after the rest of the log.
    end: Option<(Box<Event>, Phase, Instant)>,
    /// What came while a question is open, which it must not be written into.
    held: Option<Vec<News>>,
    left: bool,
}

impl<W: Write> Follower<'_, '_, W> {
    fn is_drawing(&self) -> bool {
        self.following.status.is_on() && self.held.is_none()
    }

    /// The phase that the job ended in, once its log has ended too or was waited for long enough.
    fn is_over(&mut self) -> io::Result<Option<Phase>> {
        if let Some((event, phase, since)) = &self.end
            && (!self.log_open || since.elapsed() >= LOG_GRACE)
        {
            self.following.status.clear();
            self.printer.event(event)?;
            return Ok(Some(*phase));
        }
        Ok(None)
    }

    fn take(&mut self, news: News) -> anyhow::Result<()> {
        match (news, &mut self.held) {
            (News::Interrupted, Some(_)) => self.left = true,
            (News::Interrupted, None) => {
                if let Some(person) = &mut self.following.person {
                    self.following.status.clear();
                    person.ask();
                    self.held = Some(Vec::new());
                }
            }
            (News::Answer(answer), Some(_)) => self.answered(answer.as_deref())?,
            (News::Answer(_), None) => {}
            (news, Some(held)) => {
                let ends = matches!(&news, News::Event(event) if ended_in(event).is_some());
                let breaks = matches!(news, News::Broken(_));
                held.push(news);
                if ends || breaks {
                    // There is nothing left to be asked.
                    writeln!(anstream::stderr())?;
                    self.go_on()?;
                }
            }
            (news, None) => self.show(news)?,
        }
        Ok(())
    }

    fn answered(&mut self, answer: Option<&str>) -> anyhow::Result<()> {
        match wish(answer) {
            Some(Wish::Leave) => self.left = true,
            Some(Wish::GoOn) => self.go_on()?,
            Some(Wish::Cancel) => {
                if let Some(person) = &mut self.following.person {
                    person.cancel();
                }
                self.go_on()?;
            }
            None => {
                if let Some(person) = &mut self.following.person {
                    person.ask();
                }
            }
        }
        Ok(())
    }

    /// The question is closed: what came meanwhile is shown.
    fn go_on(&mut self) -> anyhow::Result<()> {
        self.held.take().into_iter().flatten().try_for_each(|news| self.show(news))
    }

    fn show(&mut self, news: News) -> anyhow::Result<()> {
        self.following.status.clear();
        match news {
            News::Event(event) if self.printer.is_new(&event) => {
                self.following.status.see(&event);
                if self.log_wanted && may_have_log(&event) {
                    self.log_wanted = false;
                    self.log_open = true;
                    (self.following.log)();
                }
                match ended_in(&event) {
                    Some(phase) if self.end.is_none() => self.end = Some((event, phase, Instant::now())),
                    _ if is_noteworthy(&event) => self.printer.event(&event)?,
                    _ => {}
                }
            }
            News::Event(_) | News::Interrupted | News::Answer(_) => {}
            News::Line(line) => self.printer.line(&line)?,
            News::LogEnded => self.log_open = false,
            News::Note(text) => writeln!(anstream::stderr(), "{WARNING}{text}{WARNING:#}")?,
            News::Broken(error) => return Err(error),
        }
        Ok(())
    }
}

/// What an answer means; nothing, if it means nothing.
fn wish(answer: Option<&str>) -> Option<Wish> {
    match answer.map(|answer| answer.trim().to_lowercase()).as_deref() {
        // Nobody answers any more.
        None => Some(Wish::Leave),
        Some("") => Some(Wish::GoOn),
        Some("y" | "yes" | "c" | "cancel") => Some(Wish::Cancel),
        Some("n" | "no" | "l" | "leave") => Some(Wish::Leave),
        Some(_) => None,
    }
}

fn ended_in(event: &Event) -> Option<Phase> {
    match event.kind {
        EventKind::Phase { to, .. } if to.is_terminal() => Some(to),
        _ => None,
    }
}

/// Whether from this event on a log may be there: a container has started, or all is over.
fn may_have_log(event: &Event) -> bool {
    match &event.kind {
        EventKind::ContainerStarted { .. } | EventKind::ContainerEnded { .. } => true,
        EventKind::Phase { to, .. } => {
            matches!(to, Phase::Running | Phase::Succeeded | Phase::Failed)
        }
        _ => false,
    }
}

/// Whether somebody who follows a job wants to see this; the rest is in its history.
fn is_noteworthy(event: &Event) -> bool {
    match &event.kind {
        EventKind::ContainerEnded { exit_code, .. } => *exit_code != 0,
        EventKind::ContainerStarted { .. }
        | EventKind::Created { .. }
        | EventKind::LogKept
        | EventKind::ObjectDeleted => false,
        _ => true,
    }
}

struct Printer<'a, W> {
    out: &'a mut W,
    created: Timestamp,
    last_sequence: u64,
    first_pod: Option<String>,
}

impl<W: Write> Printer<'_, W> {
    /// Whether an event was not seen before: after a reconnect some may come again.
    fn is_new(&mut self, event: &Event) -> bool {
        let new = event.sequence > self.last_sequence;
        self.last_sequence = self.last_sequence.max(event.sequence);
        new
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.out.write_all(event_line(event, self.created).as_bytes())?;
        self.out.flush()
    }

    fn line(&mut self, line: &LogLine) -> io::Result<()> {
        let first = self.first_pod.get_or_insert_with(|| line.pod.clone());
        let moment = moment(line.at, self.created);
        let pod = if *first == line.pod { String::new() } else { format!("{DIM}[{}]{DIM:#} ", line.pod) };
        writeln!(self.out, "{moment}{DIM}│{DIM:#} {pod}{}", line.text)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Counts what it is asked, and what it has cancelled.
    #[derive(Default)]
    struct Somebody {
        asked: usize,
        cancelled: usize,
    }

    impl Person for Somebody {
        fn ask(&mut self) {
            self.asked += 1;
        }

        fn cancel(&mut self) {
            self.cancelled += 1;
        }
    }

    fn phase(sequence: u64, to: Phase) -> News {
        let kind = EventKind::Phase { from: Phase::Pending, to, reason: None, message: None };
        let source = crate::job::Source::Executor;
        let job = "k1".parse().unwrap();
        News::Event(Box::new(Event { sequence, job, at: Timestamp::UNIX_EPOCH, source, kind }))
    }

    /// What becomes of it when these news come: the end, what was written, and how often was asked and cancelled.
    fn follow(news: Vec<News>) -> (anyhow::Result<End>, String, usize, usize) {
        let (send, receive) = mpsc::channel();
        news.into_iter().for_each(|news| send.send(news).unwrap());
        let (mut person, mut written) = (Somebody::default(), Vec::new());
        let created = Timestamp::UNIX_EPOCH;
        let following = Following {
            created,
            shown: Shown::WithoutLog,
            log: &mut || {},
            person: Some(&mut person),
            status: StatusLine::off(created),
        };
        drop(send);
        let end = to_end(&receive, following, &mut written);
        let text = anstream::adapter::strip_bytes(&written).into_vec();
        (end, String::from_utf8(text).unwrap(), person.asked, person.cancelled)
    }

    fn answer(text: &str) -> News {
        News::Answer(Some(text.to_owned()))
    }

    #[test]
    fn an_interruption_asks_and_nothing_is_written_into_the_question() {
        let (end, text, asked, cancelled) =
            follow(vec![News::Interrupted, phase(1, Phase::Running), answer("what?"), answer("n\n")]);
        assert_eq!((end.unwrap(), text.as_str(), asked, cancelled), (End::Left, "", 2, 0));
        let (end, text, asked, cancelled) =
            follow(vec![News::Interrupted, phase(1, Phase::Running), answer("\n"), phase(2, Phase::Succeeded)]);
        assert_eq!((end.unwrap(), asked, cancelled), (End::Phase(Phase::Succeeded), 1, 0));
        assert_eq!(text, "   +0.00s  Running\n   +0.00s  Succeeded\n");
    }

    #[test]
    fn it_cancels_only_when_that_is_the_answer() {
        let (end, _, asked, cancelled) = follow(vec![News::Interrupted, answer("y"), phase(1, Phase::Cancelled)]);
        assert_eq!((end.unwrap(), asked, cancelled), (End::Phase(Phase::Cancelled), 1, 1));
    }

    #[test]
    fn a_second_interruption_leaves_and_so_does_a_terminal_that_closes() {
        let (end, _, asked, cancelled) = follow(vec![News::Interrupted, News::Interrupted]);
        assert_eq!((end.unwrap(), asked, cancelled), (End::Left, 1, 0));
        assert_eq!(follow(vec![News::Interrupted, News::Answer(None)]).0.unwrap(), End::Left);
    }

    #[test]
    fn a_job_that_ends_during_the_question_closes_it() {
        let (end, text, ..) = follow(vec![News::Interrupted, phase(1, Phase::Failed)]);
        assert_eq!((end.unwrap(), text.as_str()), (End::Phase(Phase::Failed), "   +0.00s  Failed\n"));
    }
}
