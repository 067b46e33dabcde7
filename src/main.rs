//! Starts the part of the program that the arguments ask for: nothing else.

use std::ffi::OsStr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    // Two parts of the program are started once for every job: they come before anything that takes time.
    match args.next().as_deref().and_then(OsStr::to_str) {
        Some("guard") => jobwright::executor::process::guard_main(args),
        Some("worker") => jobwright_worker::main([program].into_iter().chain(args)),
        _ => jobwright::cli::main(std::env::args_os().collect()),
    }
}
