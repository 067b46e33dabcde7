//! Where a container's command line holds a shell script.

use serde_json::Value;

const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"];

/// One word of a command line, with its path in the manifest.
#[derive(Debug, Clone)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) path: String,
}

/// `command` and `args` of a container in the order in which they run.
pub(super) fn command_line<'a>(container: &'a Value, path: &str) -> Vec<Word<'a>> {
    ["command", "args"].iter().flat_map(|field| words(container.get(*field), &format!("{path}.{field}"))).collect()
}

/// The commands that probes and lifecycle hooks run.
pub(super) fn hook_lines<'a>(container: &'a Value, path: &str) -> Vec<Vec<Word<'a>>> {
    const HOOKS: [&str; 5] =
        ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"];
    HOOKS
        .iter()
        .filter_map(|hook| {
            let command = container.pointer(&format!("/{hook}/exec/command"))?;
            let path = format!("{path}.{}.exec.command", hook.replace('/', "."));
            Some(words(Some(command), &path))
        })
        .collect()
}

fn words<'a>(list: Option<&'a Value>, path: &str) -> Vec<Word<'a>> {
    let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    items.filter_map(|(i, v)| Some(Word { text: v.as_str()?, path: format!("{path}[{i}]") })).collect()
}

/// The script of `sh -c SCRIPT`, behind `env`, `exec` and the like too. What follows the script are its
/// arguments, which a shell does not read as code.
pub(super) fn script<'w, 'a>(line: &'w [Word<'a>]) -> Option<&'w Word<'a>> {
    let shell = line.iter().position(|word| {
        let name = word.text.rsplit('/').next().unwrap_or("");
        SHELLS.contains(&name)
    })?;
    let flag = line[shell + 1..]
        .iter()
        .position(|word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c'))?;
    line.get(shell + 1 + flag + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn script_of(command: &[&str], args: &[&str]) -> Option<String> {
        let container = json!({"command": command, "args": args});
        script(&command_line(&container, "c")).map(|word| format!("{} {}", word.path, word.text))
    }

    #[test]
    fn the_script_is_what_follows_c() {
        assert_eq!(script_of(&["sh", "-c", "x"], &[]).as_deref(), Some("c.command[2] x"));
        assert_eq!(script_of(&["/bin/bash", "-euo", "pipefail", "-c"], &["x", "y"]).as_deref(), Some("c.args[0] x"));
        assert_eq!(script_of(&["/usr/bin/env", "bash", "-lc", "x"], &[]).as_deref(), Some("c.command[3] x"));
        assert_eq!(script_of(&["busybox", "sh"], &["-c", "x"]).as_deref(), Some("c.args[1] x"));
    }

    #[test]
    fn a_command_without_a_shell_has_no_script() {
        assert_eq!(script_of(&["report", "-c", "x"], &[]), None);
        assert_eq!(script_of(&["sh", "/app/run.sh"], &["x"]), None);
        assert_eq!(script_of(&["sh", "-c"], &[]), None);
    }
}
