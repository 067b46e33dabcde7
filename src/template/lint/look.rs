//! Rules that look at a rendered manifest.

use serde_json::Value;

use super::shell;
use super::taint::Marks;

/// What a rule found at a field.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) rule: &'static str,
    pub(super) path: String,
    pub(super) message: String,
    pub(super) help: String,
    /// The name in an expression that is at fault, where it is known.
    pub(super) name: Option<String>,
}

fn sight(rule: &'static str, path: String, message: String, help: &str) -> Sight {
    Sight { rule, path, message, help: help.to_owned(), name: None }
}

const POD: &str = "spec.template.spec";

/// The pod spec of a Job.
fn pod(manifest: &Value) -> Option<&Value> {
    manifest.pointer("/spec/template/spec")
}

/// Every container with its path.
fn containers(manifest: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        let items = pod(manifest).and_then(|pod| pod.get(list)).and_then(Value::as_array);
        items.into_iter().flatten().enumerate().map(move |(i, c)| (format!("{POD}.{list}[{i}]"), c))
    })
}

fn name_of(container: &Value) -> &str {
    container.get("name").and_then(Value::as_str).unwrap_or("")
}

fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// What the manifest as it would be launched shows.
pub(super) fn plain(manifest: &Value) -> Vec<Sight> {
    let mut sights = Vec::new();
    for (path, container) in containers(manifest) {
        image(container, &path, &mut sights);
        limits(manifest, container, &path, &mut sights);
        privileged(container, &path, &mut sights);
        host_ports(container, &path, &mut sights);
    }
    host_access(manifest, &mut sights);
    if manifest.get("spec").is_some_and(|s| s.get("ttlSecondsAfterFinished").is_none_or(Value::is_null)) {
        let message = "`ttlSecondsAfterFinished` is missing, so finished Jobs and their pods stay for ever";
        let help = "say how many seconds a finished Job is kept: `ttlSecondsAfterFinished: 300`";
        sights.push(sight("ttl", "spec.ttlSecondsAfterFinished".to_owned(), message.to_owned(), help));
    }
    sights
}

fn image(container: &Value, path: &str, sights: &mut Vec<Sight>) {
    let Some(image) = container.get("image").and_then(Value::as_str).filter(|i| !i.is_empty()) else {
        return;
    };
    if image.contains('@') {
        return;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    let message = match last.split_once(':') {
        None => format!("image `{image}` has no tag or digest"),
        Some((_, "latest")) => format!("image `{image}` has the tag `latest`"),
        Some(_) => return,
    };
    let help = "name a version, so that the same template runs the same program: `name:1.2.3` or `name@sha256:…`";
    sights.push(sight("image-tag", format!("{path}.image"), message, help));
}

fn limits(manifest: &Value, container: &Value, path: &str, sights: &mut Vec<Sight>) {
    let has = |of: &Value| of.pointer("/resources/limits/memory").is_some_and(|v| !v.is_null());
    if has(container) || pod(manifest).is_some_and(has) {
        return;
    }
    let message = format!("container `{}` has no memory limit", name_of(container));
    let help = "set `resources.limits.memory`, so that it cannot starve what runs beside it";
    sights.push(sight("resource-limits", format!("{path}.resources.limits.memory"), message, help));
}

fn privileged(container: &Value, path: &str, sights: &mut Vec<Sight>) {
    const POWERS: [&str; 8] =
        ["ALL", "BPF", "DAC_READ_SEARCH", "NET_ADMIN", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO"];
    let help = "leave it out unless the job administers the node itself";
    if is_true(container, "/securityContext/privileged") {
        let message = format!("container `{}` is privileged: it is root on its host", name_of(container));
        sights.push(sight("privileged", format!("{path}.securityContext.privileged"), message, help));
    }
    let added = container.pointer("/securityContext/capabilities/add").and_then(Value::as_array);
    for (i, capability) in added.into_iter().flatten().enumerate() {
        let name = capability.as_str().unwrap_or("");
        let name = name.strip_prefix("CAP_").unwrap_or(name);
        if POWERS.contains(&name) {
            let message = format!("container `{}` takes the capability {name}", name_of(container));
            let path = format!("{path}.securityContext.capabilities.add[{i}]");
            sights.push(sight("privileged", path, message, help));
        }
    }
}

fn host_ports(container: &Value, path: &str, sights: &mut Vec<Sight>) {
    let ports = container.get("ports").and_then(Value::as_array);
    for (i, port) in ports.into_iter().flatten().enumerate() {
        if let Some(number) = port.get("hostPort").and_then(Value::as_i64).filter(|n| *n != 0) {
            let message = format!("port {number} of the host is taken");
            let help = "leave `hostPort` out: only one such pod fits on a node";
            sights.push(sight("host-access", format!("{path}.ports[{i}].hostPort"), message, help));
        }
    }
}

fn host_access(manifest: &Value, sights: &mut Vec<Sight>) {
    let Some(pod) = pod(manifest) else { return };
    let help = "leave it out: a job rarely needs its host";
    for (field, what) in [
        ("hostNetwork", "the pod uses the network of its host"),
        ("hostPID", "the pod sees the processes of its host"),
        ("hostIPC", "the pod shares memory with its host"),
    ] {
        if is_true(pod, &format!("/{field}")) {
            sights.push(sight("host-access", format!("{POD}.{field}"), what.to_owned(), help));
        }
    }
    let volumes = pod.get("volumes").and_then(Value::as_array);
    for (i, volume) in volumes.into_iter().flatten().enumerate() {
        if let Some(path) = volume.pointer("/hostPath/path").and_then(Value::as_str) {
            let message = format!("volume `{}` is the folder `{path}` of the host", name_of(volume));
            sights.push(sight("host-access", format!("{POD}.volumes[{i}].hostPath"), message, help));
        }
    }
}

/// What the manifest shows when marks stand for the caller's texts.
pub(super) fn marked(manifest: &Value, marks: &Marks<'_>) -> Vec<Sight> {
    let mut sights = Vec::new();
    for (path, container) in containers(manifest) {
        let own = shell::command_line(container, &path);
        let hooks = shell::hook_lines(container, &path);
        for line in std::iter::once(&own).chain(&hooks) {
            let Some(script) = shell::script(line) else {
                continue;
            };
            for found in marks.find(script.text).into_iter().filter(|found| !found.quoted) {
                let message = format!(
                    "`{{{{{}}}}}` is part of a shell script: whoever gives the value can run any command",
                    found.name
                );
                let help = format!(
                    "hand it over as an environment variable and write \"$NAME\" in the script, or quote it: `{{{{shell {}}}}}`",
                    found.name
                );
                let sight = sight("shell-parameter", script.path.clone(), message, &help);
                sights.push(Sight { name: Some(found.name), ..sight });
            }
        }
        for word in own.iter().chain(hooks.iter().flatten()) {
            for found in marks.find(word.text).into_iter().filter(|found| found.secret) {
                let message = format!(
                    "the secret `{}` is part of a command line, which every process on the node can read",
                    found.name
                );
                let help = "hand it over as an environment variable or a mounted Secret";
                let sight = sight("secret-in-args", word.path.clone(), message, help);
                sights.push(Sight { name: Some(found.name), ..sight });
            }
        }
    }
    sights
}
