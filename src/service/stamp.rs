//! From the manifest that a template gives to the one that is sent: the object's name and namespace, the labels by
//! which it is found again, the annotations from which a lost record is rebuilt, and the backstop for its time
//! to live.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::job::{InstallationId, JobId, JobName};

pub use crate::job::labels::{
    COMMIT, CREATED, DIGEST, FINGERPRINT, INSTALLATION, JOB_ID, JOB_NAME, JOBWRIGHT, MANAGED_BY, RERUN_OF, TEMPLATE,
    TTL,
};

/// What is stamped onto a manifest.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The object's name.
    pub object_name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The installation that it belongs to.
    pub installation: &'a InstallationId,
    /// The job that it carries.
    pub id: &'a JobId,
    /// That job's name.
    pub name: Option<&'a JobName>,
    /// The template that it comes from.
    pub template: &'a str,
    /// The digest of template, partials and settings.
    pub digest: &'a str,
    /// The commit of the templates.
    pub commit: Option<&'a str>,
    /// The job that this one repeats.
    pub rerun_of: Option<&'a JobId>,
    /// When the request was accepted.
    pub created: Timestamp,
    /// What tells the request from another one, sealed.
    pub fingerprint: &'a str,
    /// What the object's own time to live is raised to, in seconds.
    pub ttl_backstop_seconds: u32,
}

/// The template's own time to live: seconds after the end.
pub fn ttl_seconds(manifest: &Value) -> Option<u32> {
    let seconds = manifest.pointer("/spec/ttlSecondsAfterFinished")?.as_u64()?;
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

impl Stamp<'_> {
    /// Stamps a manifest. Labels and annotations of the template's own stay, but for those that are stamped.
    pub fn apply(&self, mut manifest: Value) -> Value {
        let ttl = ttl_seconds(&manifest);
        let labels = [(MANAGED_BY, JOBWRIGHT), (INSTALLATION, self.installation.as_str()), (TEMPLATE, self.template)];
        let ttl_text = ttl.map(|seconds| seconds.to_string());
        let created = self.created.to_string();
        let annotations = [
            (JOB_ID, Some(self.id.as_str())),
            (JOB_NAME, self.name.map(JobName::as_str)),
            (DIGEST, Some(self.digest)),
            (COMMIT, self.commit),
            (RERUN_OF, self.rerun_of.map(JobId::as_str)),
            (CREATED, Some(&created)),
            (FINGERPRINT, Some(self.fingerprint)),
            (TTL, ttl_text.as_deref()),
        ];
        let annotations = || annotations.iter().filter_map(|(key, value)| Some((*key, (*value)?)));

        let metadata = entry(&mut manifest, "metadata");
        metadata.insert("name".to_owned(), json!(self.object_name));
        metadata.insert("namespace".to_owned(), json!(self.namespace));
        metadata.remove("generateName");
        put(metadata, "labels", labels.into_iter());
        put(metadata, "annotations", annotations());
        let spec = entry(&mut manifest, "spec");
        if let Some(ttl) = ttl {
            let raised = ttl.max(self.ttl_backstop_seconds);
            spec.insert("ttlSecondsAfterFinished".to_owned(), json!(raised));
        }
        if let Some(template) = spec.get_mut("template") {
            let metadata = entry(template, "metadata");
            put(metadata, "labels", labels.into_iter());
            put(metadata, "annotations", [(JOB_ID, self.id.as_str())].into_iter());
        }
        manifest
    }
}

/// The object under a key. It is made where there is none, `null` included, as the API server reads it.
fn entry<'a>(parent: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !parent.is_object() {
        *parent = Value::Object(Map::new());
    }
    let Value::Object(fields) = parent else { unreachable!("made an object just above") };
    child(fields, key)
}

fn child<'a>(fields: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = fields.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(fields) = value else { unreachable!("made an object just above") };
    fields
}

fn put<'a>(fields: &mut Map<String, Value>, key: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let child = child(fields, key);
    for (key, value) in pairs {
        child.insert(key.to_owned(), json!(value));
    }
}

/// A manifest with every occurrence of a secret text masked. The secret must be too long to occur by chance.
pub fn mask_text(manifest: &Value, secret: &str, mask: &str) -> Value {
    match manifest {
        Value::String(text) if text.contains(secret) => Value::String(text.replace(secret, mask)),
        Value::Array(items) => items.iter().map(|item| mask_text(item, secret, mask)).collect(),
        Value::Object(fields) => {
            let masked = fields.iter().map(|(key, value)| (key.clone(), mask_text(value, secret, mask)));
            Value::Object(masked.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(manifest: Value) -> Value {
        let stamp = Stamp {
            object_name: "hello-0123456789ab",
            namespace: "jobs",
            installation: &"here".parse().unwrap(),
            id: &"k1".parse().unwrap(),
            name: Some(&"Daily".parse().unwrap()),
            template: "hello",
            digest: "sha256:00",
            commit: None,
            rerun_of: Some(&"k0".parse().unwrap()),
            created: Timestamp::UNIX_EPOCH,
            fingerprint: "key.print",
            ttl_backstop_seconds: 604_800,
        };
        stamp.apply(manifest)
    }

    #[test]
    fn a_stamped_manifest_can_be_found_again_and_keeps_what_it_had() {
        let manifest = stamped(json!({
            "metadata": {"name": "hello", "labels": {"team": "a", MANAGED_BY: "other"}},
            "spec": {"ttlSecondsAfterFinished": 300, "template": {"spec": {"restartPolicy": "Never"}}},
        }));
        assert_eq!(
            manifest,
            json!({
                "metadata": {
                    "name": "hello-0123456789ab",
                    "namespace": "jobs",
                    "labels": {"team": "a", MANAGED_BY: JOBWRIGHT, INSTALLATION: "here", TEMPLATE: "hello"},
                    "annotations": {
                        JOB_ID: "k1", JOB_NAME: "Daily", DIGEST: "sha256:00", TTL: "300", RERUN_OF: "k0",
                        CREATED: "1970-01-01T00:00:00Z", FINGERPRINT: "key.print",
                    },
                },
                "spec": {
                    "ttlSecondsAfterFinished": 604_800,
                    "template": {
                        "metadata": {
                            "labels": {MANAGED_BY: JOBWRIGHT, INSTALLATION: "here", TEMPLATE: "hello"},
                            "annotations": {JOB_ID: "k1"},
                        },
                        "spec": {"restartPolicy": "Never"},
                    },
                },
            })
        );
    }

    #[test]
    fn a_time_to_live_is_raised_only_where_the_template_has_one() {
        let without = stamped(json!({"spec": {"template": {}}}));
        assert_eq!(without.pointer("/spec/ttlSecondsAfterFinished"), None);
        let longer = stamped(json!({"spec": {"ttlSecondsAfterFinished": 700_000, "template": {}}}));
        assert_eq!(longer.pointer("/spec/ttlSecondsAfterFinished"), Some(&json!(700_000)));
    }

    #[test]
    fn a_secret_text_is_masked_wherever_it_stands() {
        let masked = mask_text(&json!({"args": ["--url", "http://x/callback/k1~abc", 1]}), "k1~abc", "••••••");
        assert_eq!(masked, json!({"args": ["--url", "http://x/callback/••••••", 1]}));
    }
}
