//! What a program finds around itself.

use std::collections::BTreeMap;

use serde_json::json;

use crate::house::{House, conclusion, container, script, script_with};

#[test]
fn the_environment_is_the_manifests_and_nothing_of_the_service() {
    let house = House::new();
    let mut main = container("main", "env");
    main["env"] = json!([
        {"name": "GREETING", "value": "hello"},
        {"name": "BOTH", "value": "$(GREETING), $$(GREETING) $(LATER) $(PATH)"},
        {"name": "LATER", "value": "x"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
    ]);
    let seen = house.run(json!({"backoffLimit": 0, "template": {
        "metadata": {"labels": {"team": "a"}},
        "spec": {"restartPolicy": "Never", "containers": [main]},
    }}));
    assert_eq!(conclusion(&seen), "Complete");
    let lines = house.text(&seen.object);
    let env: BTreeMap<&str, &str> = lines.iter().filter_map(|it| it.split_once('=')).collect();
    let names: Vec<&str> = env.keys().copied().collect();
    // The shell adds PWD (and some shells SHLVL and _) by itself.
    let names: Vec<&str> = names.into_iter().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)).collect();
    let expected = ["BOTH", "GREETING", "HOME", "HOSTNAME", "LANG", "LATER", "PATH", "POD", "TEAM", "TMPDIR"];
    assert_eq!(names, expected);
    assert_eq!(env["BOTH"], "hello, $(GREETING) $(LATER) $(PATH)");
    assert_eq!((env["POD"], env["HOSTNAME"], env["TEAM"]), ("it-0", "it-0", "a"));
    assert_eq!(env["HOME"], env["PWD"]);
}

#[test]
fn arguments_take_references_and_reach_the_program_as_they_are() {
    let house = House::new();
    let mut main = container("main", "printf '%s\\n' \"$0\" \"$@\"");
    main["env"] = json!([{"name": "A", "value": "1; $(B)"}]);
    main["args"] = json!(["$(A)", "$$(A)", "$(NO)", "two words", "", "é"]);
    let seen = house.run(json!({"backoffLimit": 0, "template": {
        "spec": {"restartPolicy": "Never", "containers": [main]},
    }}));
    assert_eq!(house.text(&seen.object), ["1; $(B)", "$(A)", "$(NO)", "two words", "", "é"]);
}

#[test]
fn a_program_has_an_empty_folder_no_input_and_no_open_files_of_ours() {
    let house = House::new();
    let seen = house.run(script("ls -A; cat; ls /proc/self/fd"));
    let lines = house.text(&seen.object);
    // What this test itself was started with is not ours; 3 is the folder that `ls` reads.
    let opened: Vec<&str> = lines.iter().map(String::as_str).filter(|fd| !is_inherited(fd)).collect();
    assert!(opened.is_empty() || opened == ["3"], "{opened:?} in {lines:?}");
}

/// Whether a file of this process is handed on to the programs that it starts.
fn is_inherited(fd: &str) -> bool {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.is_some_and(|it| u32::from_str_radix(it.trim(), 8).unwrap() & CLOSE_ON_EXEC == 0)
}

#[test]
fn what_a_program_left_running_ends_with_it() {
    let house = House::new();
    let pipe = house.root().join("pipe");
    let held = crate::orphans::Held::new(&pipe);
    let text =
        format!("exec 3> {}; setsid sh -c 'sleep 1000' & (setsid sleep 1000 &) ; echo ready >&3", pipe.display());
    let seen = house.run(script_with(&text, json!({})));
    assert_eq!(conclusion(&seen), "Complete");
    held.all_ended();
}
