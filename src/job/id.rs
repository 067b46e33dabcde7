//! The names that a job goes by.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// A name that does not follow its grammar; the text says which, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(String);

/// The caller's key for a job, and its idempotency key: `[A-Za-z0-9][A-Za-z0-9._-]{0,99}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// The longest job ID, in bytes.
    pub const MAX_LEN: usize = 100;

    /// The ID that a manifest is shown with which is for no job yet.
    pub fn example() -> Self {
        Self("example".to_owned())
    }

    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let problem = match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
            _ if text.is_empty() => Some("is empty".to_owned()),
            _ if text.len() > Self::MAX_LEN => Some(format!("is {} bytes long", text.len())),
            _ if text.starts_with(['.', '_', '-']) => Some(format!("{text:?} starts with a separator")),
            Some(bad) => Some(format!("{text:?} holds {bad:?}")),
            None => None,
        };
        match problem {
            None => Ok(Self(text)),
            Some(problem) => Err(InvalidId(format!(
                "the job ID {problem}; expected 1 to {} letters, digits, '.', '_' or '-', the first a letter or digit",
                Self::MAX_LEN
            ))),
        }
    }
}

/// Free text for people: up to 200 characters, no control characters, not blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(String);

impl JobName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 200;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JobName {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let length = text.chars().count();
        if text.trim().is_empty() {
            Err(InvalidId("the job name is blank; leave it out, or give some text".to_owned()))
        } else if length > Self::MAX_CHARS {
            Err(InvalidId(format!("the job name has {length} characters; at most {} are allowed", Self::MAX_CHARS)))
        } else if let Some(bad) = text.chars().find(|c| c.is_control()) {
            Err(InvalidId(format!("the job name holds the control character {bad:?}; use plain text in one line")))
        } else {
            Ok(Self(text))
        }
    }
}

/// Says which installation a job belongs to, where several share a namespace: 1 to 40 lower-case letters, digits and
/// inner dashes, so that it fits a Kubernetes label value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstallationId(String);

impl InstallationId {
    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstallationId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if text.is_empty() || text.len() > 40 || !plain || text.starts_with('-') || text.ends_with('-') {
            return Err(InvalidId(format!(
                "{text:?} is no installation ID; expected 1 to 40 lower-case letters, digits and inner '-'"
            )));
        }
        Ok(Self(text))
    }
}

macro_rules! textual {
    ($($name:ident),*) => {$(
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }
        impl From<$name> for String {
            fn from(it: $name) -> String {
                it.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}
textual!(JobId, JobName, InstallationId);

/// A keyed hash over (template, parameters, name): two launches are the same request exactly when it is equal. It is
/// keyed because parameters may be secret and short, and the record is exported. Made by the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub String);

/// The name of the object that carries a job: `TEMPLATE-HASH12`, the hash over installation and job ID, so that a
/// second attempt to create it can only meet the first one's object. At most 63 characters, since Kubernetes copies a
/// Job's name into a label of its pods.
pub fn object_name(template: &str, installation: &InstallationId, id: &JobId) -> String {
    const HASH: usize = 12;
    const LONGEST: usize = 63;
    let mut context = Context::new(&SHA256);
    context.update(installation.as_str().as_bytes());
    context.update(b"\0");
    context.update(id.as_str().as_bytes());
    let hash: String = context.finish().as_ref().iter().take(HASH / 2).map(|byte| format!("{byte:02x}")).collect();
    let stem: String = template.chars().take(LONGEST - HASH - 1).collect();
    format!("{}-{hash}", stem.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_follows_its_grammar() {
        for good in ["a", "0", "K1.x_y-z", &"a".repeat(100)] {
            assert!(good.parse::<JobId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "ä", "a/b", "a\n", &"a".repeat(101)] {
            let error = bad.parse::<JobId>().unwrap_err().to_string();
            assert!(error.contains("expected 1 to 100 letters"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_name_is_any_one_line_of_text() {
        for good in ["Daily", "Täglich #1: <b>", &"é".repeat(200)] {
            assert!(good.parse::<JobName>().is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\nb", "\u{7}", &"é".repeat(201)] {
            assert!(bad.parse::<JobName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_object_name_is_a_pods_label_value_and_belongs_to_one_job() {
        let here: InstallationId = "here".parse().unwrap();
        let there: InstallationId = "there".parse().unwrap();
        let id: JobId = "k1".parse().unwrap();
        let name = object_name("hello", &here, &id);
        assert_eq!(name.len(), "hello-".len() + 12);
        assert_eq!(name, object_name("hello", &here, &id));
        assert_ne!(name, object_name("hello", &there, &id));
        assert_ne!(name, object_name("hello", &here, &"k2".parse().unwrap()));
        let long = object_name(&format!("{}-{}", "a".repeat(49), "b".repeat(30)), &here, &id);
        assert!(long.len() <= 63 && !long.contains("--"), "{long}");
    }
}
