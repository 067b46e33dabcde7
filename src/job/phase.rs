//! The phases of a job.

use serde::{Deserialize, Serialize};

/// Where a job stands. It follows from evidence alone; see [`crate::job::verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Phase {
    /// Recorded; not yet seen on the executor.
    Pending,
    /// The object exists and is suspended.
    Suspended,
    /// The object exists and no container runs; the reason says why.
    Waiting,
    /// A container runs, or has run and the object is not concluded yet (reason `Finishing`).
    Running,
    /// The object is complete.
    Succeeded,
    /// The object failed; the reason says how.
    Failed,
    /// A person or caller cancelled it and the executor confirmed, or somebody deleted its object.
    Cancelled,
    /// The executor refused it; nothing was created.
    Rejected,
    /// It was created and is gone, and nothing tells how it ended.
    Lost,
}

impl Phase {
    /// Every phase, in the order of a job's life.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Suspended,
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Rejected,
        Self::Lost,
    ];

    /// Whether a job stays in this phase for ever.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Rejected | Self::Lost)
    }

    /// The phase as it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Rejected => "Rejected",
            Self::Lost => "Lost",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no phase; expected one of Pending, Suspended, Waiting, Running, Succeeded, Failed, Cancelled, Rejected, Lost"
)]
pub struct UnknownPhase(String);

impl std::str::FromStr for Phase {
    type Err = UnknownPhase;

    /// Reads a phase in any case.
    fn from_str(text: &str) -> Result<Self, UnknownPhase> {
        let found = Self::ALL.into_iter().find(|phase| phase.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}
