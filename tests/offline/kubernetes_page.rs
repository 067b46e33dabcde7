//! What `docs/kubernetes.md` promises is shown by tests that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tests that the tables of the page name: `MODULE::NAME`, in the last cell of a row.
fn named() -> BTreeSet<String> {
    let page = read(&root().join("docs/kubernetes.md"));
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let last_cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    let tests = last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    tests.filter(|test| test.contains("::")).map(str::to_owned).collect()
}

/// The tests of a module of a tier, as the page names them.
fn tests_of(tier: &str, module: &str) -> BTreeSet<String> {
    let file = root().join("tests").join(tier).join(format!("{module}.rs"));
    let text = if file.exists() { read(&file) } else { String::new() };
    let functions = text.split("test").filter_map(|after| {
        // `#[test]` or `#[tokio::test(…)]`, and perhaps one more attribute.
        let attribute = after.starts_with(']') || after.starts_with("(flavor");
        let (before, name) = after.split_once("fn ").filter(|_| attribute)?;
        (before.lines().count() <= 3).then(|| name.split_once('('))?
    });
    functions.map(|(name, _)| format!("{module}::{name}")).collect()
}

#[test]
fn every_test_that_the_page_on_kubernetes_names_exists() {
    let named = named();
    assert!(named.len() > 40, "only {} tests are named", named.len());
    for test in &named {
        let (module, _) = test.split_once("::").unwrap();
        let found = ["cluster", "kubernetes"].iter().any(|tier| tests_of(tier, module).contains(test));
        assert!(found, "docs/kubernetes.md names {test}, which does not exist");
    }
}

#[test]
fn every_way_to_end_or_hang_that_is_tested_is_in_the_page_on_kubernetes() {
    let named = named();
    for module in ["ends", "waits", "meddling"] {
        for test in tests_of("cluster", module) {
            let elsewhere = test == "meddling::two_installations_in_one_namespace_leave_each_other_alone";
            assert!(elsewhere || named.contains(&test), "docs/kubernetes.md does not name {test}");
        }
    }
}
