//! The connection to a cluster: by a pod's service account inside, by kubeconfig outside.

use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions};

/// For how long an API server is waited for. The defaults are made for real ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long a connection may take to come about: 5 s.
    pub connect: Duration,
    /// How long the API server may stay silent within an answer: 10 s. A connection that was cut without a word is
    /// noticed by nothing else.
    pub read: Duration,
    /// How long a call may take as a whole: 35 s. The API server itself gives up after 34 s.
    pub call: Duration,
    /// How long the API server may keep one watch, in seconds: 8. Shorter than `read`, or else a quiet watch would
    /// look like a connection that was cut.
    pub watch_seconds: u32,
    /// How long the API server may take to show that it is there at all: 3 s.
    pub ping: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            call: Duration::from_secs(35),
            watch_seconds: 8,
            ping: Duration::from_secs(3),
        }
    }
}

/// A connection to a cluster.
#[derive(Clone)]
pub struct Connection {
    /// For calls and watches: an answer that stops coming is an error.
    pub calls: Client,
    /// For streams that may be silent for as long as they like, such as a log.
    pub streams: Client,
    /// The namespace of the kubeconfig's context, or of the service account.
    pub default_namespace: String,
    /// The API server's address.
    pub server: String,
    /// For how long it is waited for.
    pub timeouts: Timeouts,
}

/// Why there is no connection to be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No kubeconfig, and no service account.
    #[error("found no cluster to connect to: {0}")]
    NoConfig(String),
    /// There is one, which cannot be used.
    #[error("cannot connect to {server}: {error}")]
    Unusable {
        /// The API server's address.
        server: String,
        /// What is wrong.
        error: String,
    },
}

/// Prepares a connection; nothing is sent yet. `context` chooses one of the kubeconfig's contexts.
///
/// # Errors
/// If there is neither a kubeconfig nor a service account, or its credentials cannot be used.
pub async fn connect(context: Option<&str>) -> Result<Connection, ConnectError> {
    Connection::new(find_config(context).await?, Timeouts::default())
}

impl Connection {
    /// Prepares a connection by a configuration of the client's; nothing is sent yet.
    ///
    /// # Errors
    /// If its credentials cannot be used.
    pub fn new(config: Config, timeouts: Timeouts) -> Result<Self, ConnectError> {
        let server = config.cluster_url.to_string();
        let unusable = |error: kube::Error| ConnectError::Unusable { server: server.clone(), error: error.to_string() };
        let default_namespace = config.default_namespace.clone();
        let config = bounded(config, &timeouts);
        let mut patient = config.clone();
        patient.read_timeout = None;
        let calls = Client::try_from(config).map_err(unusable)?;
        let streams = Client::try_from(patient).map_err(unusable)?;
        Ok(Self { calls, streams, default_namespace, server, timeouts })
    }
}

async fn find_config(context: Option<&str>) -> Result<Config, ConnectError> {
    match context {
        Some(context) => {
            let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
            Config::from_kubeconfig(&options).await.map_err(|error| ConnectError::NoConfig(error.to_string()))
        }
        None => Config::infer().await.map_err(|error| ConnectError::NoConfig(error.to_string())),
    }
}

/// Bounds every wait, and leaves the decision to send something again to the caller: the client's own would send
/// launches twice, unasked.
fn bounded(mut config: Config, timeouts: &Timeouts) -> Config {
    config.connect_timeout = Some(timeouts.connect);
    config.read_timeout = Some(timeouts.read);
    config.write_timeout = Some(timeouts.read);
    // The time that a pooled connection was idle is no silence of the server.
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}
