//! What each kind of volume source needs.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::mounts::{descending_path, no_backsteps, unreserved_path};
use super::quantity::{FORM, Quantity};
use super::{env, meta, names, projected};

const MODE_RANGE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// Sources of which only the presence of some fields is asked.
const NEEDS: [(&str, &[&str]); 14] = [
    ("awsElasticBlockStore", &["volumeID"]),
    ("azureFile", &["secretName", "shareName"]),
    ("cinder", &["volumeID"]),
    ("flexVolume", &["driver"]),
    ("gcePersistentDisk", &["pdName"]),
    ("gitRepo", &["repository"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("rbd", &["image"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("storageos", &["volumeName"]),
    ("vsphereVolume", &["volumePath"]),
];

pub(super) fn validate_kind(kind: &str, volume: &Node<'_>, source: &Node<'_>, out: &mut Findings) {
    // The server has its own word for this one.
    let disk = volume.named("persistentDisk");
    let at = if kind == "gcePersistentDisk" { &disk } else { source };
    for (_, fields) in NEEDS.iter().filter(|(name, _)| *name == kind) {
        for field in fields.iter().filter(|f| source.get(f).str().is_empty()) {
            out.required(&at.named(field), "");
        }
    }
    match kind {
        "emptyDir" => validate_empty_dir(source, out),
        "hostPath" => validate_host_path(source, out),
        "gitRepo" => {
            let directory = source.get("directory");
            descending_path(&directory, directory.str(), out);
        }
        "gcePersistentDisk" | "awsElasticBlockStore" => {
            if let Some(n) = source.get("partition").int().filter(|n| !(0..=255).contains(n)) {
                out.invalid_shown(&at.named("partition"), n, "must be between 1 and 255, inclusive");
            }
        }
        "secret" => {
            out.non_empty(&source.get("secretName"));
            validate_items(source, out);
        }
        "configMap" => {
            out.non_empty(&source.get("name"));
            validate_items(source, out);
        }
        "nfs" => validate_nfs(source, out),
        "iscsi" => validate_iscsi(source, out),
        "fc" => validate_fc(source, out),
        "flocker" => validate_flocker(source, out),
        "rbd" | "cephfs" if source.get("monitors").list().is_empty() => {
            out.required(&source.get("monitors"), "");
        }
        "quobyte" => validate_quobyte(source, out),
        "downwardAPI" => {
            validate_mode(&source.get("defaultMode"), out);
            for item in source.get("items").items() {
                validate_downward_file(&item, source, out);
            }
        }
        "azureDisk" => validate_azure_disk(source, out),
        "projected" => projected::validate_projected(source, out),
        "csi" => validate_csi(source, out),
        "ephemeral" => projected::validate_ephemeral(source, out),
        _ => {}
    }
    if kind == "storageos" {
        for field in ["volumeName", "volumeNamespace"] {
            let name = source.get(field);
            if !name.str().is_empty() {
                out.all_invalid(&name, name.str(), names::dns_label(name.str()));
            }
        }
    }
    if matches!(kind, "cinder" | "storageos") {
        let reference = source.get("secretRef");
        if reference.is_present() {
            out.non_empty(&reference.get("name"));
        }
    }
}

fn validate_empty_dir(source: &Node<'_>, out: &mut Findings) {
    let limit = source.get("sizeLimit");
    let Some(value) = limit.value() else { return };
    match Quantity::from_json(value) {
        Ok(quantity) if quantity.is_negative() => {
            out.forbidden(&limit, "SizeLimit field must be a valid resource quantity");
        }
        Ok(_) => {}
        Err(_) => out.invalid_json(&limit, Some(value), FORM),
    }
}

fn validate_host_path(source: &Node<'_>, out: &mut Findings) {
    let path = source.get("path");
    if !out.non_empty(&path) {
        return;
    }
    no_backsteps(&path, path.str(), out);
    out.one_of(&source.get("type"), &HOST_PATH_TYPES);
}

/// A file's permissions.
pub(super) fn validate_mode(mode: &Node<'_>, out: &mut Findings) {
    if let Some(n) = mode.int().filter(|n| !(0..=0o777).contains(n)) {
        out.invalid_shown(mode, n, MODE_RANGE);
    }
}

fn validate_items(source: &Node<'_>, out: &mut Findings) {
    validate_mode(&source.get("defaultMode"), out);
    for item in source.get("items").items() {
        validate_item(&item, out);
    }
}

/// One key of a Secret or ConfigMap and the file that it becomes.
pub(super) fn validate_item(item: &Node<'_>, out: &mut Findings) {
    out.non_empty(&item.get("key"));
    let path = item.get("path");
    out.non_empty(&path);
    unreserved_path(&path, path.str(), out);
    validate_mode(&item.get("mode"), out);
}

/// One file of the downward API. The server reports all but the mode's faults at the source.
pub(super) fn validate_downward_file(file: &Node<'_>, at: &Node<'_>, out: &mut Findings) {
    let path = file.get("path").str().to_owned();
    let path_at = at.named("path");
    if path.is_empty() {
        out.required(&path_at, "");
    }
    unreserved_path(&path_at, &path, out);
    let field = file.get("fieldRef");
    let resource = file.get("resourceFieldRef");
    if field.is_present() {
        let before = out.len();
        env::validate_field_ref(&field, &env::VOLUME_FIELDS, out);
        out.reroot_since(before, file, at);
        if resource.is_present() {
            out.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
        }
    } else if resource.is_present() {
        let before = out.len();
        env::validate_resource_ref(&resource, true, out);
        out.reroot_since(before, file, at);
    } else {
        out.required(at, "one of fieldRef and resourceFieldRef is required");
    }
    if let Some(n) = file.get("mode").int().filter(|n| !(0..=0o777).contains(n)) {
        out.invalid_shown(&at.named("mode"), n, MODE_RANGE);
    }
}

fn validate_nfs(source: &Node<'_>, out: &mut Findings) {
    out.non_empty(&source.get("server"));
    let path = source.get("path");
    out.non_empty(&path);
    if !path.str().starts_with('/') {
        out.invalid(&path, path.str(), "must be an absolute path");
    }
}

fn validate_iscsi(source: &Node<'_>, out: &mut Findings) {
    out.non_empty(&source.get("targetPortal"));
    let iqn = source.get("iqn");
    if out.non_empty(&iqn) && !["iqn", "eui", "naa"].iter().any(|p| iqn.str().starts_with(p)) {
        out.invalid(&iqn, iqn.str(), "must be valid format starting with iqn, eui, or naa");
    }
    let lun = source.get("lun");
    if let Some(n) = lun.int().filter(|n| !(0..=255).contains(n)) {
        out.invalid_shown(&lun, n, "must be between 0 and 255, inclusive");
    }
    let chap = ["chapAuthDiscovery", "chapAuthSession"].iter().any(|f| source.get(f).is_true());
    if chap && !source.get("secretRef").is_present() {
        out.required(&source.get("secretRef"), "");
    }
}

fn validate_fc(source: &Node<'_>, out: &mut Findings) {
    let targets = source.get("targetWWNs");
    let has_targets = !targets.list().is_empty();
    let has_ids = !source.get("wwids").list().is_empty();
    if !has_targets && !has_ids {
        out.required(&targets, "must specify either targetWWNs or wwids, but not both");
    }
    if has_targets && has_ids {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        out.invalid_json(&targets, targets.value(), detail);
    }
    let lun = source.get("lun");
    match lun.int() {
        None if has_targets => out.required(&lun, "lun is required if targetWWNs is specified"),
        Some(n) if has_targets && !(0..=255).contains(&n) => {
            out.invalid_shown(&lun, n, "must be between 0 and 255, inclusive");
        }
        _ => {}
    }
}

fn validate_flocker(source: &Node<'_>, out: &mut Findings) {
    let name = source.get("datasetName");
    match (name.str().is_empty(), source.get("datasetUUID").str().is_empty()) {
        (true, true) => out.required(source, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            let detail = "datasetName and datasetUUID can not be specified simultaneously";
            out.invalid(source, "resource", detail);
        }
        _ => {}
    }
    if name.str().contains('/') {
        out.invalid(&name, name.str(), "must not contain '/'");
    }
}

fn validate_quobyte(source: &Node<'_>, out: &mut Findings) {
    let registry = source.get("registry");
    let detail = "must be a host:port pair or multiple pairs separated by commas";
    if registry.str().is_empty() {
        out.required(&registry, detail);
    } else if source.get("tenant").str().len() > 64 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        out.required(&source.get("tenant"), detail);
    } else {
        for _ in registry.str().split(',').filter(|pair| !names::is_host_port(pair)) {
            out.invalid(&registry, registry.str(), detail);
        }
    }
    out.non_empty(&source.get("volume"));
}

/// Without a kind the server fills in `Shared`.
fn validate_azure_disk(source: &Node<'_>, out: &mut Findings) {
    const MANAGED: &str =
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    out.non_empty(&source.get("diskName"));
    let uri = source.get("diskURI");
    out.non_empty(&uri);
    out.one_of(&source.get("cachingMode"), &["None", "ReadOnly", "ReadWrite"]);
    out.one_of(&source.get("kind"), &["Dedicated", "Managed", "Shared"]);
    let managed = source.get("kind").str() == "Managed";
    let (prefix, form) = if managed { ("/subscriptions/", MANAGED) } else { ("https://", BLOB) };
    if !uri.str().starts_with(prefix) {
        out.unsupported(&uri, uri.str(), &[form]);
    }
}

fn validate_csi(source: &Node<'_>, out: &mut Findings) {
    const MAX_DRIVER: usize = 63;
    let driver = source.get("driver");
    out.non_empty(&driver);
    if driver.str().len() > MAX_DRIVER {
        out.too_long(&driver, MAX_DRIVER);
    }
    out.all_invalid(&driver, driver.str(), names::dns_subdomain(&driver.str().to_lowercase()));
    let reference = source.get("nodePublishSecretRef");
    if reference.is_present() {
        let name = reference.get("name");
        if out.non_empty(&name) {
            // The server reports it beside the reference, not inside.
            out.all_invalid(&source.named("name"), name.str(), names::dns_subdomain(name.str()));
        }
    }
}

/// The claim that an ephemeral volume makes for its pod.
pub(super) fn validate_claim_template(template: &Node<'_>, out: &mut Findings) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let metadata = template.get("metadata");
    meta::validate_labels(&metadata.get("labels"), out);
    meta::validate_annotations(&metadata.get("annotations"), out);
    let spec = template.get("spec");
    let modes = spec.get("accessModes");
    if modes.list().is_empty() {
        out.required(&modes, "at least 1 access mode is required");
    }
    let mut seen = BTreeSet::new();
    for mode in modes.items() {
        if !MODES.contains(&mode.str()) {
            out.unsupported(&modes, mode.str(), &MODES);
        }
        seen.insert(mode.str().to_owned());
    }
    if seen.contains("ReadWriteOncePod") && seen.len() > 1 {
        out.forbidden(&modes, "may not use ReadWriteOncePod with other access modes");
    }
    meta::validate_selector(&spec.get("selector"), out);
    // The server leaves out `requests` in this path.
    let resources = spec.get("resources");
    let requests = resources.get("requests");
    let at = resources.key("storage");
    match requests.get("storage").value().map(Quantity::from_json) {
        None => out.required(&at, ""),
        Some(Ok(quantity)) if quantity.nanos() <= 0 => {
            out.invalid(&at, &quantity.to_string(), "must be greater than zero");
        }
        Some(Ok(_)) => {}
        Some(Err(_)) => out.invalid_json(&requests.key("storage"), requests.get("storage").value(), FORM),
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let class = spec.get(field);
        if !class.str().is_empty() {
            out.all_invalid(&class, class.str(), names::dns_subdomain(class.str()));
        }
    }
    out.one_of(&spec.get("volumeMode"), &["Block", "Filesystem"]);
}
