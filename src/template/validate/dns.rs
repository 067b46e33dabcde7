//! `dnsConfig` and `hostAliases`.

use super::field::{Findings, Node};
use super::names;

const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARS: usize = 2048;
const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

pub(super) fn validate_dns_config(spec: &Node<'_>, out: &mut Findings) {
    let config = spec.get("dnsConfig");
    let servers = config.get("nameservers");
    if spec.get("dnsPolicy").str() == "None" {
        if !config.is_present() {
            return out.required(&config, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.list().is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return out.required(&servers, detail);
        }
    }
    if servers.list().len() > MAX_NAMESERVERS {
        out.invalid_json(&servers, servers.value(), "must not have more than 3 nameservers");
    }
    for server in servers.items().filter(|s| !names::is_ip(s.str())) {
        out.invalid(&server, server.str(), BAD_IP);
    }
    validate_searches(&config.get("searches"), out);
    for option in config.get("options").items().filter(|o| o.get("name").str().is_empty()) {
        out.required(&option, "must not be empty");
    }
}

fn validate_searches(searches: &Node<'_>, out: &mut Findings) {
    let count = searches.list().len();
    if count > MAX_SEARCHES {
        out.invalid_json(searches, searches.value(), "must not have more than 32 search paths");
    }
    let length = searches.items().map(|s| s.str().len()).sum::<usize>() + count.saturating_sub(1);
    if length > MAX_SEARCH_CHARS {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        out.invalid_json(searches, searches.value(), detail);
    }
    for search in searches.items().filter(|s| s.str() != ".") {
        // A dot at the end only says that the name is complete.
        let name = search.str().strip_suffix('.').unwrap_or(search.str());
        out.all_invalid(&search, name, names::dns_subdomain_underscore(name));
    }
}

pub(super) fn validate_host_aliases(aliases: &Node<'_>, out: &mut Findings) {
    for alias in aliases.items() {
        let ip = alias.get("ip");
        if !names::is_ip(ip.str()) {
            out.invalid(&ip, ip.str(), BAD_IP);
        }
        for name in alias.get("hostnames").items() {
            out.all_invalid(&name, name.str(), names::dns_subdomain(name.str()));
        }
    }
}
