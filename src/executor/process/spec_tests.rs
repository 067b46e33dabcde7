use serde_json::json;

use super::super::invocation::PodIdentity;
use super::*;

fn images() -> Vec<ImageMapping> {
    vec!["busybox=/bin/sh".parse().unwrap()]
}

/// A manifest with one container; `change` is what a test is about.
fn manifest(change: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "r.example/busybox:1", "command": ["sh", "-c", "true"]}],
        }}},
    });
    change(&mut manifest);
    manifest
}

fn read_it(change: impl FnOnce(&mut Value)) -> Result<JobSpec, Vec<Fault>> {
    read(&manifest(change), &images(), Duration::from_secs(30))
}

fn faults(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let faults = read_it(change).unwrap_err();
    faults.into_iter().map(|(path, message)| format!("{path}: {message}")).collect()
}

fn container(manifest: &mut Value) -> &mut Value {
    &mut manifest["spec"]["template"]["spec"]["containers"][0]
}

const IDENTITY: PodIdentity<'_> =
    PodIdentity { job_name: "it", job_uid: "u1", name: "it-2-0", namespace: "local", node: "here", index: Some(2) };

#[test]
fn what_a_manifest_leaves_out_is_as_in_kubernetes() {
    let spec = read_it(|_| {}).unwrap();
    assert_eq!(spec.limits.completions, 1);
    assert_eq!(spec.limits.parallelism, 1);
    assert_eq!(spec.limits.backoff_limit, 6);
    assert_eq!(spec.deadline, None);
    assert!(!spec.suspended);
    assert_eq!(spec.pod.grace, Duration::from_secs(30));
}

#[test]
fn counting_by_index_lifts_the_default_limit_over_all() {
    let spec = read_it(|it| {
        it["spec"]["completionMode"] = json!("Indexed");
        it["spec"]["backoffLimitPerIndex"] = json!(1);
    });
    assert_eq!(spec.unwrap().limits.backoff_limit, u32::MAX);
}

#[test]
fn every_fault_is_told_at_once_with_its_path() {
    let told = faults(|it| {
        it["spec"]["activeDeadlineSeconds"] = json!(-1);
        it["spec"]["parallelism"] = json!(2);
        it["spec"]["backoffLimitPerIndex"] = json!(1);
        it["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        let pod = &mut it["spec"]["template"]["spec"];
        pod["containers"] = json!([
            {"name": "a", "image": "report:1"},
            {"name": "a", "image": "busybox", "command": ["ls"]},
            {"name": "B_", "image": "busybox", "args": ["\u{0}"]},
            {"name": "c", "image": "busybox", "env": [
                {"name": "A=B", "value": "x"},
                {"name": "N", "value": "\u{0}"},
                {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ]},
        ]);
    });
    let pod = "spec.template.spec";
    for expected in [
        format!("{pod}.volumes: cannot be honoured"),
        "spec.completions: is missing".to_owned(),
        "spec.activeDeadlineSeconds: is negative".to_owned(),
        "spec.backoffLimitPerIndex: needs completionMode `Indexed`".to_owned(),
        format!(
            "{pod}.containers[0].image: no program of this machine stands for image \"report\"; map one with --image report=PATH"
        ),
        format!("{pod}.containers[1].name: \"a\" is the name of two containers"),
        format!("{pod}.containers[1].command[0]: is \"ls\", but image \"busybox\" is mapped to /bin/sh"),
        format!("{pod}.containers[2].name: is \"B_\""),
        format!("{pod}.containers[2].args[0]: holds a NUL"),
        format!("{pod}.containers[3].env[0].name: is \"A=B\""),
        format!("{pod}.containers[3].env[1].value: holds a NUL"),
        format!("{pod}.containers[3].env[2].valueFrom.fieldRef.fieldPath: is \"status.podIP\""),
    ] {
        assert!(told.iter().any(|it| it.starts_with(&expected)), "{expected}\nin {told:#?}");
    }
    assert_eq!(told.len(), 12, "{told:#?}");
}

#[test]
fn what_is_no_job_is_said_to_be_none() {
    for value in [json!(null), json!([]), json!({}), json!({"spec": {"template": {"spec": 1}}})] {
        assert!(read(&value, &images(), Duration::ZERO).is_err(), "{value}");
    }
}

#[test]
fn counts_that_make_no_sense_are_faults() {
    for (field, value) in [
        ("completions", json!(0)),
        ("completions", json!(-1)),
        ("completions", json!(10_001)),
        ("parallelism", json!(0)),
        ("backoffLimit", json!(-1)),
        ("maxFailedIndexes", json!(1)),
        ("completionMode", json!("indexed")),
    ] {
        let told = faults(|it| {
            it["spec"][field] = value.clone();
        });
        assert!(told[0].starts_with(&format!("spec.{field}: ")), "{told:?}");
    }
}

#[test]
fn an_invocation_has_all_that_the_container_declares() {
    let spec = read_it(|it| {
        it["spec"]["template"]["metadata"] = json!({"labels": {"team": "a"}, "annotations": {"day": "1"}});
        let main = container(it);
        main["command"] = json!(["/bin/sh", "-c", "echo $(GREETING)"]);
        main["args"] = json!(["$(JOB_COMPLETION_INDEX)", "$$(GREETING)", "$(PATH)"]);
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        main["env"] = json!([
            {"name": "GREETING", "value": "hello"},
            {"name": "TWICE", "value": "$(GREETING) $(GREETING)"},
            {"name": "EMPTY"},
            field("NODE", "spec.nodeName"),
            field("NAMESPACE", "metadata.namespace"),
            field("TEAM", "metadata.labels['team']"),
            field("DAY", "metadata.annotations['day']"),
            field("JOB", "metadata.labels['batch.kubernetes.io/job-name']"),
            field("INDEX", "metadata.annotations['batch.kubernetes.io/job-completion-index']"),
        ]);
    })
    .unwrap();
    let base = [("PATH".to_owned(), "/bin".to_owned())];
    let invocation = spec.pod.invocation(&spec.pod.containers[0], &IDENTITY, &base);
    assert_eq!(invocation.program, Some("/bin/sh".into()));
    assert_eq!(invocation.arg0.as_deref(), Some("/bin/sh"));
    assert_eq!(invocation.args, ["-c", "echo hello", "2", "$(GREETING)", "$(PATH)"]);
    let env: Vec<String> = invocation.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "DAY=1",
        "EMPTY=",
        "GREETING=hello",
        "HOSTNAME=it-2-0",
        "INDEX=2",
        "JOB=it",
        "JOB_COMPLETION_INDEX=2",
        "NAMESPACE=local",
        "NODE=here",
        "PATH=/bin",
        "TEAM=a",
        "TWICE=hello hello",
    ];
    assert_eq!(env, expected);
}

#[test]
fn the_built_in_worker_is_this_program_itself() {
    let spec = read_it(|it| {
        let main = container(it);
        main["image"] = json!("r.example/p/jobwright-worker:1");
        main["command"] = json!(["/app/dummyjob"]);
        main["args"] = json!(["--job-id", "k1"]);
    });
    let spec = spec.unwrap();
    let invocation = spec.pod.invocation(&spec.pod.containers[0], &IDENTITY, &[]);
    assert_eq!(invocation.program, None);
    assert_eq!(invocation.args, ["worker", "demo", "--job-id", "k1"]);
}
