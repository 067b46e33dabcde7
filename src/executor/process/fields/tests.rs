use serde_json::json;

use super::*;

fn job(pod: Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}})
}

#[test]
fn a_hardened_pod_is_run_as_it_is() {
    let faults = check(&job(json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [],
        "containers": [{
            "name": "main",
            "image": "busybox:1",
            "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "ports": [{"containerPort": 80}],
        }],
    })));
    assert_eq!(faults, []);
}

#[test]
fn what_would_change_the_job_is_refused_with_its_path() {
    let faults = check(&job(json!({
        "volumes": [{"name": "v", "emptyDir": {}}],
        "serviceAccountName": "robot",
        "mystery": 1,
        "containers": [{
            "name": "main",
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "securityContext": {"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}},
            "tty": true,
        }],
    })));
    let paths: Vec<&str> = faults.iter().map(|(path, _)| path.as_str()).collect();
    let pod = "spec.template.spec";
    let expected = [
        "containers[0].env[0].valueFrom.secretKeyRef",
        "containers[0].securityContext.capabilities.add",
        "containers[0].securityContext.privileged",
        "containers[0].tty",
        "containers[0].volumeMounts",
        "mystery",
        "serviceAccountName",
        "volumes",
    ]
    .map(|path| format!("{pod}.{path}"));
    assert_eq!(paths, expected);
    assert!(faults.iter().all(|(_, message)| message.contains("process executor")));
}

#[test]
fn the_reference_page_shows_this_table() {
    let rows = field_reference();
    let (head, _) = rows.split_at(rows.find("| `").unwrap());
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/process-executor.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let start = text.find(head).unwrap();
    let end = text[start..].find("\n\n").map_or(text.len(), |at| start + at + 1);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|it| it == "always") {
        let updated = format!("{}{rows}{}", &text[..start], &text[end..]);
        std::fs::write(&page, updated).unwrap();
    } else {
        assert_eq!(&text[start..end], rows, "run this test with INSTA_UPDATE=always");
    }
}
