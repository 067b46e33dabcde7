//! Which cluster a command means, and the executor of it.

use std::sync::Arc;

use super::failure::Advice;
use crate::executor::SharedExecutor;
use crate::executor::kubernetes::KubernetesExecutor;
use crate::executor::kubernetes::client::{Connection, connect};
use crate::executor::kubernetes::preflight::{Finding, Grade};
use crate::store::Store;

/// Which cluster, and where in it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ClusterArgs {
    /// The namespace of the Jobs [default: the one of the kubeconfig's context, or of the pod that this runs in]
    #[arg(long, value_name = "NAMESPACE", env = "JOBWRIGHT_NAMESPACE")]
    pub(super) namespace: Option<String>,

    /// A context of the kubeconfig [default: its current one; in a pod, its service account]
    #[arg(long, value_name = "CONTEXT", env = "JOBWRIGHT_KUBE_CONTEXT")]
    pub(super) context: Option<String>,
}

/// A cluster that is connected to, and the namespace in it that is meant.
pub(super) struct Cluster {
    pub(super) connection: Connection,
    pub(super) namespace: String,
}

impl ClusterArgs {
    /// Connects, and says which namespace is meant.
    ///
    /// `otherwise` is what else can be done where there is no cluster.
    pub(super) async fn connect(&self, otherwise: &str) -> anyhow::Result<Cluster> {
        let connection = connect(self.context.as_deref())
            .await
            .hint(|| format!("set KUBECONFIG, choose one of its contexts with --context, or {otherwise}"))?;
        let namespace = self.namespace.clone().unwrap_or_else(|| connection.default_namespace.clone());
        Ok(Cluster { connection, namespace })
    }
}

/// The executor of a cluster. What there is to be known about the cluster is told to the log in the background: an API
/// server that is away for now keeps nobody from reading records. Must be called within a Tokio runtime.
pub(super) fn open_cluster(cluster: Cluster, store: &Store) -> SharedExecutor {
    let Cluster { connection, namespace } = cluster;
    tracing::info!(server = %connection.server, %namespace, "jobs run on a cluster");
    let executor = KubernetesExecutor::new(connection, namespace, store.installation().clone());
    let looking = executor.clone();
    tokio::spawn(async move {
        for finding in looking.preflight().await {
            tell("jobs cannot be launched", &finding);
        }
    });
    Arc::new(executor)
}

/// Tells the log what was found; `bad` says what a bad finding comes to.
pub(super) fn tell(bad: &str, finding: &Finding) {
    match finding.grade {
        Grade::Good => tracing::info!("{finding}"),
        Grade::Doubtful => tracing::warn!("{finding}"),
        Grade::Bad => tracing::error!("{bad}: {finding}"),
    }
}
