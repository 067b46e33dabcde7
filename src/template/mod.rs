//! Templates: from a file to a checked manifest.

pub mod validate;
