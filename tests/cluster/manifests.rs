//! What the offline check says of manifests, beside what a real API server says of the same.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jobwright::executor::kubernetes::KubernetesExecutor;
use jobwright::executor::kubernetes::client::connect;
use jobwright::executor::{DryRunError, Executor};
use jobwright::template::manifest::decode;
use jobwright::template::validate::validate;
use serde_json::Value;

use crate::corpus::{self, Case, without_indexes};
use crate::house::{Cluster, script};

/// How many questions the server is asked at once.
const AT_ONCE: usize = 32;

/// What somebody says of a manifest.
#[derive(Debug, Clone, Default, PartialEq)]
struct Said {
    /// Whether it is refused.
    refused: bool,
    /// The message as a whole.
    message: String,
    /// Field and message of each fault.
    faults: Vec<(String, String)>,
}

impl Said {
    fn fields(&self) -> BTreeSet<&str> {
        self.faults.iter().map(|(field, _)| field.as_str()).collect()
    }
}

/// The offline check.
fn offline(manifest: &Value) -> Said {
    let faults: Vec<_> = match decode(manifest) {
        Err(problems) => problems.into_iter().map(|it| (it.path.unwrap_or_default(), it.message)).collect(),
        Ok(_) => validate(manifest).into_iter().map(|it| (it.path, it.message)).collect(),
    };
    Said { refused: !faults.is_empty(), message: String::new(), faults }
}

/// The API server's answers, in the order of the manifests.
fn server(cluster: &Cluster, manifests: &[Value]) -> Vec<Said> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = connect(None).await.unwrap();
        let executor = KubernetesExecutor::new(connection, cluster.namespace(), "test".parse().unwrap());
        let ask = async |manifest: &Value| match executor.dry_run(manifest).await {
            Ok(_) => Said::default(),
            Err(DryRunError::Refused { message, causes, .. }) => {
                let faults = causes.into_iter().map(|cause| (cause.field, cause.message)).collect();
                Said { refused: true, message, faults }
            }
            Err(DryRunError::Executor(error)) => panic!("{error}: {manifest}"),
        };
        stream::iter(manifests).map(ask).buffered(AT_ONCE).collect().await
    })
}

fn manifests(cases: &[Case]) -> Vec<Value> {
    cases.iter().map(Case::manifest).collect()
}

fn no_differences(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
#[ignore = "needs a cluster"]
fn what_the_server_refuses_is_refused_offline_at_the_same_fields_and_its_answers_are_those_on_record() {
    let cluster = Cluster::new();
    let cases = corpus::refused();
    assert!(cases.len() >= 150, "the corpus holds only {} manifests", cases.len());
    let mut wrong = Vec::new();
    for (case, said) in cases.iter().zip(server(&cluster, &manifests(&cases))) {
        let name = &case.name;
        let here = offline(&case.manifest());
        if !said.refused || !here.refused {
            wrong.push(format!("{name}: the server says {said:?}, the offline check {here:?}"));
            continue;
        }
        if let Some(recorded) = &case.decode {
            if !said.message.starts_with(recorded.as_str()) {
                wrong.push(format!("{name}: the server says {:?}, on record is {recorded:?}", said.message));
            }
            continue;
        }
        if case.differs.is_none() && said.fields() != here.fields() {
            wrong.push(format!("{name}: the server names {:?}, the offline check {:?}", said.fields(), here.fields()));
        }
        let recorded = |field: &str, message: &str| case.causes.iter().any(|cause| cause.is(field, message));
        for (field, message) in said.faults.iter().filter(|(field, message)| !recorded(field, message)) {
            wrong.push(format!("{name}: the server says {field}: {message}, which is not on record"));
        }
        for cause in &case.causes {
            if !said.faults.iter().any(|(field, message)| cause.is(field, message)) {
                wrong.push(format!("{name}: on record is {cause:?}, the server says {said:?}"));
            }
        }
    }
    no_differences(&wrong);
}

#[test]
#[ignore = "needs a cluster"]
fn what_the_server_accepts_is_accepted_offline() {
    let cluster = Cluster::new();
    let cases = corpus::accepted();
    let mut wrong = Vec::new();
    for (case, said) in cases.iter().zip(server(&cluster, &manifests(&cases))) {
        let here = offline(&case.manifest());
        if said.refused || here.refused {
            wrong.push(format!("{}: the server says {said:?}, the offline check {here:?}", case.name));
        }
    }
    no_differences(&wrong);
}

#[test]
#[ignore = "needs a cluster"]
fn what_the_server_cannot_decode_is_refused_offline() {
    let cluster = Cluster::new();
    let cases = corpus::undecoded();
    let mut wrong = Vec::new();
    for (case, said) in cases.iter().zip(server(&cluster, &manifests(&cases))) {
        let recorded = case.decode.as_deref().unwrap();
        if !said.message.starts_with(recorded) {
            wrong.push(format!("{}: the server says {said:?}, on record is {recorded:?}", case.name));
        }
        let here = offline(&case.manifest());
        let told: BTreeSet<String> = here.fields().into_iter().map(without_indexes).collect();
        let named = |field: &String| {
            let field = without_indexes(field);
            told.iter()
                .any(|path| path.strip_prefix(&field).is_some_and(|it| it.is_empty() || it.starts_with(['.', '['])))
        };
        let same = case.differs.is_some() || case.undecoded().iter().all(named);
        if !here.refused || !same {
            wrong.push(format!("{}: the server says {said:?}, the offline check {here:?}", case.name));
        }
    }
    no_differences(&wrong);
}

#[test]
#[ignore = "needs a cluster"]
fn a_render_with_a_look_at_the_server_shows_what_it_would_take_and_what_not() {
    let cluster = Cluster::new();
    let setup = cluster.setup();
    let render = |spec: &Value| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jobwright"));
        command.current_dir(setup.path()).args(["render", "any", "--server-side", "--namespace", cluster.namespace()]);
        command.args(["--templates", "templates", "-p", &format!("spec={spec}")]).output().unwrap()
    };
    let taken = render(&script("true"));
    let told = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert_eq!(taken.status.code(), Some(0), "{told}");
    assert!(String::from_utf8_lossy(&taken.stdout).contains("kind: Job"), "{told}");
    // What only the server knows: a quota.
    cluster.apply(&serde_json::json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }));
    let refused =
        cluster.until("the quota holds", || Some(render(&script("true"))).filter(|answer| !answer.status.success()));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("exceeded quota: none"), "{told}");
    assert!(cluster.list("jobs").is_empty(), "a look leaves nothing behind");
}
