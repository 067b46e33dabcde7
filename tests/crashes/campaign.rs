//! Rounds over rounds: first to every crash point, then by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jobwright::crash::Point;

use crate::history::{Entry, Request};
use crate::instance::At;
use crate::random::Random;
use crate::round::{Came, Cycle, Death, Round};
use crate::tally::Tally;
use crate::ways::{Errand, Place, Way};
use crate::world::World;

/// How many cycles a data folder lives through.
const CYCLES: usize = 10;
/// How many jobs a service keeps that forgets the oldest.
const KEPT: usize = 6;
/// How often a point is tried before it counts as one that cannot be reached.
const TRIES: usize = 4;
/// How many cycles by chance there are in every run.
const AT_LEAST: usize = 8;

/// How many cycles are asked for, on both executors together.
const LENGTH: &str = "JOBWRIGHT_TEST_CRASHES";
/// Asks for one round alone: `SEED`, or `SEED:POINT,POINT…`.
const REPLAY: &str = "JOBWRIGHT_TEST_CRASHES_REPLAY";

/// Makes the place where jobs run for one round, given more flags for the service.
pub type MakeWorld = fn(&[&str]) -> Box<dyn World>;

/// A campaign on one executor.
pub struct Campaign {
    pub name: &'static str,
    pub place: Place,
    pub make: MakeWorld,
    pub length: Length,
}

/// How long a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// To every point first, and then by chance until there were as many cycles as [`LENGTH`] asks for: half of them,
    /// since another executor does the other half.
    EveryPoint,
    /// So many cycles by chance, or as many as [`LENGTH`] asks for.
    ByChance(usize),
}

/// What a campaign has come to.
struct Progress {
    tally: Tally,
    at_points: BTreeMap<Point, u64>,
    cycles: usize,
}

impl Campaign {
    /// Goes to every point that is there on this executor, and on from there for as long as was asked for.
    pub fn run(&self) {
        let mut progress = Progress { tally: Tally::of(self.name), at_points: BTreeMap::new(), cycles: 0 };
        if let Ok(replay) = std::env::var(REPLAY) {
            let (seed, points) = replay.split_once(':').unwrap_or((&replay, ""));
            let named = |name: &str| Point::ALL.iter().copied().find(|point| point.name() == name).expect("a point");
            let points: Vec<_> = points.split(',').filter(|name| !name.is_empty()).map(named).collect();
            return self.round(seed.parse().expect("a seed"), &points, &mut progress);
        }
        let asked = std::env::var(LENGTH).map_or(0, |text| text.parse::<usize>().expect("a number"));
        let mut seeds = Random::new(u64::try_from(now().as_nanos() % u128::from(u32::MAX)).unwrap_or(0));
        let goal = match self.length {
            Length::ByChance(usual) => {
                if asked == 0 {
                    usual
                } else {
                    asked
                }
            }
            Length::EveryPoint => {
                // Where time is short, one executor goes to one half of the points that both have, the other to the other.
                let mut points = self.points();
                if asked == 0 {
                    let mine = |point: &Point| Way::of(*point).place != Place::Anywhere || self.goes_to(*point);
                    points.retain(mine);
                }
                self.go_to_every_point(points, &mut seeds, &mut progress);
                asked.div_ceil(2).max(progress.cycles + AT_LEAST)
            }
        };
        while progress.cycles < goal {
            self.round(seeds.below(1 << 32), &[], &mut progress);
        }
        progress.finish();
    }

    fn points(&self) -> Vec<Point> {
        let there = |point: &Point| [Place::Anywhere, self.place].contains(&Way::of(*point).place);
        Point::ALL.iter().copied().filter(there).collect()
    }

    fn goes_to(&self, point: Point) -> bool {
        let index = Point::ALL.iter().position(|known| *known == point).unwrap_or(0);
        index.is_multiple_of(2) == (self.place == Place::Processes)
    }

    fn go_to_every_point(&self, points: Vec<Point>, seeds: &mut Random, progress: &mut Progress) {
        let mut missing = points;
        for _ in 0..TRIES {
            let (forgetful, others): (Vec<_>, Vec<_>) = missing.iter().partition(|point| Way::of(**point).forgets);
            for points in others.chunks(CYCLES).chain(forgetful.chunks(CYCLES)) {
                self.round(seeds.below(1 << 32), points, progress);
            }
            missing.retain(|point| !progress.at_points.contains_key(point));
            if missing.is_empty() {
                return;
            }
        }
        panic!("{}: the work never comes to {missing:?}", self.name);
    }

    /// One data folder: to the points that are given, or where chance leads.
    fn round(&self, seed: u64, points: &[Point], progress: &mut Progress) {
        let names: Vec<_> = points.iter().map(|point| point.name()).collect();
        let replay = format!("{REPLAY}={seed}{}{}", if names.is_empty() { "" } else { ":" }, names.join(","));
        let mut random = Random::new(seed);
        let forgets = if points.is_empty() { random.percent(20) } else { Way::of(points[0]).forgets };
        let kept = KEPT.to_string();
        let flags = ["--retention-count", &kept];
        let world = (self.make)(if forgets { &flags } else { &[] });
        let mut round = Round::new(&*world, random.fork(), replay, forgets.then_some(KEPT));
        let cycles = if points.is_empty() { self.by_chance(&mut random, world.can_hang()) } else { by_plan(points) };
        for cycle in cycles {
            let came = round.cycle(cycle);
            progress.note(cycle, came);
        }
        round.settle();
        progress.note_history(&round.journal.entries());
        eprintln!("{}: {} cycles so far", self.name, progress.cycles);
    }

    /// Where chance leads; to requests that hang where they `can_hang`.
    fn by_chance(&self, random: &mut Random, can_hang: bool) -> Vec<Cycle> {
        let points = self.points();
        let mut cycles = Vec::new();
        if random.percent(30) {
            // The making of a data folder is one of its lives.
            let point = random.one_of(&[
                Point::FolderBegun,
                Point::FolderFilled,
                Point::FolderUncounted,
                Point::FolderUnnamed,
                Point::FolderNamed,
                Point::FileWritten,
                Point::FileReplaced,
            ]);
            cycles.push(Cycle { errand: Errand::Serve, ..to(At::first(point)) });
        }
        while cycles.len() < CYCLES {
            let cycle = match random.below(100) {
                0..70 => {
                    // What is reached often is to be tried late too.
                    let most = 1 << random.below(6);
                    let time = 1 + u32::try_from(random.below(most)).unwrap_or(0);
                    let hold = if random.percent(30) { random.below(60) } else { 0 };
                    to(At { point: random.one_of(&points), time, hold: Duration::from_millis(hold) })
                }
                70..88 => {
                    let (count, moment) = (random.below(40), Duration::from_micros(random.below(4000)));
                    serve(Death::AfterAnswers(usize::try_from(count).unwrap_or(0), moment))
                }
                88..95 if can_hang => {
                    let wanted = random.one_of(&["POST /jobs?", "DELETE /jobs/", "GET /jobs/"]);
                    serve(Death::OnArrival(wanted, random.percent(50)))
                }
                _ => serve(Death::Stopped),
            };
            let tour = cycle.tour.filter(|reports| *reports > 2 || random.percent(40));
            // There must be records to be added to.
            let served = cycles.iter().any(|cycle: &Cycle| matches!(cycle.errand, Errand::Serve | Errand::Stop));
            if served || !matches!(cycle.errand, Errand::Compact | Errand::ImportMore) {
                cycles.push(Cycle { tour, ..cycle });
            }
        }
        cycles
    }
}

fn serve(death: Death) -> Cycle {
    Cycle { errand: Errand::Serve, death, tour: Some(2), steps: 15, withholds: false }
}

/// The cycle that leads to a point.
fn to(at: At) -> Cycle {
    let way = Way::of(at.point);
    // The service outlives its guards.
    let steps = if at.point.is_of_guards() { 2 } else { 15 };
    Cycle { errand: way.errand, tour: Some(way.reports), withholds: way.withholds, steps, ..serve(Death::At(at)) }
}

/// To each of these points, by way of what must come before.
fn by_plan(points: &[Point]) -> Vec<Cycle> {
    // There must be something to lose.
    let enough = if Way::of(points[0]).forgets { 50 } else { 12 };
    let mut cycles = vec![serve(Death::AfterAnswers(enough, Duration::ZERO))];
    for point in points {
        let way = Way::of(*point);
        let before = way.after.map(|(point, time)| to(At { time, ..At::first(point) }));
        cycles.extend(before.map(|cycle| Cycle { tour: Some(way.reports), ..cycle }));
        cycles.push(to(At::first(*point)));
    }
    cycles
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

impl Progress {
    fn note(&mut self, cycle: Cycle, came: Came) {
        self.cycles += 1;
        self.tally.add("cycles", 1);
        match (came, cycle.death) {
            (Came::ToThePoint, Death::At(at)) => {
                *self.at_points.entry(at.point).or_default() += 1;
                self.tally.add("kills at a named point", 1);
            }
            // No other death comes to a point.
            (Came::ToThePoint | Came::AtWork, _) => self.tally.add("kills at a random moment", 1),
            (Came::OnArrival, _) => self.tally.add("kills when a request had arrived at the API server", 1),
            (Came::AtRest, _) => self.tally.add("kills when all was answered", 1),
            (Came::ToAnOrderlyEnd, _) => self.tally.add("orderly ends", 1),
        }
    }

    fn note_history(&mut self, history: &[Entry]) {
        self.tally.add("data folders", 1);
        let mut sent = BTreeMap::new();
        let (mut objects, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        for entry in history {
            match entry {
                Entry::Sent(number, request) => drop(sent.insert(*number, request)),
                Entry::Answered(number, 200..300) => {
                    let Some(request) = sent.get(number) else { continue };
                    let what = match request {
                        Request::Launch { .. } | Request::Rerun { .. } => "launches acknowledged",
                        Request::Report { .. } | Request::Note { .. } => "reports acknowledged",
                        Request::Cancel { .. } => "cancellations acknowledged",
                        Request::Delete { .. } => "deletions acknowledged",
                    };
                    self.tally.add(what, 1);
                    match request {
                        Request::Delete { id } => drop(deleted.insert(id)),
                        Request::Launch { id, .. } if deleted.remove(id) => {
                            self.tally.add("launches under the ID of a deleted job", 1);
                        }
                        _ => {}
                    }
                }
                Entry::Object { uid, .. } => drop(objects.insert(uid)),
                Entry::Settled { jobs, .. } => {
                    self.tally.add("jobs that came to their end", jobs.len() as u64);
                    let logs = jobs.values().filter(|shown| shown.log.is_some()).count();
                    self.tally.add("logs compared", logs as u64);
                }
                Entry::Checked(_) => self.tally.add("checks of the store", 1),
                _ => {}
            }
        }
        self.tally.add("objects created", objects.len() as u64);
    }

    fn finish(mut self) {
        for (point, count) in &self.at_points {
            eprintln!("  {count:>9} × {}", point.name());
        }
        self.tally.add("named points", self.at_points.len() as u64);
        self.tally.finish();
    }
}
