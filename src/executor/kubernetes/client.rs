//! The connection to a cluster: by a pod's service account inside, by kubeconfig outside.

use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the API server may stay silent within an answer. A connection that was cut without a word is noticed by
/// nothing else.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

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
    let config = find_config(context).await?;
    let server = config.cluster_url.to_string();
    let unusable = |error: kube::Error| ConnectError::Unusable { server: server.clone(), error: error.to_string() };
    let default_namespace = config.default_namespace.clone();
    let config = bounded(config);
    let mut patient = config.clone();
    patient.read_timeout = None;
    let calls = Client::try_from(config).map_err(unusable)?;
    let streams = Client::try_from(patient).map_err(unusable)?;
    Ok(Connection { calls, streams, default_namespace, server })
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
fn bounded(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(READ_TIMEOUT);
    // The time that a pooled connection was idle is no silence of the server.
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}
