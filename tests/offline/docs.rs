//! What is generated and committed is current, and the command line keeps its own rules.

use std::path::Path;

use clap::Command;

fn committed(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every command with its full name, hidden ones left out.
fn commands() -> Vec<(String, Command)> {
    fn collect(path: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        if command.is_hide_set() {
            return;
        }
        found.push((path.to_owned(), command.clone()));
        for inner in command.get_subcommands() {
            collect(&format!("{path} {}", inner.get_name()), inner, found);
        }
    }
    let mut root = jobwright::cli::command();
    root.build();
    let mut found = Vec::new();
    collect("jobwright", &root, &mut found);
    found
}

#[test]
fn the_reference_of_the_command_line_is_current() {
    let mut command = jobwright::cli::command();
    command.build();
    let now = jobwright::cli::reference::markdown(&command);
    assert!(committed("docs/cli.md") == now, "docs/cli.md is stale; run: cargo run -- man --markdown > docs/cli.md");
}

#[test]
fn every_command_has_examples() {
    let commands = commands();
    let examples = |path: &str| {
        let command = commands.iter().find(|(it, _)| it == path).map(|(_, it)| it);
        let help = command.and_then(Command::get_after_long_help);
        help.map(ToString::to_string).unwrap_or_default()
    };
    for (path, _) in &commands {
        // Those of a small command may stand with the group that it belongs to.
        let group = path.rsplit_once(' ').map_or("", |(group, _)| group);
        let shown = [examples(path), examples(group)].concat();
        assert!(shown.contains("Examples:\n") && shown.contains(path.as_str()), "`{path} --help` has no examples");
    }
}

#[test]
fn every_flag_can_be_given_by_a_variable() {
    for (path, command) in commands() {
        for arg in command.get_arguments() {
            let flag = arg.get_long().filter(|it| !["help", "version"].contains(it));
            if let Some(flag) = flag {
                let variable = arg.get_env().and_then(|it| it.to_str());
                assert!(
                    variable.is_some_and(|it| it.starts_with("JOBWRIGHT_")),
                    "`{path} --{flag}` has no JOBWRIGHT_… variable"
                );
            }
        }
    }
}

#[test]
fn every_argument_is_explained() {
    for (path, command) in commands() {
        assert!(command.get_about().is_some(), "`{path}` is not explained");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "`{path}`: {} is not explained", arg.get_id());
        }
    }
}

#[test]
fn the_examples_in_help_are_accepted_by_the_parser() {
    let mut seen = 0;
    for (path, command) in commands() {
        let help = command.get_after_long_help().map(ToString::to_string);
        for line in help.iter().flat_map(|help| help.lines()) {
            for words in invocations(line) {
                let result = jobwright::cli::command().try_get_matches_from(&words);
                if let Err(error) = result {
                    panic!("an example of `{path}` is refused: {words:?}\n{error}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} examples were found");
}

/// The commands in a line of examples, as lists of words. What explains them comes after at least two spaces, or in a
/// pipe.
fn invocations(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in line.split('|') {
        let Some(start) = part.find("jobwright ") else {
            continue;
        };
        let command = &part[start..];
        let end = [" > ", " && ", "  "].iter().filter_map(|it| command.find(it)).min();
        let command = &command[..end.unwrap_or(command.len())];
        let mut command = words(command);
        if part.trim_start().starts_with("xargs ") {
            command.push("what-it-reads".to_owned());
        }
        found.push(command);
    }
    found
}

/// Splits a command at its blanks, with single and double quotes as a shell reads them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ' ' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
