//! The templates that ship with Jobwright, inside the program: an empty folder is enough to try it.

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../job-templates/", $folder, $name, ".yaml")))),*]
    };
}

/// Templates by name.
pub(crate) const TEMPLATES: &[(&str, &str)] = files!["":
    "dummy-job",
    "fan-out",
    "hello",
    "nightly-report",
    "resources",
    "shell-task",
];

/// Partials by name.
pub(crate) const PARTIALS: &[(&str, &str)] = files!["partials/": "job-env", "restricted"];
