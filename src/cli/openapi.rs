//! `jobwright openapi`: the description of the HTTP API.

use std::io::Write;
use std::process::ExitCode;

/// Print the description of the HTTP API, as OpenAPI 3.1
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright openapi > openapi.json       the same as GET /api/v1/openapi.json of a running service")]
pub struct OpenapiArgs {}

/// Prints the description.
pub fn run(_: OpenapiArgs) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(document().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The description as it is committed in `docs/openapi.json`.
pub fn document() -> String {
    format!("{:#}\n", serde_json::json!(crate::http::openapi::document()))
}
