//! What a job is. Pure: no I/O, no clock of its own.
