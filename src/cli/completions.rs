//! `jobwright completions`: tab completion for shells.

use std::io::Write;
use std::process::ExitCode;

use clap_complete::Shell;

/// Prints a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright completions bash > ~/.local/share/bash-completion/completions/jobwright
  jobwright completions zsh  > \"${fpath[1]}/_jobwright\"
  jobwright completions fish > ~/.config/fish/completions/jobwright.fish")]
pub struct CompletionsArgs {
    /// The shell to write for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "jobwright", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
