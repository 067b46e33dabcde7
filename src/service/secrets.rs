//! Everything that is made from the installation's key: callback tokens, fingerprints, keys for other purposes.
//!
//! All are HMAC-SHA256 under one key, told apart by a label and, since every part is preceded by its length, by no
//! choice of parts.

use ring::hmac;
use serde_json::{Map, Value};

use crate::job::{Fingerprint, InstallationId, JobId, JobName};

/// The installation's key, and what is made from it.
#[derive(Clone)]
pub struct Secrets {
    key: hmac::Key,
    installation: InstallationId,
}

impl Secrets {
    /// Takes the key of an installation.
    pub fn new(key: &[u8; 32], installation: InstallationId) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), installation }
    }

    /// What a worker shows to report for a job: `ID~HEX`, 128 bits of the HMAC over installation and job ID.
    pub fn callback_token(&self, id: &JobId) -> String {
        format!("{id}~{}", hex(&self.callback_tag(id).as_ref()[..16]))
    }

    /// Whose callback token this is. The comparison takes the same time wherever a wrong token differs.
    pub fn verify_callback_token(&self, token: &str) -> Option<JobId> {
        let (id, _) = token.split_once('~')?;
        let id: JobId = id.parse().ok()?;
        let expected = self.callback_token(&id);
        // Comparing MACs of both under a key that the caller does not know hides where they differ.
        let given = hmac::sign(&self.key, token.as_bytes());
        hmac::verify(&self.key, expected.as_bytes(), given.as_ref()).ok().map(|()| id)
    }

    /// Tells one launch request from another under the same job ID.
    pub fn fingerprint(&self, template: &str, name: Option<&JobName>, parameters: &Map<String, Value>) -> Fingerprint {
        let name = name.map_or("", JobName::as_str);
        // serde_json's maps are sorted, so that equal parameters give equal text.
        let parameters = Value::Object(parameters.clone()).to_string();
        Fingerprint(hex(self.tag(&["fingerprint", template, name, &parameters]).as_ref()))
    }

    /// A fingerprint as it is put on an object, with what tells under which key it was made.
    pub fn seal(&self, fingerprint: &Fingerprint) -> String {
        format!("{}.{}", self.key_name(), fingerprint.0)
    }

    /// A fingerprint that was put on an object. One that was made under another key can be compared with nothing.
    pub fn unseal(&self, sealed: &str) -> Option<Fingerprint> {
        let (key, fingerprint) = sealed.split_once('.')?;
        let whole = fingerprint.len() == 64 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
        (whole && key == self.key_name()).then(|| Fingerprint(fingerprint.to_owned()))
    }

    fn key_name(&self) -> String {
        hex(&self.tag(&["key name"]).as_ref()[..4])
    }

    /// A key for another purpose.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.tag(&["key", purpose]).as_ref());
        key
    }

    fn callback_tag(&self, id: &JobId) -> hmac::Tag {
        self.tag(&["callback", self.installation.as_str(), id.as_str()])
    }

    fn tag(&self, parts: &[&str]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secrets(key: u8) -> Secrets {
        Secrets::new(&[key; 32], "here".parse().unwrap())
    }

    #[test]
    fn a_callback_token_is_good_for_its_job_and_installation_alone() {
        let id: JobId = "k1".parse().unwrap();
        let token = secrets(1).callback_token(&id);
        assert_eq!(secrets(1).verify_callback_token(&token), Some(id.clone()));
        assert_eq!(secrets(2).verify_callback_token(&token), None);
        let other = Secrets::new(&[1; 32], "there".parse().unwrap());
        assert_eq!(other.verify_callback_token(&token), None);
        for wrong in [
            token[..token.len() - 1].to_owned(),
            token.replace("k1~", "k2~"),
            format!("{token}0"),
            token.to_uppercase(),
            String::new(),
            "~".to_owned(),
            "k1".to_owned(),
        ] {
            assert_eq!(secrets(1).verify_callback_token(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_on_an_object_is_read_under_the_key_that_made_it_alone() {
        let print = secrets(1).fingerprint("t", None, &Map::new());
        let sealed = secrets(1).seal(&print);
        assert_eq!(secrets(1).unseal(&sealed), Some(print));
        assert_eq!(secrets(2).unseal(&sealed), None);
        for wrong in ["", ".", "abc", &sealed[1..], &sealed[..sealed.len() - 1], &sealed.replace('.', "")] {
            assert_eq!(secrets(1).unseal(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_what_is_asked_and_not_on_its_order() {
        let parameters = |value: Value| value.as_object().cloned().unwrap();
        let of = |template: &str, name: Option<&str>, value: Value| {
            let name = name.map(|name| name.parse().unwrap());
            secrets(1).fingerprint(template, name.as_ref(), &parameters(value))
        };
        let base = of("t", Some("n"), json!({"a": 1, "b": 2}));
        assert_eq!(base, of("t", Some("n"), json!({"b": 2, "a": 1})));
        for other in [
            of("u", Some("n"), json!({"a": 1, "b": 2})),
            of("t", None, json!({"a": 1, "b": 2})),
            of("t", Some("n"), json!({"a": 1, "b": "2"})),
            of("tn", None, json!({"a": 1, "b": 2})),
        ] {
            assert_ne!(base, other);
        }
    }
}
