//! What a render gives.

use serde_json::Value;

use super::digest::Digest;
use super::yaml;

/// A manifest that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    manifest: Value,
    /// None where there is nothing to mask.
    masked: Option<Value>,
    digest: Digest,
}

impl Rendered {
    pub(crate) fn new(manifest: Value, masked: Option<Value>, digest: Digest) -> Self {
        Self { manifest, masked, digest }
    }

    /// The manifest to launch, secrets in clear.
    #[must_use]
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// The manifest to record and to show: every secret replaced by [`MASK`](super::MASK).
    #[must_use]
    pub fn masked(&self) -> &Value {
        self.masked.as_ref().unwrap_or(&self.manifest)
    }

    /// The manifest to launch, by value.
    #[must_use]
    pub fn into_manifest(self) -> Value {
        self.manifest
    }

    /// The digest of the template, partials and settings, as `sha256:HEX`.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.as_str()
    }

    /// The masked manifest as canonical YAML.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        yaml::write(self.masked())
    }

    /// The masked manifest as canonical JSON, indented, with a line break at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.masked())
    }
}
