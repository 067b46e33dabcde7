//! Talks to the service, and writes down what was asked and answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::history::{Entry, Request, Shown, Task};
use crate::support::{Answer, TestApp};

/// The history of one data folder, as it is written.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Mutex<Vec<Entry>>,
    number: AtomicUsize,
    answers: AtomicUsize,
}

impl Journal {
    /// Adds an entry.
    pub fn add(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// How many requests were answered so far.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Sends a request, and notes that and its answer; none if there was none.
    pub fn ask(&self, app: &TestApp, request: Request) -> Option<u16> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.add(Entry::Sent(number, request.clone()));
        let answer = send(app, &request)?;
        self.add(match answer.status {
            503 => Entry::Unavailable(number, problem(&answer)),
            status => Entry::Answered(number, status),
        });
        self.answers.fetch_add(1, Ordering::Relaxed);
        Some(answer.status)
    }

    /// The jobs with an acknowledged report.
    fn reported(&self) -> BTreeSet<String> {
        let entries = self.entries.lock().unwrap();
        let ids = entries.iter().filter_map(|entry| match entry {
            Entry::Sent(_, Request::Report { id, .. } | Request::Note { id, .. }) => Some(id.clone()),
            _ => None,
        });
        ids.collect()
    }

    /// Adds to each job what the service shows of its log.
    pub fn add_logs(&self, app: &TestApp, jobs: &mut BTreeMap<String, Shown>) {
        for (id, shown) in jobs {
            shown.log = log(app, id);
        }
    }

    /// All jobs as the service shows them; none if it died over that.
    pub fn all_jobs(&self, app: &TestApp) -> Option<BTreeMap<String, Shown>> {
        let reported = self.reported();
        let forgets = matches!(self.entries.lock().unwrap().first(), Some(Entry::Retention(_)));
        let mut jobs = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let page = app.try_get(&format!("/api/v1/jobs?limit=500{cursor}"))?;
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            for job in page["items"].as_array().unwrap() {
                let id = job["id"].as_str().unwrap().to_owned();
                let mut said = if reported.contains(&id) { said(app, &id)? } else { None };
                if forgets && app.try_get(&format!("/api/v1/jobs/{id}"))?.status == 404 {
                    // It went away just then, and its history with it.
                    said = None;
                }
                jobs.insert(id, shown(job, said));
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(jobs),
            }
        }
    }
}

fn send(app: &TestApp, request: &Request) -> Option<Answer> {
    match request {
        Request::Launch { id, task, brief } => {
            let template = if *brief { "brief" } else { "steady" };
            app.try_post("/api/v1/jobs", &json!({"template": template, "id": id, "parameters": parameters(id, *task)}))
        }
        Request::Rerun { of, id } => {
            let change = json!({"id": id, "parameters": {"secret": secret(id)}});
            app.try_post(&format!("/api/v1/jobs/{of}/rerun"), &change)
        }
        Request::Report { id, sequence } => {
            let report = json!({"job-id": id, "status": format!("step {sequence}"), "sequence": sequence});
            app.try_post("/updatejobstatus", &report)
        }
        Request::Note { id, number } => {
            app.try_post("/updatejobstatus", &json!({"job-id": id, "status": format!("{NOTE}{number}")}))
        }
        Request::Cancel { id } => app.try_post(&format!("/api/v1/jobs/{id}/cancel"), &Value::Null),
        Request::Delete { id } => app.request("DELETE", &format!("/api/v1/jobs/{id}")).try_send(),
    }
}

/// The name of a problem's type.
fn problem(answer: &Answer) -> String {
    let kind = answer.json()["type"].as_str().unwrap().to_owned();
    kind.rsplit('/').next().unwrap().to_owned()
}

/// How the words of notes begin.
const NOTE: &str = "note ";

/// The number of a report without a sequence number.
fn note(report: &Value) -> Option<u64> {
    report["status"].as_str()?.strip_prefix(NOTE)?.parse().ok()
}

fn secret(id: &str) -> String {
    format!("s-{id}")
}

fn parameters(id: &str, task: Task) -> Value {
    let pause = format!("{}.{:03}", task.millis / 1000, task.millis % 1000);
    let pause = if task.millis == 0 { "0" } else { &pause };
    json!({"code": task.code, "pause": pause, "secret": secret(id)})
}

fn shown(job: &Value, said: Option<Said>) -> Shown {
    let (reports, notes) = said.unzip();
    let text = |pointer: &str| job.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Shown {
        phase: text("/phase").unwrap(),
        exit_code: job["exit_code"].as_i64().map(|code| i32::try_from(code).unwrap()),
        cancel_requested: job["cancel_requested"] == true,
        uid: text("/object/uid"),
        rerun_of: text("/rerun_of"),
        report: job.pointer("/report/sequence").and_then(Value::as_u64),
        note: note(&job["report"]),
        reports,
        notes,
        log: None,
    }
}

/// The lines of a job's log; none if the job is gone by now.
fn log(app: &TestApp, id: &str) -> Option<Vec<String>> {
    let path = format!("/api/v1/jobs/{id}/logs");
    // One that breaks off because its object goes this very moment is on record.
    let answer = app.until(|| app.try_get(&path).filter(|answer| [200, 404].contains(&answer.status)));
    match answer.status {
        200 => Some(answer.body.lines().map(str::to_owned).collect()),
        _ if problem(&answer) == "no-log" => Some(Vec::new()),
        _ => None,
    }
}

/// The numbers of reports, and of notes.
type Said = (BTreeSet<u64>, BTreeSet<u64>);

/// The numbers of all reports in a job's history, and of all notes; none if the job is gone by now.
#[expect(clippy::option_option, reason = "no answer, and no job")]
fn said(app: &TestApp, id: &str) -> Option<Option<Said>> {
    let mut found = Said::default();
    let mut after = 0;
    loop {
        let page = app.try_get(&format!("/api/v1/jobs/{id}/events?limit=500&after={after}"))?;
        if page.status == 404 {
            return Some(None);
        }
        let page = page.json();
        for report in page["items"].as_array().unwrap().iter().map(|event| &event["report"]) {
            found.0.extend(report["sequence"].as_u64());
            found.1.extend(note(report));
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return Some(Some(found)),
        }
    }
}
