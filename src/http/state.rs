//! What the handlers share.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::auth::Auth;
use super::streams::Streams;

/// What every handler gets: cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What is behind an [`AppState`].
pub struct Shared {
    /// Who may do what.
    pub auth: Auth,
    /// The settings of the HTTP service.
    pub settings: Settings,
    /// Bounds the open streams.
    pub streams: Streams,
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
        Self {
            default_template: "dummy-job".to_owned(),
            max_streams: 256,
        }
    }
}

impl AppState {
    /// Puts it together.
    pub fn new(auth: Auth, settings: Settings) -> Self {
        Self(Arc::new(Shared {
            auth,
            streams: Streams::new(settings.max_streams),
            settings,
            shutdown: CancellationToken::new(),
        }))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
