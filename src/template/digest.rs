//! The digest of what a manifest was made of.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use serde_json::{Map, Value};

use super::template::Partials;

/// `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest(Arc<str>);

impl Digest {
    /// Over the template, the partials that it uses, and its settings. Each part is preceded by
    /// its length, so that no two different inputs give the same bytes.
    pub(crate) fn of(
        source: &str,
        used: &BTreeSet<String>,
        partials: &Partials,
        settings: &Map<String, Value>,
    ) -> Self {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(source.as_bytes());
        for name in used {
            part(name.as_bytes());
            part(partials.get(name).map_or(&[], |text| text.as_bytes()));
        }
        part(Value::Object(settings.clone()).to_string().as_bytes());
        let mut text = String::from("sha256:");
        for byte in context.finish().as_ref() {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
