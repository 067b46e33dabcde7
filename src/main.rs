//! Parses arguments, starts logging and calls the command: nothing else.

fn main() {}
