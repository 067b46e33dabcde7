//! Security contexts of pods and containers.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::{mounts, names};

const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";
const PROFILE_KINDS: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const MAX_APPARMOR_NAME: usize = 4095;
const MAX_CREDENTIAL_SPEC: usize = 64 * 1024;

fn validate_id(id: &Node<'_>, out: &mut Findings) {
    if let Some(n) = id.int().filter(|n| !(0..=i64::from(i32::MAX)).contains(n)) {
        out.invalid_shown(id, n, ID_RANGE);
    }
}

/// The security context of a pod.
pub(super) fn validate_pod_context(spec: &Node<'_>, out: &mut Findings) {
    let context = spec.get("securityContext");
    // The server reports this one inside the context, though the field is beside it.
    if spec.get("shareProcessNamespace").is_true() && spec.get("hostPID").is_true() {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        out.invalid_shown(&context.named("shareProcessNamespace"), true, detail);
    }
    if !context.is_present() {
        return;
    }
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        validate_id(&context.get(field), out);
    }
    for group in context.get("supplementalGroups").items() {
        validate_id(&group, out);
    }
    validate_sysctls(spec, &context.get("sysctls"), out);
    for (field, kinds) in
        [("fsGroupChangePolicy", ["Always", "OnRootMismatch"]), ("supplementalGroupsPolicy", ["Merge", "Strict"])]
    {
        let node = context.get(field);
        if let Some(value) = node.text().filter(|v| !kinds.contains(v)) {
            out.unsupported(&node, value, &kinds);
        }
    }
    validate_profiles(&context, out);
}

fn validate_sysctls(spec: &Node<'_>, sysctls: &Node<'_>, out: &mut Findings) {
    let host_network = spec.get("hostNetwork").is_true();
    let host_ipc = spec.get("hostIPC").is_true();
    let mut seen = BTreeSet::new();
    for sysctl in sysctls.items() {
        let name = sysctl.get("name");
        if name.str().is_empty() {
            out.required(&name, "");
        } else if !names::is_sysctl(name.str()) {
            let detail = r"must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            out.invalid(&name, name.str(), detail);
        } else if seen.contains(name.str()) {
            out.duplicate(&name, name.str());
        }
        let dotted = name.str().replace('/', ".");
        if host_network && dotted.starts_with("net.") {
            out.invalid(&name, name.str(), "may not be specified when 'hostNetwork' is true");
        }
        if host_ipc && is_ipc_sysctl(&dotted) {
            out.invalid(&name, name.str(), "may not be specified when 'hostIPC' is true");
        }
        seen.insert(name.str().to_owned());
    }
}

/// The sysctls that belong to the IPC namespace.
fn is_ipc_sysctl(name: &str) -> bool {
    name == "kernel.sem" || ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| name.starts_with(prefix))
}

/// The security context of a container.
pub(super) fn validate_context(context: &Node<'_>, host_users: bool, out: &mut Findings) {
    if !context.is_present() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        validate_id(&context.get(field), out);
    }
    let proc_mount = context.get("procMount");
    match proc_mount.text() {
        None | Some("Default") => {}
        Some("Unmasked") => {
            if host_users {
                out.invalid(&proc_mount, "Unmasked", "`hostUsers` must be false to use `Unmasked`");
            }
        }
        Some(other) => out.unsupported(&proc_mount, other, &["Default", "Unmasked"]),
    }
    if context.get("allowPrivilegeEscalation").bool() == Some(false) {
        if context.get("privileged").is_true() {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            out.invalid_json(context, context.value(), detail);
        }
        let capabilities = context.get("capabilities");
        if capabilities.get("add").items().any(|c| c.str() == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            out.invalid_json(context, context.value(), detail);
        }
    }
    validate_profiles(context, out);
}

/// What both kinds of context share.
fn validate_profiles(context: &Node<'_>, out: &mut Findings) {
    validate_seccomp(&context.get("seccompProfile"), out);
    validate_windows(&context.get("windowsOptions"), out);
    validate_apparmor(&context.get("appArmorProfile"), out);
}

fn validate_seccomp(profile: &Node<'_>, out: &mut Findings) {
    if !profile.is_present() {
        return;
    }
    let kind = profile.get("type");
    if kind.str().is_empty() {
        out.required(&kind, "type is required when seccompProfile is set");
    }
    out.one_of(&kind, &PROFILE_KINDS);
    let file = profile.get("localhostProfile");
    match (kind.str(), file.text()) {
        ("Localhost", None) => out.required(&file, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(path)) => mounts::descending_path(&file, path, out),
        (_, Some(_)) => {
            out.invalid_json(&file, profile.value(), "can only be set when seccomp type is Localhost");
        }
        (_, None) => {}
    }
}

fn validate_apparmor(profile: &Node<'_>, out: &mut Findings) {
    if !profile.is_present() {
        return;
    }
    let kind = profile.get("type");
    let file = profile.get("localhostProfile");
    match kind.str() {
        "" => out.required(&kind, "type is required when appArmorProfile is set"),
        "Localhost" => {
            let name = file.str();
            if name.trim() != name {
                out.invalid(&file, name, "must not be padded with whitespace");
            } else if name.is_empty() {
                out.required(&file, "must be set when AppArmor type is Localhost");
            }
            if name.len() > MAX_APPARMOR_NAME {
                out.too_long(&file, MAX_APPARMOR_NAME);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if let Some(name) = file.text() {
                out.invalid(&file, name, "can only be set when AppArmor type is Localhost");
            }
        }
        other => out.unsupported(&kind, other, &PROFILE_KINDS),
    }
}

fn validate_windows(options: &Node<'_>, out: &mut Findings) {
    let name = options.get("gmsaCredentialSpecName");
    if let Some(text) = name.text() {
        out.all_invalid(&name, text, names::dns_subdomain(text));
    }
    let spec = options.get("gmsaCredentialSpec");
    match spec.text() {
        Some("") => out.invalid(&spec, "", "gmsaCredentialSpec cannot be an empty string"),
        Some(text) if text.len() > MAX_CREDENTIAL_SPEC => {
            out.invalid(&spec, text, "gmsaCredentialSpec size must be under 64 KiB");
        }
        _ => {}
    }
    let user = options.get("runAsUserName");
    let Some(text) = user.text() else { return };
    let detail = if text.is_empty() {
        "runAsUserName cannot be an empty string"
    } else if text.chars().any(|c| c.is_ascii_control()) {
        "runAsUserName cannot contain control characters"
    } else if text.matches('\\').count() > 1 {
        "runAsUserName cannot contain more than one backslash"
    } else {
        return validate_windows_user(&user, text, out);
    };
    out.invalid(&user, text, detail);
}

/// `[DOMAIN\]USER`; the domain is for the server to judge.
fn validate_windows_user(at: &Node<'_>, text: &str, out: &mut Findings) {
    let user = text.rsplit('\\').next().unwrap_or(text);
    if user.is_empty() {
        out.invalid(at, text, "runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        let detail = "runAsUserName's User length must not be longer than 104 characters";
        out.invalid(at, text, detail);
    }
    if !user.is_empty() && user.chars().all(|c| ". ".contains(c)) {
        out.invalid(at, text, "runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(|c| r#""/\:;|=,+*?<>@[]"#.contains(c)) {
        let detail = r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#;
        out.invalid(at, text, detail);
    }
}
