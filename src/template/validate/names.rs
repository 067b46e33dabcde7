//! The small grammars of k8s.io/apimachinery `pkg/util/validation`: every check gives the server's
//! own messages, none when the value is fine.

use std::net::{Ipv4Addr, Ipv6Addr};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SUBDOMAIN_UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

fn longer_than(value: &str, most: usize) -> Option<String> {
    (value.len() > most).then(|| format!("must be no more than {most} characters"))
}

/// One or more of `inside`, the first and last of them of `edge`.
fn framed(value: &str, edge: fn(u8) -> bool, inside: fn(u8) -> bool) -> bool {
    match value.as_bytes() {
        [] => false,
        bytes @ [first, .., last] => edge(*first) && edge(*last) && bytes.iter().all(|b| inside(*b)),
        [only] => edge(*only),
    }
}

fn lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_dns_label(value: &str) -> bool {
    framed(value, lower_alnum, |b| lower_alnum(b) || b == b'-')
}

/// A DNS label: lower case, digits and dashes, at most 63.
pub(super) fn dns_label(value: &str) -> Vec<String> {
    let bad = (!is_dns_label(value)).then(|| {
        // The server says it more plainly when the value would be a fine subdomain.
        if value.split('.').all(is_dns_label) { "must not contain dots".to_owned() } else { LABEL.to_owned() }
    });
    longer_than(value, 63).into_iter().chain(bad).collect()
}

/// A DNS subdomain: labels joined by dots, at most 253 characters.
pub(super) fn dns_subdomain(value: &str) -> Vec<String> {
    let bad = (!value.split('.').all(is_dns_label)).then(|| SUBDOMAIN.to_owned());
    longer_than(value, 253).into_iter().chain(bad).collect()
}

/// A DNS subdomain whose labels may hold underscores, as search domains do.
pub(super) fn dns_subdomain_underscore(value: &str) -> Vec<String> {
    let label = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        framed(part, lower_alnum, |b| lower_alnum(b) || b"-_".contains(&b))
    };
    let bad = (!value.split('.').all(label)).then(|| SUBDOMAIN_UNDERSCORE.to_owned());
    longer_than(value, 253).into_iter().chain(bad).collect()
}

/// The name of an object as it is before a suffix is generated: a dash may stand at its end.
pub(super) fn generate_name(value: &str) -> Vec<String> {
    match value.strip_suffix('-') {
        Some(stem) if !stem.is_empty() => dns_subdomain(&format!("{stem}a")),
        _ => dns_subdomain(value),
    }
}

fn qualified_part(value: &str) -> bool {
    framed(value, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// `[prefix/]name`, as label and annotation keys are written.
pub(super) fn qualified_name(value: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let name = match value.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                messages.push("prefix part must be non-empty".to_owned());
            } else {
                messages.extend(dns_subdomain(prefix).into_iter().map(|m| format!("prefix part {m}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        messages.push("name part must be non-empty".to_owned());
    } else {
        messages.extend(longer_than(name, 63).map(|m| format!("name part {m}")));
    }
    if !qualified_part(name) {
        messages.push(format!("name part {QUALIFIED}"));
    }
    messages
}

/// The value of a label.
pub(super) fn label_value(value: &str) -> Vec<String> {
    let bad = (!value.is_empty() && !qualified_part(value)).then(|| LABEL_VALUE.to_owned());
    longer_than(value, 63).into_iter().chain(bad).collect()
}

/// The name of an environment variable: printable ASCII without `=`.
pub(super) fn env_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    let fine = value.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=');
    if fine { Vec::new() } else { vec![ENV_NAME.to_owned()] }
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(value: &str) -> Vec<String> {
    let mut messages: Vec<String> = longer_than(value, 253).into_iter().collect();
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        messages.push(CONFIG_KEY.to_owned());
    }
    if value == "." {
        messages.push("must not be '.'".to_owned());
    } else if value == ".." {
        messages.push("must not be '..'".to_owned());
    } else if value.starts_with("..") {
        messages.push("must not start with '..'".to_owned());
    }
    messages
}

/// The name of a port.
pub(super) fn port_name(value: &str) -> Vec<String> {
    let mut messages: Vec<&str> = Vec::new();
    if value.len() > 15 {
        messages.push("must be no more than 15 characters");
    }
    if !value.bytes().all(|b| lower_alnum(b) || b == b'-') || value.is_empty() {
        messages.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        messages.push("must contain at least one letter (a-z)");
    }
    if value.contains("--") {
        messages.push("must not contain consecutive hyphens");
    }
    if value.starts_with('-') || value.ends_with('-') {
        messages.push("must not begin or end with a hyphen");
    }
    messages.into_iter().map(str::to_owned).collect()
}

/// The number of a port.
pub(super) fn port_number(value: i64) -> Option<&'static str> {
    (!(1..=65535).contains(&value)).then_some("must be between 1 and 65535, inclusive")
}

/// The name of an HTTP header.
pub(super) fn http_header(value: &str) -> Vec<String> {
    let fine = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fine { Vec::new() } else { vec![HEADER.to_owned()] }
}

/// Whether it is an IP address, as Kubernetes' lenient parser takes it: leading zeros are allowed.
pub(super) fn is_ip(value: &str) -> bool {
    let lenient_v4 = || {
        let parts: Vec<&str> = value.split('.').collect();
        parts.len() == 4
            && parts.iter().all(|p| {
                !p.is_empty()
                    && p.bytes().all(|b| b.is_ascii_digit())
                    && p.trim_start_matches('0').len() <= 3
                    && p.trim_start_matches('0').parse::<u16>().unwrap_or(0) <= 255
            })
    };
    value.parse::<Ipv4Addr>().is_ok() || value.parse::<Ipv6Addr>().is_ok() || lenient_v4()
}

/// Whether it is the name of a sysctl, its parts joined by dots or slashes.
pub(super) fn is_sysctl(value: &str) -> bool {
    let segment = |s| framed(s, lower_alnum, |b| lower_alnum(b) || b"-_".contains(&b));
    value.len() <= 253 && value.split(['.', '/']).all(segment)
}

/// `domain/path`, as the name of a controller is written.
pub(super) fn is_domain_prefixed_path(value: &str) -> bool {
    let path_char = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&b);
    value.split_once('/').is_some_and(|(domain, path)| {
        !domain.is_empty() && !path.is_empty() && dns_subdomain(domain).is_empty() && path.bytes().all(path_char)
    })
}

/// `host:port`, split as Go's `net.SplitHostPort` does: an address with colons stands in brackets.
pub(super) fn is_host_port(value: &str) -> bool {
    match value.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .and_then(|(_, port)| port.strip_prefix(':'))
            .is_some_and(|port| !port.contains([':', '[', ']'])),
        None => value.matches(':').count() == 1 && !value.contains(['[', ']']),
    }
}
