//! Data folders and exports of every format that there ever was, kept as they were written: each is read for ever.
//!
//! `formats/README.md` says how those of a further format are made.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jobwright::job::{
    Cancellation, Conclusion, ContainerState, ContainerStatus, EventKind, Evidence, Fact, Fingerprint, Job, JobView,
    LastExit, LogLine, LogTail, NewEvent, ObjectRef, Phase, PodStatus, Refusal, Report, Snapshot, Source,
};
use jobwright::store::{Change, Options, Query, Store, import};
use serde_json::json;

use super::{insert, job, noise};

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/formats")
}

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_767_225_600 + second, 123_456_789).unwrap()
}

/// Text of several scripts, with what JSON has to escape.
const ODD: &str = "naïve ✓ 日本 \u{1f980} \"quoted\" \\ / \t\u{7f}\u{202e}é";

/// Builds jobs of every kind.
struct Maker {
    store: Store,
}

impl Maker {
    fn job(&self, id: &str, second: i64) -> Job {
        let mut job = job(id, 40);
        job.intent.created = at(second);
        job.intent.object_name = format!("hello-{id}");
        job.intent.ttl_seconds = Some(300);
        job
    }

    fn add(&self, job: &Job) {
        self.store.submit(insert(job)).wait().unwrap();
    }

    fn learn(&self, job: &mut Job, fact: Fact) {
        let learned = job.status.learn(fact);
        self.store.submit(Change::update(job, learned.events)).wait().unwrap();
    }

    fn log(&self, job: &Job, log: &LogTail) {
        let events = vec![NewEvent { at: at(900), source: Source::Service, kind: EventKind::LogKept }];
        self.store.submit(Change::update(job, events).with_log(log)).wait().unwrap();
    }
}

fn object(job: &Job) -> ObjectRef {
    ObjectRef { name: job.intent.object_name.clone(), namespace: "jobs".to_owned(), uid: format!("uid-{}", job.id()) }
}

fn created(job: &Job, second: i64) -> Fact {
    Fact::Created { object: object(job), warnings: vec![format!("warned: {ODD}")], at: at(second) }
}

fn seen(job: &Job, second: i64, container: ContainerStatus, conclusion: Option<Conclusion>) -> Fact {
    let revision = u64::try_from(second).unwrap();
    let pod = PodStatus {
        node: Some("node-1".to_owned()),
        index: Some(2),
        reason: None,
        shown: revision,
        containers: BTreeMap::from([
            ("init".to_owned(), ContainerStatus::new(true, ended(second, 0, None))),
            ("main".to_owned(), container),
        ]),
        ..PodStatus::new(revision, at(second))
    };
    Fact::Evidence(Evidence::Seen(Box::new(Snapshot {
        conclusion,
        blocked: (second % 2 == 1).then(|| ("QuotaExceeded".to_owned(), ODD.to_owned())),
        completed_indexes: Some("0,2-4".to_owned()),
        failed_indexes: Some("1".to_owned()),
        pods: BTreeMap::from([("pod-0".to_owned(), pod)]),
        ..Snapshot::new(object(job), revision, at(second))
    })))
}

fn ended(second: i64, exit_code: i32, message: Option<&str>) -> ContainerState {
    ContainerState::Terminated {
        exit_code,
        signal: (exit_code > 128).then_some(exit_code - 128),
        reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
        message: message.map(str::to_owned),
        started: Some(at(second - 1)),
        finished: at(second),
    }
}

fn main(state: ContainerState) -> ContainerStatus {
    ContainerStatus::new(false, state)
}

fn said(second: i64, sequence: Option<u64>, status: &str) -> Fact {
    let report = Report::new(at(second), sequence, status.to_owned(), Some(ODD.to_owned()), Some(40));
    Fact::Report(report.unwrap())
}

fn line(second: i64, text: &str) -> LogLine {
    LogLine { at: at(second), pod: "pod-0".to_owned(), container: "main".to_owned(), text: text.to_owned() }
}

/// A store with every kind of record and every kind of event, in every phase.
fn fill(store: Store) -> Store {
    let make = Maker { store };

    let mut pending = make.job("pending.with-everything_1", 1);
    let intent = &mut pending.intent;
    intent.name = Some(ODD.replace(['\t', '\u{7f}'], " ").parse().unwrap());
    intent.secrets = vec!["password".to_owned()];
    intent.default_secrets = vec!["salt".to_owned()];
    intent.fingerprint = Some(Fingerprint("0f".repeat(32)));
    intent.manifest = json!({"spec": {"env": ["hunter2", ODD, 1, -2.5, true, null, {"deep": [[]]}]}});
    intent.masked = Some(json!({"spec": {"env": ["••••••"]}}));
    intent.commit = Some("3d92510-dirty".to_owned());
    intent.digest = format!("sha256:{}", "0f".repeat(32));
    make.add(&pending);

    let mut running = make.job("running", 2);
    running.intent.ttl_seconds = None;
    make.add(&running);
    let fact = created(&running, 3);
    make.learn(&mut running, fact);
    let fact = seen(&running, 4, main(ContainerState::Running { started: at(4) }), None);
    make.learn(&mut running, fact);
    make.learn(&mut running, said(5, Some(2), "Processing..."));
    make.learn(&mut running, said(6, Some(1), "Start Processing"));
    make.learn(&mut running, said(7, None, ODD));
    let asked = Cancellation { at: at(8), by: Some("ada".to_owned()) };
    make.learn(&mut running, Fact::CancelRequested(asked));
    make.log(&running, &LogTail { lines: vec![line(5, ODD), line(6, "")], truncated: false });

    let mut waiting = make.job("waiting", 3);
    waiting.intent.template = "another-template".to_owned();
    make.add(&waiting);
    let pulling =
        ContainerState::Waiting { reason: Some("ImagePullBackOff".to_owned()), message: Some(ODD.to_owned()) };
    let again = ContainerStatus {
        restarts: 3,
        last_exit: Some(LastExit { finished: at(3), exit_code: 7, reason: "Error".to_owned() }),
        ..main(pulling)
    };
    let fact = seen(&waiting, 10, again, None);
    make.learn(&mut waiting, fact);

    let mut suspended = make.job("suspended", 4);
    make.add(&suspended);
    let held = Snapshot { suspended: true, orphaning: true, ..Snapshot::new(object(&suspended), 1, at(4)) };
    make.learn(&mut suspended, Fact::Evidence(Evidence::Seen(Box::new(held))));

    let mut disputed = make.job("disputed", 5);
    disputed.intent.rerun_of = Some("running".parse().unwrap());
    make.add(&disputed);
    make.learn(&mut disputed, said(11, None, "Done"));
    let failed = Conclusion::Failed { at: at(13), reason: "BackoffLimitExceeded".to_owned(), message: ODD.to_owned() };
    let fact = seen(&disputed, 12, main(ended(12, 137, Some(ODD))), Some(failed));
    make.learn(&mut disputed, fact);
    make.learn(&mut disputed, said(14, None, "Done"));
    // More than fits into one row, and does not shrink.
    let long: Vec<_> = (0..40).map(|second| line(second, &noise(997))).collect();
    make.log(&disputed, &LogTail { lines: long, truncated: true });
    make.learn(&mut disputed, Fact::LogKept { at: at(15) });

    let mut done = make.job("done", 6);
    done.intent.manifest = json!({"text": noise(30_000)});
    make.add(&done);
    let fact = created(&done, 16);
    make.learn(&mut done, fact);
    let complete = Some(Conclusion::Complete { at: at(18) });
    let fact = seen(&done, 17, main(ended(17, 0, None)), complete);
    make.learn(&mut done, fact);
    make.learn(&mut done, Fact::LogKept { at: at(19) });
    make.learn(&mut done, Fact::ObjectDeleted { at: at(20) });

    let mut rejected = make.job("rejected", 7);
    make.add(&rejected);
    let no = Refusal { at: at(21), reason: "Forbidden".to_owned(), message: ODD.to_owned() };
    make.learn(&mut rejected, Fact::Refused(no));

    let mut withdrawn = make.job("withdrawn", 8);
    make.add(&withdrawn);
    make.learn(&mut withdrawn, Fact::CancelRequested(Cancellation { at: at(22), by: None }));
    make.learn(&mut withdrawn, Fact::Withdrawn { at: at(23) });

    let mut lost = make.job("lost", 9);
    make.add(&lost);
    let fact = created(&lost, 24);
    make.learn(&mut lost, fact);
    let gone = Evidence::Gone { object: object(&lost), at: at(25), witnessed: false };
    make.learn(&mut lost, Fact::Evidence(gone));

    let mut stopped = make.job("stopped", 10);
    make.add(&stopped);
    let stop = Some(Conclusion::Stopped { at: at(26) });
    let fact = seen(&stopped, 26, main(ended(26, 143, None)), stop);
    make.learn(&mut stopped, fact);

    make.add(&make.job("deleted", 11));
    make.store.submit(Change::delete("deleted".parse().unwrap(), at(27), Source::User)).wait().unwrap();
    make.store
}

fn export(store: &Store, with_secrets: bool) -> String {
    let mut out = Vec::new();
    store.export(&mut out, with_secrets, &mut |_| {}).unwrap();
    String::from_utf8(out).unwrap()
}

fn pack(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    // No time stamp and no name: the same bytes give the same file.
    let mut packed = GzEncoder::new(fs::File::create(file).unwrap(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap();
}

fn unpack(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(file).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// All files of a folder, by their paths in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// The formats that are held, oldest first.
fn held() -> Vec<PathBuf> {
    let mut held: Vec<_> = fs::read_dir(formats()).unwrap().map(|entry| entry.unwrap().path()).collect();
    held.retain(|path| path.is_dir());
    held.sort();
    held
}

/// The records of a held format, in a folder of their own.
fn copy_of(format: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let data = format.join("data");
    for file in files(&data) {
        let target = copy.path().join("data").join(file.with_extension(""));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, unpack(&data.join(file))).unwrap();
    }
    copy
}

/// The lines of an export after its header, and the header without its version.
fn parts(export: &str) -> (serde_json::Value, Vec<&str>) {
    let mut lines = export.lines();
    let mut header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert!(header.as_object_mut().unwrap().remove("version").is_some());
    (header, lines.collect())
}

fn assert_same(now: &str, then: &str) {
    let ((now_header, now), (then_header, then)) = (parts(now), parts(then));
    assert_eq!(now_header, then_header);
    assert_eq!(now.len(), then.len());
    for (now, then) in now.into_iter().zip(then) {
        assert!(now == then, "{now}\n\ninstead of\n\n{then}");
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `(cd tests/store/formats && find v1 -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)`
const FIRST: &str = "c54cafbc3f5e7425fa6824bf98d68723963699aec0d40e0187a7e8ce8e6e6edd";

#[test]
fn the_first_format_is_held() {
    let first = formats().join("v1");
    let mut names: Vec<_> = files(&first).iter().map(|file| file.to_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    let line = |name: &String| format!("{}  v1/{name}\n", sha256(&fs::read(first.join(name)).unwrap()));
    let lines: String = names.iter().map(line).collect();
    assert_eq!(sha256(lines.as_bytes()), FIRST, "what is held is not what version 0.1.0 wrote:\n{lines}");
}

#[test]
fn a_store_of_every_format_opens_checks_and_exports_as_it_did() {
    for format in held() {
        let then = String::from_utf8(unpack(&format.join("export.jsonl.gz"))).unwrap();
        let copy = copy_of(&format);
        let data = copy.path().join("data");
        let store = Store::open_existing(&data, Options::default()).unwrap();
        let checked = store.check(&mut |_| {}).unwrap();
        assert_eq!(checked.faults, Vec::<String>::new());
        assert_same(&export(&store, true), &then);
        assert!(!store.is_rebuild_due().unwrap(), "its records are whole");
        assert_works(&store);
        drop(store);
        // And it stays a store of the present format.
        let store = Store::open_existing(&data, Options::default()).unwrap();
        assert!(store.job(&"new".parse().unwrap()).unwrap().is_some());
        assert_eq!(store.check(&mut |_| {}).unwrap().faults, Vec::<String>::new());
        let manifest = fs::read_to_string(data.join("store.json")).unwrap();
        assert!(manifest.contains("\"format\":2"), "{manifest}");
    }
}

/// Lists, histories, logs and changes, on records that an older version wrote.
fn assert_works(store: &Store) {
    let all = store.page(&Query { limit: Some(100), ..Query::default() }).unwrap().items;
    assert_eq!(all.len(), 10);
    for view in &all {
        let job = store.job(&view.id).unwrap().unwrap();
        assert_eq!(JobView::from(&job), *view);
        assert!(job.intent.parameters.is_some() && job.intent.rebuilt.is_none());
        assert_eq!(store.job_events(&view.id, 0, 1).unwrap()[0].kind, EventKind::Recorded);
        let found = Query { phases: vec![view.phase], limit: Some(100), ..Query::default() };
        assert!(store.page(&found).unwrap().items.contains(view), "{}", view.id);
    }
    let phases: std::collections::BTreeSet<_> = all.iter().map(|job| job.phase).collect();
    assert_eq!(phases.len(), Phase::ALL.len(), "{phases:?}");
    let job = |id: &str| store.job(&id.parse().unwrap()).unwrap();
    assert!(JobView::from(&job("disputed").unwrap()).disputed);
    assert_eq!(job("pending.with-everything_1").unwrap().intent.manifest["spec"]["env"][1], ODD);
    assert_eq!(job("deleted"), None);
    let log = store.log(&"disputed".parse().unwrap()).unwrap().unwrap();
    assert_eq!((log.lines.len(), log.truncated, &log.lines[39].text), (40, true, &noise(997)));
    let active: Vec<_> = store.active().unwrap().iter().map(|job| job.id().to_string()).collect();
    assert!(active.contains(&"running".to_owned()) && !active.contains(&"done".to_owned()), "{active:?}");

    let mut running = job("running").unwrap();
    let complete = Some(Conclusion::Complete { at: at(1000) });
    let fact = seen(&running, 1000, main(ended(1000, 0, None)), complete);
    let learned = running.status.learn(fact);
    store.submit(Change::update(&running, learned.events)).wait().unwrap();
    assert_eq!(store.view(running.id()).unwrap().unwrap().phase, Phase::Succeeded);
    store.submit(insert(&super::job("new", 10))).wait().unwrap();
    store.submit(Change::delete("lost".parse().unwrap(), at(1001), Source::User)).wait().unwrap();
}

#[test]
fn an_export_of_every_format_imports_and_exports_as_it_did() {
    for format in held() {
        let then = String::from_utf8(unpack(&format.join("export.jsonl.gz"))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let imported = import(folder.path(), &mut then.as_bytes(), at(2000), &mut |_| {}).unwrap();
        assert_eq!((imported.added, imported.conflicts.len(), imported.without_secrets.len()), (10, 0, 0));
        let store = Store::open_existing(folder.path(), Options::default()).unwrap();
        assert_eq!(store.check(&mut |_| {}).unwrap().faults, Vec::<String>::new());
        assert_same(&export(&store, true), &then);
    }
}

#[test]
fn an_older_format_is_brought_to_the_present_one_once_and_whole() {
    for format in held() {
        let copy = copy_of(&format);
        let data = copy.path().join("data");
        let records = |path: &Path| fs::read(path.join("records-1/db")).unwrap();
        let before = records(&data);
        drop(Store::open_existing(&data, Options::default()).unwrap());
        let manifest = fs::read(data.join("store.json")).unwrap();
        drop(Store::open_existing(&data, Options::default()).unwrap());
        assert_eq!(fs::read(data.join("store.json")).unwrap(), manifest);
        assert_eq!(records(&data).len(), before.len(), "no record is written anew for it");
    }
}

#[test]
#[ignore = "writes the fixtures of the present format; see tests/store/formats/README.md"]
fn write_the_present_format() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = fill(Store::open(&data, Options::default()).unwrap());
    let exported = export(&store, true);
    drop(store);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(data.join("store.json")).unwrap()).unwrap();
    let target = formats().join(format!("v{}", manifest["format"]));
    assert!(!target.exists(), "{} is there already, and stays as it is for ever", target.display());
    pack(&target.join("export.jsonl.gz"), exported.as_bytes());
    for file in files(&data) {
        let packed = format!("{}.gz", file.display());
        pack(&target.join("data").join(packed), &fs::read(data.join(&file)).unwrap());
    }
}
