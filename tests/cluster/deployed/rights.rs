//! What the service's own account may do: all of it listed, and refused where it is more.

use std::collections::BTreeSet;
use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{JOBS, SERVICE, busybox, kubectl, service_pod, shared, try_kubectl};
use crate::house::merged;

/// What it may do beyond what any account may.
const COMMITTED: &str = include_str!("rights.txt");

/// Somebody with a token, and nothing else to show.
struct Account {
    kubeconfig: NamedTempFile,
}

impl Account {
    /// A service account of the service's namespace.
    fn of(name: &str) -> Self {
        let token = kubectl(&["--namespace", SERVICE, "create", "token", name]);
        let config = kubectl(&["config", "view", "--raw", "--minify", "--flatten", "--output=json"]);
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config["users"][0]["user"] = json!({"token": token.trim()});
        let mut kubeconfig = NamedTempFile::new().unwrap();
        kubeconfig.write_all(config.to_string().as_bytes()).unwrap();
        Self { kubeconfig }
    }

    fn kubectl(&self, args: &[&str], stdin: &str) -> Result<String, String> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.path().display());
        try_kubectl(&[&[kubeconfig.as_str()], args].concat(), stdin)
    }

    /// `VERBS RESOURCE`, for each resource that it may use in a namespace.
    fn rights(&self, namespace: &str) -> BTreeSet<String> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace},
        });
        let answer = self
            .kubectl(&["create", "--validate=false", "--filename=-", "--output=json"], &review.to_string())
            .unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"]["incomplete"], false, "{answer}");
        let texts = |value: &Value| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            let mut texts: Vec<_> = items.map(|it| it.as_str().unwrap().to_owned()).collect();
            texts.sort();
            texts
        };
        let mut rights = BTreeSet::new();
        for rule in answer["status"]["resourceRules"].as_array().unwrap() {
            for (group, resource) in texts(&rule["apiGroups"])
                .iter()
                .flat_map(|group| texts(&rule["resources"]).into_iter().map(move |resource| (group.clone(), resource)))
            {
                let group = if group.is_empty() { "core".to_owned() } else { group };
                let names = texts(&rule["resourceNames"]).join(", ");
                let named = if names.is_empty() { String::new() } else { format!(" named {names}") };
                rights.insert(format!("{} {group}/{resource}{named}", texts(&rule["verbs"]).join(", ")));
            }
        }
        for rule in answer["status"]["nonResourceRules"].as_array().unwrap() {
            for url in texts(&rule["nonResourceURLs"]) {
                rights.insert(format!("{} {url}", texts(&rule["verbs"]).join(", ")));
            }
        }
        rights
    }
}

#[test]
#[ignore = "needs a cluster"]
fn the_service_may_do_what_is_listed_and_nothing_else() {
    let _deployed = shared();
    let (service, anyone) = (Account::of("jobwright"), Account::of("default"));
    let mut list = String::new();
    for namespace in [JOBS, SERVICE, "default", "kube-system"] {
        let more = &service.rights(namespace) - &anyone.rights(namespace);
        list.push_str(&format!("in {namespace}:\n"));
        more.iter().for_each(|right| list.push_str(&format!("  {right}\n")));
    }
    assert!(list == COMMITTED, "the rights are not those of tests/cluster/deployed/rights.txt any more:\n{list}");
}

/// A Job as the service launches them, with something put over its spec and labels.
fn job(labels: Value, pod: Value) -> Value {
    let restricted = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container(json!({}))],
    });
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "made-by-a-test", "labels": labels},
        "spec": {"backoffLimit": 0, "template": {"spec": merged(restricted, pod)}},
    })
}

fn container(over: Value) -> Value {
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let container = json!({"name": "main", "image": busybox(), "command": ["true"], "securityContext": security});
    merged(container, over)
}

fn ours() -> Value {
    json!({"app.kubernetes.io/managed-by": "jobwright", "jobwright.dev/installation": "test"})
}

#[test]
#[ignore = "needs a cluster"]
fn the_policy_refuses_jobs_that_reach_beyond_themselves() {
    let _deployed = shared();
    let service = Account::of("jobwright");
    let create = |job: &Value| {
        service.kubectl(&["--namespace", JOBS, "create", "--dry-run=server", "--filename=-"], &job.to_string())
    };
    create(&job(ours(), json!({}))).expect("what the service launches is accepted");
    let host_path = json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]});
    let containers = |over: Value| json!({"containers": [container(over)]});
    let init = json!({"initContainers": [container(json!({"name": "init", "securityContext": {"privileged": true, "allowPrivilegeEscalation": true}}))]});
    let without = |label: &str| {
        let mut labels = ours();
        labels.as_object_mut().unwrap().remove(label);
        labels
    };
    for (what, job, words) in [
        ("no label", job(json!({}), json!({})), "may only touch Jobs that carry its labels"),
        ("another manager", job(without("app.kubernetes.io/managed-by"), json!({})), "carry its labels"),
        ("no installation", job(without("jobwright.dev/installation"), json!({})), "carry its labels"),
        ("hostPath", job(ours(), host_path), "(hostPath)"),
        ("hostNetwork", job(ours(), json!({"hostNetwork": true})), "may not use the network, the processes or the IPC"),
        ("hostPID", job(ours(), json!({"hostPID": true})), "may not use the network, the processes or the IPC"),
        ("hostIPC", job(ours(), json!({"hostIPC": true})), "may not use the network, the processes or the IPC"),
        (
            "privileged",
            job(ours(), containers(json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": true}}))),
            "privileged container",
        ),
        ("a privileged init container", job(ours(), init), "privileged container"),
        ("hostPort", job(ours(), containers(json!({"ports": [{"containerPort": 80, "hostPort": 80}]}))), "(hostPort)"),
        (
            "an account of somebody else",
            job(ours(), json!({"serviceAccountName": "somebody"})),
            "may not run as the service account somebody: the policy allows default",
        ),
    ] {
        let refused = create(&job).expect_err(what);
        assert!(refused.contains("jobwright-e2e") && refused.contains(words), "{what}: {refused}");
    }
}

#[test]
#[ignore = "needs a cluster"]
fn the_service_may_not_touch_what_is_not_its_own() {
    let _deployed = shared();
    let service = Account::of("jobwright");
    let forbidden = |what: &str, args: &[&str], stdin: &str| {
        let refused = service.kubectl(args, stdin).expect_err(what);
        let by_whom = ["orbidden", "denied request"];
        assert!(by_whom.iter().any(|words| refused.contains(words)), "{what}: {refused}");
        refused
    };
    let ours_elsewhere = job(ours(), json!({})).to_string();
    for namespace in ["default", SERVICE] {
        forbidden("a Job elsewhere", &["--namespace", namespace, "create", "--filename=-"], &ours_elsewhere);
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made-by-a-test"},
        "spec": {"containers": [container(json!({}))]},
    });
    forbidden("a pod", &["--namespace", JOBS, "create", "--filename=-"], &pod.to_string());
    for namespace in [JOBS, SERVICE, "kube-system"] {
        forbidden("Secrets", &["--namespace", namespace, "get", "secrets"], "");
        forbidden("a Secret", &["--namespace", namespace, "get", "secret", "made-by-a-test"], "");
    }
    forbidden("a token", &["--namespace", SERVICE, "create", "token", "jobwright-user"], "");
    forbidden("other namespaces", &["get", "namespaces"], "");
    let own = service_pod()["metadata"]["name"].as_str().unwrap().to_owned();
    forbidden("a shell in a pod", &["--namespace", SERVICE, "exec", &own, "--", "true"], "");

    // A Job of somebody else in the very namespace: Kubernetes' own rights would let it go.
    let theirs = job(json!({"app.kubernetes.io/managed-by": "somebody"}), json!({"containers": []}));
    let theirs = merged(theirs, json!({"metadata": {"name": "of-somebody-else"}, "spec": {"suspend": true}}));
    let theirs = merged(theirs, json!({"spec": {"template": {"spec": {"containers": [container(json!({}))]}}}}));
    try_kubectl(&["--namespace", JOBS, "create", "--filename=-"], &theirs.to_string()).unwrap();
    let refused = forbidden("another's Job", &["--namespace", JOBS, "delete", "job", "of-somebody-else"], "");
    assert!(refused.contains("may only touch Jobs that carry its labels"), "{refused}");
    kubectl(&["--namespace", JOBS, "delete", "job", "of-somebody-else"]);
}
