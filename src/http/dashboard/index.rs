//! `/index`, the page of the system that this one replaces: a form with `job-id` and `job-name`, and the jobs with ID,
//! name and status. The status is the worker's own words, `-` before the first.

use axum::extract::State;
use jiff::Timestamp;

use super::chrome;
use super::page::IndexHtml;
use super::view::row::Row;
use crate::http::{ApiError, AppState, Caller};
use crate::service::ServiceError;
use crate::store::Query;

/// How many jobs the page shows.
const MOST: usize = 100;

/// `GET /index`.
pub(super) async fn show(State(app): State<AppState>, caller: Caller) -> Result<IndexHtml, ApiError> {
    page(&app, &caller, "", "", None)
}

/// The page with what was typed into its form, and what is wrong with that.
pub(in crate::http) fn page(
    app: &AppState,
    caller: &Caller,
    id: &str,
    name: &str,
    wrong: Option<String>,
) -> Result<IndexHtml, ApiError> {
    let now = Timestamp::now();
    let query = Query { limit: Some(MOST), ..Query::default() };
    let page = app.service.store().page(&query).map_err(ServiceError::Store)?;
    Ok(IndexHtml {
        chrome: chrome("index", caller),
        template: app.settings.default_template.clone(),
        rows: page.items.iter().map(|job| Row::new(job, now)).collect(),
        more: page.next.is_some(),
        id: id.to_owned(),
        name: name.to_owned(),
        wrong,
    })
}
