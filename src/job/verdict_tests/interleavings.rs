//! The verdict against a small independent oracle: all sequences of a few facts, and very many longer ones at random.
//!
//! `JOBWRIGHT_TEST_FACTS=6 cargo test --release --lib interleavings` tries every sequence of up to six facts (four, if
//! nothing is said), and `JOBWRIGHT_TEST_INTERLEAVINGS=1000000` so many longer ones at random. What fails is printed with
//! its seed: `JOBWRIGHT_TEST_SEED=SEED JOBWRIGHT_TEST_INTERLEAVINGS=1` tries that one again.
//!
//! What holds for whatever comes, in whichever order and however often:
//!
//! - phase, reason, words and dispute are what the oracle says of the history;
//! - a terminal phase, its reason and its time never change; a report alone never ends a job;
//! - what came before changes nothing when it comes again, but for a report without a number, which is another one;
//! - every request, report and object is in the job's history, and its changes of phase follow each other without a gap;
//! - a crash changes nothing: what is stored is all that is known.
//!
//! *Order* changes nothing where a job's facts tell no more than one end, of one object, and nothing says both that there
//! is an object and that there is none: an executor that keeps its promises shows nothing else. Evidence carries
//! revisions, reports carry numbers or times. One order does count: a request to cancel is one only before the end.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::super::evidence::Evidence;
use super::super::super::record::{Fact, Status};
use super::super::super::{EventKind, NewEvent, Phase};
use super::super::{Learned, Verdict};
use super::alphabet::{Step, alphabet, complete, whole_alphabet};
use super::oracle::expected;
use super::tally::Tally;
use super::{at, gone, object};

/// A job and all that happened to it.
#[derive(Clone, Default)]
struct Life<'a> {
    status: Status,
    verdict: Option<Verdict>,
    history: Vec<&'a Fact>,
    /// Whether the history of events names the object.
    named: bool,
}

impl<'a> Life<'a> {
    fn verdict(&self) -> Verdict {
        self.verdict.clone().unwrap_or_else(|| Status::default().verdict())
    }

    /// Takes a step, and checks all that must hold of it.
    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        match step {
            Step::Learn(fact) => self.learn(fact),
            Step::Crash => self.crash(),
        }
    }

    fn crash(&mut self) -> Result<(), String> {
        let stored = serde_json::to_vec(&self.status).map_err(|error| error.to_string())?;
        let read: Status = serde_json::from_slice(&stored).map_err(|error| error.to_string())?;
        ensure(read == self.status, || format!("{read:?} was read back"))?;
        self.status = read;
        // The object is looked at where the job has not ended: it shows what it showed last, or more.
        let own = self.status.object.as_ref().filter(|_| self.status.ended.is_none()).map(|object| &object.uid);
        let newest = self.history.iter().filter(|fact| revision(fact, own).is_some());
        let Some(newest) = newest.max_by_key(|fact| revision(fact, own)) else { return Ok(()) };
        let learned = self.status.learn((*newest).clone());
        ensure(learned == Learned::default(), || format!("a second look made {learned:?}"))
    }

    fn learn(&mut self, fact: &'a Fact) -> Result<(), String> {
        let (before, was) = (self.status.clone(), self.verdict());
        let learned = self.status.learn(fact.clone());
        let now = self.status.verdict();
        ensure(learned.changed == (self.status != before), || "it is not told whether something changed".to_owned())?;
        if self.history.contains(&fact) && !matches!(fact, Fact::Report(_)) {
            ensure(learned == Learned::default(), || format!("what was known already made {learned:?}"))?;
        }
        let is_report = matches!(fact, Fact::Report(_));
        ensure(!is_report || now.phase == was.phase, || "a report moved the phase".to_owned())?;
        if was.phase.is_terminal() {
            let end = |verdict: &Verdict| (verdict.phase, verdict.reason.clone(), verdict.ended);
            ensure(end(&now) == end(&was), || format!("the end changed: {was:?}, then {now:?}"))?;
        }
        self.is_in_the_history(fact, &learned.events, &was, &now)?;
        self.history.push(fact);
        self.named |= learned.events.iter().any(|it| matches!(it.kind, EventKind::Created { .. }));
        let expected = expected(&self.history);
        let reason =
            if expected.reason == Some("*") { now.reason.as_deref().and(Some("*")) } else { now.reason.as_deref() };
        let found = (now.phase, reason, now.disputed, self.status.reports.latest());
        let wanted = (expected.phase, expected.reason, expected.disputed, expected.words);
        ensure(found == wanted, || format!("it is {found:?}, and should be {wanted:?}"))?;
        ensure(now.ended.is_some() == now.phase.is_terminal(), || format!("an end without a time: {now:?}"))?;
        self.verdict = Some(now);
        Ok(())
    }

    /// Whether a fact and what follows from it have their events.
    fn is_in_the_history(&self, fact: &Fact, events: &[NewEvent], was: &Verdict, now: &Verdict) -> Result<(), String> {
        let is_first = !self.history.contains(&fact);
        let has = |wanted: fn(&EventKind) -> bool| events.iter().any(|event| wanted(&event.kind));
        let told = match fact {
            Fact::Report(report) => {
                !is_first || events.iter().any(|it| matches!(&it.kind, EventKind::Report { report: it, .. } if it == report))
                    // The same number again is the same report.
                    || self.history.iter().any(|it| matches!(it, Fact::Report(it) if it.sequence == report.sequence))
            }
            Fact::CancelRequested(_) => {
                !is_first || was.phase.is_terminal() || has(|kind| matches!(kind, EventKind::CancelRequested { .. }))
            }
            Fact::Created { .. } => self.named || has(|kind| matches!(kind, EventKind::Created { .. })),
            Fact::LogKept { .. } => !is_first || has(|kind| *kind == EventKind::LogKept),
            Fact::ObjectDeleted { .. } => !is_first || has(|kind| *kind == EventKind::ObjectDeleted),
            _ => true,
        };
        ensure(told, || format!("{fact:?} made only {events:?}"))?;
        let phases = events.iter().filter_map(|event| match &event.kind {
            EventKind::Phase { from, to, reason, .. } => Some((*from, *to, reason.clone())),
            _ => None,
        });
        let moved = (was.phase, &was.reason) != (now.phase, &now.reason);
        let wanted = moved.then(|| (was.phase, now.phase, now.reason.clone()));
        let phases: Vec<_> = phases.collect();
        ensure(phases == Vec::from_iter(wanted), || format!("from {was:?} to {now:?}, but {phases:?}"))?;
        let marked = events.iter().any(|it| it.kind == EventKind::Disputed { disputed: now.disputed });
        ensure(marked == (was.disputed != now.disputed), || format!("disputed {}, but {events:?}", now.disputed))
    }
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn revision(fact: &Fact, own: Option<&String>) -> Option<u64> {
    match fact {
        Fact::Evidence(Evidence::Seen(seen)) if Some(&seen.object.uid) == own => Some(seen.revision),
        _ => None,
    }
}

/// What a sequence comes to must depend on the set of its facts alone: whichever order comes first says how.
#[derive(Default)]
struct Sets(HashMap<u64, (Verdict, Option<String>)>);

impl Sets {
    fn check(&mut self, set: u64, life: &Life<'_>) -> Result<(), String> {
        let found = (life.verdict(), life.status.reports.latest().map(|report| format!("{report:?}")));
        let known = self.0.entry(set).or_insert_with(|| found.clone());
        ensure(*known == found, || format!("in another order it was {known:?}, and is {found:?}"))
    }
}

/// The set of a sequence's facts, if their order must not count: they tell one end at most, of one object that there is or
/// of none. A request to cancel that comes after the end is none.
fn set(alphabet: &[Step], sequence: &[usize]) -> Option<u64> {
    let (mut set, mut ends, mut named, mut none) = (0_u64, 0_u64, false, false);
    for place in sequence {
        let bit = 1 << place;
        let Step::Learn(fact) = &alphabet[*place] else { continue };
        let is_end = match fact {
            Fact::Refused(_) | Fact::Withdrawn { .. } => {
                none = true;
                true
            }
            Fact::Evidence(Evidence::Seen(seen)) => seen.conclusion.is_some(),
            Fact::Evidence(Evidence::Gone { .. }) => true,
            Fact::CancelRequested(_) if ends != 0 => continue,
            _ => false,
        };
        let about = match fact {
            Fact::Created { object, .. } => Some(object),
            Fact::Evidence(evidence) => Some(evidence.object()),
            _ => None,
        };
        if about.is_some_and(|about| about.uid != object().uid) {
            return None;
        }
        named |= about.is_some();
        ends |= if is_end { bit } else { 0 };
        set |= bit;
    }
    (ends.count_ones() <= 1 && !(named && none)).then_some(set)
}

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn named(alphabet: &[Step], sequence: &[usize]) -> String {
    sequence.iter().map(|place| format!("\n  {:?}", alphabet[*place])).collect()
}

/// Walks through all sequences that begin with one; returns how many there are.
fn walk(alphabet: &[Step], sequence: &mut Vec<usize>, life: &Life<'_>, most: usize, sets: &mut Sets) -> u64 {
    let mut count = 0;
    for place in 0..alphabet.len() {
        sequence.push(place);
        let mut longer = life.clone();
        let mut outcome = longer.step(&alphabet[place]);
        if let (Ok(()), Some(set)) = (&outcome, set(alphabet, sequence)) {
            outcome = sets.check(set, &longer);
        }
        if let Err(problem) = outcome {
            panic!("{problem}\nafter {}", named(alphabet, sequence));
        }
        count += 1;
        if sequence.len() < most {
            count += walk(alphabet, sequence, &longer, most, sets);
        }
        sequence.pop();
    }
    count
}

#[test]
fn every_sequence_of_a_few_facts_comes_to_what_the_oracle_says() {
    let mut tally = Tally::of("interleavings-all");
    let (alphabet, most) = (alphabet(), usize::try_from(asked("JOBWRIGHT_TEST_FACTS", 4)).unwrap());
    let (next, all) = (AtomicUsize::new(0), Mutex::new((0, Sets::default())));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut sets = Sets::default();
                let mut count = 0;
                loop {
                    let first = next.fetch_add(1, Ordering::Relaxed);
                    let Some(step) = alphabet.get(first) else { break };
                    let mut life = Life::default();
                    life.step(step).unwrap();
                    count += 1 + walk(&alphabet, &mut vec![first], &life, most, &mut sets);
                }
                let mut all = all.lock().unwrap();
                all.0 += count;
                for (set, found) in sets.0 {
                    let known = all.1.0.entry(set).or_insert_with(|| found.clone());
                    assert_eq!(*known, found, "in another order");
                }
            });
        }
    });
    let (count, sets) = all.into_inner().unwrap();
    let expected: u64 = (1..=most).map(|length| (alphabet.len() as u64).pow(u32::try_from(length).unwrap())).sum();
    assert_eq!(count, expected);
    tally.add("kinds and shapes of facts in the alphabet", alphabet.len() as u64);
    tally.add("facts in a sequence, at most", most as u64);
    tally.add("sequences tried, which are all there are", count);
    tally.add("sets of facts that came to the same in every order", sets.0.len() as u64);
    tally.finish();
}

/// Numbers that look like random ones: the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift*, which has no zero in it.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % bound
    }
}

/// One longer sequence, and the same facts in another order and some of them more than once.
fn at_random(alphabet: &[Step], seed: u64) -> Result<(u64, bool), String> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // Of some facts only, so that many sequences tell one end at most.
    let few: Vec<usize> = (0..2 + numbers.below(9)).map(|_| numbers.below(alphabet.len())).collect();
    let length = 7 + numbers.below(18);
    let mut sequence: Vec<usize> = (0..length).map(|_| few[numbers.below(few.len())]).collect();
    let lived = |sequence: &[usize]| -> Result<Life<'_>, String> {
        let mut life = Life::default();
        for place in sequence {
            life.step(&alphabet[*place])?;
        }
        Ok(life)
    };
    let told = |problem: String, sequence: &[usize]| format!("{problem}\nin {}", named(alphabet, sequence));
    let life = lived(&sequence).map_err(|problem| told(problem, &sequence))?;
    let Some(before) = set(alphabet, &sequence) else { return Ok((length as u64, false)) };
    let mut sets = Sets::default();
    sets.check(before, &life)?;
    sequence.extend_from_within(..numbers.below(length));
    for place in (1..sequence.len()).rev() {
        sequence.swap(place, numbers.below(place + 1));
    }
    let other = lived(&sequence).map_err(|problem| told(problem, &sequence))?;
    // In this order a request to cancel may have come too late.
    let same = set(alphabet, &sequence) == Some(before);
    if same {
        sets.check(before, &other).map_err(|problem| told(problem, &sequence))?;
    }
    Ok((length as u64, same))
}

#[test]
fn long_sequences_at_random_come_to_what_the_oracle_says() {
    let alphabet = whole_alphabet();
    let (count, seed) = (asked("JOBWRIGHT_TEST_INTERLEAVINGS", 2_000), asked("JOBWRIGHT_TEST_SEED", 1));
    let mut tally = Tally::of("interleavings-random");
    tally.add("kinds and shapes of facts in the alphabet", alphabet.len() as u64);
    for seed in seed..seed + count {
        let (facts, reordered) = at_random(&alphabet, seed).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        tally.add("sequences tried", 1);
        tally.add("facts in them", facts);
        tally.most("facts in a sequence, at most", facts);
        tally.add("tried in another order too, with repetitions, to the same end", u64::from(reordered));
    }
    tally.finish();
}

/// The properties can fail: what breaks one of them is found.
#[test]
fn a_wrong_verdict_is_found() {
    let steps = [complete(), gone(true)].map(Step::Learn);
    let mut life = Life::default();
    life.step(&steps[0]).unwrap();
    life.status.ended = Some((Phase::Failed, at(20)));
    assert!(life.step(&steps[1]).unwrap_err().contains("the end changed"));
    let mut life = Life::default();
    life.step(&steps[0]).unwrap();
    life.history.clear();
    assert!(life.step(&steps[1]).unwrap_err().contains("and should be"));
}
