//! The labels and annotations that objects carry: by them they are found again, and a lost record is rebuilt.

/// The label that every object of ours carries.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const JOBWRIGHT: &str = "jobwright";
/// The label that names the installation.
pub const INSTALLATION: &str = "jobwright.dev/installation";
/// The label that names the template.
pub const TEMPLATE: &str = "jobwright.dev/template";
/// The annotation that holds the job ID.
pub const JOB_ID: &str = "jobwright.dev/job-id";
/// The annotation that holds the job's name.
pub const JOB_NAME: &str = "jobwright.dev/job-name";
/// The annotation that holds the digest of template, partials and settings.
pub const DIGEST: &str = "jobwright.dev/digest";
/// The annotation that holds the commit of the templates.
pub const COMMIT: &str = "jobwright.dev/commit";
/// The annotation that holds the job that this one repeats.
pub const RERUN_OF: &str = "jobwright.dev/rerun-of";
/// The annotation that holds when the request was accepted.
pub const CREATED: &str = "jobwright.dev/created";
/// The annotation that tells the request from another one under the same job ID. It is made with the installation's key,
/// and tells nothing to whoever does not have that.
pub const FINGERPRINT: &str = "jobwright.dev/fingerprint";
/// The annotation that holds the template's own time to live, in seconds after the end.
pub const TTL: &str = "jobwright.dev/ttl-seconds-after-finished";
