//! Parses arguments, starts logging and calls the command: nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobwright::cli::main(std::env::args_os().collect())
}
