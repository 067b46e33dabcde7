//! Launching: a request → a checked manifest → a durable intent → an object, in this order and never another.
//!
//! The promise: *for every job at most one object is ever created, and no acknowledged job is forgotten.* It rests on
//! three things. The object's name follows from installation and job ID, so that a second create of one job can only
//! meet the first one's object. The intent is durable before the first create is sent. And a create whose outcome is
//! unknown is sent again until it is known: nothing else could tell whether the first one is still on its way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::intent::same_request;
use super::ledger::{Inserted, Recorded, durable};
use super::{LaunchRequest, Launched, RenderRequest, Rerun, Service, ServiceError};
use crate::crash::{self, Point};
use crate::executor::{CreateOutcome, Found};
use crate::job::{EventKind, Evidence, Fact, Intent, JobId, JobName, JobView, NewEvent, ObjectRef, Refusal, Source};
use crate::template::{Checked, Context, MASK, Rendered, Template};

/// Whether an object may have been created for a job before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nothing of it was ever sent.
    First,
    /// This process found the job on record, and what was sent for it is not known.
    Again,
}

/// The longest time between two attempts to create an object.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest time for which an executor is left alone because it asks for that.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Service {
    /// The manifest that a template gives, with nothing launched.
    ///
    /// # Errors
    /// If there is no such template, or it gives no valid manifest with these parameters.
    pub fn render(&self, request: &RenderRequest) -> Result<Rendered, ServiceError> {
        let template = self.template(&request.template)?;
        let parameters = check(&template, &request.parameters)?;
        let callback_url = format!("{}/callback/{MASK}", self.0.config.callback_base);
        let context = Context {
            job_id: request.id.clone().unwrap_or_else(JobId::example).into(),
            job_name: request.name.as_ref().map_or("", JobName::as_str).to_owned(),
            callback_url,
        };
        let rendered = render(&template, &parameters, &context)?;
        self.check_support(&template, &rendered)?;
        Ok(rendered)
    }

    /// Launches a job. Its intent is durable when this returns; the job is as far as the executor has answered within
    /// [`super::Config::create_wait`]. The same request under the same ID gives the job that is there.
    ///
    /// # Errors
    /// If the request is not valid, the ID belongs to another request, or the record cannot be written. Nothing is
    /// launched then.
    pub async fn launch(&self, request: LaunchRequest) -> Result<Launched, ServiceError> {
        self.launch_as(request, None).await
    }

    /// Launches a job again, under a new ID.
    ///
    /// # Errors
    /// As for [`Service::launch`]; and if there is no such job, or a secret parameter of it is not given again.
    pub async fn rerun(&self, id: &JobId, mut change: Rerun) -> Result<Launched, ServiceError> {
        crash::reached(Point::RerunBegun);
        self.complete_for(id).await?;
        let first = self.job(id)?;
        let mut parameters = match &first.intent.parameters {
            Some(known) => known.clone(),
            None => self.all_given(&first.intent, &mut change)?,
        };
        let kept_back = &first.intent.secrets;
        let names: Vec<_> = kept_back.iter().filter(|name| !change.parameters.contains_key(*name)).cloned().collect();
        if !names.is_empty() {
            return Err(ServiceError::SecretsNeeded { names });
        }
        // What is on record for a secret is its mask.
        for name in kept_back.iter().chain(&first.intent.default_secrets) {
            parameters.remove(name);
        }
        parameters.extend(change.parameters);
        let request = LaunchRequest {
            template: first.intent.template.clone(),
            id: change.id,
            name: change.name.or_else(|| first.intent.name.clone()),
            parameters,
            by: change.by,
        };
        self.launch_as(request, Some(id.clone())).await
    }

    /// What a job whose parameters are not known starts from when it is launched again: nothing, where each parameter is
    /// given. What is left out would have its default, which may not be what the first job had.
    fn all_given(&self, first: &Intent, change: &mut Rerun) -> Result<Map<String, Value>, ServiceError> {
        let template = self.template(&first.template)?;
        let declared = template.parameters().iter().map(|parameter| &parameter.name);
        let names: Vec<_> = declared.filter(|name| !change.parameters.contains_key(*name)).cloned().collect();
        if !names.is_empty() {
            return Err(ServiceError::ParametersNeeded { id: first.id.clone(), names });
        }
        // A null is left out later where it is no value of the parameter; for a secret one it stands for nothing else.
        for parameter in template.parameters().iter().filter(|parameter| parameter.secret) {
            if change.parameters.get(&parameter.name).is_some_and(Value::is_null) {
                change.parameters.remove(&parameter.name);
            }
        }
        Ok(Map::new())
    }

    async fn launch_as(&self, request: LaunchRequest, rerun_of: Option<JobId>) -> Result<Launched, ServiceError> {
        if self.0.stop.is_cancelled() {
            return Err(ServiceError::ShuttingDown);
        }
        // A failed store takes no launches, even if it were to take the next write.
        self.store().health()?;
        let template = self.template(&request.template)?;
        let parameters = check(&template, &request.parameters)?;
        let id = match request.id.clone() {
            Some(id) => id,
            None => Uuid::now_v7().to_string().try_into().map_err(|_| ServiceError::ShuttingDown)?,
        };
        self.complete().await?;
        let intent = self.intent(&template, &parameters, id.clone(), &request, rerun_of)?;
        let asked = (intent.template.clone(), intent.name.clone(), intent.fingerprint.clone());
        let event = NewEvent { at: intent.created, source: Source::User, kind: EventKind::Recorded };
        crash::reached(Point::LaunchChecked);
        match self.0.ledger.insert(intent, event)? {
            Inserted::New(recorded) => {
                crash::reached(Point::LaunchSubmitted);
                let (tell, outcome) = oneshot::channel();
                // From here on the job takes its course, even if whoever asked for it goes away.
                self.spawn(self.clone().see_launched(id.clone(), recorded.clone(), tell));
                durable(recorded).await?;
                crash::reached(Point::LaunchDurable);
                // Past the time limit, and in a service that stops, the job stays as it is: recorded, to be taken up.
                let _ = tokio::time::timeout(self.0.config.create_wait, outcome).await;
                let job = self.job(&id)?;
                crash::reached(Point::LaunchAnswering);
                Ok(Launched { job: JobView::from(&*job), created: true })
            }
            Inserted::Forgotten(job) => {
                same_request(&job, &asked.0, asked.1.as_ref(), &parameters, asked.2.as_ref())?;
                self.take_up(id);
                Ok(Launched { job: JobView::from(&*job), created: false })
            }
            Inserted::Existing(job, recorded) => {
                durable(recorded).await?;
                same_request(&job, &asked.0, asked.1.as_ref(), &parameters, asked.2.as_ref())?;
                // As it is by now, unless it was deleted meanwhile.
                let job = self.0.ledger.job(job.id())?.unwrap_or(job);
                crash::reached(Point::RepeatAnswering);
                Ok(Launched { job: JobView::from(&*job), created: false })
            }
        }
    }

    async fn see_launched(self, id: JobId, recorded: watch::Receiver<Recorded>, tell: oneshot::Sender<()>) {
        if durable(recorded).await.is_ok() {
            self.see_created(id, Attempt::First, Some(tell)).await;
        }
    }

    pub(super) fn template(&self, name: &str) -> Result<Arc<Template>, ServiceError> {
        Ok(self.catalog().get(name)?)
    }

    pub(super) fn check_support(&self, template: &Template, rendered: &Rendered) -> Result<(), ServiceError> {
        let template = template.name().to_owned();
        self.0
            .executor
            .check(rendered.manifest())
            .map_err(|unsupported| ServiceError::Unsupported { template, unsupported })
    }

    /// Sends a job's create until its outcome is known.
    pub(super) async fn see_created(self, id: JobId, attempt: Attempt, tell: Option<oneshot::Sender<()>>) {
        let mut backoff = FIRST_BACKOFF;
        let mut attempt = attempt;
        let lists = self.0.lists.load(Ordering::SeqCst);
        loop {
            let Ok(Some(job)) = self.0.ledger.job(&id) else {
                return;
            };
            if job.status.object.is_some() || job.status.ended.is_some() {
                break;
            }
            if job.status.cancellation.is_some() && attempt == Attempt::First {
                crash::reached(Point::Withdrawing);
                self.note(&id, Fact::Withdrawn { at: Timestamp::now() });
                break;
            }
            let Ok(place) = self.0.creating.acquire().await else {
                return;
            };
            crash::reached(Point::CreateBegun);
            let outcome = match self.0.executor.create(&job.intent).await {
                CreateOutcome::Refused(refusal) if attempt == Attempt::Again => {
                    self.refused_again(&job.intent, refusal).await
                }
                outcome => outcome,
            };
            crash::reached(Point::CreateAnswered);
            drop(place);
            match outcome {
                CreateOutcome::Created { object, warnings } => {
                    self.note(&id, Fact::Created { object, warnings, at: Timestamp::now() });
                    break;
                }
                // Nothing was sent for this job before, so that it was not ours: the name is free now, or will be.
                CreateOutcome::Vanished | CreateOutcome::Leaving { .. } if attempt == Attempt::First => {
                    pause(&mut backoff, None).await;
                }
                CreateOutcome::Vanished => {
                    self.note(&id, Fact::Evidence(vanished(&job.intent)));
                    break;
                }
                CreateOutcome::Leaving { object } => {
                    // An earlier attempt made it. It is on record from here on, and the watch shows how it ends.
                    self.note(&id, Fact::Created { object, warnings: Vec::new(), at: Timestamp::now() });
                    break;
                }
                CreateOutcome::Gone { object } => {
                    let gone = Evidence::Gone { object, at: Timestamp::now(), witnessed: true };
                    self.note(&id, Fact::Evidence(gone));
                    break;
                }
                CreateOutcome::Refused(refusal) => {
                    self.note(&id, Fact::Refused(refusal));
                    break;
                }
                CreateOutcome::Unsent { message } => {
                    tracing::warn!(job = %id, %message, "a launch could not be sent; trying again");
                    pause(&mut backoff, None).await;
                }
                CreateOutcome::Unknown { message, retry_after } => {
                    tracing::warn!(job = %id, %message, "the outcome of a launch is not known; sending it again");
                    pause(&mut backoff, retry_after).await;
                    attempt = Attempt::Again;
                }
            }
        }
        crash::reached(Point::CreateNoted);
        if let Some(tell) = tell {
            // Whoever asked may have gone away.
            let _ = tell.send(());
        }
        // A list that came meanwhile may not have shown the object any more: the watch that goes on from there never will.
        if attempt == Attempt::Again || lists != self.0.lists.load(Ordering::SeqCst) {
            self.look_again(&id).await;
        }
        if matches!(self.0.ledger.job(&id), Ok(Some(job)) if job.status.cancellation.is_some()) {
            self.see_cancelled(id).await;
        }
    }

    /// What a refusal comes to if the same create may have been sent before: the object that it made may be the very
    /// thing that leaves no room for another, as under a quota.
    async fn refused_again(&self, intent: &Intent, refusal: Refusal) -> CreateOutcome {
        match self.0.executor.find(&intent.object_name).await {
            Ok(Some(Found { job, evidence })) if job.as_ref() == Some(&intent.id) => {
                CreateOutcome::Created { object: evidence.object().clone(), warnings: Vec::new() }
            }
            Ok(_) => CreateOutcome::Refused(refusal),
            Err(error) => CreateOutcome::Unknown { message: error.to_string(), retry_after: None },
        }
    }

    /// Looks at a job's object by its name until there is an answer: it may have come to its end, or be gone, unseen.
    pub(super) async fn look_again(&self, id: &JobId) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let Ok(Some(job)) = self.0.ledger.job(id) else {
                return;
            };
            let Some(object) = job.status.object.clone().filter(|_| job.status.ended.is_none()) else {
                return;
            };
            let Ok(place) = self.0.looking.acquire().await else {
                return;
            };
            let found = self.0.executor.find(&object.name).await;
            crash::reached(Point::LookedAgain);
            drop(place);
            match found {
                Ok(Some(Found { evidence, .. })) if evidence.object().uid == object.uid => {
                    return self.note(id, Fact::Evidence(evidence));
                }
                // Nothing, or another one under its name.
                Ok(_) => {
                    let gone = Evidence::Gone { object, at: Timestamp::now(), witnessed: false };
                    return self.note(id, Fact::Evidence(gone));
                }
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not look at an object; trying again");
                    pause(&mut backoff, None).await;
                }
            }
        }
    }

    /// Asks the executor to stop a job's object until it does.
    pub(super) async fn see_cancelled(self, id: JobId) {
        let mut backoff = FIRST_BACKOFF;
        let mut listens = false;
        loop {
            let Ok(Some(job)) = self.0.ledger.job(&id) else {
                return;
            };
            // A later job of that ID may not have been cancelled.
            let (Some(object), None, Some(_)) = (&job.status.object, job.status.ended, &job.status.cancellation) else {
                return;
            };
            if !std::mem::replace(&mut listens, true) {
                self.listen_to_the_end(&id, object).await;
            }
            crash::reached(Point::CancelBegun);
            // Its UID must be on record before it is destroyed: nothing else keeps a second one from being made after a
            // crash.
            let cancelled = match self.0.ledger.settle_one(&id).await {
                Ok(()) => self.0.executor.cancel(object).await.map_err(ServiceError::from),
                Err(error) => Err(error.into()),
            };
            match cancelled {
                Ok(()) => return crash::reached(Point::CancelDone),
                Err(error) => {
                    tracing::warn!(job = %id, %error, "could not cancel a job; trying again");
                    pause(&mut backoff, None).await;
                }
            }
        }
    }

    /// Learns a fact and sees to what follows from it. If it cannot be written now, it is written later.
    pub(super) fn note(&self, id: &JobId, fact: Fact) {
        match self.0.ledger.learn(id, fact) {
            Ok((learned, written)) => {
                drop(written);
                if learned.ends || learned.log_due {
                    self.see_to_log(id);
                }
            }
            Err(ServiceError::UnknownJob(_)) => {
                tracing::debug!(job = %id, "the executor shows an object whose job is not on record");
            }
            Err(error) => tracing::error!(job = %id, %error, "a fact could not be taken in"),
        }
    }
}

/// Waits before the next attempt, longer each time, and as long as the executor asks for.
async fn pause(backoff: &mut Duration, asked: Option<Duration>) {
    tokio::time::sleep(asked.unwrap_or_default().min(LONGEST_WAIT).max(*backoff)).await;
    *backoff = (*backoff * 2).min(LONGEST_BACKOFF);
}

/// That the object of an earlier attempt is gone before anything of it was seen, its UID included.
fn vanished(intent: &Intent) -> Evidence {
    let object = ObjectRef {
        name: intent.object_name.clone(),
        namespace: intent.namespace.clone(),
        uid: ObjectRef::UNKNOWN_UID.to_owned(),
    };
    Evidence::Gone { object, at: Timestamp::now(), witnessed: false }
}

pub(super) fn check(template: &Template, parameters: &Map<String, Value>) -> Result<Checked, ServiceError> {
    let template_name = template.name().to_owned();
    template.check(parameters).map_err(|faults| ServiceError::InvalidParameters { template: template_name, faults })
}

pub(super) fn render(template: &Template, parameters: &Checked, context: &Context) -> Result<Rendered, ServiceError> {
    let template_name = template.name().to_owned();
    template
        .render(parameters, context)
        .map_err(|error| ServiceError::Render { template: template_name, error: Box::new(error) })
}
