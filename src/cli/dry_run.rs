//! Asks a cluster's API server what it would say of a manifest.

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;

use super::cluster::{Cluster, ClusterArgs};
use super::failure::advise;
use super::launch;
use crate::executor::kubernetes::KubernetesExecutor;
use crate::executor::kubernetes::client::Connection;
use crate::executor::{DryRun, DryRunError, Executor as _, ExecutorError};
use crate::job::{InstallationId, JobId, JobName, object_name};
use crate::service::stamp::Stamp;
use crate::service::{Config, Made, Objection};

/// The installation that a manifest is stamped with where there is none: no object of this name is ever made.
const INSTALLATION: &str = "dry-run";

/// Shows the API server the object that a launch would create, and says on stderr what it warns of.
///
/// # Errors
/// When the API server refuses the object, with all that it says; or when it does not answer.
pub(super) fn ask(cluster: &ClusterArgs, made: &Made<'_>, id: &JobId, name: &JobName) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let (server, namespace, outcome) = runtime.block_on(async {
        let Cluster { connection, namespace } = cluster.connect("leave out --server-side").await?;
        let server = connection.server.clone();
        let outcome = dry_run(connection, &namespace, made, id, name).await?;
        anyhow::Ok((server, namespace, outcome))
    })?;
    let told = made.told(outcome).map_err(|error| no_answer(&server, &error))?;
    let warnings = told.map_err(|objection| refused(made, &server, &namespace, &objection))?;
    Ok(launch::warnings(&warnings)?)
}

async fn dry_run(
    connection: Connection,
    namespace: &str,
    made: &Made<'_>,
    id: &JobId,
    name: &JobName,
) -> anyhow::Result<Result<DryRun, DryRunError>> {
    let installation: InstallationId = INSTALLATION.parse()?;
    let template = made.template;
    let commit = template.provenance().commit;
    let stamp = Stamp {
        object_name: &object_name(template.name(), &installation, id),
        namespace,
        installation: &installation,
        id,
        name: Some(name),
        template: template.name(),
        digest: template.digest(),
        commit: commit.as_deref(),
        rerun_of: None,
        created: Timestamp::now(),
        // As long as one that is made with an installation's key.
        fingerprint: &format!("00000000.{}", "0".repeat(64)),
        ttl_backstop_seconds: Config::new("").ttl_backstop_seconds,
    };
    let manifest = stamp.apply(made.rendered.manifest().clone());
    Ok(KubernetesExecutor::new(connection, namespace, installation).dry_run(&manifest).await)
}

fn no_answer(server: &str, error: &ExecutorError) -> anyhow::Error {
    let why = match error {
        ExecutorError::Unreachable(why) => why.clone(),
        other => other.to_string(),
    };
    let error = anyhow!("the API server at {server} does not say whether it would take the manifest: {why}");
    advise(
        error,
        "is the cluster up, and the right one? See KUBECONFIG and --context; without --server-side none is asked",
    )
}

fn refused(made: &Made<'_>, server: &str, namespace: &str, objection: &Objection) -> anyhow::Error {
    let mut text = format!(
        "the API server at {server} refuses the manifest of `{}` in namespace {namespace} ({})",
        made.template.name(),
        objection.reason
    );
    for line in objection.lines() {
        text.push('\n');
        text.push_str(&line);
    }
    advise(anyhow!(text), hint(objection))
}

fn hint(objection: &Objection) -> &'static str {
    match objection.reason.as_str() {
        "NotFound" => "create the namespace, or name another one with --namespace",
        "Forbidden" => "a rule of the cluster stands against it: change the template, or ask whoever keeps the rules",
        _ => "change the template or the parameters until the fields fit",
    }
}
