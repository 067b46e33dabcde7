//! Launcher and reconciler: the only writers of jobs.
