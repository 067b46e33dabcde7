//! The templates: their list, and what there is to know about one of them.

use axum::extract::State;
use jiff::Timestamp;

use super::chrome;
use super::figures::Figures;
use super::page::TemplatesHtml;
use super::view::about::{About, LOOKED_AT};
use super::view::launch::Card;
use super::view::outcomes::{Outcomes, WINDOW};
use super::view::url;
use crate::http::{ApiError, AppState, Caller};
use crate::job::JobView;
use crate::store::{Query, Store, StoreError};
use crate::template::Entry;

/// `GET /templates`.
pub(super) async fn list(State(app): State<AppState>, caller: Caller) -> Result<TemplatesHtml, ApiError> {
    let catalog = app.service.catalog();
    let now = Timestamp::now();
    let known = app.clone();
    let cards = app.read(move |store| {
        known.figures.forget_all_but(|name| catalog.entry(name).is_some());
        catalog.entries().map(|entry| card(store, &known.figures, entry, now)).collect()
    });
    let cards = cards.await?;
    Ok(TemplatesHtml { chrome: chrome("templates", &caller), window: WINDOW, cards })
}

fn card(store: &Store, figures: &Figures, entry: &Entry, now: Timestamp) -> Result<Card, StoreError> {
    let jobs = figures.of(store, &entry.name)?;
    Ok(Card {
        name: entry.name.clone(),
        href: url::template(&entry.name),
        title: entry.title().to_owned(),
        description: entry.description().map(str::to_owned),
        parameters: entry.template().map_or(0, |it| it.parameters().len()),
        error: entry.error().map(ToString::to_string),
        launchable: entry.template().is_some(),
        outcomes: Outcomes::new(&jobs, now),
        jobs_href: url::with_query("/", [("template", entry.name.as_str())]),
    })
}

/// What the page of a template says beside its form.
pub(super) async fn about(app: &AppState, entry: &Entry) -> Result<About, ApiError> {
    let catalog = app.service.catalog();
    let entry = entry.clone();
    let now = Timestamp::now();
    app.read(move |store| {
        let jobs = newest(store, &entry.name, LOOKED_AT)?;
        Ok(About::new(&entry, catalog.lint(&entry.name).as_ref(), &jobs, now))
    })
    .await
}

/// The last jobs of a template, newest first. No more rows of its index are looked at than there are jobs asked for.
fn newest(store: &Store, template: &str, limit: usize) -> Result<Vec<JobView>, StoreError> {
    let query = Query { template: Some(template.to_owned()), limit: Some(limit), ..Query::default() };
    Ok(store.page(&query)?.items)
}
