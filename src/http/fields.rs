//! What a worker or a plain form sends: named values as a form, as JSON or in the query. Pure.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::ApiError;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// The media type of JSON.
const JSON: &str = "application/json";

/// The values of a report. What is in the body stands before what is in the query, and the first of two values of one
/// name counts. Names that are not known are passed over: workers may send more than is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[schema(as = ReportFields)]
pub struct Fields {
    /// The job's ID; also as `job_id`.
    #[serde(rename = "job-id", alias = "job_id", default)]
    #[schema(value_type = Option<String>)]
    pub job_id: Option<Scalar>,
    /// The worker's own words for where it stands: 1 to 500 characters.
    #[serde(default)]
    #[schema(value_type = String, example = "Processing...")]
    pub status: Option<Scalar>,
    /// A sentence more: up to 4000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub message: Option<Scalar>,
    /// How far it is, 0 to 100.
    #[serde(default)]
    #[schema(value_type = Option<u8>, maximum = 100)]
    pub progress: Option<Scalar>,
    /// The worker's number for this report: greater is newer, the same number again is the same report.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub sequence: Option<Scalar>,
    /// The job's callback token, where the path does not hold it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub token: Option<Scalar>,
}

/// A value as text; numbers and booleans of JSON are taken as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a number")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Scalar, E> {
                Ok(Scalar(text))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

/// Which shape a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Form,
    Json,
}

impl Fields {
    /// Reads the values of a request from its `Content-Type`, its query and its body. A body without a type is taken
    /// for what it looks like.
    pub fn parse(content_type: Option<&str>, query: Option<&str>, body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = match shape(content_type, body)? {
            _ if body.is_empty() => Self::default(),
            Shape::Json => json(body)?,
            Shape::Form => {
                let mut fields = Self::default();
                fields.take_pairs(body)?;
                fields
            }
        };
        if let Some(query) = query {
            fields.take_pairs(query.as_bytes())?;
        }
        Ok(fields)
    }

    fn take_pairs(&mut self, text: &[u8]) -> Result<(), ApiError> {
        for pair in Pairs::new(text) {
            let (name, value) = pair?;
            let slot = match &*name {
                "job-id" | "job_id" => &mut self.job_id,
                "status" => &mut self.status,
                "message" => &mut self.message,
                "progress" => &mut self.progress,
                "sequence" => &mut self.sequence,
                "token" => &mut self.token,
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(Scalar(value.into_owned()));
            }
        }
        Ok(())
    }
}

fn json(body: &[u8]) -> Result<Fields, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::json(&error))
}

fn shape(content_type: Option<&str>, body: &[u8]) -> Result<Shape, ApiError> {
    let Some(content_type) = content_type else {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        return Ok(if first == Some(&b'{') { Shape::Json } else { Shape::Form });
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(FORM) {
        Ok(Shape::Form)
    } else if is_json(essence) {
        Ok(Shape::Json)
    } else if body.is_empty() {
        Ok(Shape::Form)
    } else {
        Err(ApiError::UnsupportedMediaType { given: Some(content_type.to_owned()), expected: &[FORM, JSON] })
    }
}

/// Whether a media type, without parameters, is JSON.
pub(super) fn is_json(essence: &str) -> bool {
    let essence = essence.to_ascii_lowercase();
    essence == JSON || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The pairs of a form or of a query: `+` is a space, `%XX` a byte, and the whole has to be UTF-8.
pub struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    /// The pairs of this text.
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(Cow<'a, str>, Cow<'a, str>), ApiError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = loop {
            if self.0.is_empty() {
                return None;
            }
            let end = self.0.iter().position(|byte| *byte == b'&');
            let (pair, rest) = match end {
                Some(end) => (&self.0[..end], &self.0[end + 1..]),
                None => (self.0, &[][..]),
            };
            self.0 = rest;
            if !pair.is_empty() {
                break pair;
            }
        };
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        Some(decode(name, "a name").and_then(|name| {
            let value = decode(value, &name)?;
            Ok((name, value))
        }))
    }
}

fn decode<'a>(text: &'a [u8], name: &str) -> Result<Cow<'a, str>, ApiError> {
    let not_utf8 = |_| ApiError::in_field(name, "its bytes are not UTF-8");
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(not_utf8);
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(bytes).map(Cow::Owned).map_err(|error| not_utf8(error.utf8_error()))
}

/// Reads a whole number out of a field.
pub(super) fn number(name: &str, value: Option<&Scalar>) -> Result<Option<u64>, ApiError> {
    let Some(Scalar(text)) = value.filter(|value| !value.0.is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(ApiError::in_field(name, format_args!("{:?} is no whole number of 0 or more", shortened(text)))),
    }
}

/// A text that a message may quote.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(content_type: Option<&str>, query: Option<&str>, body: &str) -> Fields {
        Fields::parse(content_type, query, body.as_bytes()).unwrap()
    }

    fn text(value: &Option<Scalar>) -> Option<&str> {
        value.as_ref().map(|value| value.0.as_str())
    }

    #[test]
    fn a_form_json_and_a_query_say_the_same() {
        let form = parse(Some(FORM), None, "job-id=k1&status=Start+Processing");
        let json = parse(
            Some("application/json; charset=utf-8"),
            None,
            r#"{"job-id": "k1", "status": "Start Processing", "other": [1]}"#,
        );
        let query = parse(None, Some("status=Start%20Processing&job_id=k1"), "");
        assert_eq!(text(&form.status), Some("Start Processing"));
        assert_eq!(form, json);
        assert_eq!(form, query);
    }

    #[test]
    fn values_keep_every_character() {
        let form = parse(Some(FORM), None, "status=100%25+%C3%BC+%2B+%26+%3D+ü&job-id=%6b1");
        assert_eq!(text(&form.status), Some("100% ü + & = ü"));
        assert_eq!(text(&form.job_id), Some("k1"));
    }

    #[test]
    fn the_body_stands_before_the_query_and_the_first_before_the_second() {
        let fields = parse(Some(FORM), Some("status=query&message=m"), "status=a&status=b");
        assert_eq!(text(&fields.status), Some("a"));
        assert_eq!(text(&fields.message), Some("m"));
    }

    #[test]
    fn numbers_come_as_numbers_or_as_text() {
        let fields = parse(None, None, r#"{"progress": 40, "sequence": "7", "job-id": 12}"#);
        assert_eq!(number("progress", fields.progress.as_ref()).unwrap(), Some(40));
        assert_eq!(number("sequence", fields.sequence.as_ref()).unwrap(), Some(7));
        assert_eq!(text(&fields.job_id), Some("12"));
        let error = number("progress", Some(&Scalar("4.5".to_owned()))).unwrap_err();
        assert_eq!(error.to_string(), "field `progress`: \"4.5\" is no whole number of 0 or more");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        let refused = |content_type: Option<&str>, body: &[u8]| {
            let error = Fields::parse(content_type, None, body).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            refused(Some(JSON), b"{\"status\":\n \"\\ud800\"}"),
            "the body is not valid JSON: unexpected end of hex escape at line 2 column 9"
        );
        assert!(refused(Some(JSON), b"{\"status\": {}}").contains("expected a string or a number"));
        assert_eq!(refused(Some(FORM), b"status=%ff"), "field `status`: its bytes are not UTF-8");
        assert!(refused(Some("text/xml"), b"<a/>").contains("expected application/x-www"));
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd(content_type in "(application/json|application/x-www-form-urlencoded|)", body: Vec<u8>) {
            let content_type = Some(content_type.as_str()).filter(|text| !text.is_empty());
            let _ = Fields::parse(content_type, None, &body);
        }

        #[test]
        fn what_a_form_encodes_comes_out_again(status in "\\PC*") {
            let encoded = percent_encoding::utf8_percent_encode(&status, percent_encoding::NON_ALPHANUMERIC);
            let fields = parse(Some(FORM), None, &format!("status={encoded}"));
            prop_assert_eq!(text(&fields.status), Some(status.as_str()));
        }
    }
}
