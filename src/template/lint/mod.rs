//! Lint: everything that is wrong, risky or left unsaid in a folder of templates.
//!
//! A template is loaded, every example of it is rendered and held against what the API server would
//! refuse, and then the [rules](RULES) look at it. What load, render and validation find is an error;
//! a rule has a level of its own and can be switched off in a file by a comment with a reason:
//!
//! ```yaml
//! # jobwright: allow(image-tag) the registry here moves `stable` on purpose
//! ```
//!
//! [`lint_paths`] reads files, on as many threads as there are cores; [`lint_template`] is pure.

mod allow;
mod check;
mod collect;
mod files;
pub mod format;
mod look;
mod place;
mod report;
mod rules;
mod shell;
mod span;
mod synth;
mod taint;

#[cfg(test)]
mod tests;

pub use check::lint_template;
pub use files::{LintError, lint_paths};
pub use report::{Diagnostic, Excerpt, Level, Report};
pub use rules::{RULES, Rule};
