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

/// The least that a count, or each of those whose names begin so, must come to for a campaign's figures to be shown: those
/// of a short run must not take the place of a long one's.
const LEAST: &[(&str, &str, u64)] = &[
    ("api-server-real", "launches: ", 200),
    ("api-server-scripted", "rounds", 60),
    ("concurrency-cluster", "launches of one ", 1000),
    ("concurrency-kubernetes", "launches of one ", 1000),
    ("concurrency-process", "launches of one ", 1000),
    ("crashes-cluster", "cycles", 200),
    ("crashes-kubernetes", "cycles", 1000),
    ("crashes-process", "cycles", 1000),
    ("full-disk", "times that the disk was full", 200),
    ("interleavings-all", "facts in a sequence, at most", 6),
    ("interleavings-random", "sequences tried", 1_000_000),
    ("load", SECONDS, 3600),
    ("power-cuts", "power cuts", 1000),
];

/// How long a campaign took, as if it were a count.
const SECONDS: &str = "seconds";

/// What of a campaign is too little to be shown.
fn shortfalls(tally: &Tally) -> Vec<String> {
    let Tally { campaign, seconds, counts, .. } = tally;
    let least: Vec<_> = LEAST.iter().filter(|(of, ..)| of == campaign).collect();
    if least.is_empty() {
        return vec![format!("{campaign}: LEAST does not say how much of it there must be")];
    }
    let mut found = Vec::new();
    for (_, name, least) in least {
        let counted: Vec<u64> = match *name {
            SECONDS => vec![*seconds],
            _ => counts.iter().filter(|(what, _)| what.starts_with(name)).map(|(_, count)| *count).collect(),
        };
        if counted.iter().min().is_none_or(|count| count < least) {
            found.push(format!("{campaign}: \"{name}\" must come to {least}, and there are {counted:?}"));
        }
    }
    found
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
    let short: Vec<_> = tallies.values().flat_map(shortfalls).collect();
    assert_eq!(short, Vec::<String>::new(), "run it at full length, or take its file in docs/reliability back");
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

#[test]
fn the_figures_of_a_short_run_are_not_shown() {
    let shortfalls = |campaign: &str, seconds, counts: &[(&str, u64)]| {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        shortfalls(&Tally { campaign: campaign.to_owned(), at: jiff::Timestamp::UNIX_EPOCH, seconds, counts }).len()
    };
    assert_eq!(shortfalls("power-cuts", 9000, &[("power cuts", 60), ("recorded runs", 5000)]), 1);
    assert_eq!(shortfalls("power-cuts", 9, &[("power cuts", 1000), ("recorded runs", 5)]), 0);
    assert_eq!(shortfalls("api-server-real", 9, &[("launches: etcd, kill", 200), ("launches: etcd, freeze", 20)]), 1);
    assert_eq!(shortfalls("load", 3599, &[("launches acknowledged", 1_000_000)]), 1);
    assert_eq!(shortfalls("load", 3600, &[]), 0);
    assert_eq!(shortfalls("full-disk", 9, &[]), 1, "it counts something else than was expected");
    assert_eq!(shortfalls("a-new-campaign", 9, &[]), 1);
}

/// The names of the tests in a file: of the functions that have the attribute.
fn tests_in(text: &str) -> Vec<&str> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some(rest) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
            found.extend(rest.split_once('(').map(|(name, _)| name).filter(|_| is_test));
            is_test = false;
        }
    }
    found
}

#[test]
fn only_a_function_that_is_run_as_a_test_counts_as_one() {
    let text = "
        // #[test]
        fn helper(it: u8) {}

        #[test]
        #[ignore = \"takes an hour\"]
        fn one() { helper(1) }
        fn another_helper() {}

        #[tokio::test(flavor = \"multi_thread\")]
        async fn two() {}
        async fn a_third_helper() {}

        proptest! {
            #[test]
            fn three(it in 0..9) {}
        }
    ";
    assert_eq!(tests_in(text), ["one", "two", "three"]);
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
                let file = path.strip_prefix(root()).unwrap().with_extension("").display().to_string();
                for name in tests_in(&text) {
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
