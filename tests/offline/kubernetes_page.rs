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
    let tests = last_cells.filter_map(|cell| cell.trim().strip_prefix('`')?.strip_suffix('`'));
    tests.filter(|test| test.contains("::")).map(str::to_owned).collect()
}

/// The tests of a module of `tests/cluster`.
fn tests_of(module: &str) -> BTreeSet<String> {
    let text = read(&root().join("tests/cluster").join(format!("{module}.rs")));
    let names = text.split("#[test]\n").skip(1).map(|test| {
        let (_, name) = test.split_once("fn ").unwrap();
        format!("{module}::{}", name.split_once('(').unwrap().0)
    });
    names.collect()
}

#[test]
fn every_test_that_the_page_on_kubernetes_names_exists() {
    let named = named();
    assert!(named.len() > 40, "only {} tests are named", named.len());
    for test in &named {
        let (module, _) = test.split_once("::").unwrap();
        assert!(tests_of(module).contains(test), "docs/kubernetes.md names {test}, which does not exist");
    }
}

#[test]
fn every_way_to_end_or_hang_that_is_tested_is_in_the_page_on_kubernetes() {
    let named = named();
    for module in ["ends", "waits", "meddling"] {
        for test in tests_of(module) {
            let elsewhere = test == "meddling::two_installations_in_one_namespace_leave_each_other_alone";
            assert!(elsewhere || named.contains(&test), "docs/kubernetes.md does not name {test}");
        }
    }
}
