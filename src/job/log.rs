//! What a job writes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The text, without its line end; bytes that are not UTF-8 are replaced.
    pub text: String,
}
