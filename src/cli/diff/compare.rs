//! Two versions of the templates, one input: what comes of it. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::render::misfit;
use crate::template::{Catalog, Context, Entry, Template};

pub(crate) type Parameters = Map<String, Value>;

/// What one input gives with the templates as they were, and as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    /// The template.
    pub(super) template: String,
    /// Where the parameters come from.
    pub(super) input: Input,
    /// What has changed.
    pub(crate) outcome: Outcome,
}

/// Where parameters come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// None are needed to tell that a template is there, or broken.
    None,
    /// An example as it is now.
    Example(String),
    /// An example as it was at the base; its parameters are others now, or it is gone.
    Former(String),
    /// A recorded job, and how many others there are with the same parameters.
    Job {
        /// Its ID.
        id: String,
        /// How many others.
        others: usize,
    },
}

/// Parameters for a template, and where they come from.
pub(crate) struct Case {
    pub(crate) template: String,
    pub(crate) input: Input,
    pub(crate) parameters: Parameters,
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
pub(crate) enum Outcome {
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
            // A job of a template that was gone before: nothing is other than it was.
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
pub(crate) fn examples(base: &Catalog, now: &Catalog, wanted: impl Fn(&str) -> bool) -> Vec<Compared> {
    let names: BTreeSet<&str> = base.entries().chain(now.entries()).map(|entry| entry.name.as_str()).collect();
    let mut compared = Vec::new();
    for name in names.into_iter().filter(|name| wanted(name)) {
        let inputs = inputs(base.entry(name), now.entry(name));
        if inputs.is_empty() {
            // A template without examples, or one that does not load: only that can be told.
            let outcome = outcome(base, now, name, None);
            if outcome != Outcome::Same {
                compared.push(Compared { template: name.to_owned(), input: Input::None, outcome });
            }
        }
        for (input, parameters) in inputs {
            let outcome = outcome(base, now, name, Some(parameters));
            compared.push(Compared { template: name.to_owned(), input, outcome });
        }
    }
    compared
}

/// Compares what each of these cases gives.
pub(crate) fn cases(base: &Catalog, now: &Catalog, cases: Vec<Case>) -> Vec<Compared> {
    let compared = cases.into_iter().map(|Case { template, input, parameters }| {
        let outcome = outcome(base, now, &template, Some(&parameters));
        Compared { template, input, outcome }
    });
    compared.collect()
}

fn outcome(base: &Catalog, now: &Catalog, template: &str, parameters: Option<&Parameters>) -> Outcome {
    Outcome::of(given(base.entry(template), parameters), given(now.entry(template), parameters))
}

/// The examples there are now, and those there were whose parameters are others now or gone.
fn inputs<'a>(before: Option<&'a Entry>, now: Option<&'a Entry>) -> Vec<(Input, &'a Parameters)> {
    let examples = |entry: Option<&'a Entry>| entry.and_then(Entry::template).map(|template| template.examples());
    let (before, now) = (examples(before), examples(now));
    let current = now.into_iter().flatten().map(|(name, parameters)| (name, false, parameters));
    let changed = |(name, parameters): &(&String, &Parameters)| now.and_then(|now| now.get(*name)) != Some(*parameters);
    let former = before.into_iter().flatten().filter(changed).map(|(name, parameters)| (name, true, parameters));
    let mut inputs: Vec<_> = current.chain(former).collect();
    inputs.sort_by_key(|(name, former, _)| (*name, *former));
    let input =
        |name: &str, former| if former { Input::Former(name.to_owned()) } else { Input::Example(name.to_owned()) };
    inputs.into_iter().map(|(name, former, parameters)| (input(name, former), parameters)).collect()
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
