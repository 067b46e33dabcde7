//! One template: load it, render its examples, look at what they give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::report::{Diagnostic, Level, Report};
use super::taint::Marks;
use super::{allow, look, place, rules, synth};
use crate::template::frontmatter;
use crate::template::locate::locate;
use crate::template::{Code, Context, LoadError, Parameter, Partials, Problem, Settings, Template};

/// Everything that lint has to say about one template.
///
/// `folder` is what stands before the names of files in findings, such as `job-templates`. A setting
/// that is declared without a default and not among `settings` is made up from its schema: the place of
/// deployment will give it.
#[must_use]
pub fn lint_template(
    folder: &str,
    name: &str,
    source: &str,
    partials: &Partials,
    settings: &Settings,
) -> Report {
    let mut lint = Lint {
        folder,
        own: format!("{name}.yaml"),
        source,
        partials,
        found: BTreeMap::new(),
        runs: 0,
        complete: true,
    };
    match load(name, source, partials, settings) {
        Ok(template) => lint.template(&template),
        Err(error) => {
            lint.complete = false;
            error
                .problems
                .iter()
                .for_each(|problem| lint.problem(problem, None));
        }
    }
    lint.finish()
}

/// Loads the template; where a setting has no value, once more with values made up.
fn load(
    name: &str,
    source: &str,
    partials: &Partials,
    settings: &Settings,
) -> Result<Template, LoadError> {
    let error = match Template::load(name, source, partials, settings) {
        Ok(template) => return Ok(template),
        Err(error) => error,
    };
    if error
        .problems
        .iter()
        .any(|problem| problem.code != Code::Setting)
    {
        return Err(error);
    }
    let declared = frontmatter::split(source)
        .ok()
        .and_then(|parts| parts.read().ok());
    let mut settings = settings.clone();
    for setting in declared.iter().flat_map(|front| &front.settings.parameters) {
        if setting.default.is_none() && !settings.contains_key(&setting.name) {
            settings.insert(setting.name.clone(), synth::setting(setting));
        }
    }
    // The first complaint is the one that helps when made-up values do not fit either.
    Template::load(name, source, partials, &settings).map_err(|_| error)
}

struct Lint<'a> {
    folder: &'a str,
    /// The file's name within the folder.
    own: String,
    source: &'a str,
    partials: &'a Partials,
    /// Findings with the examples that show them.
    found: BTreeMap<Diagnostic, BTreeSet<String>>,
    /// How many examples were rendered.
    runs: usize,
    /// Whether every rule had its chance.
    complete: bool,
}

impl Lint<'_> {
    fn template(&mut self, template: &Template) {
        self.declarations(
            template,
            template.parameters(),
            &template.used_parameters(),
            "parameter",
        );
        self.declarations(
            template,
            template.declared_settings(),
            &template.used_settings(),
            "setting",
        );
        for (name, given) in template.examples() {
            self.example(template, Some(name), given);
        }
        if template.examples().is_empty() {
            self.without_example(template);
        }
    }

    /// What is declared and not used, or not explained.
    fn declarations(
        &mut self,
        template: &Template,
        declared: &[Parameter],
        used: &BTreeSet<&str>,
        what: &str,
    ) {
        for parameter in declared {
            let name = &parameter.name;
            let path = match what {
                "setting" => format!("settings.{name}"),
                _ => format!("parameters.properties.{name}"),
            };
            if !used.contains(name.as_str()) {
                let message = format!("{what} `{name}` is declared but not used");
                let help = format!("use it as `{{{{{}.{name}}}}}`, or take it out", root(what));
                self.front(template, "unused-parameter", &path, message, &help);
            }
            let explained =
                parameter.description.is_some() || parameter.schema.get("title").is_some();
            if what == "parameter" && !explained {
                let message = format!("parameter `{name}` has no description");
                let help = "say what it is for: `description: …`; forms and listings show it";
                self.front(template, "undocumented-parameter", &path, message, help);
            }
        }
    }

    fn without_example(&mut self, template: &Template) {
        let needs: Vec<&str> = template
            .parameters()
            .iter()
            .filter(|p| p.required && p.default.is_none())
            .map(|p| p.name.as_str())
            .collect();
        let made_up = synth::parameters(template);
        if !needs.is_empty() {
            let names = needs
                .iter()
                .map(|n| format!("`{n}`"))
                .collect::<Vec<_>>()
                .join(", ");
            let message = match made_up {
                Some(_) => format!("there is no example, so made-up values stand for {names}"),
                None => format!(
                    "there is no example, and no values for {names} could be made up: the manifest is not checked"
                ),
            };
            let help = "add one below `examples:` in the front matter";
            self.front(template, "no-example", "parameters", message, help);
        }
        match made_up {
            Some(values) => self.example(template, None, &values),
            None => self.complete = false,
        }
    }

    /// One example, named unless its values are made up.
    fn example(&mut self, template: &Template, name: Option<&str>, given: &Map<String, Value>) {
        let checked = match template.check(given) {
            Ok(checked) => checked,
            Err(faults) => {
                self.complete = false;
                for fault in faults {
                    let path = format!("examples.{}.{}", name.unwrap_or(""), fault.path);
                    let mut message = format!("{}: {}", fault.path, fault.message);
                    if let Some(given) = &fault.given {
                        message.push_str(&format!(", but is {given}"));
                    }
                    let help = fault
                        .suggestion
                        .map_or(String::new(), |near| format!("did you mean `{near}`?"));
                    self.front(template, "example", &path, message, &help);
                }
                return;
            }
        };
        self.runs += 1;
        let context = Context::example();
        if let Err(error) = template.render(&checked, &context) {
            error
                .problems
                .iter()
                .for_each(|problem| self.problem(problem, name));
        }
        // The rules look on even when the API server would refuse the manifest; secrets stay hidden.
        let values = checked.masked();
        match template.fill_unchecked(values, &context) {
            Ok(manifest) => {
                let mut sights = look::plain(&manifest);
                let (marks, marked, marked_context) = Marks::set(template, values, &context);
                if let Ok(manifest) = template.fill_unchecked(&marked, &marked_context) {
                    sights.extend(look::marked(&manifest, &marks));
                }
                self.sights(template, sights, values, &context, name);
            }
            Err(_) => self.complete = false,
        }
    }

    fn sights(
        &mut self,
        template: &Template,
        sights: Vec<look::Sight>,
        values: &Map<String, Value>,
        context: &Context,
        example: Option<&str>,
    ) {
        if sights.is_empty() {
            return;
        }
        let paths: Vec<&str> = sights.iter().map(|sight| sight.path.as_str()).collect();
        let places = template.places_of(&paths, values, context);
        for (sight, place) in sights.into_iter().zip(places) {
            let mut diagnostic = self.diagnostic(sight.rule, sight.message, Some(sight.path));
            diagnostic.help = Some(sight.help);
            let line = place
                .as_ref()
                .map_or(template.body_line(), |place| place.line);
            let column = place
                .as_ref()
                .map(|place| place.column)
                .filter(|column| *column > 0);
            let file = place.map_or_else(|| self.own.clone(), |place| place.file.to_string());
            let text = self.text_of(&file);
            // Which image runs is then for the place of deployment to say, not for the template.
            if sight.rule == "image-tag" && place::is_setting(text, line) {
                continue;
            }
            let name = sight.name.as_deref();
            (diagnostic.line, diagnostic.column) =
                match name.and_then(|name| place::expression(text, line, name)) {
                    Some((line, column)) => (Some(line), Some(column)),
                    None => (Some(line), column),
                };
            diagnostic.file = self.name_of(&file);
            self.note(diagnostic, example);
        }
    }

    /// A finding about the front matter.
    fn front(
        &mut self,
        template: &Template,
        rule: &'static str,
        path: &str,
        message: String,
        help: &str,
    ) {
        let head: usize = self
            .source
            .split_inclusive('\n')
            .take(template.body_line() - 1)
            .map(str::len)
            .sum();
        let place = locate(&self.source[..head], path);
        let mut diagnostic = self.diagnostic(rule, message, Some(path.to_owned()));
        diagnostic.line = Some(place.map_or(1, |(line, _)| line));
        diagnostic.column = place.map(|(_, column)| column);
        diagnostic.help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.note(diagnostic, None);
    }

    fn problem(&mut self, problem: &Problem, example: Option<&str>) {
        let refused =
            problem.code == Code::Invalid && problem.message.starts_with("Required value");
        let policy = problem.path.as_deref() == Some("spec.template.spec.restartPolicy");
        let mut diagnostic = if refused && policy {
            let message =
                "a Job needs a `restartPolicy`, and `Always` is not one it can have".to_owned();
            self.diagnostic("restart-policy", message, problem.path.clone())
        } else {
            self.diagnostic(
                problem.code.name(),
                problem.message.clone(),
                problem.path.clone(),
            )
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

    fn diagnostic(&self, rule: &'static str, message: String, path: Option<String>) -> Diagnostic {
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
    fn text_of(&self, file: &str) -> &str {
        let partial = file
            .strip_prefix("partials/")
            .and_then(|name| name.strip_suffix(".yaml"));
        match partial.and_then(|name| self.partials.get(name)) {
            Some(text) => text,
            None => self.source,
        }
    }

    fn name_of(&self, file: &str) -> String {
        match self.folder {
            "" => file.to_owned(),
            folder => format!("{}/{file}", folder.trim_end_matches('/')),
        }
    }

    fn note(&mut self, mut diagnostic: Diagnostic, example: Option<&str>) {
        let partial = diagnostic
            .file
            .rsplit_once("partials/")
            .map(|(_, file)| format!("partials/{file}"));
        if let (Some(partial), Some(path), Some(line)) =
            (partial, &diagnostic.path, diagnostic.line)
        {
            let text = self.text_of(&partial);
            if !matches!(diagnostic.rule, "shell-parameter" | "secret-in-args") {
                diagnostic.column = place::column_in_partial(text, line, path);
            }
        }
        self.found
            .entry(diagnostic)
            .or_default()
            .extend(example.map(str::to_owned));
    }

    /// Applies the comments, and names the example where only some show a finding.
    fn finish(mut self) -> Report {
        let mut texts: BTreeMap<String, Arc<str>> = BTreeMap::new();
        texts.insert(self.name_of(&self.own), self.source.into());
        for (name, text) in self.partials {
            texts.insert(
                self.name_of(&format!("partials/{name}.yaml")),
                Arc::clone(text),
            );
        }
        self.apply_allows(&texts);
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
        texts.retain(|file, _| diagnostics.iter().any(|d| d.file == *file));
        Report {
            templates: 1,
            diagnostics,
            sources: texts,
        }
    }

    /// Takes out what a comment in the template, or in the partial that is at fault, switches off.
    fn apply_allows(&mut self, texts: &BTreeMap<String, Arc<str>>) {
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
        self.found.retain(|diagnostic, _| {
            if allows.iter().any(|allow| allow.rule == diagnostic.rule) {
                used.insert(diagnostic.rule);
                return false;
            }
            let elsewhere = texts
                .get(&diagnostic.file)
                .filter(|_| diagnostic.file != own);
            !elsewhere.is_some_and(|text| {
                allow::read(text)
                    .0
                    .iter()
                    .any(|allow| allow.rule == diagnostic.rule)
            })
        });
        let complete = self.complete;
        for idle in allows
            .iter()
            .filter(|allow| complete && !used.contains(allow.rule))
        {
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

fn root(what: &str) -> &str {
    if what == "setting" {
        "settings"
    } else {
        "params"
    }
}
