//! The addresses of pages, with every part encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::job::JobId;

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page of a job.
pub(crate) fn job(id: &JobId) -> String {
    format!("/jobs/{id}")
}

/// The page of a template, with its form.
pub(crate) fn template(name: &str) -> String {
    format!("/templates/{}", encode(name))
}

/// One part of a path or query, encoded.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A path with a query of these pairs.
pub(crate) fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut address = path.to_owned();
    let mut separator = '?';
    for (name, value) in pairs {
        address.push(separator);
        address.push_str(&encode(name));
        address.push('=');
        address.push_str(&encode(value));
        separator = '&';
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_encoded() {
        assert_eq!(template("a/b?c"), "/templates/a%2Fb%3Fc");
        let pairs = [("q", "a b&c=ü"), ("phase", "Running")];
        assert_eq!(with_query("/", pairs), "/?q=a%20b%26c%3D%C3%BC&phase=Running");
    }
}
