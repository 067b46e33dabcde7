//! Removing it.

use super::{JOBS, SERVICE, alone, kubectl};

#[test]
#[ignore = "needs a cluster"]
fn namespaces_with_jobs_in_them_go_while_the_service_is_down() {
    let deployed = alone();
    deployed.launch_slow("left-behind", 60);
    kubectl(&["--namespace", SERVICE, "scale", "deployment/jobwright", "--replicas=0"]);
    kubectl(&[
        "--namespace",
        SERVICE,
        "wait",
        "--for=delete",
        "pod",
        "--selector=app.kubernetes.io/component=server",
        "--timeout=60s",
    ]);
    let jobs = kubectl(&["--namespace", JOBS, "get", "jobs", "--output=name"]);
    assert!(jobs.contains("job.batch/slow-"), "{jobs}");
    // Returns when both are gone; a finalizer of ours would keep them for ever.
    kubectl(&["delete", "namespace", SERVICE, JOBS, "--timeout=120s"]);
    deployed.removed();
}
