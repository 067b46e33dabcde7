//! Refuses what a browser was made to send: by a page of another site, or through a foreign name that was bound to our
//! address (DNS rebinding).

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};

use super::super::ApiError;

/// The hosts that the server answers for, beyond loopback names and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Takes host names, without port.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// Whether a `Host` header names one of them.
    pub(super) fn check(&self, host: &str) -> Result<(), ApiError> {
        let name = host_name(host).unwrap_or_default();
        if is_loopback_name(&name) || self.0.contains(&name) {
            return Ok(());
        }
        Err(ApiError::UnknownHost { host: host.to_owned() })
    }

    /// Refuses a request that could change something when the browser says that another site is behind it. A client
    /// that is no browser says nothing, and passes.
    pub(super) fn check_origin(&self, method: &Method, headers: &HeaderMap, host: &str) -> Result<(), ApiError> {
        if method.is_safe() {
            return Ok(());
        }
        let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let origin = text(header::ORIGIN.as_str());
        let from_elsewhere = match text("sec-fetch-site").as_deref() {
            Some("same-origin" | "none") => false,
            Some(_) => true,
            None => origin.as_deref().is_some_and(|origin| !self.is_origin(origin, host)),
        };
        if from_elsewhere {
            let origin = origin.unwrap_or_else(|| "origin not given".to_owned());
            return Err(ApiError::CrossSite { origin });
        }
        Ok(())
    }

    fn is_origin(&self, origin: &str, host: &str) -> bool {
        let Ok(uri) = origin.parse::<Uri>() else {
            return false;
        };
        let Some(authority) = uri.authority() else {
            return false;
        };
        let here = authority.as_str().eq_ignore_ascii_case(host);
        here || self.0.contains(&authority.host().to_ascii_lowercase())
    }
}

/// The name in a `Host` header, lower-case, without port and brackets.
fn host_name(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    let name = authority.host();
    Some(name.trim_matches(['[', ']']).to_ascii_lowercase())
}

/// Whether a host name or address (lower-case, without port and brackets) can only mean this machine.
pub fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_configured_hosts_are_answered() {
        let hosts = Hosts::new(["jobs.Example.org".to_owned()]);
        for good in [
            "localhost",
            "localhost:8080",
            "LOCALHOST:1",
            "a.localhost",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "jobs.example.org",
            "JOBS.example.org:443",
        ] {
            assert!(hosts.check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "a b",
            "jobs.example.org.evil.example",
        ] {
            assert!(hosts.check(bad).is_err(), "{bad}");
        }
    }

    fn check(method: Method, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let hosts = Hosts::new(["jobs.example.org".to_owned()]);
        hosts.check_origin(&method, &headers, "127.0.0.1:8080").is_ok()
    }

    #[test]
    fn what_another_site_sends_is_refused() {
        assert!(check(Method::POST, &[]), "no browser");
        assert!(check(Method::POST, &[("origin", "http://127.0.0.1:8080")]));
        assert!(check(Method::POST, &[("origin", "https://jobs.example.org")]));
        assert!(check(Method::POST, &[("sec-fetch-site", "same-origin")]));
        assert!(check(Method::GET, &[("origin", "http://evil.example")]));
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "http://127.0.0.1:9999"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!check(Method::POST, &[(name, value)]), "{name}: {value}");
            assert!(!check(Method::DELETE, &[(name, value)]), "{name}: {value}");
        }
    }
}
