use proptest::prelude::*;
use serde_json::json;

use super::super::hostile_tests::json_value;
use super::*;

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "t"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "busybox:1.37"}],
        }}},
    })
}

fn told(manifest: &Value) -> Vec<String> {
    decode(manifest).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_job_is_decoded() {
    let job = decode(&job()).unwrap();
    assert_eq!(job.metadata.name.as_deref(), Some("t"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut manifest = job();
    manifest["sepc"] = json!({});
    manifest["spec"]["backoffLimit"] = json!("0");
    manifest["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = json!("Always");
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": 1}]);
    let told = told(&manifest);
    for expected in [
        "sepc: Kubernetes knows no such field; did you mean `spec`?",
        "spec.backoffLimit: expected a whole number of 32 bits, found a text",
        "spec.template.spec.containers[0].imagePullPolcy: Kubernetes knows no such field; did you mean `imagePullPolicy`?",
        "spec.template.spec.containers[0].env[0].value: expected a text, found a number",
    ] {
        assert!(told.iter().any(|it| it == expected), "{expected} is not in {told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[test]
fn only_a_job_is_a_job() {
    for (field, value) in [("kind", json!("CronJob")), ("apiVersion", json!("v1")), ("kind", json!(1))] {
        let mut manifest = job();
        manifest[field] = value;
        assert!(told(&manifest)[0].starts_with(&format!("{field}: must be ")));
    }
    assert!(told(&json!([1]))[0].contains("found a list"));
    assert!(told(&json!({}))[0].contains("it is missing"));
}

#[test]
fn a_list_is_no_struct() {
    let mut manifest = job();
    manifest["spec"]["template"] = json!([]);
    assert!(told(&manifest)[0].starts_with("spec.template: expected"));
}

proptest! {
    #[test]
    fn no_value_in_any_field_is_too_odd(value in json_value()) {
        for pointer in ["/metadata", "/metadata/labels", "/spec", "/spec/template/spec/containers", "/spec/template/spec/containers/0", "/spec/completions"] {
            let mut manifest = job();
            match manifest.pointer_mut(pointer) {
                Some(place) => *place = value.clone(),
                None => manifest["spec"]["completions"] = value.clone(),
            }
            let _ = decode(&manifest);
        }
    }
}
