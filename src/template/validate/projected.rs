//! Volumes put together from several sources, and those that bring their own claim.

use std::collections::BTreeSet;

use super::field::{Findings, Node};
use super::mounts::unreserved_path;
use super::volume_kinds::{validate_claim_template, validate_downward_file, validate_item, validate_mode};

const DUPLICATE_PATHS: &str = "conflicting duplicate paths";
const MIN_TOKEN_SECONDS: i64 = 600;
const MAX_TOKEN_SECONDS: i64 = 1 << 32;

pub(super) fn validate_projected(volume: &Node<'_>, out: &mut Findings) {
    validate_mode(&volume.get("defaultMode"), out);
    let mut paths = BTreeSet::new();
    for source in volume.get("sources").items() {
        let mut kinds = 0;
        for kind in ["secret", "configMap"] {
            let part = source.get(kind);
            if !part.is_present() {
                continue;
            }
            kinds += 1;
            let name = part.get("name");
            out.non_empty(&name);
            for item in part.get("items").items() {
                validate_item(&item, out);
                let path = item.get("path");
                if !path.str().is_empty() && !paths.insert(path.str().to_owned()) {
                    out.invalid(volume, name.str(), DUPLICATE_PATHS);
                }
            }
        }
        let downward = source.get("downwardAPI");
        if downward.is_present() {
            kinds += 1;
            for file in downward.get("items").items() {
                validate_downward_file(&file, &downward, out);
                let path = file.get("path");
                if !path.str().is_empty() && !paths.insert(path.str().to_owned()) {
                    out.invalid(volume, path.str(), DUPLICATE_PATHS);
                }
            }
        }
        let token = source.get("serviceAccountToken");
        if token.is_present() {
            kinds += 1;
            validate_token(volume, &token, out);
        }
        kinds += usize::from(source.get("clusterTrustBundle").is_present());
        if kinds > 1 {
            out.forbidden(&source, "may not specify more than 1 volume type per source");
        }
    }
}

/// The server reports a token's path at the volume.
fn validate_token(volume: &Node<'_>, token: &Node<'_>, out: &mut Findings) {
    let expiration = token.get("expirationSeconds");
    match expiration.int() {
        Some(n) if n < MIN_TOKEN_SECONDS => {
            out.invalid_shown(&expiration, n, "may not specify a duration less than 10 minutes");
        }
        Some(n) if n > MAX_TOKEN_SECONDS => {
            out.invalid_shown(&expiration, n, "may not specify a duration larger than 2^32 seconds");
        }
        _ => {}
    }
    let path = token.get("path");
    let at = volume.named("path");
    if path.str().is_empty() {
        out.required(&at, "");
    } else {
        unreserved_path(&at, path.str(), out);
    }
}

pub(super) fn validate_ephemeral(volume: &Node<'_>, out: &mut Findings) {
    let template = volume.get("volumeClaimTemplate");
    if template.is_present() {
        validate_claim_template(&template, out);
    } else {
        out.required(&template, "");
    }
}
