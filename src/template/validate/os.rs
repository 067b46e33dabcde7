//! What a pod says of its operating system, and what then must not be set.

use super::field::{Findings, Node};

const NOT_ON_WINDOWS: &str = "cannot be set for a windows pod";
const NOT_ON_LINUX: &str = "windows options cannot be set for a linux pod";

pub(super) fn validate_os(spec: &Node<'_>, out: &mut Findings) {
    let os = spec.get("os");
    if !os.is_present() {
        return;
    }
    let name = os.get("name");
    match name.str() {
        "" => out.required(&name, ""),
        "linux" => forbid(spec, &["windowsOptions"], &["windowsOptions"], NOT_ON_LINUX, out),
        "windows" => validate_windows(spec, out),
        other => out.unsupported(&os, other, &["linux", "windows"]),
    }
}

fn validate_windows(spec: &Node<'_>, out: &mut Findings) {
    for field in ["hostUsers", "shareProcessNamespace"] {
        if spec.get(field).is_present() {
            out.forbidden(&spec.get(field), NOT_ON_WINDOWS);
        }
    }
    for field in ["hostPID", "hostIPC"] {
        if spec.get(field).is_true() {
            out.forbidden(&spec.get(field), NOT_ON_WINDOWS);
        }
    }
    const POD: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
    ];
    const CONTAINER: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    forbid(spec, &POD, &CONTAINER, NOT_ON_WINDOWS, out);
}

/// Forbids fields of the pod's security context and of those of all containers.
fn forbid(spec: &Node<'_>, pod: &[&str], container: &[&str], detail: &str, out: &mut Findings) {
    let context = spec.get("securityContext");
    for field in pod {
        let node = context.get(field);
        // An empty list is no list to the server.
        if node.is_present() && node.value().and_then(|v| v.as_array()).is_none_or(|list| !list.is_empty()) {
            out.forbidden(&node, detail);
        }
    }
    for list in ["initContainers", "containers"] {
        for item in spec.get(list).items() {
            let context = item.get("securityContext");
            for field in container {
                if context.get(field).is_present() {
                    out.forbidden(&context.get(field), detail);
                }
            }
        }
    }
}
