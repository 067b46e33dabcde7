//! Which of several media types a client wants (RFC 9110, section 12.5.1). Pure.

use axum::http::{HeaderMap, header};

use super::ApiError;

/// Chooses the type that the client's `Accept` headers rate best; the first of those rated alike. Without such a
/// header it is the first one.
pub fn choose(headers: &HeaderMap, offered: &'static [&'static str]) -> Result<&'static str, ApiError> {
    let mut best: Option<(u16, &'static str)> = None;
    for candidate in offered {
        let rating = rate(headers, candidate);
        if rating > best.map_or(0, |(rating, _)| rating) {
            best = Some((rating, candidate));
        }
    }
    best.map(|(_, chosen)| chosen).ok_or(ApiError::NotAcceptable { offered })
}

/// Whether a browser asks: a client that wants HTML and says so by name, no less than JSON.
pub fn wants_html(headers: &HeaderMap) -> bool {
    let named = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    named && rate(headers, "text/html") >= rate(headers, "application/json")
}

/// How a client rates a media type, in thousandths; 0 means not at all. The most specific range that matches counts.
fn rate(headers: &HeaderMap, candidate: &str) -> u16 {
    let mut found: Option<(u8, u16)> = None;
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            any = true;
            let quality = parts.find_map(quality).unwrap_or(1000);
            if let Some(specificity) = matches(name, candidate)
                && found.is_none_or(|(known, _)| specificity > known)
            {
                found = Some((specificity, quality));
            }
        }
    }
    match found {
        Some((_, quality)) => quality,
        None if any => 0,
        None => 1000,
    }
}

fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value: f32 = value.trim().parse().ok()?;
    // Within 0 and 1000, so nothing is cut off.
    Some((value.clamp(0.0, 1.0) * 1000.0).round() as u16)
}

/// How specific a range is that takes in the candidate.
fn matches(range: &str, candidate: &str) -> Option<u8> {
    let kind = candidate.split('/').next().unwrap_or_default();
    if range.eq_ignore_ascii_case(candidate) {
        Some(2)
    } else if range == "*/*" {
        Some(0)
    } else {
        let of = range.strip_suffix("/*")?;
        of.eq_ignore_ascii_case(kind).then_some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: &[&str] = &["application/yaml", "application/json"];

    fn accept(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_best_rated_type_is_given() {
        assert_eq!(choose(&HeaderMap::new(), OFFERED).unwrap(), "application/yaml");
        for (value, chosen) in [
            ("*/*", "application/yaml"),
            ("application/json", "application/json"),
            ("application/*;q=0.5, application/json", "application/json"),
            ("application/json;q=0.5, application/yaml;q=0.4", "application/json"),
            ("application/json;q=0.3, */*;q=0.2", "application/json"),
            ("application/json; charset=utf-8; Q=0, */*", "application/yaml"),
            ("text/html, */*;q=0.1", "application/yaml"),
        ] {
            assert_eq!(choose(&accept(value), OFFERED).unwrap(), chosen, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_given_is_said() {
        for value in ["text/html", "application/json;q=0, application/yaml;q=0.000"] {
            let error = choose(&accept(value), OFFERED).unwrap_err();
            assert!(matches!(error, ApiError::NotAcceptable { .. }), "{value}");
        }
    }

    #[test]
    fn a_browser_is_known_by_what_it_accepts() {
        assert!(wants_html(&accept("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!wants_html(&accept("*/*")), "curl");
        assert!(!wants_html(&accept("application/json, text/html;q=0.5")));
        assert!(!wants_html(&HeaderMap::new()));
    }
}
