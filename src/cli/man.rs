//! `jobwright man`: the manual.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::reference;

/// Writes the manual: man pages, or the same as one Markdown page
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright man | man -l -                        read the page of the program itself
  jobwright man ~/.local/share/man/man1           install a page for every command
  jobwright man --markdown                        everything as one Markdown page")]
pub struct ManArgs {
    /// The folder to write a page for every command to; without it, the page of the program itself goes to stdout
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Print one Markdown page over all commands
    #[arg(long, env = "JOBWRIGHT_MAN_MARKDOWN", conflicts_with = "dir")]
    markdown: bool,
}

/// Writes the manual.
pub fn run(args: ManArgs) -> anyhow::Result<ExitCode> {
    let mut command = super::command().version(env!("CARGO_PKG_VERSION"));
    command.build();
    if args.markdown {
        std::io::stdout().write_all(reference::markdown(&command).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        std::io::stdout().write_all(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let mut pages = Vec::new();
    collect(&command, &mut pages);
    for page in &pages {
        let path = dir.join(page.get_filename());
        let mut text = Vec::new();
        page.render(&mut text)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    writeln!(anstream::stderr(), "{} pages written to {}", pages.len(), dir.display())?;
    Ok(ExitCode::SUCCESS)
}

fn collect(command: &clap::Command, pages: &mut Vec<clap_mangen::Man>) {
    if command.is_hide_set() {
        return;
    }
    pages.push(clap_mangen::Man::new(command.clone()));
    for inner in command.get_subcommands() {
        collect(inner, pages);
    }
}
