//! Any body of a worker's report: it is read or refused, as a form, as JSON, without a type, and in the query.

#![no_main]

use jobwright::http::fields::Fields;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for content_type in [
        None,
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=utf-8"),
    ] {
        let _ = Fields::parse(content_type, None, body);
    }
    if let Ok(query) = std::str::from_utf8(body) {
        let as_query = Fields::parse(None, Some(query), b"");
        let as_form = Fields::parse(Some("application/x-www-form-urlencoded"), None, body);
        match (as_query, as_form) {
            (Ok(query), Ok(form)) => assert_eq!(query, form),
            (query, form) => assert_eq!(query.is_ok(), form.is_ok()),
        }
    }
});
