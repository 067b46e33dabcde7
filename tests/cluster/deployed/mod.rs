//! The service as it is deployed: the overlay `kustomize/overlays/e2e` with images that were built from the Dockerfiles
//! (`.ci/images`) and that the nodes have. One deployment serves all tests here. It is made when the first of them needs
//! it, and removed when the test program ends, however it ends.
//!
//! Tests that only use it share it ([`shared`]); those that restart, evict or remove it have it for themselves
//! ([`alone`]).

mod launches;
mod readme;
mod restarts;
mod rights;
mod uninstall;

use std::io::Write as _;
use std::net::TcpListener;
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

use crate::house::{Hold, PATIENCE, busybox, pause};
use crate::support::TestApp;

/// Where the service is.
const SERVICE: &str = "jobwright-e2e";
/// Where its jobs are.
const JOBS: &str = "jobwright-e2e-jobs";
const OVERLAY: &str = "kustomize/overlays/e2e";

static DEPLOYED: RwLock<Option<Deployed>> = RwLock::new(None);

/// The deployment, and the way to it.
pub struct Deployed {
    /// The service, through a tunnel, as somebody who may launch jobs.
    pub app: TestApp,
    /// The token of that somebody.
    pub token: String,
    _tunnel: Tunnel,
    _undertaker: Undertaker,
}

/// The deployment, for one of many tests at a time.
pub struct Shared {
    deployed: RwLockReadGuard<'static, Option<Deployed>>,
    _hold: Hold,
}

/// The deployment, for one test alone.
pub struct Alone {
    deployed: RwLockWriteGuard<'static, Option<Deployed>>,
    _hold: Hold,
}

impl Deref for Shared {
    type Target = Deployed;

    fn deref(&self) -> &Deployed {
        self.deployed.as_ref().unwrap()
    }
}

impl Deref for Alone {
    type Target = Deployed;

    fn deref(&self) -> &Deployed {
        self.deployed.as_ref().unwrap()
    }
}

impl Alone {
    /// It is not there any more. The next test makes a new one.
    fn removed(mut self) {
        *self.deployed = None;
    }
}

/// The deployment, together with other tests.
pub fn shared() -> Shared {
    let hold = Hold::shared();
    let deployed = RwLockWriteGuard::downgrade(made());
    Shared { deployed, _hold: hold }
}

/// The deployment, while no other test uses it. What else is on the cluster goes on.
pub fn alone() -> Alone {
    let hold = Hold::shared();
    Alone { deployed: made(), _hold: hold }
}

/// The deployment, while no other test uses the cluster.
pub fn alone_on_the_cluster() -> Alone {
    let hold = Hold::alone();
    Alone { deployed: made(), _hold: hold }
}

fn made() -> RwLockWriteGuard<'static, Option<Deployed>> {
    let mut deployed = DEPLOYED.write().unwrap_or_else(PoisonError::into_inner);
    if deployed.is_none() {
        *deployed = Some(Deployed::make());
    }
    deployed
}

impl Deployed {
    fn make() -> Self {
        // What an earlier run may have left.
        kubectl(&["delete", "--kustomize", OVERLAY, "--ignore-not-found", "--timeout=120s"]);
        let undertaker = Undertaker::for_overlay(OVERLAY, SERVICE);
        provide_volume(SERVICE);
        kubectl(&["apply", "--kustomize", OVERLAY]);
        kubectl(&["--namespace", SERVICE, "rollout", "status", "deployment/jobwright", "--timeout=120s"]);
        let token = kubectl(&["--namespace", SERVICE, "create", "token", "jobwright-user", "--duration=2h"]);
        let tunnel = Tunnel::to(SERVICE);
        let mut app = TestApp::at(&tunnel.url, PATIENCE);
        app.sign_in(token.trim());
        let deployed = Self { app, token: token.trim().to_owned(), _tunnel: tunnel, _undertaker: undertaker };
        deployed.wait_until_reached();
        deployed
    }

    /// Waits until the service can do all its work, and the tunnel leads to it.
    pub fn wait_until_reached(&self) {
        let ready = || self.app.try_get("/readyz").filter(|answer| answer.status == 200);
        self.app.until(ready);
    }

    /// Somebody without a token.
    pub fn stranger(&self) -> TestApp {
        TestApp::at(&self.app.url, PATIENCE)
    }

    /// Launches a job of the tests' template `slow`, whose two steps take so many seconds each, and waits until its worker
    /// has reported for the first time.
    pub fn launch_slow(&self, id: &str, seconds: u32) {
        let body = json!({"template": "slow", "id": id, "parameters": {"seconds": seconds}});
        let answer = self.app.post("/api/v1/jobs", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        self.app.wait(id, |job| job["report"]["status"] == "Start Processing");
    }
}

/// The one pod of the service.
pub fn service_pod() -> Value {
    let selector = "--selector=app.kubernetes.io/component=server";
    let pods = kubectl(&["--namespace", SERVICE, "get", "pods", selector, "--output=json"]);
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let pods = pods["items"].as_array().unwrap();
    assert_eq!(pods.len(), 1, "{pods:#?}");
    pods[0].clone()
}

/// `kubectl ARGS`, which must succeed.
pub fn kubectl(args: &[&str]) -> String {
    try_kubectl(args, "").unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
}

/// `kubectl ARGS` with something on stdin or nothing: what it prints, or what is wrong.
pub fn try_kubectl(args: &[&str], stdin: &str) -> Result<String, String> {
    let mut child = Command::new("kubectl")
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl is on the PATH");
    // It need not read it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A shell script that goes on by itself, in a process group of its own, and sees its stdin end with this value or with
/// this process, whichever ends first.
fn companion(script: &str, arguments: &[&str]) -> Child {
    Command::new("sh")
        .args(["-c", script, "sh"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A port of this machine that leads to the service, whichever pod that is at the time.
pub struct Tunnel {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    _companion: Child,
}

impl Tunnel {
    /// To the Service `jobwright` of a namespace.
    pub fn to(namespace: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // A tunnel ends with its pod; the next one is dug at once.
        let script = r#"
            while :; do
                kubectl --namespace "$1" port-forward --address 127.0.0.1 service/jobwright "$2:80"
                sleep 0.2
            done &
            cat
            kill 0
        "#;
        let port = free.port().to_string();
        Self { url: format!("http://127.0.0.1:{port}"), _companion: companion(script, &[namespace, &port]) }
    }
}

/// Removes an installation once nobody needs it any more, even if the test program was killed.
pub struct Undertaker(#[expect(dead_code, reason = "held, not read")] Child);

impl Undertaker {
    /// Of an overlay, and of the volume that it may have got from [`provide_volume`].
    pub fn for_overlay(overlay: &str, namespace: &str) -> Self {
        let script = r#"
            cat
            kubectl delete --kustomize "$1" --ignore-not-found --wait=false
            kubectl delete persistentvolume "$2" --ignore-not-found --wait=false
        "#;
        Self(companion(script, &[overlay, &volume_name(namespace)]))
    }
}

fn volume_name(namespace: &str) -> String {
    format!("{namespace}-test-data")
}

/// Where the cluster makes no volumes by itself: an empty folder on one of its nodes for the service's claim.
pub fn provide_volume(namespace: &str) {
    let classes: Value = serde_json::from_str(&kubectl(&["get", "storageclasses", "--output=json"])).unwrap();
    let is_default =
        |class: &Value| class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
    if classes["items"].as_array().unwrap().iter().any(is_default) {
        return;
    }
    let name = volume_name(namespace);
    kubectl(&["delete", &format!("persistentvolume/{name}"), &format!("pod/{name}"), "--ignore-not-found"]);
    let script = format!("rm -rf /folders/{name} && mkdir /folders/{name} && chown 65532:65532 /folders/{name}");
    let folders = "/var/lib/jobwright-test";
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "main", "image": busybox(), "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
                "volumeMounts": [{"name": "folders", "mountPath": "/folders"}],
            }],
            "volumes": [{"name": "folders", "hostPath": {"path": folders, "type": "DirectoryOrCreate"}}],
        },
    });
    try_kubectl(&["create", "--filename=-"], &pod.to_string()).unwrap();
    let pod = format!("pod/{name}");
    kubectl(&["--namespace=default", "wait", "--for=jsonpath={.status.phase}=Succeeded", &pod, "--timeout=60s"]);
    let node = kubectl(&["--namespace=default", "get", &pod, "--output=jsonpath={.spec.nodeName}"]);
    kubectl(&["--namespace=default", "delete", &pod, "--wait=false"]);
    let on_the_node = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [node]});
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": "jobwright-data"},
            "hostPath": {"path": format!("{folders}/{name}")},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_the_node]}]}},
        },
    });
    try_kubectl(&["create", "--filename=-"], &volume.to_string()).unwrap();
}

/// Looks again until there is something. For what no event tells.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come to pass: {what}");
        pause(std::time::Duration::from_millis(100));
    }
}
