//! Containers and init containers.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::pod::PodFacts;
use super::{env, mounts, names, probe, resources, security};

const NOT_FOR_INIT: &str = "may not be set for init containers without restartPolicy=Always";

/// All containers of a pod.
pub(super) fn validate_all(spec: &Node<'_>, pod: &PodFacts<'_>, out: &mut Findings) {
    let containers = spec.get("containers");
    let mut names = BTreeSet::new();
    if containers.list().is_empty() {
        out.required(&containers, "");
    }
    for container in containers.items() {
        validate_common(&container, pod, out);
        unique_name(&container, &mut names, out);
        probe::validate_lifecycle(&container.get("lifecycle"), pod.grace_seconds, out);
        probe::validate_probes(&container, out);
    }
    let mut ports = BTreeSet::new();
    for container in containers.items() {
        unique_host_ports(&container, &mut ports, out);
    }
    for container in spec.get("initContainers").items() {
        validate_common(&container, pod, out);
        unique_name(&container, &mut names, out);
        // Init containers run one by one, so each may use the same host ports.
        unique_host_ports(&container, &mut BTreeSet::new(), out);
        if container.get("restartPolicy").str() == "Always" {
            probe::validate_lifecycle(&container.get("lifecycle"), pod.grace_seconds, out);
            probe::validate_probes(&container, out);
        } else {
            for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if container.get(field).is_present() {
                    out.forbidden(&container.get(field), NOT_FOR_INIT);
                }
            }
        }
    }
}

fn unique_name(container: &Node<'_>, seen: &mut BTreeSet<String>, out: &mut Findings) {
    let name = container.get("name");
    if !seen.insert(name.str().to_owned()) {
        out.duplicate(&name, name.str());
    }
}

fn validate_common(container: &Node<'_>, pod: &PodFacts<'_>, out: &mut Findings) {
    let name = container.get("name");
    if out.non_empty(&name) {
        out.all_invalid(&name, name.str(), names::dns_label(name.str()));
    }
    out.non_empty(&container.get("image"));
    out.one_of(&container.get("terminationMessagePolicy"), &["File", "FallbackToLogsOnError"]);
    validate_ports(&container.get("ports"), out);
    env::validate_env(&container.get("env"), out);
    env::validate_env_from(&container.get("envFrom"), out);
    mounts::validate_mounts(container, pod, out);
    mounts::validate_devices(container, pod, out);
    let devices = container.get("volumeDevices");
    if !pod.host_users && !devices.list().is_empty() {
        out.forbidden(&devices, "when `hostUsers` is false");
    }
    out.one_of(&container.get("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    resources::validate_requirements(&container.get("resources"), &pod.claims, out);
    validate_resize_policy(&container.get("resizePolicy"), pod, out);
    security::validate_context(&container.get("securityContext"), pod.host_users, out);
}

fn validate_ports(ports: &Node<'_>, out: &mut Findings) {
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let name = port.get("name");
        if !name.str().is_empty() {
            let messages = names::port_name(name.str());
            if messages.is_empty() && !seen.insert(name.str().to_owned()) {
                out.duplicate(&name, name.str());
            }
            out.all_invalid(&name, name.str(), messages);
        }
        let own = port.get("containerPort");
        let host = port.get("hostPort");
        if own.int().unwrap_or(0) == 0 {
            out.required(&own, "");
        } else {
            validate_port_number(&own, out);
        }
        if host.int().is_some_and(|n| n != 0) {
            validate_port_number(&host, out);
        }
        // Without one the server fills in TCP.
        out.one_of(&port.get("protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn validate_port_number(port: &Node<'_>, out: &mut Findings) {
    if let Some(n) = port.int()
        && let Some(message) = names::port_number(n)
    {
        out.invalid_shown(port, n, message);
    }
}

fn unique_host_ports(container: &Node<'_>, seen: &mut BTreeSet<String>, out: &mut Findings) {
    for port in container.get("ports").items() {
        let host = port.get("hostPort");
        let Some(number) = host.int().filter(|n| *n != 0) else {
            continue;
        };
        let protocol = port.get("protocol").text().filter(|p| !p.is_empty()).unwrap_or("TCP").to_owned();
        let key = format!("{protocol}/{}/{number}", port.get("hostIP").str());
        if !seen.contains(&key) {
            seen.insert(key);
        } else {
            out.duplicate(&host, &key);
        }
    }
}

/// The server reports these at the list, whichever item is at fault.
fn validate_resize_policy(policies: &Node<'_>, pod: &PodFacts<'_>, out: &mut Findings) {
    let mut seen = BTreeSet::new();
    for policy in policies.items() {
        let resource = policy.get("resourceName").str().to_owned();
        match resource.as_str() {
            "" => out.required(policies, ""),
            "cpu" | "memory" => {}
            other => out.unsupported(policies, other, &["cpu", "memory"]),
        }
        let restart = policy.get("restartPolicy").str().to_owned();
        match restart.as_str() {
            "" => out.required(policies, ""),
            "NotRequired" | "RestartContainer" => {}
            other => out.unsupported(policies, other, &["NotRequired", "RestartContainer"]),
        }
        if pod.restart_never && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            out.invalid(policies, &restart, detail);
        }
        if !seen.insert(resource.clone()) {
            out.duplicate(&policy, &resource);
        }
    }
}
