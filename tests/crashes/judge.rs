//! Whether a history keeps the promises. Pure: it knows nothing of processes or HTTP, so that its own tests can feed it
//! histories that break every one of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Entry, Request, Rules, Shown, Task, is_terminal, words_of};

/// What is known of one job.
#[derive(Debug, Default)]
struct Known {
    /// Launches that were sent with this ID, by what they asked for.
    asked: Vec<(Task, bool)>,
    rerun_of: Option<String>,
    launched: bool,
    imported: Option<String>,
    import_durable: bool,
    /// How many cancellations were sent that may have come about.
    cancels: usize,
    cancelled: bool,
    /// How many deletions were sent that may have taken its record.
    deletes: usize,
    /// How many that may have taken its object.
    removals: usize,
    deleted: bool,
    reports_sent: BTreeSet<u64>,
    reported: BTreeSet<u64>,
    uids: BTreeSet<String>,
    runs: usize,
    /// How often it was launched anew, after its record was forgotten.
    anew: usize,
    may_be_lost: bool,
    guard_killed: bool,
    ended: Option<Shown>,
}

impl Known {
    fn may_exist(&self) -> bool {
        !self.asked.is_empty() || self.imported.is_some()
    }

    fn must_exist(&self) -> bool {
        (self.launched || self.import_durable) && self.deletes == 0
    }

    /// Whether nothing can have ended it. Such a job is not forgotten.
    fn must_run(&self) -> bool {
        let for_ever = self.asked.first().is_some_and(|(task, _)| task.is_for_ever());
        for_ever && self.cancels == 0 && !self.may_be_lost && !self.guard_killed
    }

    fn saw_object(&mut self, id: &str, uid: &str, broken: &mut Vec<String>) {
        self.uids.insert(uid.to_owned());
        if self.uids.len() > 1 + self.anew {
            broken.push(format!("{id}: more than one object was created: {:?}", self.uids));
        }
    }

    /// Its record was forgotten, and the same ID launched again: that is another job.
    fn begin_anew(&mut self, request: &Request) {
        self.anew += 1;
        self.ended = None;
        self.cancelled = false;
        self.reported.clear();
        if let Request::Launch { task, brief, .. } = request {
            self.asked = vec![(*task, *brief)];
            self.rerun_of = None;
        }
    }
}

/// Every promise that a history breaks, in words. None, if all are kept.
pub fn broken_promises(rules: Rules, history: &[Entry]) -> Vec<String> {
    let mut judge = Judge { rules, ..Judge::default() };
    for entry in history {
        judge.take(entry);
    }
    judge.broken
}

#[derive(Debug, Default)]
struct Judge {
    rules: Rules,
    retention: Option<usize>,
    kept: Kept,
    jobs: BTreeMap<String, Known>,
    sent: BTreeMap<usize, Request>,
    importing: Vec<String>,
    broken: Vec<String>,
}

/// How many jobs there are at least where retention forgets the oldest.
#[derive(Debug, Default)]
struct Kept {
    /// So many were left when all were shown last.
    then: usize,
    /// So many came since.
    came: usize,
    /// So many may have been deleted since.
    went: usize,
}

impl Kept {
    /// In which order they came, went and were forgotten nobody knows. Fewest are left where they came first: then
    /// others were forgotten for them.
    fn count(&mut self, most: usize) -> usize {
        let then = (self.then + self.came).min(most).saturating_sub(self.went);
        *self = Self { then, ..Self::default() };
        then
    }
}

impl Judge {
    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Retention(most) => self.retention = Some(*most),
            Entry::Sent(number, request) => self.sent(*number, request),
            Entry::Answered(number, status) => self.answered(*number, *status),
            Entry::Unavailable(number, problem) => self.unavailable(*number, problem),
            Entry::Importing(jobs) => {
                self.importing = jobs.iter().map(|(id, _)| id.clone()).collect();
                for (id, phase) in jobs {
                    self.known(id).imported = Some(phase.clone());
                }
            }
            Entry::Imported => {
                self.kept.came += self.importing.len();
                for id in std::mem::take(&mut self.importing) {
                    self.known(&id).import_durable = true;
                }
            }
            Entry::Down(_) => {}
            Entry::GuardKilled => {
                for known in self.jobs.values_mut().filter(|known| known.ended.is_none()) {
                    known.guard_killed = true;
                }
            }
            Entry::Object { id, uid } => {
                let known = self.jobs.entry(id.clone()).or_default();
                known.saw_object(id, uid, &mut self.broken);
                if !known.may_exist() {
                    self.broken.push(format!("{id}: there is an object of a job that nobody launched"));
                }
            }
            Entry::Ran { id, uids } => self.ran(id, uids),
            Entry::MayBeLost(id) => self.known(id).may_be_lost = true,
            Entry::Shown(jobs) => self.shown(jobs),
            Entry::Settled { jobs, objects } => self.settled(jobs, objects),
            Entry::Checked(Ok(())) => {}
            Entry::Checked(Err(faults)) => self.broken.push(format!("store check: {faults}")),
        }
    }

    fn known(&mut self, id: &str) -> &mut Known {
        self.jobs.entry(id.to_owned()).or_default()
    }

    /// Retention may have forgotten a job, if so many others were there and it may have ended.
    fn may_be_forgotten(&self, id: &str) -> bool {
        let others = || self.jobs.iter().filter(|(other, known)| *other != id && known.may_exist()).count();
        let runs = self.jobs.get(id).is_some_and(Known::must_run);
        !runs && self.retention.is_some_and(|most| others() >= most)
    }

    fn sent(&mut self, number: usize, request: &Request) {
        match request {
            Request::Launch { id, task, brief } => self.known(id).asked.push((*task, *brief)),
            Request::Rerun { of, id } => {
                let asked = self.known(of).asked.clone();
                let known = self.known(id);
                known.asked.extend(asked.first());
                known.rerun_of = Some(of.clone());
            }
            Request::Report { id, sequence } => drop(self.known(id).reports_sent.insert(*sequence)),
            Request::Cancel { id } => self.known(id).cancels += 1,
            Request::Delete { id } => {
                let known = self.known(id);
                known.deletes += 1;
                known.removals += 1;
                self.kept.went += 1;
            }
        }
        self.sent.insert(number, request.clone());
    }

    /// It did nothing, as far as its answer tells; else that stays open.
    fn unavailable(&mut self, number: usize, problem: &str) {
        match self.sent.get(&number).cloned() {
            None => self.broken.push(format!("an answer to nothing: {number}")),
            Some(request) if problem == "rebuilding" => self.did_nothing(&request),
            // A record goes after its object, of which the executor has not said that it is gone.
            Some(Request::Delete { id }) if problem == "executor-unavailable" => self.left_record(&id),
            Some(_) => {}
        }
    }

    /// A request was refused, and excuses nothing.
    fn did_nothing(&mut self, request: &Request) {
        match request {
            Request::Cancel { id } => self.known(id).cancels -= 1,
            Request::Delete { id } => {
                self.known(id).removals -= 1;
                self.left_record(id);
            }
            _ => {}
        }
    }

    /// A deletion has not come as far as a job's record.
    fn left_record(&mut self, id: &str) {
        self.known(id).deletes -= 1;
        self.kept.went = self.kept.went.saturating_sub(1);
    }

    fn answered(&mut self, number: usize, status: u16) {
        let Some(request) = self.sent.get(&number).cloned() else {
            return self.broken.push(format!("an answer to nothing: {number}"));
        };
        if let 404 | 409 = status {
            self.did_nothing(&request);
        }
        let id = request.id().to_owned();
        let forgotten = self.may_be_forgotten(&id);
        let of_gone = match &request {
            Request::Rerun { of, .. } => !self.known(of).must_exist() || self.may_be_forgotten(of),
            _ => false,
        };
        let known = self.known(&id);
        let gone = forgotten || !known.must_exist();
        let fits = match (&request, status) {
            (Request::Launch { .. } | Request::Rerun { .. }, 201) => {
                let first = !std::mem::replace(&mut known.launched, true);
                if !first && gone {
                    known.begin_anew(&request);
                }
                self.kept.came += 1;
                first || gone
            }
            (Request::Launch { .. } | Request::Rerun { .. }, 200) => {
                known.launched = true;
                known.asked.len() > 1
            }
            (Request::Launch { task, brief, .. }, 409) => {
                let other = known.asked.iter().any(|asked| asked != &(*task, *brief));
                // It was refused, and so is none of those that count.
                if let Some(at) = known.asked.iter().rposition(|asked| asked == &(*task, *brief)) {
                    known.asked.remove(at);
                }
                other
            }
            (Request::Rerun { .. }, 404) => of_gone,
            (Request::Report { sequence, .. }, 200) => {
                known.reported.insert(*sequence);
                known.may_exist()
            }
            (Request::Cancel { .. }, 200) => {
                known.cancelled = true;
                known.may_exist()
            }
            (Request::Delete { .. }, 204) => {
                known.deleted = true;
                known.may_exist()
            }
            (Request::Cancel { .. } | Request::Delete { .. }, 409) => true,
            (_, 404) => gone,
            _ => false,
        };
        if !fits {
            self.broken.push(format!("{id}: {request:?} was answered with {status}"));
        }
    }

    fn ran(&mut self, id: &str, uids: &[String]) {
        let mut broken = Vec::new();
        let known = self.known(id);
        known.runs = uids.len();
        for uid in uids {
            known.saw_object(id, uid, &mut broken);
        }
        if uids.len() > 1 + known.anew {
            broken.push(format!("{id}: its command ran {} times", uids.len()));
        }
        self.broken.extend(broken);
    }

    fn shown(&mut self, jobs: &BTreeMap<String, Shown>) {
        if let Some(most) = self.retention {
            let least = self.kept.count(most);
            if jobs.len() < least {
                self.broken.push(format!("{} jobs are there, where at least {least} are to be kept", jobs.len()));
            }
        }
        for (id, known) in &self.jobs {
            if known.must_exist() && !jobs.contains_key(id) && !self.may_be_forgotten(id) {
                self.broken.push(format!("{id}: it was acknowledged and is gone"));
            }
            if known.deleted && jobs.contains_key(id) {
                self.broken.push(format!("{id}: it was deleted and is back"));
            }
        }
        let rules = self.rules;
        for (id, shown) in jobs {
            let mut broken = Vec::new();
            let known = self.known(id);
            if let Some(uid) = &shown.uid {
                known.saw_object(id, uid, &mut broken);
            }
            broken.extend(faults_of(rules, known, shown).into_iter().map(|fault| format!("{id}: {fault}")));
            // How its command ended may be seen a moment after the end itself.
            let knew = known.ended.as_ref().is_some_and(|before| before.exit_code.is_some());
            if is_terminal(&shown.phase) && !knew {
                known.ended = Some(shown.clone());
            }
            self.broken.extend(broken);
        }
    }

    fn settled(&mut self, jobs: &BTreeMap<String, Shown>, objects: &BTreeSet<String>) {
        self.shown(jobs);
        for (id, shown) in jobs.iter().filter(|(_, shown)| !is_terminal(&shown.phase)) {
            self.broken.push(format!("{id}: it never came to an end; it is {}", shown.phase));
        }
        for (id, _) in jobs.iter().filter(|(_, shown)| shown.misses_its_exit_code()) {
            // A cancellation takes the pod away, and with it what it showed, even while nobody looks.
            if self.known(id).cancels == 0 {
                self.broken.push(format!("{id}: its exit code was never seen"));
            }
        }
        for (id, shown) in jobs {
            if let Some(fault) = fault_of_log(self.known(id), id, shown) {
                self.broken.push(format!("{id}: {fault}"));
            }
        }
        for id in objects {
            let known = self.known(id);
            let brief = known.asked.first().is_some_and(|(_, brief)| *brief);
            if known.deleted || (brief && jobs.contains_key(id)) {
                self.broken.push(format!("{id}: its object was to be deleted and is there"));
            }
        }
    }
}

/// What is wrong with how a job is shown.
fn faults_of(rules: Rules, known: &Known, shown: &Shown) -> Vec<String> {
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
    let latest = known.reported.last().copied();
    expect(shown.report >= latest, format!("report {latest:?} was acknowledged, and {:?} is shown", shown.report));
    expect(
        shown.report.is_none_or(|it| known.reports_sent.contains(&it)),
        format!("report {:?} was never sent", shown.report),
    );
    if let Some(reports) = &shown.reports {
        let lost: Vec<_> = known.reported.difference(reports).collect();
        expect(lost.is_empty(), format!("reports {lost:?} were acknowledged and are gone"));
        let invented: Vec<_> = reports.difference(&known.reports_sent).collect();
        expect(invented.is_empty(), format!("reports {invented:?} were never sent"));
    }
    faults
}

/// What is wrong with a log, once nothing is left to be done. An end is told after all that was written before it, and no
/// object goes at its time to live whose log is not on record: so the log of a job whose command had its way is there and
/// whole, however often the service died. It may be missing where a program was killed, which may not have come to write;
/// and where a cancellation or a deletion had taken the object away when the service died. Never is it doubled.
fn fault_of_log(known: &Known, id: &str, shown: &Shown) -> Option<String> {
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

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
