//! The built program, as a user meets it.

use std::process::{Command, Output, Stdio};

/// The program with these arguments, without any variable that steers it.
pub(crate) fn jobwright(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
    // Contexts of whoever runs the tests must not count.
    command.args(args).stdin(Stdio::null()).env("XDG_CONFIG_HOME", "/nowhere");
    for (name, _) in std::env::vars() {
        if name.starts_with("JOBWRIGHT_") || name == "NO_COLOR" || name == "CLICOLOR_FORCE" {
            command.env_remove(name);
        }
    }
    command
}

/// Exit code, stdout and stderr as one text.
pub(crate) fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    )
}
