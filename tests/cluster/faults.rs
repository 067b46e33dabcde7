//! Parts of the cluster that go away, hang, and come back. Each test here has the cluster for itself.

use crate::house::{Cluster, gated, part};

#[test]
#[ignore = "needs a cluster"]
fn an_api_server_that_restarts_keeps_no_job_from_its_end() {
    let cluster = Cluster::alone();
    let app = cluster.serve();
    app.launch("k1", &gated("echo done"));
    let pod = app.wait_until_ready("k1");
    part("kube-apiserver", "restart");
    cluster.until("the API server's return", || cluster.try_kubectl(&["get", "pods"], "").ok());
    cluster.open_gate(&pod);
    let job = app.wait_for_end("k1");
    assert_eq!((&job["phase"], &job["exit_code"]), (&"Succeeded".into(), &0.into()), "{}", app.story("k1"));
}
