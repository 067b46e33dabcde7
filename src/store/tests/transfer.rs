//! Export, import, compaction and check.

use serde_json::json;

use super::*;
use crate::job::{LogTail, Phase};
use crate::store::{ImportError, Imported, backend::Backend, compact, import, keys};

fn export(store: &Store, with_secrets: bool) -> Vec<u8> {
    let mut out = Vec::new();
    store.export(&mut out, with_secrets, &mut |_| {}).unwrap();
    out
}

fn read_in(path: &Path, bytes: &[u8]) -> Result<Imported, ImportError> {
    read_in_at(path, bytes, 0)
}

fn read_in_at(path: &Path, bytes: &[u8], second: i64) -> Result<Imported, ImportError> {
    import(path, &mut &bytes[..], at(second), &mut |_| {})
}

fn fill(store: &Store) {
    for number in 0..20 {
        let mut new = job(&format!("j{number}"), number);
        new.intent.manifest = json!({"text": "x".repeat(number as usize * 1000)});
        store.submit(recorded(&new)).wait().unwrap();
        for fact in life(&new).into_iter().take(number as usize % 6) {
            store.submit(learn(&mut new, fact)).wait().unwrap();
        }
        let log = LogTail::of([line("one"), line("two")]);
        let change = Change::update(&new, Vec::new()).with_log(&log);
        store.submit(change).wait().unwrap();
    }
    let gone = Change::delete(id("j7"), at(0), Source::User);
    store.submit(gone).wait().unwrap();
}

#[test]
fn a_key_is_64_hexadecimal_digits() {
    assert_eq!(crate::store::key_from_hex(&"0f".repeat(32)), Some([15; 32]));
    for wrong in ["", &"0f".repeat(31), &"0f".repeat(33), &"0g".repeat(32), &"+f".repeat(32), &"é".repeat(32)] {
        assert_eq!(crate::store::key_from_hex(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_imported_exports_to_the_same_bytes() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(here.path());
    fill(&store);
    for with_secrets in [true, false] {
        let bytes = export(&store, with_secrets);
        let path = there.path().join(with_secrets.to_string());
        let imported = read_in(&path, &bytes).unwrap();
        assert_eq!(imported.added, 19);
        let copy = open(&path);
        assert_sound(&copy);
        assert_eq!(export(&copy, with_secrets), bytes);
        assert_eq!(copy.installation(), store.installation());
        assert_eq!(copy.key() == store.key(), with_secrets);
    }
}

#[test]
fn an_import_adds_what_is_missing_and_says_what_differs() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(here.path());
    fill(&store);
    let bytes = export(&store, false);
    let other = open(there.path());
    other.submit(recorded(&job("j3", 999))).wait().unwrap();
    other.submit(recorded(&job("mine", 999))).wait().unwrap();
    let installation = other.installation().clone();
    drop(other);
    let imported = read_in(there.path(), &bytes).unwrap();
    assert_eq!((imported.added, imported.same), (18, 0));
    assert_eq!(imported.conflicts, [id("j3")]);
    let again = read_in(there.path(), &bytes).unwrap();
    assert_eq!((again.added, again.same), (0, 18));
    let other = open(there.path());
    assert_eq!(other.installation(), &installation);
    assert_eq!(other.job(&id("j9")).unwrap(), store.job(&id("j9")).unwrap());
    assert_sound(&other);
}

#[test]
fn secrets_stay_at_home_and_a_launch_that_needs_them_does_not_happen() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(here.path());
    let mut secret = job("s", 0);
    secret.intent.manifest = json!({"password": "hunter2"});
    secret.intent.masked = Some(json!({"password": "***"}));
    store.submit(recorded(&secret)).wait().unwrap();
    let bytes = export(&store, false);
    assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    assert!(String::from_utf8_lossy(&export(&store, true)).contains("hunter2"));
    let imported = read_in(there.path(), &bytes).unwrap();
    assert_eq!(imported.without_secrets, [id("s")]);
    let copy = open(there.path());
    let view = copy.view(&id("s")).unwrap().unwrap();
    assert_eq!(view.phase, Phase::Rejected);
    assert_eq!(view.reason.as_deref(), Some("SecretsMissing"));
    assert_sound(&copy);
}

#[test]
fn a_repeated_import_knows_what_it_refused_for_want_of_secrets() {
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path());
    let mut secret = job("s", 0);
    secret.intent.manifest = json!({"password": "hunter2"});
    secret.intent.masked = Some(json!({"password": "***"}));
    store.submit(recorded(&secret)).wait().unwrap();
    let (without, with) = (export(&store, false), export(&store, true));
    for others in [&[][..], &["mine"]] {
        let there = tempfile::tempdir().unwrap();
        for name in others {
            open(there.path()).submit(recorded(&job(name, 0))).wait().unwrap();
        }
        let first = read_in_at(there.path(), &without, 100).unwrap();
        assert_eq!((first.added, first.without_secrets), (1, vec![id("s")]));
        let again = read_in_at(there.path(), &without, 200).unwrap();
        assert_eq!(again, Imported { same: 1, ..Imported::default() });
        // It is not the job that its secrets would have launched, nor one that has come further since.
        assert_eq!(read_in_at(there.path(), &with, 300).unwrap().conflicts, [id("s")]);
        let copy = open(there.path());
        let mut refused = copy.job(&id("s")).unwrap().unwrap();
        copy.submit(learn(&mut refused, report("begun", 400))).wait().unwrap();
        drop(copy);
        assert_eq!(read_in_at(there.path(), &without, 500).unwrap().conflicts, [id("s")]);
    }
}

/// The folders for new records that do not count.
fn in_making(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".new"));
    names
}

#[test]
fn a_broken_export_leaves_an_empty_folder_empty() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(here.path());
    fill(&store);
    let text = String::from_utf8(export(&store, false)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cases = [
        (String::new(), "line 1 of the export: there is nothing"),
        ("{}\n".to_owned(), "expected a header with kind"),
        (
            text.replacen("\"version\":2", "\"version\":3", 1),
            "has version 3, and this jobwright knows versions up to 2",
        ),
        (text.replacen("\"version\":2", "\"version\":0", 1), "expected the export's `version`"),
        (text.replacen("\"version\":2", "\"version\":\"2\"", 1), "line 1 of the export"),
        (text[..text.len() - 20].to_owned(), "line 20 of the export"),
        (lines[..10].join("\n"), "its header says that there are 19"),
        ([&lines[..], &lines[1..2]].concat().join("\n"), "is there twice"),
        (text.replacen("\"id\":\"j1\"", "\"id\":\"-\"", 1), "line 3 of the export"),
    ];
    for (bytes, expected) in cases {
        let error = read_in(there.path(), bytes.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(in_making(there.path()), Vec::<String>::new(), "{error}");
        let left = Store::open(there.path(), Options::default()).unwrap();
        assert_eq!(left.counts().map(|(_, count)| count).sum::<u64>(), 0);
        assert_sound(&left);
    }
}

#[test]
fn an_import_that_was_cut_off_can_be_repeated() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(here.path());
    fill(&store);
    let bytes = export(&store, true);
    // Into an empty folder: all or nothing, wherever it is cut.
    for cut in (0..bytes.len()).step_by(bytes.len() / 40) {
        assert!(read_in(there.path(), &bytes[..cut]).is_err(), "{cut}");
    }
    assert_eq!(read_in(there.path(), &bytes).unwrap().added, 19);
    assert_eq!(export(&open(there.path()), true), bytes);
    // Into one that has jobs: what came stays, and the rest comes with the repetition.
    let beside = tempfile::tempdir().unwrap();
    let other = open(beside.path());
    other.submit(recorded(&job("mine", 999))).wait().unwrap();
    drop(other);
    let cut = bytes.len() / 2;
    assert!(read_in(beside.path(), &bytes[..cut]).is_err());
    let imported = read_in(beside.path(), &bytes).unwrap();
    assert_eq!((imported.added + imported.same, imported.conflicts.len()), (19, 0));
    assert!(imported.same > 0, "the cut came after the first jobs");
    let other = open(beside.path());
    assert_sound(&other);
    for id in ["j0", "j19", "mine"] {
        assert!(other.job(&super::id(id)).unwrap().is_some(), "{id}");
    }
}

#[test]
fn a_new_store_and_an_imported_one_are_to_be_rebuilt_until_that_is_done() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let done = |store: &Store| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.set_rebuild_due(false)).unwrap();
    };
    let store = open(here.path());
    assert!(store.is_rebuild_due().unwrap());
    done(&store);
    fill(&store);
    let bytes = export(&store, true);
    drop(store);
    compact(here.path(), &mut |_| {}).unwrap();
    assert!(!open(here.path()).is_rebuild_due().unwrap());
    read_in(there.path(), &bytes).unwrap();
    let copy = open(there.path());
    assert!(copy.is_rebuild_due().unwrap());
    done(&copy);
    drop(copy);
    assert!(!open(there.path()).is_rebuild_due().unwrap());
}

#[test]
fn compaction_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store);
    let (bytes, deletions) = (export(&store, true), store.events_after(0, 1000).unwrap());
    let busy = compact(folder.path(), &mut |_| {}).unwrap_err();
    assert!(busy.to_string().contains("in use"), "{busy}");
    drop(store);
    compact(folder.path(), &mut |_| {}).unwrap();
    let store = open(folder.path());
    assert_eq!(export(&store, true), bytes);
    assert_eq!(store.events_after(0, 1000).unwrap(), deletions);
    assert_sound(&store);
    let folders = std::fs::read_dir(folder.path()).unwrap();
    let records = folders.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("records-")
    });
    assert_eq!(records.count(), 1);
}

#[test]
fn a_check_finds_every_row_that_is_missing_or_out_of_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store);
    drop(store);
    let path = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let backend = Backend::open(&path, 1 << 20).unwrap();
    let rows: Vec<(sled::IVec, sled::IVec)> = backend.read(|tree| Ok(tree.iter().collect::<Result<_, _>>()?)).unwrap();
    let check = || backend.read(|tree| Ok(super::super::check::check(tree, &mut |_| {}))).unwrap();
    assert_eq!(check().faults, Vec::<String>::new());
    for (key, value) in &rows {
        if key[0] == keys::META {
            continue;
        }
        backend.apply([(key.to_vec(), None)]).unwrap();
        assert_ne!(check().faults, Vec::<String>::new(), "without {key:?}");
        let mut odd = key.to_vec();
        odd.push(b'~');
        backend.apply([(key.to_vec(), Some(value.to_vec())), (odd.clone(), Some(value.to_vec()))]).unwrap();
        assert_ne!(check().faults, Vec::<String>::new(), "with {odd:?}");
        backend.apply([(odd, None)]).unwrap();
    }
    assert_eq!(check().faults, Vec::<String>::new());
}
