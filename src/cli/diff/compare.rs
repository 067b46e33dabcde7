//! Two versions of the templates, one input: what comes of it. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::render::misfit;
use crate::template::{Catalog, Context, Entry, Template};

type Parameters = Map<String, Value>;

/// What one input gives with the templates as they were, and as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compared {
    /// The template.
    pub(super) template: String,
    /// The example.
    pub(super) example: String,
    /// Whether the example's parameters are those of the base, which are others now, or gone.
    pub(super) former: bool,
    /// What has changed.
    pub(super) outcome: Outcome,
}

/// What a template gives for an input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    /// A manifest.
    Manifest(String),
    /// Why it gives none.
    Nothing(String),
    /// There is no such template.
    NoTemplate,
}

/// What has changed in what an input gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing.
    Same,
    /// One manifest and the other.
    Changed { before: String, now: String },
    /// The template is new, and gives this.
    Added { now: String },
    /// The template is gone; it gave this, if it was any good.
    Removed { before: Option<String> },
    /// It gave this manifest, if it was there, and now gives none. This is why.
    Broken { before: Option<String>, why: String },
    /// It gave none, for this reason, and now gives one.
    Mended { why: String, now: String },
    /// It gave none, and gives none now.
    StillBroken { why: String },
}

impl Outcome {
    fn of(before: Given, now: Given) -> Self {
        match (before, now) {
            (Given::Manifest(before), Given::Manifest(now)) if before == now => Self::Same,
            (Given::Manifest(before), Given::Manifest(now)) => Self::Changed { before, now },
            (Given::Manifest(before), Given::Nothing(why)) => Self::Broken { before: Some(before), why },
            (Given::Manifest(before), Given::NoTemplate) => Self::Removed { before: Some(before) },
            (Given::NoTemplate, Given::Manifest(now)) => Self::Added { now },
            (Given::NoTemplate, Given::Nothing(why)) => Self::Broken { before: None, why },
            (Given::Nothing(why), Given::Manifest(now)) => Self::Mended { why, now },
            (Given::Nothing(_), Given::Nothing(why)) => Self::StillBroken { why },
            (Given::Nothing(_), Given::NoTemplate) => Self::Removed { before: None },
            // No input comes from a template that is in neither.
            (Given::NoTemplate, Given::NoTemplate) => Self::Same,
        }
    }

    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed { .. } => "changed",
            Self::Added { .. } => "added",
            Self::Removed { .. } => "removed",
            Self::Broken { .. } => "broken",
            Self::Mended { .. } => "mended",
            Self::StillBroken { .. } => "still broken",
        }
    }

    /// Whether anything is other than it was.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Self::Same | Self::StillBroken { .. })
    }

    /// Whether a launch that was possible no longer is, or something new does not work.
    pub(super) fn is_break(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Removed { before: Some(_) })
    }

    /// The manifest as it was and as it is; empty where there is none.
    pub(super) fn manifests(&self) -> (&str, &str) {
        match self {
            Self::Same | Self::StillBroken { .. } => ("", ""),
            Self::Changed { before, now } => (before, now),
            Self::Added { now } | Self::Mended { now, .. } => ("", now),
            Self::Removed { before } | Self::Broken { before, .. } => (before.as_deref().unwrap_or_default(), ""),
        }
    }

    /// Why there is no manifest now, or was none.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Broken { why, .. } | Self::Mended { why, .. } | Self::StillBroken { why } => Some(why),
            _ => None,
        }
    }
}

/// Compares what every example of either version gives with both of them.
pub(super) fn compare(base: &Catalog, now: &Catalog, wanted: impl Fn(&str) -> bool) -> Vec<Compared> {
    let names: BTreeSet<&str> = base.entries().chain(now.entries()).map(|entry| entry.name.as_str()).collect();
    let mut compared = Vec::new();
    for name in names.into_iter().filter(|name| wanted(name)) {
        let (before, after) = (base.entry(name), now.entry(name));
        let outcome =
            |parameters: Option<&Parameters>| Outcome::of(given(before, parameters), given(after, parameters));
        let mut add = |example: &str, former, outcome| {
            compared.push(Compared { template: name.to_owned(), example: example.to_owned(), former, outcome });
        };
        let inputs = inputs(before, after);
        if inputs.is_empty() {
            // A template without examples, or one that does not load: only that can be told.
            let outcome = outcome(None);
            if outcome != Outcome::Same {
                add("", false, outcome);
            }
        }
        for (example, former, parameters) in inputs {
            add(example, former, outcome(Some(parameters)));
        }
    }
    compared
}

/// The examples there are now, and those there were whose parameters are others now or gone.
fn inputs<'a>(before: Option<&'a Entry>, now: Option<&'a Entry>) -> Vec<(&'a str, bool, &'a Parameters)> {
    let examples = |entry: Option<&'a Entry>| entry.and_then(Entry::template).map(|template| template.examples());
    let (before, now) = (examples(before), examples(now));
    let mut inputs: Vec<_> =
        now.into_iter().flatten().map(|(name, parameters)| (name.as_str(), false, parameters)).collect();
    for (name, parameters) in before.into_iter().flatten() {
        if now.and_then(|now| now.get(name)) != Some(parameters) {
            inputs.push((name, true, parameters));
        }
    }
    inputs.sort_by_key(|(name, former, _)| (*name, *former));
    inputs
}

fn given(entry: Option<&Entry>, parameters: Option<&Parameters>) -> Given {
    let Some(entry) = entry else {
        return Given::NoTemplate;
    };
    match (entry.template(), entry.error(), parameters) {
        (_, Some(error), _) => Given::Nothing(error.to_string()),
        (Some(template), None, Some(parameters)) => match rendered(template, parameters) {
            Ok(manifest) => Given::Manifest(manifest),
            Err(why) => Given::Nothing(why),
        },
        (Some(_), None, None) => Given::Manifest(String::new()),
        (None, None, _) => Given::NoTemplate,
    }
}

fn rendered(template: &Template, parameters: &Parameters) -> Result<String, String> {
    let checked = template.check(parameters).map_err(|faults| misfit(template.name(), &faults))?;
    template.render(&checked, &Context::example()).map(|rendered| rendered.to_yaml()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> [Given; 4] {
        let text = str::to_owned;
        [Given::Manifest(text("a")), Given::Manifest(text("b")), Given::Nothing(text("why")), Given::NoTemplate]
    }

    #[test]
    fn only_what_is_other_than_it_was_is_a_change_and_only_what_is_lost_a_break() {
        let words: Vec<String> = kinds()
            .iter()
            .flat_map(|before| kinds().map(|now| Outcome::of(before.clone(), now)))
            .map(|it| {
                format!(
                    "{}{}{}",
                    it.word(),
                    ["", ", change"][usize::from(it.is_change())],
                    ["", ", break"][usize::from(it.is_break())]
                )
            })
            .collect();
        let expected = [
            "same",
            "changed, change",
            "broken, change, break",
            "removed, change, break",
            "changed, change",
            "same",
            "broken, change, break",
            "removed, change, break",
            "mended, change",
            "mended, change",
            "still broken",
            "removed, change",
            "added, change",
            "added, change",
            "broken, change, break",
            "same",
        ];
        assert_eq!(words, expected);
    }
}
