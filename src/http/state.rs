//! What the handlers share.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::ApiError;
use super::auth::Auth;
use super::dashboard::Figures;
use super::metrics::Metrics;
use super::streams::Streams;
use crate::job::{JobId, JobView};
use crate::service::{Service, ServiceError};
use crate::store::{Store, StoreError};

/// What every handler gets: cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What is behind an [`AppState`].
pub struct Shared {
    /// Jobs, templates, and everything that decides about them.
    pub service: Service,
    /// Who may do what.
    pub auth: Auth,
    /// The settings of the HTTP service.
    pub settings: Settings,
    /// Bounds the open streams.
    pub streams: Streams,
    /// What is counted.
    pub metrics: Metrics,
    /// What is kept of the newest jobs of each template, for their list.
    pub figures: Figures,
    /// Cancelled when the server begins to shut down: streams end then.
    pub shutdown: CancellationToken,
}

/// The settings of the HTTP service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The template that `POST /runajob` launches.
    pub default_template: String,
    /// How many event and log streams may be open at once.
    pub max_streams: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { default_template: "dummy-job".to_owned(), max_streams: 256 }
    }
}

impl AppState {
    /// Puts it together.
    pub fn new(service: Service, auth: Auth, settings: Settings) -> Self {
        let streams = Streams::new(settings.max_streams);
        Self(Arc::new(Shared {
            metrics: Metrics::new(service.store().clone(), streams.clone()),
            figures: Figures::default(),
            service,
            auth,
            streams,
            settings,
            shutdown: CancellationToken::new(),
        }))
    }

    /// One job as it is on record.
    ///
    /// # Errors
    /// If there is no such job, or the record cannot be read.
    pub fn view(&self, id: &JobId) -> Result<JobView, ApiError> {
        let view = self.service.store().view(id);
        let view = view.map_err(ServiceError::Store)?;
        Ok(view.ok_or_else(|| self.service.unknown(id.clone()))?)
    }

    /// Reads records where that may take longer than a task may keep others waiting.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = self.service.store().clone();
        let answer = tokio::task::spawn_blocking(move || read(&store)).await;
        Ok(answer.map_err(ApiError::internal)?.map_err(ServiceError::Store)?)
    }

    /// The parameters that a template declares; none if there is no such template.
    pub fn declared_parameters(&self, template: &str) -> BTreeSet<String> {
        let catalog = self.service.catalog();
        let Ok(template) = catalog.get(template) else {
            return BTreeSet::new();
        };
        template.parameters().iter().map(|parameter| parameter.name.clone()).collect()
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
