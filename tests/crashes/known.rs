//! What is known of a job out of its history, and what is wrong with how the service shows it.

use std::collections::BTreeSet;

use crate::history::{Request, Rules, Shown, Task, words_of};

/// What is known of one job: of the last one, where several had an ID in turn.
#[derive(Debug, Default)]
pub struct Known {
    /// Launches that were sent with this ID, by what they asked for.
    pub asked: Vec<(Task, bool)>,
    pub rerun_of: Option<String>,
    pub launched: bool,
    pub imported: Option<String>,
    pub import_durable: bool,
    /// How many cancellations were sent that may have come about.
    pub cancels: usize,
    pub cancelled: bool,
    /// How many deletions were sent that may have taken its record.
    pub deletes: usize,
    /// How many that may have taken its object.
    pub removals: usize,
    /// Its record is gone, and nobody has launched another one under its ID.
    pub deleted: bool,
    pub reports_sent: BTreeSet<u64>,
    pub reported: BTreeSet<u64>,
    pub notes_sent: BTreeSet<u64>,
    pub noted: BTreeSet<u64>,
    pub uids: BTreeSet<String>,
    pub runs: usize,
    /// How often it was launched anew, after its record was forgotten or deleted.
    pub anew: usize,
    /// Whether there was another one under its ID.
    pub had_another: bool,
    pub may_be_lost: bool,
    pub guard_killed: bool,
    pub ended: Option<Shown>,
}

impl Known {
    pub fn may_exist(&self) -> bool {
        !self.asked.is_empty() || self.had_another || self.imported.is_some()
    }

    pub fn must_exist(&self) -> bool {
        (self.launched || self.import_durable) && self.deletes == 0
    }

    /// Whether nothing can have ended it. Such a job is not forgotten.
    pub fn must_run(&self) -> bool {
        let for_ever = self.asked.first().is_some_and(|(task, _)| task.is_for_ever());
        for_ever && self.cancels == 0 && !self.may_be_lost && !self.guard_killed
    }

    pub fn saw_object(&mut self, id: &str, uid: &str, broken: &mut Vec<String>) {
        self.uids.insert(uid.to_owned());
        if self.uids.len() > 1 + self.anew {
            broken.push(format!("{id}: more than one object was created: {:?}", self.uids));
        }
    }

    /// Its record is deleted: what is launched under its ID from here on is another job. Requests that were under way
    /// meanwhile may have met the one or the other.
    pub fn end<'a>(&mut self, under_way: impl Iterator<Item = &'a Request>) {
        let (uids, runs, anew) = (std::mem::take(&mut self.uids), self.runs, self.anew);
        *self = Self { deleted: true, had_another: true, uids, runs, anew, ..Self::default() };
        for request in under_way {
            match request {
                Request::Report { sequence, .. } => drop(self.reports_sent.insert(*sequence)),
                Request::Note { number, .. } => drop(self.notes_sent.insert(*number)),
                Request::Cancel { .. } => self.cancels += 1,
                Request::Delete { .. } => {
                    self.deletes += 1;
                    self.removals += 1;
                }
                Request::Launch { .. } | Request::Rerun { .. } => {}
            }
        }
    }

    /// Its record was forgotten, and the same ID launched again: that is another job.
    pub fn begin_anew(&mut self, request: &Request) {
        self.anew += 1;
        self.ended = None;
        self.cancelled = false;
        self.reported.clear();
        self.noted.clear();
        if let Request::Launch { task, brief, .. } = request {
            self.asked = vec![(*task, *brief)];
            self.rerun_of = None;
        }
    }
}

/// What is wrong with how a job is shown.
pub fn faults_of(rules: Rules, known: &Known, shown: &Shown) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    expect(known.may_exist(), "nobody launched it".to_owned());
    if let Some(before) = &known.ended {
        let same_code = before.exit_code.is_none() || before.exit_code == shown.exit_code;
        let same = before.phase == shown.phase && same_code;
        expect(same, format!("it had ended as {before:?} and now shows {shown:?}"));
    }
    if let Some(phase) = &known.imported {
        expect(*phase == shown.phase, format!("it was imported as {phase} and is {}", shown.phase));
        return faults;
    }
    expect(known.rerun_of == shown.rerun_of, format!("it is a rerun of {:?}", shown.rerun_of));
    expect(!known.cancelled || shown.cancel_requested, "that it was cancelled is forgotten".to_owned());
    expect(!shown.cancel_requested || known.cancels > 0, "nobody cancelled it".to_owned());
    expect(is_right_phase(rules, known, shown), format!("it cannot be {} ({:?})", shown.phase, shown.exit_code));
    // One with a number and one without are the latest by the time at which they came.
    let latest = known.reported.last().copied();
    let is_late = shown.note.is_none() && shown.report < latest;
    expect(!is_late, format!("report {latest:?} was acknowledged, and {:?} is shown", shown.report));
    let is_there = shown.report.or(shown.note).is_some() || known.noted.is_empty();
    expect(is_there, "a note was acknowledged, and nothing is shown".to_owned());
    let said = [
        ("report", shown.report, &shown.reports, &known.reported, &known.reports_sent),
        ("note", shown.note, &shown.notes, &known.noted, &known.notes_sent),
    ];
    for (what, latest, all, acknowledged, sent) in said {
        expect(latest.is_none_or(|it| sent.contains(&it)), format!("{what} {latest:?} was never sent"));
        if let Some(all) = all {
            let lost: Vec<_> = acknowledged.difference(all).collect();
            expect(lost.is_empty(), format!("{what}s {lost:?} were acknowledged and are gone"));
            let invented: Vec<_> = all.difference(sent).collect();
            expect(invented.is_empty(), format!("{what}s {invented:?} were never sent"));
        }
    }
    faults
}

/// What is wrong with a log, once nothing is left to be done. An end is told after all that was written before it, and no
/// object goes at its time to live whose log is not on record: so the log of a job whose command had its way is there and
/// whole, however often the service died. It may be missing where a program was killed, which may not have come to write;
/// and where a cancellation or a deletion had taken the object away when the service died. Never is it doubled.
pub fn fault_of_log(known: &Known, id: &str, shown: &Shown) -> Option<String> {
    let log = shown.log.as_ref()?;
    let had_its_way = ["Succeeded", "Failed"].contains(&shown.phase.as_str()) && shown.exit_code != Some(137);
    let must_be_there = had_its_way && known.cancels == 0 && known.removals == 0 && known.imported.is_none();
    let right = *log == [words_of(id)] || log.is_empty() && !must_be_there;
    (!right).then(|| format!("its log is {log:?}"))
}

/// Whether a job may be in a phase, given what its command does and what was done to it.
fn is_right_phase(rules: Rules, known: &Known, shown: &Shown) -> bool {
    let Some((task, _)) = known.asked.first() else {
        return false;
    };
    let ran = known.runs > 0 || !rules.marks;
    let ended = ran && !task.is_for_ever();
    match shown.phase.as_str() {
        "Pending" | "Waiting" | "Running" => true,
        "Succeeded" => task.code == 0 && shown.exit_code.is_none_or(|code| code == 0) && ended,
        "Failed" if shown.exit_code == Some(137) => known.guard_killed,
        "Failed" => task.code != 0 && shown.exit_code.is_none_or(|code| code == task.code) && ended,
        "Cancelled" => known.cancels > 0,
        // Where it was cancelled, its end is as it was asked to be.
        "Lost" => known.may_be_lost && !known.cancelled,
        _ => false,
    }
}
