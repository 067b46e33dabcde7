//! Templates: from a file to a checked manifest.
//!
//! ```text
//! file ── front matter ──────────── parameters ── check ──┐
//!   └──── Handlebars ── compile ── expand ── parse ── fill ┴─ decode ── validate ── manifest
//! ```
//!
//! - [`Catalog`] is a folder of templates, [`LiveCatalog`] one that is watched.
//! - [`Template::check`] takes values from a caller and gives [`Checked`] ones, or every [`Fault`].
//! - [`Template::render`] puts them into the manifest. No byte of theirs ever meets a YAML
//!   parser: the text that is parsed holds random tokens, and the values replace them in the tree.
//!
//! Everything here is pure but for reading the folder.

mod catalog;
mod compile;
mod digest;
mod embedded;
mod expand;
mod expansion;
mod expr;
mod files;
mod fill;
mod frontmatter;
mod inputs;
pub mod limits;
pub mod lint;
mod live;
mod locate;
pub mod manifest;
mod params;
mod problem;
mod provenance;
mod rendered;
mod revision;
mod schema;
mod scope;
mod scrub;
mod source;
pub mod suggest;
mod tags;
#[expect(clippy::module_inception, reason = "one template is the subject of its own file")]
mod template;
pub mod validate;
pub mod yaml;

pub use catalog::{Catalog, CatalogError, Entry, State, TemplateSource, UnknownTemplate};
pub use inputs::Inputs;
pub use limits::Limit;
pub use live::LiveCatalog;
pub use params::Checked;
pub(crate) use problem::MISSING;
pub use problem::{Code, Fault, LoadError, Place, Problem, RenderError};
pub use provenance::Provenance;
pub use rendered::Rendered;
pub use schema::Parameter;
pub use template::{Context, Partials, Settings, Template};

#[cfg(test)]
mod hostile_tests;

/// What stands for a secret wherever one would show.
pub const MASK: &str = "••••••";
