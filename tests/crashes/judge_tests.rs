//! The judge of histories finds nothing in a good one, and every broken promise in a bad one.

use super::*;
use crate::history::{FOR_EVER, Task};

const RULES: Rules = Rules { marks: true };

fn task(code: i32) -> Task {
    Task { code, millis: 0 }
}

fn launch(id: &str, code: i32) -> Request {
    Request::Launch { id: id.to_owned(), task: task(code), brief: false }
}

fn report(id: &str, sequence: u64) -> Request {
    Request::Report { id: id.to_owned(), sequence }
}

fn cancel(id: &str) -> Request {
    Request::Cancel { id: id.to_owned() }
}

fn delete(id: &str) -> Request {
    Request::Delete { id: id.to_owned() }
}

fn unavailable(number: usize, problem: &str) -> Entry {
    Entry::Unavailable(number, problem.to_owned())
}

/// Requests with their answers; 0 stands for none.
fn asked(requests: &[(Request, u16)]) -> Vec<Entry> {
    let mut history = Vec::new();
    for (number, (request, status)) in requests.iter().enumerate() {
        history.push(Entry::Sent(number, request.clone()));
        if *status > 0 {
            history.push(Entry::Answered(number, *status));
        }
    }
    history
}

fn ran(id: &str, uids: &[&str]) -> Entry {
    Entry::Ran { id: id.to_owned(), uids: uids.iter().map(|uid| (*uid).to_owned()).collect() }
}

fn in_phase(phase: &str, exit_code: Option<i32>) -> Shown {
    Shown { phase: phase.to_owned(), exit_code, ..Shown::default() }
}

fn shown(jobs: &[(&str, Shown)]) -> Entry {
    Entry::Shown(jobs.iter().map(|(id, shown)| ((*id).to_owned(), shown.clone())).collect())
}

/// What is wrong with a history, in one text.
fn faults(parts: &[&[Entry]]) -> String {
    broken_promises(RULES, &parts.concat()).join("\n")
}

#[track_caller]
fn assert_broken(parts: &[&[Entry]], word: &str) {
    let faults = faults(parts);
    assert!(faults.contains(word), "expected {word:?} in {faults:?}");
}

#[test]
fn a_history_that_keeps_every_promise_is_let_pass() {
    let requests = [
        (launch("a", 0), 201),
        (launch("a", 0), 200),
        (launch("a", 1), 409),
        (report("a", 1), 200),
        (report("a", 3), 200),
        (report("a", 2), 0),
        (launch("b", 3), 0),
        (launch("c", 0), 201),
        (cancel("c"), 200),
        (launch("d", 0), 201),
        (delete("d"), 204),
        (report("d", 1), 404),
        (Request::Rerun { of: "a".to_owned(), id: "e".to_owned() }, 201),
        (launch("f", 0), 201),
    ];
    let end = [
        ran("a", &["u1"]),
        ran("e", &["u5"]),
        Entry::MayBeLost("f".to_owned()),
        shown(&[
            (
                "a",
                Shown {
                    uid: Some("u1".to_owned()),
                    report: Some(3),
                    reports: Some([1, 2, 3].into()),
                    ..in_phase("Succeeded", Some(0))
                },
            ),
            ("c", Shown { cancel_requested: true, ..in_phase("Cancelled", None) }),
            ("e", Shown { rerun_of: Some("a".to_owned()), ..in_phase("Succeeded", Some(0)) }),
            ("f", in_phase("Lost", None)),
        ]),
        Entry::Checked(Ok(())),
    ];
    assert_eq!(faults(&[&asked(&requests), &end]), "");
}

#[test]
fn a_forgotten_launch_is_found() {
    assert_broken(&[&asked(&[(launch("a", 0), 201)]), &[shown(&[])]], "acknowledged and is gone");
    // One that was not acknowledged may be there or not.
    assert_eq!(faults(&[&asked(&[(launch("a", 0), 0)]), &[shown(&[])]]), "");
}

#[test]
fn a_job_that_was_forgotten_may_be_launched_anew() {
    let twice = [(launch("a", 0), 201), (launch("b", 0), 201), (launch("a", 3), 201)];
    let ended = [ran("a", &["u1", "u2"]), shown(&[("a", in_phase("Failed", Some(3)))])];
    assert_eq!(faults(&[&[Entry::Retention(1)], &asked(&twice), &ended]), "");
    let thrice = [ran("a", &["u1", "u2", "u3"])];
    assert_broken(&[&[Entry::Retention(1)], &asked(&twice), &thrice], "more than one object");
    assert_broken(&[&asked(&twice), &ended], "was answered with 201");
}

#[test]
fn another_job_under_the_id_of_a_deleted_one_is_no_part_of_it() {
    let reported = [(launch("a", 0), 201), (report("a", 1), 200), (cancel("a"), 200), (delete("a"), 204)];
    let again = [reported.to_vec(), vec![(launch("a", 3), 201), (launch("a", 3), 200), (launch("a", 0), 409)]].concat();
    let (history, both) = (asked(&again), ran("a", &["u1", "u2"]));
    let of_it = |shown_: Shown| [both.clone(), shown(&[("a", shown_)])];
    assert_eq!(faults(&[&history, &of_it(in_phase("Failed", Some(3)))]), "");
    // Nothing of the first one is its own.
    let cancelled = Shown { cancel_requested: true, ..in_phase("Failed", Some(3)) };
    assert_broken(&[&history, &of_it(cancelled)], "nobody cancelled it");
    let reports = Shown { reports: Some([1].into()), ..in_phase("Failed", Some(3)) };
    assert_broken(&[&history, &of_it(reports)], "never sent");
    assert_broken(&[&history, &of_it(in_phase("Succeeded", Some(0)))], "it cannot be");
    // It is to be there, and has one object.
    assert_broken(&[&history, &[shown(&[])]], "acknowledged and is gone");
    assert_broken(&[&history, &[ran("a", &["u1", "u2", "u3"])]], "more than one object");
    // Where nobody has answered, it may be there or not.
    let unsure = asked(&[reported.to_vec(), vec![(launch("a", 3), 0)]].concat());
    assert_eq!(faults(&[&unsure, &[shown(&[])]]), "");
    assert_eq!(faults(&[&unsure, &of_it(in_phase("Running", None))]), "");
    assert_broken(&[&asked(&[(launch("a", 0), 201), (delete("a"), 204), (launch("a", 3), 200)])], "answered with 200");
}

#[test]
fn what_was_under_way_during_a_deletion_may_have_met_either_job() {
    let sent = |number, request| Entry::Sent(number, request);
    let history = |status| {
        let last = [sent(0, launch("a", 0)), Entry::Answered(0, 201), sent(1, delete("a")), sent(2, report("a", 1))];
        let anew = [Entry::Answered(1, 204), sent(3, launch("a", 0)), Entry::Answered(3, 201)];
        [last.to_vec(), anew.to_vec(), vec![Entry::Answered(2, status)]].concat()
    };
    let with = |reports: &[u64]| {
        let reports = Some(reports.iter().copied().collect::<BTreeSet<_>>());
        [shown(&[(
            "a",
            Shown { report: reports.iter().flatten().max().copied(), reports, ..in_phase("Running", None) },
        )])]
    };
    assert_eq!(faults(&[&history(200), &with(&[])]), "");
    assert_eq!(faults(&[&history(200), &with(&[1])]), "");
    assert_eq!(faults(&[&history(404), &with(&[])]), "");
    // One of two deletions finds nothing left.
    let twice = [sent(0, launch("a", 0)), Entry::Answered(0, 201), sent(1, delete("a")), sent(2, delete("a"))];
    for last in [Entry::Answered(2, 404), Entry::Answered(2, 204), unavailable(2, "store-unavailable")] {
        assert_eq!(faults(&[&twice, &[Entry::Answered(1, 204), last, shown(&[])]]), "");
    }
}

#[test]
fn retention_excuses_only_what_is_too_much() {
    let launches = [(launch("a", 0), 201), (launch("b", 0), 201)];
    let left = [shown(&[("b", in_phase("Running", None))])];
    assert_eq!(faults(&[&[Entry::Retention(1)], &asked(&launches), &left]), "");
    assert_broken(&[&[Entry::Retention(2)], &asked(&launches), &left], "acknowledged and is gone");
}

#[test]
fn retention_excuses_no_more_than_what_is_too_much() {
    let names: Vec<String> = (0..5).map(|number| format!("j{number}")).collect();
    let launches: Vec<_> = names.iter().map(|id| (launch(id, 0), 201)).collect();
    let left = |many: usize| {
        let jobs: Vec<_> = names[..many].iter().map(|id| (id.as_str(), in_phase("Running", None))).collect();
        [shown(&jobs)]
    };
    let history = |many| faults(&[&[Entry::Retention(3)], &asked(&launches), &left(many)]);
    assert_eq!(history(3), "");
    assert!(history(2).contains("2 jobs are there, where at least 3 are to be kept"));
    // What is deleted makes room for nobody who was forgotten before.
    let deleted = [launches.clone(), vec![(delete("j4"), 204)]].concat();
    assert_eq!(faults(&[&[Entry::Retention(3)], &asked(&deleted), &left(2)]), "");
    assert_broken(&[&[Entry::Retention(3)], &asked(&deleted), &left(1)], "at least 2 are to be kept");
    // Those that come later do.
    let again: Vec<_> = asked(&[(launch("k", 0), 201)]);
    assert_broken(&[&[Entry::Retention(3)], &asked(&deleted), &left(2), &again, &left(2)], "at least 3 are to be kept");
}

#[test]
fn retention_excuses_no_loss_of_a_job_that_runs() {
    let for_ever = Request::Launch { id: "a".to_owned(), task: Task { code: 0, millis: FOR_EVER }, brief: false };
    let launches = asked(&[(for_ever, 201), (launch("b", 0), 201)]);
    let left = [shown(&[("b", in_phase("Running", None))])];
    assert_broken(&[&[Entry::Retention(1)], &launches, &left], "a: it was acknowledged and is gone");
    for ends in [asked(&[(cancel("a"), 0)]), vec![Entry::MayBeLost("a".to_owned())], vec![Entry::GuardKilled]] {
        assert_eq!(faults(&[&[Entry::Retention(1)], &launches, &ends, &left]), "");
    }
}

#[test]
fn a_forgotten_or_overtaken_report_is_found() {
    let reports = [(launch("a", 0), 201), (report("a", 1), 200), (report("a", 2), 200)];
    let running = |report, reports: &[u64]| {
        let reports = Some(reports.iter().copied().collect());
        [shown(&[("a", Shown { report, reports, ..in_phase("Running", None) })])]
    };
    assert_eq!(faults(&[&asked(&reports), &running(Some(2), &[1, 2])]), "");
    assert_broken(&[&asked(&reports), &running(Some(2), &[2])], "reports [1] were acknowledged and are gone");
    assert_broken(&[&asked(&reports), &running(Some(1), &[1, 2])], "Some(1) is shown");
    assert_broken(&[&asked(&reports), &running(Some(9), &[1, 2, 9])], "never sent");
}

#[test]
fn a_forgotten_or_invented_note_is_found() {
    let note = |number| Request::Note { id: "a".to_owned(), number };
    let notes = asked(&[(launch("a", 0), 201), (report("a", 1), 200), (note(1), 200), (note(2), 0)]);
    let running = |report, note, notes: &[u64]| {
        let notes = Some(notes.iter().copied().collect());
        [shown(&[("a", Shown { report, note, reports: Some([1].into()), notes, ..in_phase("Running", None) })])]
    };
    for note in [1, 2] {
        assert_eq!(faults(&[&notes, &running(None, Some(note), &[1, 2])]), "");
    }
    // It may have come before the report.
    assert_eq!(faults(&[&notes, &running(Some(1), None, &[1])]), "");
    assert_broken(&[&notes, &running(Some(1), None, &[])], "notes [1] were acknowledged and are gone");
    assert_broken(&[&notes, &running(None, None, &[1])], "a note was acknowledged, and nothing is shown");
    assert_broken(&[&notes, &running(None, Some(3), &[1, 3])], "notes [3] were never sent");
}

#[test]
fn a_forgotten_or_invented_cancellation_is_found() {
    let running = [shown(&[("a", in_phase("Running", None))])];
    assert_broken(&[&asked(&[(launch("a", 0), 201), (cancel("a"), 200)]), &running], "cancelled is forgotten");
    let cancelled = [shown(&[("a", Shown { cancel_requested: true, ..in_phase("Running", None) })])];
    assert_broken(&[&asked(&[(launch("a", 0), 201)]), &cancelled], "nobody cancelled it");
}

#[test]
fn a_second_object_is_found_wherever_it_shows() {
    let launched = asked(&[(launch("a", 0), 201)]);
    let object = |uid: &str| Entry::Object { id: "a".to_owned(), uid: uid.to_owned() };
    assert_eq!(faults(&[&launched, &[object("u1"), object("u1"), ran("a", &["u1"])]]), "");
    assert_broken(&[&launched, &[object("u1"), object("u2")]], "more than one object");
    assert_broken(&[&launched, &[object("u1"), ran("a", &["u2"])]], "more than one object");
    let other = [shown(&[("a", Shown { uid: Some("u2".to_owned()), ..in_phase("Running", None) })])];
    assert_broken(&[&launched, &[object("u1")], &other], "more than one object");
    assert_broken(&[&launched, &[ran("a", &["u1", "u1"])]], "ran 2 times");
    assert_broken(&[&[object("u1")]], "nobody launched");
}

#[test]
fn a_launch_that_is_taken_for_another_one_is_found() {
    assert_broken(&[&asked(&[(launch("a", 0), 201), (launch("a", 0), 201)])], "answered with 201");
    assert_broken(&[&asked(&[(launch("a", 0), 200)])], "answered with 200");
    assert_broken(&[&asked(&[(launch("a", 0), 201), (launch("a", 0), 409)])], "answered with 409");
    assert_eq!(faults(&[&asked(&[(launch("a", 0), 0), (launch("a", 0), 201)])]), "");
}

#[test]
fn a_wrong_phase_is_found() {
    let launched = asked(&[(launch("a", 3), 201)]);
    let ends = |shown_: Shown| faults(&[&launched, &[ran("a", &["u1"]), shown(&[("a", shown_)])]]);
    assert_eq!(ends(in_phase("Failed", Some(3))), "");
    for wrong in [
        in_phase("Succeeded", Some(0)),
        in_phase("Failed", Some(1)),
        in_phase("Failed", Some(137)),
        in_phase("Cancelled", None),
        in_phase("Rejected", None),
        in_phase("Lost", None),
    ] {
        assert!(ends(wrong.clone()).contains("it cannot be"), "{wrong:?}");
    }
    // That it never ran is known by its marks.
    assert_broken(&[&launched, &[shown(&[("a", in_phase("Failed", Some(3)))])]], "it cannot be");
    // What runs until it is stopped ends in no other way.
    for (code, phase) in [(0, "Succeeded"), (3, "Failed")] {
        let task = Task { code, millis: FOR_EVER };
        let launched = asked(&[(Request::Launch { id: "a".to_owned(), task, brief: false }, 201)]);
        let ended = [ran("a", &["u1"]), shown(&[("a", in_phase(phase, Some(code)))])];
        assert_broken(&[&launched, &ended], "it cannot be");
    }
    // A job that was cancelled is no loss.
    let cancelled = asked(&[(launch("a", 0), 201), (cancel("a"), 200)]);
    let lost = [shown(&[("a", Shown { cancel_requested: true, ..in_phase("Lost", None) })])];
    assert_broken(&[&cancelled, &[Entry::MayBeLost("a".to_owned())], &lost], "it cannot be");
}

#[test]
fn an_exit_code_that_never_comes_or_changes_is_found() {
    let launched = asked(&[(launch("a", 0), 201)]);
    let ended = |code| ("a".to_owned(), in_phase("Succeeded", code));
    let settled = |code| Entry::Settled { jobs: [ended(code)].into(), objects: BTreeSet::new() };
    let at_first = || [ran("a", &["u1"]), Entry::Shown([ended(None)].into())];
    assert_eq!(faults(&[&launched, &at_first(), &[settled(Some(0))]]), "");
    assert_broken(&[&launched, &at_first(), &[settled(None)]], "exit code was never seen");
    let forgotten = [settled(Some(0)), Entry::Shown([ended(None)].into())];
    assert_broken(&[&launched, &at_first(), &forgotten], "it had ended as");
    // Where it was cancelled too, its pod may be gone before anybody has looked.
    let cancelled = asked(&[(launch("a", 0), 201), (cancel("a"), 0)]);
    assert_eq!(faults(&[&cancelled, &at_first(), &[settled(None)]]), "");
}

#[test]
fn a_second_end_is_found() {
    let launched = asked(&[(launch("a", 0), 201)]);
    let lost = shown(&[("a", in_phase("Lost", None))]);
    let done = shown(&[("a", in_phase("Succeeded", Some(0)))]);
    let may = Entry::MayBeLost("a".to_owned());
    assert_broken(&[&launched, &[may, ran("a", &["u1"]), lost, done]], "it had ended as");
}

#[test]
fn what_comes_back_or_stays_after_its_deletion_is_found() {
    let deleted = asked(&[(launch("a", 0), 201), (delete("a"), 204)]);
    assert_broken(&[&deleted, &[ran("a", &["u1"]), shown(&[("a", in_phase("Succeeded", Some(0)))])]], "is back");
    let settled = Entry::Settled { jobs: BTreeMap::new(), objects: ["a".to_owned()].into() };
    assert_broken(&[&deleted, &[settled]], "was to be deleted and is there");
    let brief = Request::Launch { id: "b".to_owned(), task: task(0), brief: true };
    let jobs = [("b".to_owned(), in_phase("Succeeded", Some(0)))].into();
    let settled = Entry::Settled { jobs, objects: ["b".to_owned()].into() };
    assert_broken(&[&asked(&[(brief, 201)]), &[ran("b", &["u1"]), settled]], "was to be deleted and is there");
}

#[test]
fn a_job_that_never_ends_is_found() {
    let jobs = [("a".to_owned(), in_phase("Running", None))].into();
    let settled = Entry::Settled { jobs, objects: BTreeSet::new() };
    assert_broken(&[&asked(&[(launch("a", 0), 201)]), &[settled]], "never came to an end");
}

#[test]
fn a_job_from_nowhere_and_a_damaged_store_are_found() {
    assert_broken(&[&[shown(&[("a", in_phase("Pending", None))])]], "nobody launched it");
    assert_broken(&[&[Entry::Checked(Err("2 faults".to_owned()))]], "store check: 2 faults");
}

#[test]
fn an_import_that_is_lost_or_changed_is_found() {
    let imported = [Entry::Importing(vec![("x".to_owned(), "Cancelled".to_owned())]), Entry::Imported];
    assert_eq!(faults(&[&imported, &[shown(&[("x", in_phase("Cancelled", None))])]]), "");
    assert_broken(&[&imported, &[shown(&[])]], "acknowledged and is gone");
    assert_broken(&[&imported, &[shown(&[("x", in_phase("Lost", None))])]], "imported as Cancelled");
    // Until it is acknowledged, it may be there or not.
    assert_eq!(faults(&[&imported[..1], &[shown(&[])]]), "");
}

#[test]
fn requests_that_were_refused_excuse_nothing() {
    let gone = [shown(&[])];
    let cancelled = [shown(&[("a", Shown { cancel_requested: true, ..in_phase("Cancelled", None) })])];
    for status in [404, 409] {
        let deleted = asked(&[(launch("a", 0), 201), (delete("a"), status)]);
        assert_broken(&[&deleted, &gone], "acknowledged and is gone");
        let asked = asked(&[(launch("a", 0), 201), (cancel("a"), status)]);
        assert_broken(&[&asked, &cancelled], "nobody cancelled it");
    }
    assert_broken(&[&asked(&[(launch("a", 0), 201), (delete("a"), 404)])], "was answered with 404");
    // One of two may have been carried out.
    let twice = asked(&[(launch("a", 0), 201), (delete("a"), 0), (delete("a"), 409)]);
    assert_eq!(faults(&[&twice, &gone]), "");
    assert_eq!(faults(&[&asked(&[(launch("a", 0), 201), (delete("a"), 0), (delete("a"), 404)]), &gone]), "");
}

#[test]
fn what_an_answer_leaves_open_may_have_come_about() {
    let gone = [shown(&[])];
    let deleted = |problem| [asked(&[(launch("a", 0), 201), (delete("a"), 0)]), vec![unavailable(1, problem)]].concat();
    for nothing in ["rebuilding", "executor-unavailable"] {
        assert_broken(&[&deleted(nothing), &gone], "acknowledged and is gone");
    }
    // Where the executor gave no answer, it may have deleted the object.
    let log = Some(Vec::new());
    let jobs: BTreeMap<_, _> = [("a".to_owned(), Shown { log, ..in_phase("Succeeded", Some(0)) })].into();
    let ended = [ran("a", &["u1"]), Entry::Settled { jobs, objects: BTreeSet::new() }];
    assert_broken(&[&deleted("rebuilding"), &ended], "its log is");
    assert_eq!(faults(&[&deleted("executor-unavailable"), &ended]), "");
    for open in ["store-unavailable", "overdue"] {
        assert_eq!(faults(&[&deleted(open), &gone]), "");
    }
}

#[test]
fn a_log_that_is_lost_doubled_or_of_another_job_is_found() {
    let settled = |id: &str, shown_: Shown, lines: &[&str]| {
        let log = Some(lines.iter().map(|line| (*line).to_owned()).collect());
        let jobs = [(id.to_owned(), Shown { log, ..shown_ })].into();
        [ran(id, &["u1"]), Entry::Settled { jobs, objects: BTreeSet::new() }]
    };
    let launched = asked(&[(launch("a", 0), 201)]);
    let done = |lines: &[&str]| settled("a", in_phase("Succeeded", Some(0)), lines);
    assert_eq!(faults(&[&launched, &done(&["a begins"])]), "");
    for wrong in [&[][..], &["b begins"], &["a begins", "a begins"], &["a beg"]] {
        assert_broken(&[&launched, &done(wrong)], "its log is");
    }
    // A deletion or a cancellation that came to nothing may have taken it, and never doubles it.
    for taken in [delete("a"), cancel("a")] {
        let taken = asked(&[(launch("a", 0), 201), (taken, 0)]);
        assert_eq!(faults(&[&taken, &done(&[])]), "");
        assert_broken(&[&taken, &done(&["a begins", "a begins"])], "its log is");
    }
    let refused = asked(&[(launch("a", 0), 201), (delete("a"), 409)]);
    assert_broken(&[&refused, &done(&[])], "its log is");
    // What was killed may not have come to write.
    let lost = settled("a", in_phase("Lost", None), &[]);
    assert_eq!(faults(&[&launched, &[Entry::MayBeLost("a".to_owned())], &lost]), "");
    let killed = settled("a", in_phase("Failed", Some(137)), &[]);
    assert_eq!(faults(&[&launched, &[Entry::GuardKilled], &killed]), "");
}

#[test]
fn requests_that_a_crash_left_unanswered_promise_nothing() {
    let requests = [(launch("a", 0), 201), (report("a", 1), 0), (cancel("a"), 0), (delete("a"), 0)];
    assert_eq!(faults(&[&asked(&requests), &[shown(&[])]]), "");
    assert_eq!(faults(&[&asked(&requests), &[shown(&[("a", in_phase("Running", None))])]]), "");
}
