//! A report in the form that its reader wants: a person, a program, a code scanner or GitHub.

mod github;
mod human;
mod json;
mod sarif;

pub use github::github;
pub use human::human;
pub use json::json;
pub use sarif::sarif;
