//! Which fields of a Job the process executor honours, which it leaves aside, and which it refuses.
//!
//! The rule behind the table: a field that changes what the job does is honoured or refused. A field that only takes
//! something away from a container (rights, memory, a writable root), or that only says where a container may run,
//! is left aside, because there is no container here; a field that asks for more is refused. Every field that is not
//! in the table is refused.

use serde_json::Value;

/// What is done with a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It has its effect.
    Honoured,
    /// It is left aside, because of this.
    Ignored(&'static str),
    /// It has its effect if it has one of these values (as JSON), else it is refused with this advice.
    Only(&'static [&'static str], &'static str),
    /// It is refused, with this advice.
    Refused(&'static str),
    /// An object with these fields.
    Object(Fields),
    /// A list of objects with these fields.
    Each(Fields),
}

/// Fields by name.
pub(super) type Fields = &'static [(&'static str, Rule)];

use Rule::{Each, Honoured, Ignored, Object, Only, Refused};

const CONFINES: &str =
    "it only takes rights from a container, and a process has those of the service";
const PLACE: &str = "this machine is the only place";
const NO_PULL: &str = "no image is pulled";
const NO_PROBES: &str = "nothing probes a process here; remove it, or run this job on Kubernetes";
const NO_VOLUMES: &str =
    "a process has no mounts; let the job use its working folder, or run it on Kubernetes";
const NO_REFERENCES: &str = "there are no ConfigMaps and Secrets here; give the value itself, or run this job on Kubernetes";

const SECURITY: Fields = &[
    ("allowPrivilegeEscalation", Ignored(CONFINES)),
    ("appArmorProfile", Ignored(CONFINES)),
    (
        "capabilities",
        Object(&[
            ("drop", Ignored(CONFINES)),
            (
                "add",
                Refused("a process gets no capabilities of its own; remove it"),
            ),
        ]),
    ),
    ("fsGroup", Ignored("there are no volumes to own")),
    (
        "fsGroupChangePolicy",
        Ignored("there are no volumes to own"),
    ),
    (
        "privileged",
        Only(
            &["false"],
            "a process has the rights of the service and no more; remove it",
        ),
    ),
    (
        "procMount",
        Only(
            &["\"Default\""],
            "a process sees the machine's own /proc; remove it",
        ),
    ),
    ("readOnlyRootFilesystem", Ignored(CONFINES)),
    ("runAsGroup", Ignored(CONFINES)),
    ("runAsNonRoot", Ignored(CONFINES)),
    ("runAsUser", Ignored(CONFINES)),
    ("seLinuxOptions", Ignored(CONFINES)),
    ("seccompProfile", Ignored(CONFINES)),
    (
        "supplementalGroups",
        Ignored("there are no volumes to share"),
    ),
    (
        "supplementalGroupsPolicy",
        Ignored("there are no volumes to share"),
    ),
    (
        "sysctls",
        Refused("a process shares the machine's kernel settings; remove it"),
    ),
    (
        "windowsOptions",
        Refused("this is no Windows machine; remove it"),
    ),
];

const ENV: Fields = &[
    ("name", Honoured),
    ("value", Honoured),
    (
        "valueFrom",
        Object(&[
            (
                "fieldRef",
                Object(&[
                    ("apiVersion", Ignored("there is one version")),
                    ("fieldPath", Honoured),
                ]),
            ),
            ("configMapKeyRef", Refused(NO_REFERENCES)),
            ("secretKeyRef", Refused(NO_REFERENCES)),
            (
                "resourceFieldRef",
                Refused("resources are not limited here; give the value itself"),
            ),
            ("fileKeyRef", Refused(NO_REFERENCES)),
        ]),
    ),
];

const CONTAINER: Fields = &[
    ("name", Honoured),
    ("image", Honoured),
    ("command", Honoured),
    ("args", Honoured),
    ("env", Each(ENV)),
    ("envFrom", Refused(NO_REFERENCES)),
    ("imagePullPolicy", Ignored(NO_PULL)),
    (
        "lifecycle",
        Refused("nothing calls hooks here; remove it, or run this job on Kubernetes"),
    ),
    ("livenessProbe", Refused(NO_PROBES)),
    (
        "ports",
        Ignored("they are information; a process listens where it wants"),
    ),
    ("readinessProbe", Refused(NO_PROBES)),
    ("resizePolicy", Ignored("resources are not limited here")),
    (
        "resources",
        Object(&[
            ("limits", Ignored("resources are not limited here")),
            ("requests", Ignored(PLACE)),
            (
                "claims",
                Refused("there are no devices to claim here; remove it"),
            ),
        ]),
    ),
    (
        "restartPolicy",
        Refused("sidecars are not started here; make it a container of its own"),
    ),
    (
        "restartPolicyRules",
        Refused("restarts follow the pod's restartPolicy here; remove it"),
    ),
    ("securityContext", Object(SECURITY)),
    ("startupProbe", Refused(NO_PROBES)),
    (
        "stdin",
        Only(
            &["false"],
            "a process has no standard input here; remove it",
        ),
    ),
    (
        "stdinOnce",
        Only(
            &["false"],
            "a process has no standard input here; remove it",
        ),
    ),
    (
        "terminationMessagePath",
        Ignored("it changes no run, only the message that is shown after it"),
    ),
    (
        "terminationMessagePolicy",
        Ignored("it changes no run, only the message that is shown after it"),
    ),
    (
        "tty",
        Only(&["false"], "a process has no terminal here; remove it"),
    ),
    ("volumeDevices", Refused(NO_VOLUMES)),
    ("volumeMounts", Refused(NO_VOLUMES)),
    (
        "workingDir",
        Refused("a container runs in a folder of its own, which is also its HOME; remove it"),
    ),
];

const POD: Fields = &[
    ("containers", Each(CONTAINER)),
    ("initContainers", Each(CONTAINER)),
    (
        "restartPolicy",
        Only(
            &["\"Never\"", "\"OnFailure\""],
            "a Job's pods restart `Never` or `OnFailure`",
        ),
    ),
    ("terminationGracePeriodSeconds", Honoured),
    (
        "activeDeadlineSeconds",
        Refused("a pod has no deadline of its own here; set spec.activeDeadlineSeconds"),
    ),
    ("affinity", Ignored(PLACE)),
    (
        "automountServiceAccountToken",
        Only(
            &["false"],
            "there is no token to mount here; set it to false, or run this job on Kubernetes",
        ),
    ),
    (
        "dnsConfig",
        Refused("a process uses the machine's own name resolution; remove it"),
    ),
    (
        "dnsPolicy",
        Only(
            &["\"Default\"", "\"ClusterFirst\""],
            "a process uses the machine's own name resolution",
        ),
    ),
    (
        "enableServiceLinks",
        Ignored("there are no services to link"),
    ),
    ("ephemeralContainers", Refused("there are none in a Job")),
    (
        "hostAliases",
        Refused("a process uses the machine's own name resolution; remove it"),
    ),
    (
        "hostIPC",
        Ignored("a process shares the machine's IPC in any case"),
    ),
    (
        "hostNetwork",
        Ignored("a process uses the machine's network in any case"),
    ),
    (
        "hostPID",
        Ignored("a process shares the machine's processes in any case"),
    ),
    ("hostUsers", Ignored(CONFINES)),
    (
        "hostname",
        Refused("a process has the machine's own host name; remove it"),
    ),
    (
        "hostnameOverride",
        Refused("a process has the machine's own host name; remove it"),
    ),
    ("imagePullSecrets", Ignored(NO_PULL)),
    ("nodeName", Ignored(PLACE)),
    ("nodeSelector", Ignored(PLACE)),
    (
        "os",
        Object(&[(
            "name",
            Only(&["\"linux\""], "programs of this machine are run"),
        )]),
    ),
    ("overhead", Ignored("resources are not limited here")),
    ("preemptionPolicy", Ignored(PLACE)),
    ("priority", Ignored(PLACE)),
    ("priorityClassName", Ignored(PLACE)),
    ("readinessGates", Refused(NO_PROBES)),
    (
        "resourceClaims",
        Refused("there are no devices to claim here; remove it"),
    ),
    (
        "resources",
        Object(&[
            ("limits", Ignored("resources are not limited here")),
            ("requests", Ignored(PLACE)),
        ]),
    ),
    (
        "runtimeClassName",
        Refused("a process has no container runtime; remove it"),
    ),
    ("schedulerName", Ignored(PLACE)),
    (
        "schedulingGates",
        Refused("nothing would open the gate here; remove it"),
    ),
    ("securityContext", Object(SECURITY)),
    (
        "serviceAccount",
        Only(
            &["\"default\""],
            "a process has no service account; remove it, or run this job on Kubernetes",
        ),
    ),
    (
        "serviceAccountName",
        Only(
            &["\"default\""],
            "a process has no service account; remove it, or run this job on Kubernetes",
        ),
    ),
    (
        "setHostnameAsFQDN",
        Only(
            &["false"],
            "a process has the machine's own host name; remove it",
        ),
    ),
    (
        "shareProcessNamespace",
        Ignored("a process shares the machine's processes in any case"),
    ),
    (
        "subdomain",
        Refused("a process has the machine's own host name; remove it"),
    ),
    ("tolerations", Ignored(PLACE)),
    ("topologySpreadConstraints", Ignored(PLACE)),
    ("volumes", Refused(NO_VOLUMES)),
];

const METADATA: Fields = &[
    ("name", Honoured),
    ("generateName", Ignored("the object's name is Jobwright's")),
    ("namespace", Ignored("there is one namespace, `local`")),
    ("labels", Honoured),
    ("annotations", Honoured),
    ("creationTimestamp", Ignored("Jobwright sets it")),
    (
        "finalizers",
        Refused("nothing would remove the finalizer here; remove it"),
    ),
    (
        "ownerReferences",
        Refused("there are no other objects here; remove it"),
    ),
];

const SPEC: Fields = &[
    ("activeDeadlineSeconds", Honoured),
    ("backoffLimit", Honoured),
    (
        "backoffLimitPerIndex",
        Refused("attempts are counted over all indexes here; use backoffLimit"),
    ),
    ("completionMode", Honoured),
    ("completions", Honoured),
    (
        "managedBy",
        Refused("no other controller runs here; remove it"),
    ),
    (
        "manualSelector",
        Refused("pods are never selected by labels here; remove it"),
    ),
    (
        "maxFailedIndexes",
        Refused("attempts are counted over all indexes here; use backoffLimit"),
    ),
    ("parallelism", Honoured),
    (
        "podFailurePolicy",
        Refused("every failure counts the same here; remove it, or run this job on Kubernetes"),
    ),
    (
        "podReplacementPolicy",
        Ignored("a pod is replaced when it has ended, in any case"),
    ),
    (
        "selector",
        Refused("pods are never selected by labels here; remove it"),
    ),
    (
        "successPolicy",
        Refused("every completion must succeed here; remove it, or run this job on Kubernetes"),
    ),
    ("suspend", Honoured),
    (
        "template",
        Object(&[("metadata", Object(METADATA)), ("spec", Object(POD))]),
    ),
    ("ttlSecondsAfterFinished", Honoured),
];

/// All of a Job.
pub(super) const JOB: Fields = &[
    ("apiVersion", Only(&["\"batch/v1\""], "expected batch/v1")),
    ("kind", Only(&["\"Job\""], "expected a Job")),
    ("metadata", Object(METADATA)),
    ("spec", Object(SPEC)),
];

/// A field's path and what is wrong with it.
pub(super) type Fault = (String, String);

/// Lists every field of a manifest that is neither honoured nor rightly left aside.
pub(super) fn check(manifest: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_object("", manifest, JOB, &mut faults);
    faults
}

fn check_object(path: &str, value: &Value, fields: Fields, faults: &mut Vec<Fault>) {
    let Value::Object(object) = value else {
        faults.push((path.to_owned(), "expected an object".to_owned()));
        return;
    };
    for (key, value) in object.iter().filter(|(_, value)| asks_for_something(value)) {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let rule = fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, rule)| rule);
        check_field(path, value, rule, faults);
    }
}

fn check_field(path: String, value: &Value, rule: Option<&Rule>, faults: &mut Vec<Fault>) {
    let refusal = match rule {
        Some(Honoured | Ignored(_)) => return,
        Some(Object(fields)) => return check_object(&path, value, fields, faults),
        Some(Each(fields)) => {
            let Value::Array(items) = value else {
                faults.push((path, "expected a list".to_owned()));
                return;
            };
            for (index, item) in items.iter().enumerate() {
                check_object(&format!("{path}[{index}]"), item, fields, faults);
            }
            return;
        }
        Some(Only(values, _)) if values.contains(&value.to_string().as_str()) => return,
        Some(Only(_, advice)) => {
            format!("{value} cannot be honoured by the process executor: {advice}")
        }
        Some(Refused(advice)) => format!("cannot be honoured by the process executor: {advice}"),
        None => "is unknown to the process executor; remove it, or run this job on Kubernetes"
            .to_owned(),
    };
    faults.push((path, refusal));
}

/// `null`, `{}` and `[]` say no more than a missing field.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
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
        assert!(
            faults
                .iter()
                .all(|(_, message)| message.contains("process executor"))
        );
    }

    /// The table of the reference page; it is compared with the page, so that neither can change alone.
    fn table(path: &str, fields: Fields, rows: &mut Vec<String>) {
        for (name, rule) in fields {
            let path = if path.is_empty() {
                (*name).to_owned()
            } else {
                format!("{path}.{name}")
            };
            let (word, text) = match rule {
                Honoured => ("honoured", String::new()),
                Ignored(why) => ("left aside", (*why).to_owned()),
                Refused(advice) => ("refused", (*advice).to_owned()),
                Only(values, advice) => {
                    let values: Vec<String> = values.iter().map(|it| format!("`{it}`")).collect();
                    ("limited", format!("only {}: {advice}", values.join(", ")))
                }
                Object(fields) => {
                    table(&path, fields, rows);
                    continue;
                }
                Each(fields) => {
                    table(&format!("{path}[]"), fields, rows);
                    continue;
                }
            };
            rows.push(format!("| `{path}` | {word} | {text} |\n"));
        }
    }

    #[test]
    fn the_reference_page_shows_this_table() {
        let mut rows = Vec::new();
        table("", JOB, &mut rows);
        let page =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/process-executor.md");
        let text = std::fs::read_to_string(&page).unwrap();
        const HEAD: &str = "| field | | |\n|---|---|---|\n";
        let (before, after) = text.split_once(HEAD).unwrap();
        let shown: Vec<String> = after
            .lines()
            .take_while(|line| line.starts_with('|'))
            .map(|line| format!("{line}\n"))
            .collect();
        if std::env::var_os("INSTA_UPDATE").is_some_and(|it| it == "always") {
            let rest = &after[shown.concat().len()..];
            std::fs::write(&page, format!("{before}{HEAD}{}{rest}", rows.concat())).unwrap();
        } else {
            assert_eq!(shown, rows, "run this test with INSTA_UPDATE=always");
        }
    }
}
