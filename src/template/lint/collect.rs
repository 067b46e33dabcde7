//! Findings about one template as they come in, and what is left of them in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::report::{Diagnostic, Level, Report};
use super::{allow, place, rules};
use crate::template::{Code, Partials, Problem};

/// The findings about one template.
pub(super) struct Findings<'a> {
    folder: &'a str,
    /// The file's name within the folder.
    own: String,
    source: &'a str,
    partials: &'a Partials,
    /// Findings with the examples that show them.
    found: BTreeMap<Diagnostic, BTreeSet<String>>,
    /// How many examples were rendered.
    pub(super) runs: usize,
    /// Whether every rule had its chance.
    pub(super) complete: bool,
}

impl<'a> Findings<'a> {
    /// None yet, about the template of that name.
    pub(super) fn new(folder: &'a str, name: &str, source: &'a str, partials: &'a Partials) -> Self {
        Self { folder, own: format!("{name}.yaml"), source, partials, found: BTreeMap::new(), runs: 0, complete: true }
    }

    /// The template's text.
    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    /// The template's file within the folder.
    pub(super) fn own_file(&self) -> &str {
        &self.own
    }

    /// Something that loading or rendering found.
    pub(super) fn problem(&mut self, problem: &Problem, example: Option<&str>) {
        let refused = problem.code == Code::Invalid && problem.message.starts_with("Required value");
        let policy = problem.path.as_deref() == Some("spec.template.spec.restartPolicy");
        let mut diagnostic = if refused && policy {
            let message = "a Job needs a `restartPolicy`, and `Always` is not one it can have".to_owned();
            self.diagnostic("restart-policy", message, problem.path.clone())
        } else {
            self.diagnostic(problem.code.name(), problem.message.clone(), problem.path.clone())
        };
        if diagnostic.rule == "restart-policy" {
            diagnostic.help = Some("write `restartPolicy: Never`, or `OnFailure`".to_owned());
        }
        if let Some(file) = &problem.file {
            diagnostic.file = self.name_of(file);
        }
        diagnostic.line = problem.line;
        diagnostic.column = problem.column;
        if let Some(near) = &problem.suggestion {
            diagnostic.help = Some(format!("did you mean `{near}`?"));
        }
        self.note(diagnostic, example);
    }

    /// A finding in the template, without a place so far.
    pub(super) fn diagnostic(&self, rule: &'static str, message: String, path: Option<String>) -> Diagnostic {
        Diagnostic {
            file: self.name_of(&self.own),
            line: None,
            column: None,
            level: rules::named(rule).map_or(Level::Error, |rule| rule.level),
            rule,
            message,
            path,
            help: None,
            example: None,
        }
    }

    /// The text of a file of the folder.
    pub(super) fn text_of(&self, file: &str) -> &str {
        let partial = file.strip_prefix("partials/").and_then(|name| name.strip_suffix(".yaml"));
        match partial.and_then(|name| self.partials.get(name)) {
            Some(text) => text,
            None => self.source,
        }
    }

    /// A file of the folder as the caller would name it.
    pub(super) fn name_of(&self, file: &str) -> String {
        match self.folder {
            "" => file.to_owned(),
            folder => format!("{}/{file}", folder.trim_end_matches('/')),
        }
    }

    /// Takes a finding in, with the example that shows it.
    pub(super) fn note(&mut self, mut diagnostic: Diagnostic, example: Option<&str>) {
        let partial = partial_of(&diagnostic.file);
        if let (Some(partial), Some(path), Some(line)) = (partial, &diagnostic.path, diagnostic.line) {
            let text = self.text_of(&partial);
            if !matches!(diagnostic.rule, "shell-parameter" | "secret-in-args") {
                diagnostic.column = place::column_in_partial(text, line, path);
            }
        }
        self.found.entry(diagnostic).or_default().extend(example.map(str::to_owned));
    }

    /// Applies the comments, and names the example where only some show a finding.
    pub(super) fn finish(mut self) -> Report {
        self.apply_allows();
        let runs = self.runs;
        let diagnostics: Vec<Diagnostic> = std::mem::take(&mut self.found)
            .into_iter()
            .map(|(mut diagnostic, examples)| {
                if examples.len() < runs {
                    diagnostic.example = examples.into_iter().next();
                }
                diagnostic
            })
            .collect();
        let sources = self.sources(&diagnostics);
        Report { templates: 1, diagnostics, sources }
    }

    /// The texts of the files that have findings.
    fn sources(&self, diagnostics: &[Diagnostic]) -> BTreeMap<String, Arc<str>> {
        let mut sources: BTreeMap<String, Arc<str>> = BTreeMap::new();
        if diagnostics.is_empty() {
            return sources;
        }
        sources.insert(self.name_of(&self.own), self.source.into());
        for (name, text) in self.partials {
            let file = self.name_of(&format!("partials/{name}.yaml"));
            sources.insert(file, Arc::clone(text));
        }
        sources.retain(|file, _| diagnostics.iter().any(|d| d.file == *file));
        sources
    }

    /// Takes out what a comment in the template, or in the partial that is at fault, switches off.
    fn apply_allows(&mut self) {
        let own = self.name_of(&self.own);
        let (allows, bad) = allow::read(self.source);
        for complaint in bad {
            let mut diagnostic = self.diagnostic("bad-allow", complaint.message, None);
            diagnostic.line = Some(complaint.line);
            diagnostic.column = Some(complaint.column);
            diagnostic.help = Some(complaint.help);
            self.note(diagnostic, None);
        }
        let mut used = BTreeSet::new();
        let mut found = std::mem::take(&mut self.found);
        found.retain(|diagnostic, _| {
            if allows.iter().any(|allow| allow.rule == diagnostic.rule) {
                used.insert(diagnostic.rule);
                return false;
            }
            if diagnostic.file == own {
                return true;
            }
            let partial = partial_of(&diagnostic.file).map(|file| self.text_of(&file));
            let allows = partial.map(|text| allow::read(text).0).unwrap_or_default();
            !allows.iter().any(|allow| allow.rule == diagnostic.rule)
        });
        self.found = found;
        let complete = self.complete;
        for idle in allows.iter().filter(|allow| complete && !used.contains(allow.rule)) {
            let message = format!("nothing here needs `allow({})`", idle.rule);
            let mut diagnostic = self.diagnostic("unused-allow", message, None);
            diagnostic.line = Some(idle.line);
            diagnostic.column = Some(idle.column);
            diagnostic.help = Some("take the comment out".to_owned());
            if !allows.iter().any(|allow| allow.rule == diagnostic.rule) {
                self.note(diagnostic, None);
            }
        }
    }
}

/// The partial's file within the folder, where a file is a partial.
fn partial_of(file: &str) -> Option<String> {
    file.rsplit_once("partials/").map(|(_, name)| format!("partials/{name}"))
}
