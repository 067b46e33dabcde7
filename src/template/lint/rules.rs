//! The rules by name.

use super::report::Level;

/// One thing that lint looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The name that findings show and that `allow(…)` takes.
    pub name: &'static str,
    /// How grave a finding is.
    pub level: Level,
    /// What it looks for, in one line.
    pub summary: &'static str,
    /// Whether a file may switch it off. What the API server or the renderer refuses cannot be.
    pub can_be_allowed: bool,
}

const fn warning(name: &'static str, summary: &'static str) -> Rule {
    Rule { name, level: Level::Warning, summary, can_be_allowed: true }
}

const fn error(name: &'static str, summary: &'static str) -> Rule {
    Rule { name, level: Level::Error, summary, can_be_allowed: true }
}

/// What is not a matter of taste.
const fn refusal(name: &'static str, summary: &'static str) -> Rule {
    Rule { name, level: Level::Error, summary, can_be_allowed: false }
}

/// Every rule, in the order of the documentation. The last group has the kinds of problem that
/// loading, rendering and validating a template can run into.
pub const RULES: &[Rule] = &[
    error("shell-parameter", "a parameter is part of the script of `sh -c`"),
    error("secret-in-args", "a secret parameter is part of a command line"),
    warning("image-tag", "an image has no tag or digest, or the tag `latest`"),
    warning("resource-limits", "a container has no memory limit"),
    warning("privileged", "a container is privileged or takes powers of root over the host"),
    warning("host-access", "a pod uses the network, processes, files or ports of its host"),
    warning("ttl", "`ttlSecondsAfterFinished` is missing, so finished Jobs stay for ever"),
    warning("unused-parameter", "a parameter or setting is declared but not used"),
    warning("undocumented-parameter", "a parameter has no description"),
    warning("no-example", "a template that needs parameters has no example to check it with"),
    warning("unused-allow", "a comment switches a rule off that finds nothing"),
    refusal("bad-allow", "a comment switches off an unknown rule, or gives no reason"),
    refusal("restart-policy", "`restartPolicy` is missing: the API server refuses the Job"),
    refusal("unreadable", "the file cannot be read"),
    refusal("front-matter", "the front matter is missing or wrong"),
    refusal("setting", "a setting has no value, or a wrong one"),
    refusal("syntax", "the Handlebars text does not parse"),
    refusal("unknown-name", "a name in an expression is not declared"),
    refusal("block", "a block depends on something it may not depend on"),
    refusal("hole", "an expression stands where no value can go, or has none to put there"),
    refusal("yaml", "the rendered text is not one YAML document"),
    refusal("kind", "the document is not a batch/v1 Job"),
    refusal("unknown-field", "the manifest has a field that Kubernetes does not know"),
    refusal("wrong-type", "a field has a value of the wrong type"),
    refusal("invalid", "the API server would refuse the manifest"),
    refusal("example", "an example breaks the template's own schema"),
    refusal("limit", "a limit was exceeded"),
];

/// The rule of that name.
pub(super) fn named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}
