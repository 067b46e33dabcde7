//! What everybody in a run shares: the service's address, what was asked of it, and what came of that.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jobwright::service::secrets::Secrets;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::launches::{MANY, lines};
use crate::server::{Connection, Failure};
use crate::stream::Event;
use crate::tally::Tally;

/// The job that runs all the time.
pub const QUIET: &str = "quiet";

/// Launches that did not begin when they should.
pub const LATE: &str = "launches begun more than 100 ms late";
pub const LEFT_OUT: &str = "launches left out, since 600 jobs were not done with";

/// How long anything may take before it counts as lost or starved.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// For how long a connection may have been idle and still be used: the service closes it after 30 s.
const IDLE: Duration = Duration::from_secs(10);
/// How far behind the first one that was told a subscriber that reads may be: only one that starves ever is.
const BEHIND: Duration = Duration::from_secs(10);
/// From where on times are not told apart, in milliseconds.
const LONG: u64 = 30_000;
/// For how many events it is known who was told first.
const REMEMBERED: usize = 65_536;

/// The ID of a job by its number.
pub fn id(number: u64) -> String {
    format!("load-{number}")
}

/// The number of a job by its ID.
pub fn number(id: &str) -> Option<u64> {
    id.strip_prefix("load-")?.parse().ok()
}

pub struct World {
    pub address: String,
    pub secrets: Secrets,
    /// The number of the job that is launched next.
    pub next: AtomicU64,
    /// How many launches were acknowledged.
    pub launched: AtomicU64,
    /// How many reports were acknowledged.
    pub reported: AtomicU64,
    /// How many jobs are done with, their objects deleted.
    pub settled: AtomicU64,
    /// The greatest number of an event that anybody saw.
    pub seen: AtomicU64,
    /// What the first of the subscribers that read saw of the last events, each in the place that its number gives it.
    first_seen: Mutex<Vec<Option<Seen>>>,
    /// The jobs whose records are gone.
    forgotten: Mutex<HashSet<String>>,
    /// The events that somebody was not told of who came back, and their jobs.
    lacked: Mutex<BTreeMap<u64, String>>,
    /// The last job that writes a log.
    pub talker: watch::Sender<u64>,
    /// The last job that writes a long one.
    pub chatterer: watch::Sender<u64>,
    /// Nothing is launched or reported any more.
    pub over: CancellationToken,
    requests: TaskTracker,
    idle: Mutex<Vec<(Instant, Connection)>>,
    tally: Mutex<Tally>,
    faults: Mutex<Vec<String>>,
    delays: Mutex<BTreeMap<String, Vec<Delays>>>,
    launches: Mutex<Delays>,
}

impl World {
    pub fn new(address: String, secrets: Secrets) -> Self {
        Self {
            address,
            secrets,
            next: AtomicU64::new(1),
            launched: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            first_seen: Mutex::new(vec![None; REMEMBERED]),
            forgotten: Mutex::default(),
            lacked: Mutex::default(),
            talker: watch::Sender::new(0),
            chatterer: watch::Sender::new(0),
            over: CancellationToken::new(),
            requests: TaskTracker::new(),
            idle: Mutex::default(),
            tally: Mutex::new(Tally::of("load")),
            faults: Mutex::default(),
            delays: Mutex::default(),
            launches: Mutex::default(),
        }
    }

    /// Counts from here on, after the event of this number.
    pub fn begin_to_count(&self, last: u64) {
        self.seen.store(last, Ordering::SeqCst);
        self.launched.store(0, Ordering::SeqCst);
        self.reported.store(0, Ordering::SeqCst);
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    pub fn add(&self, what: &str, count: u64) {
        self.tally().add(what, count);
    }

    pub fn most(&self, what: &str, value: u64) {
        self.tally().most(what, value);
    }

    /// Notes what must not be. The first ones are enough.
    pub fn fault(&self, what: impl Into<String>) {
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < 50 {
            let what = what.into();
            eprintln!("fault: {what}");
            faults.push(what);
        }
    }

    pub fn check(&self, outcome: Result<(), Vec<String>>) {
        for fault in outcome.err().unwrap_or_default() {
            self.fault(fault);
        }
    }

    /// Whether something is so wrong that there is no sense in going on.
    pub fn is_broken(&self) -> bool {
        self.faults.lock().unwrap().len() >= 50
    }

    /// Notes that something is under way, until it is dropped.
    pub fn begin(&self) -> TaskTrackerToken {
        self.requests.token()
    }

    /// How many jobs are not done with yet, and requests that are not answered.
    pub fn under_way(&self) -> u64 {
        let launched = self.launched.load(Ordering::SeqCst);
        self.requests.len() as u64 + launched.saturating_sub(self.settled.load(Ordering::SeqCst))
    }

    /// Notes that a job writes a log by now, if it is one that does.
    pub fn talks(&self, number: u64) {
        let talkers = match lines(number) {
            None => return,
            Some(MANY) => &self.chatterer,
            Some(_) => &self.talker,
        };
        talkers.send_if_modified(|known| number > std::mem::replace(known, number.max(*known)));
    }

    /// Waits until all that was begun has come to its end.
    pub async fn settle(&self) -> Result<(), Failure> {
        self.requests.close();
        timeout(PATIENCE, self.requests.wait()).await.map_err(|_| "launches or reports are never answered")?;
        self.requests.reopen();
        self.idle.lock().unwrap().clear();
        Ok(())
    }

    /// Sends a request, and gives its answer's body if the answer is as expected.
    pub async fn send(&self, request: &[u8], expected: u16) -> Option<Vec<u8>> {
        let what = || String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned();
        match timeout(PATIENCE, self.try_send(request)).await {
            Ok(Ok((status, body))) if status == expected => return Some(body),
            Ok(Ok((status, body))) => {
                self.fault(format!("{}: {status} {}", what(), String::from_utf8_lossy(&body)));
            }
            Ok(Err(error)) => self.fault(format!("{}: {error}", what())),
            Err(_) => self.fault(format!("{}: no answer", what())),
        }
        None
    }

    async fn try_send(&self, request: &[u8]) -> Result<(u16, Vec<u8>), Failure> {
        let idle = self.idle.lock().unwrap().pop();
        let mut connection = match idle {
            Some((since, connection)) if since.elapsed() < IDLE => connection,
            _ => Connection::to(&self.address).await?,
        };
        let answer = connection.send(request).await?;
        self.idle.lock().unwrap().push((Instant::now(), connection));
        Ok((answer.status, answer.body))
    }

    pub fn launch_took(&self, took: Duration) {
        self.launches.lock().unwrap().note(took.as_millis() as u64);
    }

    /// Notes what was left out between two events. It must be of jobs whose records are gone, which is only certain when
    /// everybody has been told.
    pub fn lacks(&self, who: &str, after: u64, before: u64) {
        let first_seen = self.first_seen.lock().unwrap();
        for id in after + 1..before {
            match &first_seen[id as usize % REMEMBERED] {
                Some(seen) if seen.id == id => drop(self.lacked.lock().unwrap().insert(id, seen.job.clone())),
                _ => self.fault(format!("{who} was not told of event {id}, and nobody else was")),
            }
        }
    }

    /// Checks what was left out, at the end.
    fn check_what_was_lacked(&self) {
        let (lacked, forgotten) = (self.lacked.lock().unwrap(), self.forgotten.lock().unwrap());
        for (id, job) in lacked.iter().filter(|(_, job)| !forgotten.contains(*job)) {
            self.fault(format!("event {id} was left out, though {job} is on record"));
        }
        self.add("events left out on return, all of records that are gone", lacked.len() as u64);
    }

    /// Whether jobs began when they should, but for one in a hundred at most. Else there was no steady load.
    pub fn was_steady(&self) -> bool {
        let tally = self.tally();
        let late = tally.count(LATE) + tally.count(LEFT_OUT);
        late * 100 <= self.next.load(Ordering::SeqCst)
    }

    /// Takes what somebody has measured.
    pub fn measured(&self, what: impl Into<String>, delays: Delays) {
        self.delays.lock().unwrap().entry(what.into()).or_default().push(delays);
    }

    /// Takes what one subscriber has measured.
    pub fn subscribed(&self, who: &str, times: Times) {
        self.measured(format!("{who}: from an event to them"), times.late);
        self.measured(format!("{who}: after the first who was told"), times.behind);
    }

    /// Notes that a subscriber was told of an event: how long after it came about, and how long after the first one who
    /// was told. It is a fault if that is too long.
    pub fn told(&self, who: &str, event: &Event, times: &mut Times) {
        let behind = {
            let mut first_seen = self.first_seen.lock().unwrap();
            let place = &mut first_seen[event.id as usize % REMEMBERED];
            match place {
                Some(first) if first.id == event.id => first.at.elapsed(),
                _ => {
                    *place = Some(Seen { id: event.id, job: event.job.clone(), at: Instant::now() });
                    Duration::ZERO
                }
            }
        };
        if event.kind == "deleted" {
            self.forgotten.lock().unwrap().insert(event.job.clone());
        }
        if behind > BEHIND {
            self.fault(format!("{who} was told of event {} only {behind:?} after others", event.id));
        }
        times.behind.note(behind.as_millis() as u64);
        // The service itself gives these their time, when it takes them in.
        if matches!(&*event.kind, "recorded" | "report") {
            let late = Timestamp::now().duration_since(event.at).as_millis();
            times.late.note(late.max(0) as u64);
        }
    }

    /// Ends the run: writes the figures if there was no fault.
    pub fn finish(&self) {
        let launches = std::mem::take(&mut *self.launches.lock().unwrap());
        self.check_what_was_lacked();
        self.add("launches acknowledged", self.launched.load(Ordering::SeqCst));
        self.add("reports acknowledged", self.reported.load(Ordering::SeqCst));
        self.measured("from a launch's time to its acknowledgement", launches);
        for (what, all) in &*self.delays.lock().unwrap() {
            let mut whole = Delays::default();
            for one in all {
                whole.join(one);
            }
            let worst = all.iter().filter(|one| one.count() >= 100).map(|one| one.at(50)).max();
            self.add(&format!("{what}: how many"), whole.count());
            self.most(&format!("{what}: median, ms"), whole.at(50));
            self.most(&format!("{what}: 99 %, ms"), whole.at(99));
            self.most(&format!("{what}: at most, ms"), whole.at(100));
            if all.len() > 1 {
                self.most(&format!("{what}: median of the worst one of them, ms"), worst.unwrap_or(0));
            }
        }
        let faults = std::mem::take(&mut *self.faults.lock().unwrap());
        let tally = std::mem::replace(&mut *self.tally(), Tally::of("load"));
        assert!(faults.is_empty(), "{faults:#?}\n{tally:#?}");
        tally.finish();
    }
}

/// Who was told first.
#[derive(Debug, Clone)]
struct Seen {
    id: u64,
    job: String,
    at: Instant,
}

/// What one subscriber measures.
#[derive(Debug, Default)]
pub struct Times {
    /// From what came about to being told.
    late: Delays,
    /// From the first who was told to being told.
    behind: Delays,
}

/// Times in whole milliseconds, each counted.
#[derive(Debug, Clone, Default)]
pub struct Delays(Vec<u32>);

impl Delays {
    pub fn note(&mut self, milliseconds: u64) {
        let place = milliseconds.min(LONG) as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] += 1;
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// The time that so many of a hundred do not exceed.
    fn at(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut sum = 0;
        let place = self.0.iter().position(|count| {
            sum += u64::from(*count);
            sum >= wanted
        });
        place.unwrap_or(0) as u64
    }
}

#[test]
fn times_are_counted_by_the_millisecond() {
    let mut delays = Delays::default();
    assert_eq!(delays.at(50), 0);
    for time in 1..=200 {
        delays.note(time);
    }
    delays.note(1_000_000);
    assert_eq!([50, 99, 100].map(|percent| delays.at(percent)), [101, 199, LONG]);
}
