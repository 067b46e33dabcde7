//! The rules of the house that the compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from top to bottom: each may use those below it.
const ROOMS: [&str; 10] =
    ["cli", "http", "service", "executor", "store", "template", "job", "unified", "lock", "crash"];

fn sources(under: &Path) -> Vec<PathBuf> {
    if !under.is_dir() {
        return vec![under.with_extension("rs")];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every line of code in a folder or file of `src/`, without comments and without tests: where it stands, and its text.
fn code(room: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = Vec::new();
    for path in sources(&root.join("src").join(room)) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name.contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if line.trim() == "#[cfg(test)]" {
                break;
            }
            if !line.trim_start().starts_with("//") {
                lines.push((format!("{name}:{}", number + 1), line.to_owned()));
            }
        }
    }
    assert!(!lines.is_empty(), "no code in {room}");
    lines
}

fn offences(room: &str, forbidden: &[String]) -> Vec<String> {
    let lines = code(room).into_iter();
    lines
        .filter(|(_, line)| forbidden.iter().any(|word| line.contains(word)))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect()
}

#[test]
fn rooms_use_only_those_below_them() {
    for (index, room) in ROOMS.iter().enumerate() {
        let above: Vec<String> = ROOMS[..index].iter().map(|above| format!("crate::{above}::")).collect();
        assert_eq!(offences(room, &above), [""; 0], "{room} reaches up");
    }
}

#[test]
fn what_a_job_is_depends_on_no_clock_and_no_io() {
    let forbidden =
        ["Timestamp::now", "std::fs", "std::io", "std::net", "std::env", "tokio::", "tracing::", "crate::crash"];
    let forbidden = forbidden.map(str::to_owned);
    assert_eq!(offences("job", &forbidden), [""; 0]);
}

#[test]
fn libraries_that_may_have_to_go_are_used_in_one_place_each() {
    for room in ROOMS {
        if room != "store" {
            assert_eq!(offences(room, &["sled::".to_owned()]), [""; 0]);
        }
        let elsewhere = offences(room, &["serde_yaml::".to_owned()]);
        let elsewhere: Vec<_> = elsewhere.iter().filter(|place| !place.starts_with("src/template/yaml")).collect();
        assert_eq!(elsewhere, [""; 0]);
    }
}

#[test]
fn only_the_command_line_speaks_to_a_terminal() {
    let forbidden = ["println!", "anstream::", "anyhow::"].map(str::to_owned);
    for room in ROOMS.iter().filter(|room| **room != "cli") {
        assert_eq!(offences(room, &forbidden), [""; 0]);
    }
}
