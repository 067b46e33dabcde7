//! Refuses, without a cluster, what the Kubernetes API server refuses for a static reason.
//!
//! [`validate`] takes a `batch/v1` Job as JSON and answers with the same field paths, and where
//! that is practical the same words, as the API server of Kubernetes 1.34. It follows
//! `pkg/apis/batch/validation` and `pkg/apis/core/validation` of k8s.io/kubernetes together with the
//! defaulting that runs before them, so a field that the server fills in is never reported as missing.
//!
//! Two rules hold throughout. What the server accepts is never refused, so a check whose outcome
//! depends on the cluster (admission, feature gates, existing objects) is left out. And a value of a
//! wrong JSON type counts as absent: types are the business of the strict decoder, which runs before.
//!
//! | file | what it covers |
//! |---|---|
//! | `field` | a field with its path, and the list of findings in the server's forms |
//! | `names` | DNS names, labels, qualified names and the other small grammars |
//! | `quantity` | `resource.Quantity`: grammar, comparison, canonical form |
//! | `meta` | object metadata, labels, annotations, label selectors |
//! | `job`, `policy` | the Job's own fields, its failure and success policies |
//! | `pod`, `dns`, `os` | the pod template's own fields |
//! | `scheduling` | affinity, tolerations, topology spread |
//! | `container`, `env`, `mounts`, `probe`, `resources`, `security` | containers |
//! | `volume`, `volume_kinds`, `projected` | volumes |

mod container;
mod dns;
mod env;
mod field;
mod job;
mod meta;
mod mounts;
mod names;
mod os;
mod pod;
mod policy;
mod probe;
mod projected;
mod quantity;
mod resources;
mod scheduling;
mod security;
mod volume;
mod volume_kinds;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use quantity::{Quantity, QuantityError};

pub(super) use field::quote;
use field::{Findings, Node};

/// One reason why the API server would refuse the manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The field, as the API server writes it: `spec.template.spec.containers[0].name`.
    pub path: String,
    /// What is wrong with it, in the API server's form: `Required value`,
    /// `Invalid value: "x": must be …`.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every reason why the API server of Kubernetes 1.34 would refuse this `batch/v1` Job, in the
/// order in which the server names them; empty when there is none.
///
/// The manifest need not be a Job at all: any JSON is looked at, none makes it panic.
#[must_use]
pub fn validate(manifest: &Value) -> Vec<Finding> {
    let mut findings = Findings::default();
    let job = Node::root(manifest);
    job::validate_job(&job, &mut findings);
    findings.into_vec()
}
