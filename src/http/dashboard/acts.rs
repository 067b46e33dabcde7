//! What a person does to a job from its page: forms that end in a redirect, so that a reload repeats nothing.

use axum::extract::State;
use axum::response::Redirect;

use super::view::url;
use crate::http::extract::JobPath;
use crate::http::{ApiError, AppState, Caller};
use crate::service::ServiceError;

/// `POST /jobs/{id}/cancel`. A job that has ended meanwhile is as good as cancelled: its page shows how it ended.
pub(super) async fn cancel(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
) -> Result<Redirect, ApiError> {
    match app.service.cancel(&id, caller.name).await {
        Ok(_) | Err(ServiceError::Ended { .. }) => Ok(Redirect::to(&url::job(&id))),
        Err(error) => Err(error.into()),
    }
}

/// `POST /jobs/{id}/delete`. A record that is gone already is what was wanted.
pub(super) async fn delete(State(app): State<AppState>, JobPath(id): JobPath) -> Result<Redirect, ApiError> {
    match app.service.delete(&id).await {
        Ok(()) | Err(ServiceError::UnknownJob(_)) => Ok(Redirect::to("/")),
        Err(error) => Err(error.into()),
    }
}
