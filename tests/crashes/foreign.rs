//! An export of jobs that ended elsewhere, to be imported.

use std::path::Path;

use jiff::Timestamp;
use jobwright::job::{EventKind, Fact, Intent, Job, NewEvent, Refusal, Report, Source, Status};
use jobwright::store::{Change, Options, Store};

use crate::records;

/// How many jobs there are in it.
pub const JOBS: usize = 60;

/// Writes an export of jobs that no other one of another number has, and gives them: ID and phase.
pub fn write(path: &Path, export: usize) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Options::default()).unwrap();
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let (mut job, refused) = (job(&format!("x{export}-{number}")), number % 2 == 0);
        let mut events = vec![NewEvent { at: job.intent.created, source: Source::User, kind: EventKind::Recorded }];
        let report = Report::new(Timestamp::UNIX_EPOCH, Some(1), "step 1".to_owned(), None, None).unwrap();
        let end = if refused {
            let (reason, message) = ("Forbidden".to_owned(), "x".repeat(number * 50));
            Fact::Refused(Refusal { at: Timestamp::UNIX_EPOCH, reason, message })
        } else {
            Fact::Withdrawn { at: Timestamp::UNIX_EPOCH }
        };
        for fact in [Fact::Report(report), end] {
            events.extend(job.status.learn(fact).events);
        }
        jobs.push((job.id().to_string(), job.status.verdict().phase.to_string()));
        store.submit(Change::insert(&job, events)).wait().unwrap();
    }
    let mut out = std::fs::File::create(path).unwrap();
    store.export(&mut out, false, &mut |_| {}).unwrap();
    jobs
}

fn job(id: &str) -> Job {
    let object_name = format!("steady-{id}");
    let intent =
        Intent { template: "steady".to_owned(), object_name, created: Timestamp::now(), ..records::intent(id) };
    Job { intent, status: Status::default() }
}
