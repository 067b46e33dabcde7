//! The worker's side of Jobwright.
