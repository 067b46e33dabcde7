//! Records that were lost, from the objects that are there.
//!
//! A store that is new, or was restored from a backup, may lack jobs that this installation has launched. Before anything
//! is launched from it, every object that carries Jobwright's marks is looked at once, and each one of this installation
//! whose job is not on record is recorded: what it is by its labels and annotations, and where it stands by the evidence
//! that the watch shows from then on. That it was done is on record too, and it is not done again: later on, an object
//! whose job is not on record is one whose record was deleted.
//!
//! Until it is done no job is launched, since a job of that ID might be there under the name of another template, and
//! none is deleted, since it might come back.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::ledger::{Restored, durable};
use super::secrets::Secrets;
use super::stamp::{COMMIT, CREATED, DIGEST, FINGERPRINT, JOB_ID, JOB_NAME, RERUN_OF, TEMPLATE, TTL};
use super::{Service, ServiceError};
use crate::executor::Marked;
use crate::job::{
    EventKind, Fact, Fingerprint, InstallationId, Intent, Job, JobId, NewEvent, Source, Status, object_name,
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How many records are on their way to the disk at once.
const AT_ONCE: usize = 1000;
/// How many objects are told of one by one that cannot be taken for ours.
const TOLD: usize = 20;
/// How much later than its object a request may seem to have been accepted, where clocks differ.
const SKEW: SignedDuration = SignedDuration::from_hours(1);
/// The longest commit that is believed to be one, in bytes.
const LONGEST_COMMIT: usize = 200;

/// What an object comes to when records are rebuilt.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// It carries this job.
    Ours(Box<Job>),
    /// It is another installation's, which is none of our business.
    Others(String),
    /// It says that it is ours, and cannot be; the text says why.
    Broken(String),
}

/// Decides what an object comes to.
///
/// Whose it is must be beyond doubt: its name follows from installation, template and job ID, so that these three cannot
/// be changed by hand. What only describes it is taken where it can be read.
fn judge(
    marked: &Marked,
    installation: &InstallationId,
    unseal: impl Fn(&str) -> Option<Fingerprint>,
    now: Timestamp,
) -> Finding {
    match marked.installation() {
        Some(said) if said == installation.as_str() => {}
        Some(said) => return Finding::Others(said.to_owned()),
        None => return Finding::Broken("its labels name no installation".to_owned()),
    }
    let says = |key: &str| marked.annotations.get(key).map(String::as_str);
    let id = match says(JOB_ID).map(str::parse::<JobId>) {
        Some(Ok(id)) => id,
        Some(Err(error)) => return Finding::Broken(format!("its annotation {JOB_ID} cannot be used: {error}")),
        None => return Finding::Broken(format!("it has no annotation {JOB_ID}")),
    };
    let Some(template) = marked.labels.get(TEMPLATE) else {
        return Finding::Broken(format!("it has no label {TEMPLATE}"));
    };
    let object = &marked.object;
    let expected = object_name(template, installation, &id);
    if object.name != expected {
        return Finding::Broken(format!("job {id} of template {template} would have an object {expected}"));
    }
    let intent = Intent {
        name: says(JOB_NAME).and_then(|text| text.parse().ok()),
        template: template.clone(),
        parameters: None,
        secrets: Vec::new(),
        default_secrets: Vec::new(),
        fingerprint: says(FINGERPRINT).and_then(unseal),
        object_name: object.name.clone(),
        namespace: object.namespace.clone(),
        manifest: Value::Null,
        masked: None,
        digest: says(DIGEST).filter(|text| is_digest(text)).unwrap_or(Intent::UNKNOWN_DIGEST).to_owned(),
        commit: says(COMMIT).filter(|text| is_commit(text)).map(str::to_owned),
        ttl_seconds: says(TTL).and_then(|text| text.parse().ok()),
        rerun_of: says(RERUN_OF).and_then(|text| text.parse().ok()),
        created: says(CREATED).and_then(|text| accepted(text, marked.created)).unwrap_or(marked.created),
        rebuilt: Some(now),
        id,
    };
    Finding::Ours(Box::new(Job { intent, status: Status::default() }))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_commit(text: &str) -> bool {
    (1..=LONGEST_COMMIT).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// When a request was accepted, which was before its object came to be.
fn accepted(text: &str, object: Timestamp) -> Option<Timestamp> {
    let accepted: Timestamp = text.parse().ok()?;
    (accepted.duration_since(object) <= SKEW).then_some(accepted)
}

/// What came of one look at all objects.
#[derive(Debug, Default)]
struct Rebuilt {
    /// How many jobs were recorded again.
    jobs: usize,
    /// Objects that say that they are ours, and cannot be, with why.
    broken: Vec<(String, String)>,
    /// How many objects each other installation has here.
    others: BTreeMap<String, usize>,
}

impl Rebuilt {
    fn tell(&self, installation: &InstallationId, none_before: bool) {
        if self.jobs > 0 {
            tracing::info!(jobs = self.jobs, "jobs whose objects are here were not on record, and are recorded again");
        }
        for (object, why) in self.broken.iter().take(TOLD) {
            tracing::warn!(%object, %why, "an object says that it is this installation's; its job is not recorded");
        }
        if self.broken.len() > TOLD {
            tracing::warn!(more = self.broken.len() - TOLD, "there are more such objects");
        }
        if !none_before || self.jobs > 0 {
            return;
        }
        for (other, objects) in &self.others {
            tracing::warn!(
                %installation, %other, objects,
                "these records are new, and there are objects of another installation here: they are left alone. If \
                 it is this one, and its records were lost, start with --installation {other} before any job is launched"
            );
        }
    }
}

impl Service {
    /// Records again what was lost, for as long as it takes.
    pub(super) async fn rebuild(&self) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.try_rebuild().await {
            tracing::warn!(%error, "which jobs there are is not known yet, so that none is launched; looking again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.0.complete.send_replace(true);
    }

    async fn try_rebuild(&self) -> Result<(), ServiceError> {
        let none_before = self.store().last_sequence() == 0;
        let survey = self.0.executor.survey().await?;
        let rebuilt = self.record_again(survey).await?;
        // Only now that all of it is durable.
        self.store().set_rebuild_due(false).await?;
        rebuilt.tell(self.store().installation(), none_before);
        Ok(())
    }

    async fn record_again(&self, survey: Vec<Marked>) -> Result<Rebuilt, ServiceError> {
        let secrets: &Secrets = &self.0.secrets;
        let installation = self.store().installation();
        let mut rebuilt = Rebuilt::default();
        let mut on_the_way = Vec::new();
        for marked in survey {
            let now = Timestamp::now();
            match judge(&marked, installation, |sealed| secrets.unseal(sealed), now) {
                Finding::Others(other) => *rebuilt.others.entry(other).or_default() += 1,
                Finding::Broken(why) => rebuilt.broken.push((marked.object.name, why)),
                Finding::Ours(mut job) => match self.0.ledger.restore(first_events(&mut job, &marked, now), *job)? {
                    Restored::New(recorded) => {
                        rebuilt.jobs += 1;
                        on_the_way.push(recorded);
                    }
                    Restored::Known(known) => {
                        let other = known.status.object.as_ref().is_some_and(|it| it.uid != marked.object.uid);
                        if other {
                            let why = format!("job {} is on record with another object", known.id());
                            rebuilt.broken.push((marked.object.name, why));
                        }
                    }
                },
            }
            if on_the_way.len() >= AT_ONCE {
                for recorded in on_the_way.drain(..) {
                    durable(recorded).await?;
                }
            }
        }
        for recorded in on_the_way {
            durable(recorded).await?;
        }
        Ok(rebuilt)
    }

    /// Waits for a moment until it is known which jobs there are.
    pub(super) async fn complete(&self) -> Result<(), ServiceError> {
        if *self.0.complete.borrow() {
            return Ok(());
        }
        let mut complete = self.0.complete.subscribe();
        let waiting = complete.wait_for(|complete| *complete);
        match tokio::time::timeout(self.0.config.create_wait, waiting).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ServiceError::Rebuilding),
        }
    }

    /// The same where one job is concerned, which may be on record already.
    pub(super) async fn complete_for(&self, id: &JobId) -> Result<(), ServiceError> {
        let known = *self.0.complete.borrow() || self.0.ledger.job(id)?.is_some();
        if known { Ok(()) } else { self.complete().await }
    }

    /// What to say of a job that is not on record.
    pub fn unknown(&self, id: JobId) -> ServiceError {
        if *self.0.complete.borrow() { ServiceError::UnknownJob(id) } else { ServiceError::Rebuilding }
    }
}

/// The first entries of a rebuilt job's history.
fn first_events(job: &mut Job, marked: &Marked, now: Timestamp) -> Vec<NewEvent> {
    let mut events = vec![NewEvent { at: now, source: Source::Service, kind: EventKind::Rebuilt }];
    let object = marked.object.clone();
    let created = Fact::Created { object, warnings: Vec::new(), at: marked.created };
    events.extend(job.status.learn(created).events);
    events
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
