//! What a person does to several jobs at once, from the list. Only what is possible is done, and of each job it is said
//! what became of it.

use axum::extract::{Request, State};
use futures_util::{StreamExt, stream};
use ring::digest::{SHA256, digest};

use super::page::SelectedHtml;
use super::view::selected::{Done, DonePage, Outcome, Selection};
use super::{chrome, pairs};
use crate::http::extract::{MAX_BODY, read_body};
use crate::http::{ApiError, AppState, Caller};
use crate::job::JobId;
use crate::service::{Rerun, ServiceError};

/// How many jobs are acted on at the same time.
const TOGETHER: usize = 16;

/// `POST /selected/cancel`. It asks once, and does it when the answer comes.
pub(super) async fn cancel(
    State(app): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<SelectedHtml, ApiError> {
    let selection = read(request).await?;
    let page = if selection.confirmed {
        let jobs = each(&app, &caller, selection.ids, Act::Cancel).await?;
        DonePage::said("Cancelled", jobs, selection.back)
    } else {
        let jobs = each(&app, &caller, selection.ids, Act::AskToCancel).await?;
        DonePage::asking(jobs, selection.back)
    };
    Ok(SelectedHtml { chrome: chrome("jobs", &caller), page })
}

/// `POST /selected/rerun`. The new jobs' IDs follow from the form, so that the same form launches each of them once.
pub(super) async fn rerun(
    State(app): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<SelectedHtml, ApiError> {
    let selection = read(request).await?;
    let jobs = each(&app, &caller, selection.ids, Act::Rerun { token: selection.token }).await?;
    let page = DonePage::said("Run again", jobs, selection.back);
    Ok(SelectedHtml { chrome: chrome("jobs", &caller), page })
}

/// What is done to each job.
#[derive(Debug, Clone)]
enum Act {
    /// Nothing yet.
    AskToCancel,
    Cancel,
    Rerun {
        token: String,
    },
}

async fn read(request: Request) -> Result<Selection, ApiError> {
    let body = read_body(request.into_body(), MAX_BODY).await?;
    Ok(Selection::read(&pairs(&body)?))
}

/// Does something to each job, and tells of them in the order in which they were chosen.
async fn each(app: &AppState, caller: &Caller, ids: Vec<JobId>, act: Act) -> Result<Vec<Done>, ApiError> {
    let (app, by) = (app.clone(), caller.name.clone());
    let acts = ids.into_iter().map(move |id| one(app.clone(), by.clone(), id, act.clone()));
    let done: Vec<Result<Done, ApiError>> = stream::iter(acts).buffered(TOGETHER).collect().await;
    done.into_iter().collect()
}

async fn one(app: AppState, by: Option<String>, id: JobId, act: Act) -> Result<Done, ApiError> {
    let job = app.service.store().view(&id).map_err(ServiceError::Store)?;
    let outcome = match (act, &job) {
        (Act::Rerun { token }, _) => {
            let change = Rerun { id: new_id(&token, &id), by, ..Rerun::default() };
            let launched = app.service.rerun(&id, change).await;
            app.metrics.launched(&launched);
            launched.map(|launched| Outcome::Launched(launched.job.id))
        }
        (_, Some(job)) if job.phase.is_terminal() => Ok(Outcome::Ended(job.phase)),
        (Act::AskToCancel, Some(_)) => Ok(Outcome::Cancellable),
        (Act::AskToCancel, None) => Err(app.service.unknown(id.clone())),
        (Act::Cancel, _) => app.service.cancel(&id, by).await.map(|_| Outcome::Cancelling),
    };
    let outcome = outcome.or_else(refused)?;
    Ok(Done::new(&id, job.as_ref(), outcome))
}

/// What the service's refusal means for one job. Where the store fails, there is nothing to be said of each.
fn refused(error: ServiceError) -> Result<Outcome, ApiError> {
    match error {
        ServiceError::Store(_) | ServiceError::ShuttingDown => Err(error.into()),
        ServiceError::Ended { phase, .. } => Ok(Outcome::Ended(phase)),
        error => {
            let form = matches!(
                error,
                ServiceError::SecretsNeeded { .. }
                    | ServiceError::ParametersNeeded { .. }
                    | ServiceError::InvalidParameters { .. }
            );
            Ok(Outcome::Refused { why: format!("{}.", super::sentence(&error.to_string())), form })
        }
    }
}

/// The ID of the job that repeats this one, where the form has a token.
fn new_id(token: &str, id: &JobId) -> Option<JobId> {
    let hash = digest(&SHA256, id.as_str().as_bytes());
    let tail: String = hash.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{token}-{tail}").parse().ok().filter(|_| !token.is_empty())
}
