//! Whatever is on record survives export and import, to the byte.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::job::{
    Cancellation, ContainerState, ContainerStatus, LastExit, LogTail, PodStatus, Refusal, Snapshot as Seen,
};
use crate::store::import;

/// Any text, and some that is long.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<String>(),
        1 => "[ -~]{0,40}",
        1 => ("\\PC{1,20}", 1_usize..900).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000, 0_i32..1_000_000_000).prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map(any::<String>(), value(), 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn intent() -> impl Strategy<Value = Intent> {
    let name = "[^\\p{Cc}\\s][^\\p{Cc}]{0,60}";
    let names = || proptest::collection::vec(text(), 0..3);
    let texts = (proptest::option::of(name), "[a-z][a-z0-9-]{0,30}", text(), text(), proptest::option::of(text()));
    let asked = (proptest::option::of(fields()), names(), names(), proptest::option::of("[0-9a-f]{64}"));
    let rest = (value(), proptest::option::of(value()), proptest::option::of(any::<u32>()), any::<bool>());
    (texts, asked, rest, moment(), proptest::option::of(moment())).prop_map(
        |(texts, asked, (manifest, masked, ttl_seconds, again), created, rebuilt)| {
            let (name, template, object_name, digest, commit) = texts;
            let (parameters, secrets, default_secrets, fingerprint) = asked;
            Intent {
                id: id("x"),
                name: name.and_then(|name| name.parse().ok()),
                template,
                parameters,
                secrets,
                default_secrets,
                fingerprint: fingerprint.map(Fingerprint),
                object_name,
                namespace: "local".to_owned(),
                // There is a masked one only where it differs; and a null would be read as none.
                masked: masked.filter(|masked| !masked.is_null() && *masked != manifest),
                manifest,
                digest,
                commit,
                ttl_seconds,
                rerun_of: again.then(|| id("first")),
                created,
                rebuilt,
            }
        },
    )
}

fn state() -> impl Strategy<Value = ContainerState> {
    prop_oneof![
        (proptest::option::of(text()), proptest::option::of(text()))
            .prop_map(|(reason, message)| ContainerState::Waiting { reason, message }),
        moment().prop_map(|started| ContainerState::Running { started }),
        (any::<i32>(), proptest::option::of(1..64), text(), proptest::option::of(text()), moment(), moment()).prop_map(
            |(exit_code, signal, reason, message, started, finished)| ContainerState::Terminated {
                exit_code,
                signal,
                reason,
                message,
                started: Some(started),
                finished,
            }
        ),
    ]
}

fn container() -> impl Strategy<Value = ContainerStatus> {
    let last = (moment(), any::<i32>(), text());
    let last = last.prop_map(|(finished, exit_code, reason)| LastExit { finished, exit_code, reason });
    (any::<bool>(), any::<u32>(), proptest::option::of(last), state())
        .prop_map(|(init, restarts, last_exit, state)| ContainerStatus { init, restarts, last_exit, state })
}

fn pod() -> impl Strategy<Value = PodStatus> {
    let flags = (any::<u64>(), any::<u64>(), any::<bool>(), any::<bool>(), proptest::option::of(any::<u32>()));
    let texts = (proptest::option::of(text()), proptest::option::of(text()), proptest::option::of(text()));
    let containers = proptest::collection::btree_map(any::<String>(), container(), 0..3);
    (flags, texts, moment(), containers).prop_map(
        |((revision, shown, deleting, interrupted, index), (node, reason, message), created, containers)| PodStatus {
            revision,
            shown,
            deleting,
            interrupted,
            node,
            index,
            created,
            reason,
            message,
            containers,
        },
    )
}

fn conclusion() -> impl Strategy<Value = Conclusion> {
    prop_oneof![
        moment().prop_map(|at| Conclusion::Complete { at }),
        (moment(), text(), text()).prop_map(|(at, reason, message)| Conclusion::Failed { at, reason, message }),
        moment().prop_map(|at| Conclusion::Stopped { at }),
    ]
}

fn object_ref() -> ObjectRef {
    ObjectRef { name: "o".to_owned(), namespace: "local".to_owned(), uid: "u".to_owned() }
}

fn fact() -> impl Strategy<Value = Fact> {
    let seen = (any::<u64>(), moment(), proptest::option::of(conclusion()), proptest::option::of((text(), text())));
    let pods = proptest::collection::btree_map(any::<String>(), pod(), 0..3);
    let indexes = (proptest::option::of("[0-9,-]{1,9}"), proptest::option::of("[0-9,-]{1,9}"));
    let flags = (any::<bool>(), any::<bool>());
    let seen = (seen, pods, indexes, flags).prop_map(
        |((revision, at, conclusion, blocked), pods, (done, failed), (suspended, orphaning))| {
            let pods: BTreeMap<_, _> = pods;
            Fact::Evidence(Evidence::Seen(Box::new(Seen {
                suspended,
                orphaning,
                conclusion,
                blocked,
                completed_indexes: done,
                failed_indexes: failed,
                pods,
                ..Seen::new(object_ref(), revision, at)
            })))
        },
    );
    let said = ("\\PC{1,200}", proptest::option::of("\\PC{0,400}"), proptest::option::of(any::<u64>()), moment());
    let word = prop_oneof![Just("Done".to_owned()), Just("ERROR".to_owned()), "\\PC{1,60}"];
    prop_oneof![
        4 => seen,
        2 => (said, word, 0..=100_u64).prop_map(|((_, message, sequence, at), word, progress)| {
            Fact::Report(Report::new(at, sequence, word, message, Some(progress)).unwrap())
        }),
        1 => (moment(), any::<bool>()).prop_map(|(at, witnessed)| {
            Fact::Evidence(Evidence::Gone { object: object_ref(), at, witnessed })
        }),
        1 => (moment(), proptest::collection::vec(text(), 0..3))
            .prop_map(|(at, warnings)| Fact::Created { object: object_ref(), warnings, at }),
        1 => (moment(), text(), text())
            .prop_map(|(at, reason, message)| Fact::Refused(Refusal { at, reason, message })),
        1 => (moment(), proptest::option::of(text()))
            .prop_map(|(at, by)| Fact::CancelRequested(Cancellation { at, by })),
        1 => moment().prop_map(|at| Fact::Withdrawn { at }),
        1 => moment().prop_map(|at| Fact::LogKept { at }),
        1 => moment().prop_map(|at| Fact::ObjectDeleted { at }),
    ]
}

fn log() -> impl Strategy<Value = LogTail> {
    let line = (moment(), any::<String>(), any::<String>(), text());
    let line = line.prop_map(|(at, pod, container, text)| LogLine { at, pod, container, text });
    (proptest::collection::vec(line, 0..20), any::<bool>()).prop_map(|(lines, truncated)| LogTail { lines, truncated })
}

#[derive(Debug, Clone)]
struct Life {
    id: String,
    intent: Intent,
    facts: Vec<Fact>,
    log: Option<LogTail>,
    deleted: bool,
}

fn life() -> impl Strategy<Value = Life> {
    let facts = proptest::collection::vec(fact(), 0..6);
    let id = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}";
    (id, intent(), facts, proptest::option::of(log()), proptest::bool::weighted(0.1))
        .prop_map(|(id, intent, facts, log, deleted)| Life { id, intent, facts, log, deleted })
}

/// Records a life, in as many changes as it has facts.
fn live(store: &Store, life: Life) {
    let intent = Intent { id: id(&life.id), ..life.intent };
    let mut job = Job { intent, status: Status::default() };
    let kind = if job.intent.rebuilt.is_some() { EventKind::Rebuilt } else { EventKind::Recorded };
    let first = NewEvent { at: job.intent.created, source: Source::Service, kind };
    if store.submit(Change::insert(&job, vec![first])).wait().is_err() {
        // Two of the lives have one ID.
        return;
    }
    for fact in life.facts {
        drop(store.submit(learn(&mut job, fact)));
    }
    if let Some(log) = &life.log {
        drop(store.submit(Change::update(&job, Vec::new()).with_log(log)));
    }
    if life.deleted {
        drop(store.submit(Change::delete(id(&life.id), at(0), Source::User)));
    }
}

fn export(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    store.export(&mut out, true, &mut |_| {}).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn an_export_that_is_imported_exports_to_the_same_bytes(lives in proptest::collection::vec(life(), 0..8)) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("here"));
        lives.into_iter().for_each(|life| live(&store, life));
        // Waits for all of them.
        let last = store.submit(recorded(&job("last", 0))).wait();
        prop_assert!(last.is_ok());
        let bytes = export(&store);
        let there = folder.path().join("there");
        import(&there, &mut &bytes[..], at(0), &mut |_| {}).unwrap();
        let copy = open(&there);
        assert_sound(&copy);
        prop_assert!(export(&copy) == bytes, "{}", difference(&bytes, &export(&copy)));
        for (phase, count) in store.counts() {
            prop_assert!(copy.counts().any(|it| it == (phase, count)));
        }
    }
}

/// `JOBWRIGHT_TEST_ROUNDTRIPS` asks for more than every run has.
fn cases() -> u32 {
    std::env::var("JOBWRIGHT_TEST_ROUNDTRIPS").ok().and_then(|count| count.parse().ok()).unwrap_or(24)
}

fn difference(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let part =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..bytes.len().min(at + 80)]).into_owned();
    json!({"at": at, "was": part(a), "is": part(b)}).to_string()
}
