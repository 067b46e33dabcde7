//! Whether a history keeps the promises. Pure: it knows nothing of processes or HTTP, so that its own tests can feed it
//! histories that break every one of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Entry, Request, Rules, Shown, is_terminal};
use crate::known::{Known, fault_of_log, faults_of};

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
    under_way: BTreeMap<usize, UnderWay>,
    importing: Vec<String>,
    broken: Vec<String>,
}

/// A request without an answer.
#[derive(Debug)]
struct UnderWay {
    request: Request,
    /// Whether its job had to be there when it was sent.
    was_there: bool,
    /// Whether its job was deleted since.
    outlived: bool,
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
            Entry::Down(_) => self.under_way.clear(),
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
        let was_there = self.known(request.id()).must_exist();
        match request {
            Request::Launch { id, task, brief } => {
                let known = self.known(id);
                known.asked.push((*task, *brief));
                known.anew += usize::from(std::mem::take(&mut known.deleted));
            }
            Request::Rerun { of, id } => {
                let asked = self.known(of).asked.clone();
                let known = self.known(id);
                known.asked.extend(asked.first());
                known.rerun_of = Some(of.clone());
            }
            Request::Report { id, sequence } => drop(self.known(id).reports_sent.insert(*sequence)),
            Request::Note { id, number } => drop(self.known(id).notes_sent.insert(*number)),
            Request::Cancel { id } => self.known(id).cancels += 1,
            Request::Delete { id } => {
                let known = self.known(id);
                known.deletes += 1;
                known.removals += 1;
                self.kept.went += 1;
            }
        }
        self.under_way.insert(number, UnderWay { request: request.clone(), was_there, outlived: false });
    }

    /// Where its answer tells that a request did nothing, it excuses nothing; else that stays open.
    fn unavailable(&mut self, number: usize, problem: &str) {
        match self.under_way.remove(&number) {
            None => self.broken.push(format!("an answer to nothing: {number}")),
            Some(UnderWay { request, outlived: true, .. }) => self.spoke_of_deleted(&request),
            Some(UnderWay { request, .. }) if problem == "rebuilding" => self.did_nothing(&request),
            // A record goes after its object, of which the executor has not said that it is gone.
            Some(UnderWay { request: Request::Delete { id }, .. }) if problem == "executor-unavailable" => {
                self.left_record(&id);
            }
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

    /// A request was answered that was under way when its job was deleted. It met no other one where there is none yet.
    fn spoke_of_deleted(&mut self, request: &Request) {
        if self.known(request.id()).deleted {
            self.did_nothing(request);
        }
    }

    /// A deletion has not come as far as a job's record.
    fn left_record(&mut self, id: &str) {
        self.known(id).deletes -= 1;
        self.kept.went = self.kept.went.saturating_sub(1);
    }

    fn answered(&mut self, number: usize, status: u16) {
        let Some(UnderWay { request, was_there, outlived }) = self.under_way.remove(&number) else {
            return self.broken.push(format!("an answer to nothing: {number}"));
        };
        if outlived {
            return self.spoke_of_deleted(&request);
        }
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
            (Request::Note { number, .. }, 200) => {
                known.noted.insert(*number);
                known.may_exist()
            }
            (Request::Cancel { .. }, 200) => {
                known.cancelled = true;
                known.may_exist()
            }
            (Request::Delete { .. }, 204) => {
                let may_exist = known.may_exist();
                self.end(&id);
                may_exist
            }
            (Request::Cancel { .. } | Request::Delete { .. }, 409) => true,
            (_, 404) => gone || !was_there,
            _ => false,
        };
        if !fits {
            self.broken.push(format!("{id}: {request:?} was answered with {status}"));
        }
    }

    fn end(&mut self, id: &str) {
        let mut of_it: Vec<_> = self.under_way.values_mut().filter(|it| it.request.id() == id).collect();
        of_it.iter_mut().for_each(|it| it.outlived = true);
        self.jobs.entry(id.to_owned()).or_default().end(of_it.iter().map(|it| &it.request));
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

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
