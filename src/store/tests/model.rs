//! Random changes, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::job::{Event, JobView, LogTail, Phase};
use crate::store::{Change, Cursor, Query, StoreError};

#[derive(Debug, Clone)]
enum Step {
    Insert { job: u8, second: i64, template: u8, size: usize },
    Learn { job: u8, fact: u8 },
    Scrub { job: u8 },
    KeepLog { job: u8, lines: usize },
    Delete { job: u8 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let job = 0_u8..12;
    prop_oneof![
        4 => (job.clone(), 0_i64..20, 0_u8..3, prop_oneof![Just(0_usize), 0..60_000_usize])
            .prop_map(|(job, second, template, size)| Step::Insert { job, second, template, size }),
        8 => (job.clone(), 0_u8..6).prop_map(|(job, fact)| Step::Learn { job, fact }),
        1 => job.clone().prop_map(|job| Step::Scrub { job }),
        1 => (job.clone(), 0_usize..2000).prop_map(|(job, lines)| Step::KeepLog { job, lines }),
        2 => job.prop_map(|job| Step::Delete { job }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobId, (Job, Vec<Event>, Option<LogTail>)>,
    deletions: Vec<Event>,
    sequence: u64,
}

impl Model {
    fn newest_first(&self) -> Vec<&Job> {
        let mut jobs: Vec<&Job> = self.jobs.values().map(|(job, ..)| job).collect();
        jobs.sort_by_key(|job| (std::cmp::Reverse(job.intent.created), job.id().clone()));
        jobs
    }
}

/// Text that does not shrink, so that it takes many rows.
fn noise(length: usize) -> String {
    let mut seed = length as u64 + 1;
    let letters = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (seed >> 58) as u8)
    });
    letters.take(length).collect()
}

fn apply(store: &mut Option<Store>, model: &mut Model, step: Step, folder: &Path) {
    let name = |job: u8| id(&format!("job-{job}"));
    let current = || store.as_ref().unwrap();
    let (key, change, after) = match step {
        Step::Reopen => {
            drop(store.take());
            *store = Some(open(folder));
            return;
        }
        Step::Insert { job: number, second, template, size } => {
            let mut new = job(name(number).as_str(), second);
            new.intent.template = format!("template-{template}");
            new.intent.manifest = json!({"text": noise(size)});
            if let Some((known, ..)) = model.jobs.get(new.id()) {
                let error = current().submit(recorded(&new)).wait().unwrap_err();
                assert_eq!(error, StoreError::AlreadyExists(known.id().clone()));
                return;
            }
            let log = None;
            (new.id().clone(), recorded(&new), Some((new, log)))
        }
        Step::Learn { job, .. } | Step::Scrub { job } | Step::KeepLog { job, .. }
            if !model.jobs.contains_key(&name(job)) =>
        {
            let missing = super::job(name(job).as_str(), 0);
            let error = current().submit(Change::update(&missing, Vec::new())).wait();
            assert_eq!(error.unwrap_err(), StoreError::NotFound(name(job)));
            return;
        }
        Step::Learn { job, fact } => {
            let (mut job, _, log) = model.jobs[&name(job)].clone();
            let fact = match life(&job).get(usize::from(fact)) {
                Some(fact) => fact.clone(),
                None => report(&noise(400), 1),
            };
            let change = learn(&mut job, fact);
            (job.id().clone(), change, Some((job, log)))
        }
        Step::Scrub { job } => {
            let (mut job, _, log) = model.jobs[&name(job)].clone();
            job.intent.manifest = json!("masked");
            let change = Change::rewrite(&job, Vec::new());
            (job.id().clone(), change, Some((job, log)))
        }
        Step::KeepLog { job, lines } => {
            let (job, ..) = model.jobs[&name(job)].clone();
            let tail = LogTail::of((0..lines).map(|n| line(&noise(n))));
            let change = Change::update(&job, Vec::new()).with_log(&tail);
            (job.id().clone(), change, Some((job, Some(tail))))
        }
        Step::Delete { job } => {
            let change = Change::delete(name(job), at(0), Source::User);
            if !model.jobs.contains_key(&name(job)) {
                let error = current().submit(change).wait().unwrap_err();
                assert_eq!(error, StoreError::NotFound(name(job)));
                return;
            }
            (name(job), change, None)
        }
    };
    let committed = current().submit(change).wait().unwrap();
    for event in &committed.events {
        model.sequence += 1;
        assert_eq!(event.sequence, model.sequence);
    }
    match after {
        None => {
            model.jobs.remove(&key);
            model.deletions.extend(committed.events.iter().cloned());
        }
        Some((job, log)) => {
            let events = model.jobs.remove(&key).map(|(_, events, _)| events);
            let mut events = events.unwrap_or_default();
            events.extend(committed.events.iter().cloned());
            model.jobs.insert(key, (job, events, log));
        }
    }
}

fn compare(store: &Store, model: &Model) {
    for (id, (job, events, log)) in &model.jobs {
        assert_eq!(store.job(id).unwrap().as_ref(), Some(job));
        assert_eq!(store.view(id).unwrap(), Some(JobView::from(job)));
        assert_eq!(&store.job_events(id, 0, usize::MAX).unwrap(), events);
        assert_eq!(&store.log(id).unwrap(), log);
    }
    let mut all: Vec<Event> =
        model.jobs.values().flat_map(|(_, events, _)| events).chain(&model.deletions).cloned().collect();
    all.sort_by_key(|event| event.sequence);
    assert_eq!(store.events_after(0, usize::MAX).unwrap(), all);
    assert_eq!(store.last_sequence(), model.sequence);
    for (phase, count) in store.counts() {
        let jobs = model.jobs.values();
        let expected = jobs.filter(|(job, ..)| job.status.verdict().phase == phase);
        assert_eq!(count, expected.count() as u64, "{phase}");
    }
    let active: Vec<JobId> = store.active().unwrap().iter().map(|job| job.id().clone()).collect();
    let expected: Vec<JobId> = model
        .jobs
        .values()
        .filter(|(job, ..)| {
            !job.status.verdict().phase.is_terminal() || (job.status.object.is_some() && !job.status.object_deleted)
        })
        .map(|(job, ..)| job.id().clone())
        .collect();
    assert_eq!(active, expected);
    assert_sound(store);
}

/// Reads a list to its end in small pages.
fn pages(store: &Store, mut query: Query) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = store.page(&query).unwrap();
        assert!(page.items.len() <= query.limit.unwrap());
        found.extend(page.items.into_iter().map(|view| view.id.to_string()));
        match page.next {
            None => return found,
            Some(next) => {
                let text = next.to_string();
                query.cursor = Some(text.parse::<Cursor>().unwrap());
            }
        }
    }
}

fn compare_lists(store: &Store, model: &Model, query: &Query) {
    let expected: Vec<String> = model
        .newest_first()
        .into_iter()
        .filter(|job| {
            let phase = job.status.verdict().phase;
            (query.phases.is_empty() || query.phases.contains(&phase))
                && query.template.as_ref().is_none_or(|it| *it == job.intent.template)
                && query.since.is_none_or(|since| job.intent.created >= since)
                && query.until.is_none_or(|until| job.intent.created < until)
                && query.text.as_ref().is_none_or(|text| job.id().as_str().contains(text))
        })
        .map(|job| job.id().to_string())
        .collect();
    let mut found = pages(store, query.clone());
    if let Some(text) = &query.text
        && expected.contains(text)
    {
        assert_eq!(&found.remove(0), text, "the exact match comes first");
        let place = expected.iter().position(|id| id == text).unwrap();
        found.insert(place, text.clone());
    }
    assert_eq!(found, expected, "{query:?}");
}

fn query() -> impl Strategy<Value = Query> {
    let phases = proptest::sample::subsequence(Phase::ALL.to_vec(), 0..=3);
    let text = proptest::option::of(prop_oneof![Just("job-1"), Just("1"), Just("nothing")]);
    let second = || proptest::option::of((0_i64..20).prop_map(at));
    (phases, proptest::option::of(0_u8..3), text, second(), second(), 1_usize..5).prop_map(
        |(phases, template, text, since, until, limit)| Query {
            phases,
            template: template.map(|number| format!("template-{number}")),
            text: text.map(str::to_owned),
            since,
            until,
            limit: Some(limit),
            cursor: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_a_map_would(
        steps in proptest::collection::vec(step(), 1..60),
        queries in proptest::collection::vec(query(), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Some(open(folder.path()));
        let mut model = Model::default();
        for step in steps {
            apply(&mut store, &mut model, step, folder.path());
        }
        let store = store.unwrap();
        compare(&store, &model);
        for query in &queries {
            compare_lists(&store, &model, query);
        }
        drop(store);
        compare(&open(folder.path()), &model);
    }
}
