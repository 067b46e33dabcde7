//! The rules of accessibility, as axe-core checks them: WCAG 2 at level AA, and what else is known to help.
//!
//! axe-core is under the Mozilla Public Licence and no part of this project. It is had from the npm registry, in the
//! one version that is known here, and kept under `target/`.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine;
use serde_json::{Value, json};

use crate::page::Page;

const VERSION: &str = "4.14.1";
/// The SHA-512 of its archive, as the registry and lock files write it.
const DIGEST: &str = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

const CHECK: &str = r#"
    const found = await axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        resultTypes: ["violations"],
    });
    return found.violations.map((it) => ({
        rule: it.id, impact: it.impact, help: it.help,
        where: it.nodes.slice(0, 5).map((node) => `${node.target.join(" ")}: ${(node.failureSummary || "").replace(/\s+/g, " ")}`),
    }));
"#;

/// What breaks a rule on the page that is shown, each with its places.
pub(crate) fn violations(page: &Page) -> Vec<Value> {
    if page.value("typeof axe") != "object" {
        page.driver().run(source(), json!([])).unwrap();
    }
    page.promise(CHECK, json!([])).as_array().unwrap().clone()
}

/// The checker itself.
fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let archive = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-core-{VERSION}.tgz"));
        if !archive.exists() {
            download(&archive);
        }
        let bytes = std::fs::read(&archive).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA512, &bytes);
        let digest = base64::engine::general_purpose::STANDARD.encode(digest);
        assert_eq!(
            digest,
            DIGEST,
            "{} is not axe-core {VERSION}: delete it, and run the test again",
            archive.display()
        );
        let unpacked = Command::new("tar").arg("-xzOf").arg(&archive).arg("package/axe.min.js").output().unwrap();
        assert!(unpacked.status.success(), "{unpacked:?}");
        String::from_utf8(unpacked.stdout).unwrap()
    })
}

/// Fetches it into a folder of its own first, so that a file which is there is whole.
fn download(archive: &Path) {
    let folder = tempfile::tempdir_in(archive.parent().unwrap()).unwrap();
    let package = format!("axe-core@{VERSION}");
    let packed = Command::new("npm")
        .args(["pack", &package, "--ignore-scripts", "--silent", "--pack-destination"])
        .arg(folder.path())
        .current_dir(folder.path())
        .output();
    let advice =
        "the rules of accessibility cannot be checked without it; install npm, and see that it reaches its registry";
    let packed = packed.unwrap_or_else(|error| panic!("npm cannot be run to fetch {package}: {error}; {advice}"));
    assert!(
        packed.status.success(),
        "npm cannot fetch {package}: {}; {advice}",
        String::from_utf8_lossy(&packed.stderr).trim()
    );
    std::fs::rename(folder.path().join(format!("axe-core-{VERSION}.tgz")), archive).unwrap();
}
