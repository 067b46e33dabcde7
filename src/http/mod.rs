//! The HTTP service: a router over [`crate::service`], and nothing that decides about jobs.
//!
//! | room | what it holds |
//! |---|---|
//! | [`error`], [`problem`] | the one error type, and how it is told to clients |
//! | [`auth`] | who a caller is, browser sessions, refusal of cross-site requests |
//! | [`state`] | what the handlers share |

pub mod auth;
pub mod error;
pub mod problem;
pub mod state;
pub mod streams;

pub use auth::Caller;
pub use error::ApiError;
pub use problem::Problem;
pub use state::{AppState, Settings};
