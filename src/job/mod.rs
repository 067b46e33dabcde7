//! What a job is: one launch and its record. Pure: no I/O and no clock of its own; every time stamp comes in with
//! the fact that it belongs to.
//!
//! A [`Job`] is an [`Intent`], written once before anything is launched and never changed, and a [`Status`], which is
//! all that was learned since. What a job's phase *is* follows from its status alone, by [`Status::verdict`]; how a
//! status grows by a fact, by [`Status::learn`]. Both live in [`verdict`].

mod containers;
pub mod event;
pub mod evidence;
pub mod id;
pub mod labels;
pub mod log;
pub mod phase;
pub mod record;
pub mod report;
pub mod verdict;
pub mod view;

pub use event::{Event, EventKind, NewEvent, Source};
pub use evidence::{Conclusion, ContainerState, ContainerStatus, Evidence, LastExit, ObjectRef, PodStatus, Snapshot};
pub use id::{Fingerprint, InstallationId, InvalidId, JobId, JobName, object_name};
pub use log::{LogLine, LogMark, LogRun, LogTail, TailBuffer};
pub use phase::Phase;
pub use record::{Cancellation, Fact, Gone, Intent, Job, Refusal, Status};
pub use report::{Claim, Report, Reports};
pub use verdict::{Learned, Verdict};
pub use view::JobView;
