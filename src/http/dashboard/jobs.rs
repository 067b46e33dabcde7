//! The jobs page and the page of one job.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Redirect;
use futures_util::StreamExt;
use jiff::Timestamp;

use super::page::{JobHtml, JobsHtml};
use super::view::changes::{Changes, LastSuccess};
use super::view::job::{Beside, History, JobPage};
use super::view::list::{Filters, List};
use super::view::log;
use super::view::row::Row;
use super::{chrome, pairs, token};
use crate::executor::LogOptions;
use crate::http::extract::JobPath;
use crate::http::{ApiError, AppState, Caller};
use crate::job::{Job, JobId, Phase};
use crate::service::ServiceError;
use crate::store::{Query, Store, StoreError};
use crate::template::yaml;

/// Sent by the script when it brings a page up to date: parts that it looks after itself, or that never change, are
/// left out then.
const LIVE: &str = "jobwright-live";

/// How many lines of the log a page comes with. The script follows on from there.
const LOG_LINES: usize = 500;
/// How long a page waits for the log.
const LOG_WAIT: Duration = Duration::from_secs(2);

/// `GET /`.
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<JobsHtml, ApiError> {
    let now = Timestamp::now();
    let (mut filters, mut faults) = Filters::read(&pairs(query.unwrap_or_default().as_bytes())?);
    faults.iter_mut().for_each(|fault| fault.push_str(" It was left out."));
    let period = filters.period(now);
    let cursor = match filters.cursor.parse() {
        Ok(cursor) => Some(cursor),
        Err(_) if filters.cursor.is_empty() => None,
        Err(_) => {
            filters.cursor.clear();
            faults.push(
                "The place in the list that the address names cannot be read; this is the start of the list."
                    .to_owned(),
            );
            None
        }
    };
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let query = Query {
        phases: filters.phase.into_iter().collect(),
        template: given(&filters.template),
        text: given(&filters.text),
        since: period.since,
        until: period.until,
        limit: None,
        cursor,
    };
    let page = app.read(move |store| store.page(&query)).await?;
    let counts: Vec<(Phase, u64)> = app.service.store().counts().collect();
    let catalog = app.service.catalog();
    let list = List {
        tabs: filters.tabs(&counts),
        templates: filters.templates(catalog.entries().map(|entry| entry.name.as_str())),
        spans: filters.spans(),
        rows: page.items.iter().map(|job| Row::new(job, now)).collect(),
        older: page.next.map(|next| filters.address_at(&next.to_string())),
        any_jobs: counts.iter().any(|(_, count)| *count > 0),
        token: token(),
        here: filters.address_at(&filters.cursor),
        filters,
        faults,
    };
    let chrome = chrome("jobs", &caller);
    Ok(JobsHtml { chrome, list })
}

/// `GET /jobs`, which people guess from `/jobs/{id}`: the same view at its own address.
pub(super) async fn list_from_jobs(RawQuery(query): RawQuery) -> Redirect {
    match query {
        None => Redirect::to("/"),
        Some(query) => Redirect::to(&format!("/?{query}")),
    }
}

/// `GET /jobs/{id}`.
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
    headers: HeaderMap,
) -> Result<JobHtml, ApiError> {
    let wanted = id.clone();
    let (job, history) = app.read(move |store| Ok((store.job(&wanted)?, history(store, &wanted)?))).await?;
    let job = job.ok_or_else(|| app.service.unknown(id.clone()))?;
    let beside = if headers.contains_key(LIVE) {
        Beside::default()
    } else {
        let (beside, changes) = tokio::join!(beside(&app, &job), changes(&app, job.clone()));
        Beside { changes: Some(changes?), ..beside }
    };
    let page = JobPage::new(&job, &history, beside, Timestamp::now());
    let chrome = chrome("jobs", &caller);
    Ok(JobHtml { chrome, job: page })
}

/// A job's history, read piece by piece.
fn history(store: &Store, id: &JobId) -> Result<History, StoreError> {
    const PIECE: usize = 1000;
    let mut history = History::default();
    let mut after = 0;
    loop {
        let events = store.job_events(id, after, PIECE)?;
        let last = events.len() < PIECE;
        after = events.last().map_or(after, |event| event.sequence);
        history.extend(events);
        if last {
            return Ok(history);
        }
    }
}

/// What changed since the last success of the job's template: away from other requests, as it may take a while.
async fn changes(app: &AppState, job: Job) -> Result<Changes, ApiError> {
    app.read(move |store| {
        let last = if job.intent.rebuilt.is_some() { LastSuccess::Nothing } else { last_success(store, &job)? };
        Ok(Changes::new(&job, &last, Timestamp::now()))
    })
    .await
}

/// The last job of the same template that was launched before this one and succeeded, as far back as one request looks.
fn last_success(store: &Store, job: &Job) -> Result<LastSuccess, StoreError> {
    let query = Query {
        phases: vec![Phase::Succeeded],
        template: Some(job.intent.template.clone()),
        until: Some(job.intent.created),
        limit: Some(1),
        ..Query::default()
    };
    let page = store.page(&query)?;
    let found = match page.items.first() {
        Some(view) => store.job(&view.id)?,
        None => None,
    };
    Ok(match (found, page.next) {
        (Some(job), _) => LastSuccess::Found(Box::new(job)),
        (None, None) => LastSuccess::Nothing,
        (None, Some(_)) => LastSuccess::NotAmong(Query::MAX_VISITS),
    })
}

/// What stands beside the record: the manifest, and what there is of the log within a short time.
async fn beside(app: &AppState, job: &Job) -> Beside {
    let options = LogOptions { tail: Some(LOG_LINES), ..LogOptions::default() };
    let mut lines = Vec::new();
    let reading = async {
        let mut log = app.service.logs(job.id(), options).await?;
        while let Some(line) = log.next().await {
            lines.push(log::plain(&line?.text));
        }
        Ok::<_, ServiceError>(())
    };
    let log_note = match tokio::time::timeout(LOG_WAIT, reading).await {
        Ok(Ok(())) if job.status.ended.is_some() => Some("Nothing was written.".to_owned()),
        Ok(Ok(())) => None,
        Ok(Err(ServiceError::NoLog(_))) if job.status.ended.is_some() => {
            Some("No line of its log was kept.".to_owned())
        }
        Ok(Err(ServiceError::NoLog(_))) => None,
        Ok(Err(error)) => Some(format!("The log cannot be shown: {error}.")),
        Err(_) => Some("The executor has not given the log in time; load the page again.".to_owned()),
    };
    Beside { manifest: job.intent.shown_manifest().map(yaml::write), log: lines, log_note, changes: None }
}
