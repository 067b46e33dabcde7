//! Who may use a service: the flags of `serve` that say so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use axum::http::Uri;
use clap::ValueEnum;

use super::cluster::{Cluster, ClusterArgs, tell};
use super::failure::{Advice, WrongUsage};
use crate::executor::kubernetes::review::ClusterReviewer;
use crate::http::auth::{Hosts, Mode, Reviews, TokenFile};

/// How callers show who they are, and under which names the service is reached.
#[derive(Debug, clap::Args)]
pub(super) struct AccessArgs {
    /// How callers show who they are; `none` is for loopback only
    #[arg(long, value_name = "MODE", default_value = "none", env = "JOBWRIGHT_AUTH")]
    auth: AuthMode,

    /// The tokens that are known, a line NAME:SHA256HEX each; read again when it changes
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_TOKEN_FILE", required_if_eq("auth", "token"))]
    token_file: Option<PathBuf>,

    /// A further name that this service is reached by, as in the URL that a browser shows
    #[arg(long = "allowed-host", value_name = "HOST", env = "JOBWRIGHT_ALLOWED_HOSTS", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
}

/// How callers show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AuthMode {
    /// Not at all
    None,
    /// By a bearer token out of a file; browsers sign in with it
    Token,
    /// By a bearer token of the cluster, whose RBAC says who may see, launch and cancel jobs; browsers sign in with it
    Kubernetes,
}

impl AccessArgs {
    /// Whether a cluster is asked.
    pub(super) fn asks_cluster(&self) -> bool {
        self.auth == AuthMode::Kubernetes
    }

    /// Refuses what could only go wrong later.
    pub(super) fn check(&self, listen: SocketAddr, runs_on_cluster: bool, cluster: &ClusterArgs) -> anyhow::Result<()> {
        if self.auth == AuthMode::None && !listen.ip().is_loopback() {
            bail!(
                "without authentication the service listens on this machine alone, and {listen} is open to others; give --auth token --token-file FILE (or --auth kubernetes on a cluster), or listen on 127.0.0.1",
            );
        }
        if self.asks_cluster() && !runs_on_cluster && cluster.namespace.is_none() {
            let problem = "--auth kubernetes asks a cluster who may use the jobs of a namespace, and jobs run as processes here; add --executor kubernetes, or name the namespace whose rights count with --namespace";
            return Err(WrongUsage(problem.to_owned()).into());
        }
        Ok(())
    }

    /// The mode, ready to be used. Must be called within a Tokio runtime.
    pub(super) fn mode(&self, cluster: Option<&Cluster>) -> anyhow::Result<Mode> {
        Ok(match (self.auth, &self.token_file, cluster) {
            (AuthMode::None, ..) => Mode::None,
            (AuthMode::Token, Some(file), _) => Mode::Token(TokenFile::open(file)?),
            (AuthMode::Token, None, _) => {
                return Err(anyhow::anyhow!("there is no token file")).hint(|| "name it with --token-file FILE");
            }
            (AuthMode::Kubernetes, _, Some(cluster)) => Mode::Cluster(reviews(cluster)),
            (AuthMode::Kubernetes, _, None) => bail!("there is no connection to a cluster that could be asked"),
        })
    }

    /// The hosts that browsers may name: those that were given, and the one of the public URL.
    pub(super) fn hosts(&self, base: &str) -> Hosts {
        let public = base.parse::<Uri>().ok();
        let public = public.as_ref().and_then(Uri::host).map(str::to_owned);
        Hosts::new(self.allowed_hosts.iter().cloned().chain(public))
    }
}

/// Asks the cluster, after telling the log in the background whether it will answer.
fn reviews(cluster: &Cluster) -> Reviews {
    let reviewer = ClusterReviewer::new(cluster.connection.clone(), cluster.namespace.clone());
    let looking = reviewer.clone();
    tokio::spawn(async move { tell("nobody can sign in", &looking.preflight().await) });
    Reviews::new(Arc::new(reviewer))
}
