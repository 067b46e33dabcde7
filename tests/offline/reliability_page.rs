//! `docs/reliability.md` shows the figures that campaigns have counted, and names tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What a campaign has written: see `tests/support/tally.rs`.
#[derive(Deserialize)]
struct Tally {
    campaign: String,
    at: jiff::Timestamp,
    seconds: u64,
    counts: BTreeMap<String, u64>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> (PathBuf, String) {
    let path = root().join("docs/reliability.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

fn tallies() -> BTreeMap<String, Tally> {
    let files = fs::read_dir(root().join("docs/reliability")).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let tally: Tally = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), tally.campaign);
            (tally.campaign.clone(), tally)
        })
        .collect()
}

/// 1234567 → 1,234,567
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn table(tally: &Tally) -> String {
    let (date, seconds) = (tally.at.strftime("%Y-%m-%d"), grouped(tally.seconds));
    let mut out = format!("| {date}, {seconds} s | |\n|---|---:|\n");
    for (what, count) in &tally.counts {
        let _ = writeln!(out, "| {what} | {} |", grouped(*count));
    }
    out
}

const END: &str = "<!-- end -->\n";

/// The page with the figures of the tallies, and the campaigns that it shows.
fn filled(page: &str, tallies: &BTreeMap<String, Tally>) -> (String, BTreeSet<String>) {
    let (mut out, mut shown, mut rest) = (String::new(), BTreeSet::new(), page);
    while let Some((before, after)) = rest.split_once("<!-- tried: ") {
        let (campaign, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once(END).unwrap_or_else(|| panic!("no end of {campaign}"));
        let tally = tallies.get(campaign).unwrap_or_else(|| panic!("there is no docs/reliability/{campaign}.json"));
        let _ = write!(out, "{before}<!-- tried: {campaign} -->\n{}{END}", table(tally));
        shown.insert(campaign.to_owned());
        rest = after;
    }
    (out + rest, shown)
}

#[test]
fn the_figures_on_reliability_are_those_that_were_counted() {
    let (path, text) = page();
    let tallies = tallies();
    let (now, shown) = filled(&text, &tallies);
    assert_eq!(shown, tallies.keys().cloned().collect());
    if std::env::var("INSTA_UPDATE").is_ok_and(|it| it == "always") {
        fs::write(path, now).unwrap();
    } else {
        assert!(
            text == now,
            "docs/reliability.md is stale; run: INSTA_UPDATE=always cargo test --test offline reliability"
        );
    }
}

/// Every function that is a test, by name, with the path of its file.
fn tests() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut folders = vec![root().join("src"), root().join("tests"), root().join("worker")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.split("fn ").skip(1).filter_map(|it| it.split_once('(')).map(|(name, _)| name);
                let file = path.strip_prefix(root()).unwrap().with_extension("").display().to_string();
                for name in names {
                    found.entry(name.to_owned()).or_default().push(file.clone());
                }
            }
        }
    }
    found
}

/// What a table names in its last cell: `MODULE::…::NAME`.
fn named(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|it| it.contains("::")).collect()
}

#[test]
fn every_test_that_the_page_on_reliability_names_exists() {
    let (_, text) = page();
    let (named, tests) = (named(&text), tests());
    assert!(named.len() > 10, "only {} tests are named", named.len());
    for test in named {
        let (module, name) = test.rsplit_once("::").unwrap();
        let modules: Vec<_> = module.split("::").collect();
        let files = tests.get(name).map(Vec::as_slice).unwrap_or_default();
        let there =
            files.iter().any(|file| file.split('/').any(|part| modules.contains(&part.trim_end_matches("_tests"))));
        assert!(there, "docs/reliability.md names {test}, which does not exist");
    }
}
