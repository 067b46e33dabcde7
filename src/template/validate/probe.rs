//! Probes and lifecycle hooks.

use super::field::{Findings, Node};
use super::names;

/// The three probes of a container.
pub(super) fn validate_probes(container: &Node<'_>, out: &mut Findings) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.get(name);
        if !probe.is_present() {
            continue;
        }
        validate_handler(&probe, &["exec", "httpGet", "tcpSocket", "grpc"], None, out);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            out.non_negative(&probe.get(field));
        }
        let grace = probe.get("terminationGracePeriodSeconds");
        if let Some(n) = grace.int() {
            if n <= 0 {
                out.invalid_shown(&grace, n, "must be greater than 0");
            }
            if name == "readinessProbe" {
                out.invalid_shown(&grace, n, "must not be set for readinessProbes");
            }
        }
        let success = probe.get("successThreshold");
        // Zero is filled in as one.
        if let Some(n) = success.int().filter(|n| !matches!(n, 0 | 1) && name != "readinessProbe") {
            out.invalid_shown(&success, n, "must be 1");
        }
    }
}

/// What runs after the start and before the stop of a container.
pub(super) fn validate_lifecycle(lifecycle: &Node<'_>, grace_seconds: i64, out: &mut Findings) {
    for name in ["postStart", "preStop"] {
        let hook = lifecycle.get(name);
        if hook.is_present() {
            validate_handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], Some(grace_seconds), out);
        }
    }
}

/// Exactly one handler, and a valid one. The server checks only the first of several.
fn validate_handler(at: &Node<'_>, kinds: &[&str], grace_seconds: Option<i64>, out: &mut Findings) {
    let mut found = false;
    for kind in kinds {
        let handler = at.get(kind);
        if !handler.is_present() {
            continue;
        }
        if found {
            out.forbidden(&handler, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *kind {
            "exec" if handler.get("command").list().is_empty() => out.required(&handler.get("command"), ""),
            "httpGet" => validate_http(&handler, out),
            "tcpSocket" | "grpc" => validate_port(&handler.get("port"), out),
            "sleep" => validate_sleep(&handler, grace_seconds.unwrap_or(0), out),
            _ => {}
        }
    }
    if !found {
        out.required(at, "must specify a handler type");
    }
}

fn validate_http(http: &Node<'_>, out: &mut Findings) {
    validate_port(&http.get("port"), out);
    out.one_of(&http.get("scheme"), &["HTTP", "HTTPS"]);
    let headers = http.get("httpHeaders");
    for header in headers.items() {
        let name = header.get("name");
        out.all_invalid(&headers, name.str(), names::http_header(name.str()));
    }
}

/// A port by number or by name.
fn validate_port(port: &Node<'_>, out: &mut Findings) {
    if let Some(name) = port.text() {
        out.all_invalid(port, name, names::port_name(name));
        return;
    }
    let number = port.int().unwrap_or(0);
    if let Some(message) = names::port_number(number) {
        out.invalid_shown(port, number, message);
    }
}

fn validate_sleep(sleep: &Node<'_>, grace_seconds: i64, out: &mut Findings) {
    let seconds = sleep.get("seconds").int().unwrap_or(0);
    if seconds < 0 || seconds > grace_seconds {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})");
        out.invalid_shown(sleep, seconds, &detail);
    }
}
