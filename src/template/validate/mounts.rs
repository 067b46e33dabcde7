//! Where containers mount volumes and see block devices.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::pod::PodFacts;

/// Name and path of every item of `volumeMounts` or `volumeDevices`.
fn pairs(list: &Node<'_>, path: &str) -> Vec<(String, String)> {
    list.items().map(|i| (i.get("name").str().to_owned(), i.get(path).str().to_owned())).collect()
}

/// The server reports faults of a sub path and the like at the list, without the item's index.
pub(super) fn validate_mounts(container: &Node<'_>, pod: &PodFacts<'_>, out: &mut Findings) {
    let mounts = container.get("volumeMounts");
    let devices = pairs(&container.get("volumeDevices"), "devicePath");
    let mut paths = BTreeSet::new();
    for mount in mounts.items() {
        let name = mount.get("name");
        let path = mount.get("mountPath");
        out.non_empty(&name);
        if !pod.volumes.knows(name.str()) {
            out.not_found(&name, name.str(), "");
        }
        out.non_empty(&path);
        if !paths.insert(path.str().to_owned()) {
            out.invalid(&path, path.str(), "must be unique");
        }
        if devices.iter().any(|(device, _)| device == name.str()) {
            out.invalid(&name, name.str(), "must not already exist in volumeDevices");
        }
        if devices.iter().any(|(_, device)| device == path.str()) {
            out.invalid(&path, path.str(), "must not already exist as a path in volumeDevices");
        }
        let sub_path = mount.get("subPath").str().to_owned();
        let sub_path_expr = mount.get("subPathExpr");
        if !sub_path.is_empty() {
            descending_path(&mounts.named("subPath"), &sub_path, out);
        }
        if !sub_path_expr.str().is_empty() {
            if !sub_path.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                out.invalid(&sub_path_expr, sub_path_expr.str(), detail);
            }
            descending_path(&mounts.named("subPathExpr"), sub_path_expr.str(), out);
        }
        validate_propagation(container, &mounts, &mount, out);
    }
}

fn validate_propagation(container: &Node<'_>, mounts: &Node<'_>, mount: &Node<'_>, out: &mut Findings) {
    let at = mounts.named("mountPropagation");
    let propagation = mount.get("mountPropagation");
    let kinds = ["Bidirectional", "HostToContainer", "None"];
    if let Some(value) = propagation.text() {
        if !kinds.contains(&value) {
            out.unsupported(&at, value, &kinds);
        }
        let context = container.get("securityContext");
        if value == "Bidirectional" && !context.get("privileged").is_true() {
            let detail = "Bidirectional mount propagation is available only to privileged containers";
            out.forbidden(&at, detail);
        }
    }
    let at = mounts.named("recursiveReadOnly");
    match mount.get("recursiveReadOnly").text() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !mount.get("readOnly").is_true() {
                out.forbidden(&at, "may only be specified when readOnly is true");
            }
            if propagation.text().is_some_and(|p| p != "None") {
                out.forbidden(&at, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(other) => out.unsupported(&at, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

pub(super) fn validate_devices(container: &Node<'_>, pod: &PodFacts<'_>, out: &mut Findings) {
    let mounts = pairs(&container.get("volumeMounts"), "mountPath");
    let mut names = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for device in container.get("volumeDevices").items() {
        let name = device.get("name");
        let path = device.get("devicePath");
        out.non_empty(&name);
        if names.contains(name.str()) {
            out.invalid(&name, name.str(), "must be unique");
        }
        if !pod.volumes.knows(name.str()) {
            out.not_found(&name, name.str(), "");
        } else if !pod.volumes.is_claim(name.str()) {
            let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
            out.invalid(&name, name.str(), detail);
        }
        out.non_empty(&path);
        if paths.contains(path.str()) {
            out.invalid(&path, path.str(), "must be unique");
        }
        if has_backstep(path.str()) {
            out.invalid(&path, path.str(), "can not contain backsteps ('..')");
        } else {
            paths.insert(path.str().to_owned());
        }
        if mounts.iter().any(|(mount, _)| mount == name.str()) {
            out.invalid(&name, name.str(), "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|(_, mount)| mount == path.str()) {
            out.invalid(&path, path.str(), "must not already exist as a path in volumeMounts");
        }
        if !name.str().is_empty() {
            names.insert(name.str().to_owned());
        }
    }
}

pub(super) fn has_backstep(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// A path without `..` parts.
pub(super) fn no_backsteps(at: &Node<'_>, path: &str, out: &mut Findings) {
    if has_backstep(path) {
        out.invalid(at, path, "must not contain '..'");
    }
}

/// A relative path without `..` parts.
pub(super) fn descending_path(at: &Node<'_>, path: &str, out: &mut Findings) {
    if path.starts_with('/') {
        out.invalid(at, path, "must be a relative path");
    }
    no_backsteps(at, path, out);
}

/// A descending path that does not begin with two dots, which are the kubelet's own.
pub(super) fn unreserved_path(at: &Node<'_>, path: &str, out: &mut Findings) {
    descending_path(at, path, out);
    if path.starts_with("..") && !path.starts_with("../") && !has_backstep(path) {
        out.invalid(at, path, "must not start with '..'");
    }
}
