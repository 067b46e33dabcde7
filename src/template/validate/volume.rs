//! Volumes: their names, and exactly one source for each.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Findings, Node};
use super::{names, volume_kinds};

/// Sources in the order in which the server looks at them: the first counts, others are too many.
const KINDS: [&str; 28] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
];

/// The volumes that containers may name, each with whether it is a claim.
#[derive(Default)]
pub(super) struct Volumes<'a>(BTreeMap<&'a str, bool>);

impl Volumes<'_> {
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether it can be used as a block device.
    pub(super) fn is_claim(&self, name: &str) -> bool {
        self.0.get(name) == Some(&true)
    }
}

/// Checks all volumes. Only valid ones can be mounted, as the server has it; a fault in a volume
/// would otherwise be reported again at each of its mounts, so here faulty ones count as known.
pub(super) fn validate_volumes<'a>(volumes: &'a Node<'a>, out: &mut Findings) -> Volumes<'a> {
    let mut known = Volumes::default();
    let mut seen = BTreeSet::new();
    let values = volumes.list();
    for (volume, value) in volumes.items().zip(values) {
        let before = out.len();
        validate_source(&volume, out);
        let name = volume.get("name");
        if out.non_empty(&name) {
            out.all_invalid(&name, name.str(), names::dns_label(name.str()));
        }
        if seen.contains(name.str()) {
            out.duplicate(&name, name.str());
        }
        // Only the name of a valid volume is taken.
        if out.len() == before {
            seen.insert(name.str().to_owned());
        }
        if let Some(name) = value.get("name").and_then(|n| n.as_str()) {
            let claim = ["persistentVolumeClaim", "ephemeral"].iter().any(|k| volume.get(k).is_present());
            known.0.entry(name).or_insert(claim);
        }
    }
    known
}

/// A volume without any source is an `emptyDir`.
fn validate_source(volume: &Node<'_>, out: &mut Findings) {
    let mut found = false;
    for kind in KINDS.iter().chain(&["ephemeral"]) {
        let source = volume.get(kind);
        if !source.is_present() {
            continue;
        }
        if found {
            let shown = match *kind {
                "cephfs" => "cephFS",
                "downwardAPI" => "downwarAPI",
                kind => kind,
            };
            out.forbidden(&volume.named(shown), "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        volume_kinds::validate_kind(kind, volume, &source, out);
    }
}
