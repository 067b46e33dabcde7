//! What changed since the last success of the same template: parameters, template and manifest of two records beside
//! each other. What differs between any two jobs, such as their IDs, is left aside.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::job::shown_value;
use super::row::title;
use super::time::When;
use super::url;
use crate::job::{Intent, Job, JobView, labels};
use crate::service::stamp::mask_text;
use crate::template::{MASK, yaml};
use crate::unified::{Line, hunks};

/// What there is to compare a job with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LastSuccess {
    /// The last job of this template that was launched before and succeeded.
    Found(Box<Job>),
    /// There is none.
    Nothing,
    /// There is none among so many jobs before this one; older ones were not looked at.
    NotAmong(usize),
}

/// What changed.
#[derive(Debug, Clone)]
pub(crate) enum Changes {
    /// There is nothing to compare with, and why.
    Incomparable(String),
    /// Both sides.
    Since(Box<Comparison>),
}

/// Two records beside each other.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    /// What the earlier job is called, and where its page is.
    pub(crate) with: (String, String),
    /// When the earlier job was launched.
    pub(crate) at: When,
    /// The parameters that differ; None where those of one of the two are not known.
    pub(crate) parameters: Option<Vec<Change>>,
    /// Secret parameters that both have: whether they are the same is not on record.
    pub(crate) secrets: Vec<String>,
    /// The template's digest and commit, where they differ.
    pub(crate) template: Vec<Change>,
    /// The manifest's lines that differ; None where one of the two is not known.
    pub(crate) manifest: Option<Vec<DiffLine>>,
}

/// Something that has another value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    /// None where there was none.
    pub(crate) before: Option<String>,
    /// None where there is none.
    pub(crate) now: Option<String>,
}

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiffLine {
    /// `del`, `ins`, `at`, or empty.
    pub(crate) class: &'static str,
    /// The line with its mark.
    pub(crate) text: String,
}

impl Comparison {
    /// Whether all that is known of the two is the same.
    pub(crate) fn is_empty(&self) -> bool {
        self.parameters.as_ref().is_none_or(Vec::is_empty)
            && self.template.is_empty()
            && self.manifest.as_ref().is_none_or(Vec::is_empty)
    }
}

impl Changes {
    /// What changed from the last success to this job.
    pub(crate) fn new(job: &Job, last: &LastSuccess, now: Timestamp) -> Self {
        if job.intent.rebuilt.is_some() {
            let text =
                "The record of this job was rebuilt from its object, which does not tell what it was launched with.";
            return Self::Incomparable(text.to_owned());
        }
        match last {
            LastSuccess::Found(before) => Self::Since(Box::new(compare(before, job, now))),
            LastSuccess::Nothing => {
                Self::Incomparable("No job of this template had succeeded before this one was launched.".to_owned())
            }
            LastSuccess::NotAmong(looked_at) => Self::Incomparable(format!(
                "There is no success of this template among the last {looked_at} jobs before this one; older ones were \
                 not looked at."
            )),
        }
    }
}

fn compare(before: &Job, job: &Job, now: Timestamp) -> Comparison {
    let (old, new) = (&before.intent, &job.intent);
    let secret = |name: &str| is_secret(old, name) || is_secret(new, name);
    let both = old.parameters.as_ref().zip(new.parameters.as_ref());
    Comparison {
        with: (title(&JobView::from(before)), url::job(&old.id)),
        at: When::new(old.created, now),
        parameters: both.map(|(old, new)| parameters(old, new, secret)),
        secrets: both.map_or_else(Vec::new, |(old, new)| {
            new.keys().filter(|name| secret(name) && old.contains_key(*name)).cloned().collect()
        }),
        template: template(old, new),
        manifest: manifest(old, new).zip(manifest(new, old)).map(|(old, new)| diff(&old, &new)),
    }
}

fn is_secret(intent: &Intent, name: &str) -> bool {
    intent.secrets.iter().chain(&intent.default_secrets).any(|secret| secret == name)
}

/// The parameters that differ. One that is secret on either side is masked on both.
fn parameters(old: &Map<String, Value>, new: &Map<String, Value>, secret: impl Fn(&str) -> bool) -> Vec<Change> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let shown = |from: &Map<String, Value>, name: &str| {
        let value = from.get(name)?;
        Some(if secret(name) { MASK.to_owned() } else { shown_value(value) })
    };
    let changes =
        names.into_iter().map(|name| Change { name: name.clone(), before: shown(old, name), now: shown(new, name) });
    changes.filter(|change| change.before != change.now).collect()
}

fn template(old: &Intent, new: &Intent) -> Vec<Change> {
    let known = |digest: &str| Some(digest.to_owned()).filter(|digest| digest != Intent::UNKNOWN_DIGEST);
    let change = |name: &str, before, now| Change { name: name.to_owned(), before, now };
    let changes = [
        change("Digest", known(&old.digest), known(&new.digest)),
        change("Commit", old.commit.clone(), new.commit.clone()),
    ];
    // A template that says the same at another commit is the same template.
    if old.digest == new.digest { Vec::new() } else { changes.into_iter().filter(|it| it.before != it.now).collect() }
}

/// A job's manifest as YAML, without what belongs to that job alone, and without what is secret in the other one.
fn manifest(intent: &Intent, other: &Intent) -> Option<String> {
    let mut manifest = intent.shown_manifest()?.clone();
    neutral(&mut manifest, intent);
    for (name, value) in intent.parameters.iter().flatten() {
        // Shorter texts occur by chance.
        if let Some(text) = value.as_str().filter(|text| text.len() >= 4 && is_secret(other, name)) {
            manifest = mask_text(&manifest, text, MASK);
        }
    }
    for place in ["/metadata", "/spec/template/metadata"] {
        let Some(Value::Object(metadata)) = manifest.pointer_mut(place) else { continue };
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            let own = [
                labels::JOB_ID,
                labels::JOB_NAME,
                labels::DIGEST,
                labels::COMMIT,
                labels::RERUN_OF,
                labels::CREATED,
                labels::FINGERPRINT,
            ];
            annotations.retain(|name, _| !own.contains(&name.as_str()));
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    Some(yaml::write(&manifest))
}

/// Puts words for what names this job in the place of its names.
fn neutral(value: &mut Value, intent: &Intent) {
    match value {
        Value::String(text) => {
            if text == intent.id.as_str() {
                "{job.id}".clone_into(text);
            } else if intent.name.as_ref().is_some_and(|name| text == name.as_str()) {
                "{job.name}".clone_into(text);
            } else if text.contains(&intent.object_name) {
                *text = text.replace(&intent.object_name, "{object}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| neutral(item, intent)),
        Value::Object(fields) => fields.values_mut().for_each(|field| neutral(field, intent)),
        _ => {}
    }
}

fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    for hunk in hunks(old, new) {
        lines.push(DiffLine { class: "at", text: format!("@@ -{} +{} @@", hunk.old, hunk.new) });
        lines.extend(hunk.lines.into_iter().map(|line| match line {
            Line::Same(text) => DiffLine { class: "", text: format!(" {text}") },
            Line::Gone(text) => DiffLine { class: "del", text: format!("-{text}") },
            Line::New(text) => DiffLine { class: "ins", text: format!("+{text}") },
        }));
    }
    lines
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
