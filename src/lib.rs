//! Jobwright: a GitOps-friendly, declarative job runner.
//!
//! The map of the house. Dependencies point downwards in this list and never back.
//!
//! | room | what it holds |
//! |---|---|
//! | [`cli`] | one file a subcommand; talks to the rest as any caller would |
//! | [`http`] | router, `ApiError`, API, callback, dashboard, sign-in, the routes of the system it replaces |
//! | [`service`] | launcher (intent → launch) and reconciler (evidence → record): the only writers of jobs |
//! | [`executor`] | where jobs run; every executor gives the same kinds of evidence |
//! | [`store`] | durable records |
//! | [`job`] | what a job is: id, record, phase, evidence, report, verdict. Pure |
//! | [`template`] | a file → a checked manifest. Pure but for reading the folder |
//! | `unified` | the difference of two texts |
//! | `lock` | one process at a time in a folder |
//! | [`crash`] | points at which tests kill the program; empty in every other build |

pub mod cli;
pub mod crash;
pub mod executor;
pub mod http;
pub mod job;
mod lock;
pub mod service;
pub mod store;
pub mod template;
mod unified;
