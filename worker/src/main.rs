//! The worker as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobwright_worker::main(std::env::args_os())
}
