//! One template: load it, render its examples, look at what they give.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::collect::Findings;
use super::report::Report;
use super::taint::Marks;
use super::{look, place, synth};
use crate::template::frontmatter;
use crate::template::locate::locate;
use crate::template::{Code, Context, LoadError, Parameter, Partials, Settings, Template};

/// Everything that lint has to say about one template.
///
/// `folder` is what stands before the names of files in findings, such as `job-templates`. A setting
/// that is declared without a default and not among `settings` is made up from its schema: the place of
/// deployment will give it.
#[must_use]
pub fn lint_template(folder: &str, name: &str, source: &str, partials: &Partials, settings: &Settings) -> Report {
    let mut findings = Findings::new(folder, name, source, partials);
    match load(name, source, partials, settings) {
        Ok(template) => Lint { template: &template, findings: &mut findings }.run(),
        Err(error) => {
            findings.complete = false;
            error.problems.iter().for_each(|problem| findings.problem(problem, None));
        }
    }
    findings.finish()
}

/// Loads the template; where a setting has no value, once more with values made up.
fn load(name: &str, source: &str, partials: &Partials, settings: &Settings) -> Result<Template, LoadError> {
    let error = match Template::load(name, source, partials, settings) {
        Ok(template) => return Ok(template),
        Err(error) => error,
    };
    if error.problems.iter().any(|problem| problem.code != Code::Setting) {
        return Err(error);
    }
    let declared = frontmatter::split(source).ok().and_then(|parts| parts.read().ok());
    let mut settings = settings.clone();
    for setting in declared.iter().flat_map(|front| &front.settings.parameters) {
        if setting.default.is_none() && !settings.contains_key(&setting.name) {
            settings.insert(setting.name.clone(), synth::setting(setting));
        }
    }
    // The first complaint is the one that helps when made-up values do not fit either.
    Template::load(name, source, partials, &settings).map_err(|_| error)
}

struct Lint<'t, 'f, 's> {
    template: &'t Template,
    findings: &'f mut Findings<'s>,
}

impl Lint<'_, '_, '_> {
    fn run(&mut self) {
        self.declarations(self.template.parameters(), &self.template.used_parameters(), "parameter");
        self.declarations(self.template.declared_settings(), &self.template.used_settings(), "setting");
        for (name, given) in self.template.examples() {
            self.example(Some(name), given);
        }
        if self.template.examples().is_empty() {
            self.without_example();
        }
    }

    /// What is declared and not used, or not explained.
    fn declarations(&mut self, declared: &[Parameter], used: &BTreeSet<&str>, what: &str) {
        for parameter in declared {
            let name = &parameter.name;
            let path = match what {
                "setting" => format!("settings.{name}"),
                _ => format!("parameters.properties.{name}"),
            };
            if !used.contains(name.as_str()) {
                let message = format!("{what} `{name}` is declared but not used");
                let help = format!("use it as `{{{{{}.{name}}}}}`, or take it out", root(what));
                self.front("unused-parameter", &path, message, &help);
            }
            let explained = parameter.description.is_some() || parameter.schema.get("title").is_some();
            if what == "parameter" && !explained {
                let message = format!("parameter `{name}` has no description");
                let help = "say what it is for: `description: …`; forms and listings show it";
                self.front("undocumented-parameter", &path, message, help);
            }
        }
    }

    fn without_example(&mut self) {
        let needs: Vec<&str> = self
            .template
            .parameters()
            .iter()
            .filter(|p| p.required && p.default.is_none())
            .map(|p| p.name.as_str())
            .collect();
        let made_up = synth::parameters(self.template);
        if !needs.is_empty() {
            let names = needs.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            let message = match made_up {
                Some(_) => format!("there is no example, so made-up values stand for {names}"),
                None => format!(
                    "there is no example, and no values for {names} could be made up: the manifest is not checked"
                ),
            };
            let help = "add one below `examples:` in the front matter";
            self.front("no-example", "parameters", message, help);
        }
        match made_up {
            Some(values) => self.example(None, &values),
            None => self.findings.complete = false,
        }
    }

    /// One example, named unless its values are made up.
    fn example(&mut self, name: Option<&str>, given: &Map<String, Value>) {
        let checked = match self.template.check(given) {
            Ok(checked) => checked,
            Err(faults) => {
                self.findings.complete = false;
                for fault in faults {
                    let path = format!("examples.{}.{}", name.unwrap_or(""), fault.path);
                    let mut message = format!("{}: {}", fault.path, fault.message);
                    if let Some(given) = &fault.given {
                        message.push_str(&format!(", but is {given}"));
                    }
                    let help = fault.suggestion.map_or(String::new(), |near| format!("did you mean `{near}`?"));
                    self.front("example", &path, message, &help);
                }
                return;
            }
        };
        self.findings.runs += 1;
        let context = Context::example();
        let values = checked.masked();
        let sights = match self.template.render(&checked, &context) {
            Ok(rendered) => Ok(self.look(rendered.masked(), values, &context)),
            // The rules look on even when the API server would refuse the manifest.
            Err(error) => {
                error.problems.iter().for_each(|problem| self.findings.problem(problem, name));
                let manifest = self.template.fill_unchecked(values, &context);
                manifest.map(|manifest| self.look(&manifest, values, &context))
            }
        };
        match sights {
            Ok(sights) => self.sights(sights, values, &context, name),
            Err(_) => self.findings.complete = false,
        }
    }

    /// What the rules see in a manifest, in which secrets are masked, and in the one with marks.
    fn look(&self, manifest: &Value, values: &Map<String, Value>, context: &Context) -> Vec<look::Sight> {
        let mut sights = look::plain(manifest);
        let (marks, values, context) = Marks::set(self.template, values, context);
        if let Ok(manifest) = self.template.fill_unchecked(&values, &context) {
            sights.extend(look::marked(&manifest, &marks));
        }
        sights
    }

    fn sights(
        &mut self,
        sights: Vec<look::Sight>,
        values: &Map<String, Value>,
        context: &Context,
        example: Option<&str>,
    ) {
        if sights.is_empty() {
            return;
        }
        let paths: Vec<&str> = sights.iter().map(|sight| sight.path.as_str()).collect();
        let places = self.template.places_of(&paths, values, context);
        for (sight, place) in sights.into_iter().zip(places) {
            let mut diagnostic = self.findings.diagnostic(sight.rule, sight.message, Some(sight.path));
            diagnostic.help = Some(sight.help);
            let line = place.as_ref().map_or(self.template.body_line(), |place| place.line);
            let column = place.as_ref().map(|place| place.column).filter(|column| *column > 0);
            let file = place.map_or_else(|| self.findings.own_file().to_owned(), |place| place.file.to_string());
            let text = self.findings.text_of(&file);
            // Which image runs is then for the place of deployment to say, not for the self.template.
            if sight.rule == "image-tag" && place::is_setting(text, line) {
                continue;
            }
            let name = sight.name.as_deref();
            (diagnostic.line, diagnostic.column) = match name.and_then(|name| place::expression(text, line, name)) {
                Some((line, column)) => (Some(line), Some(column)),
                None => (Some(line), column),
            };
            diagnostic.file = self.findings.name_of(&file);
            self.findings.note(diagnostic, example);
        }
    }

    /// A finding about the front matter.
    fn front(&mut self, rule: &'static str, path: &str, message: String, help: &str) {
        let head: usize = self
            .findings
            .source()
            .split_inclusive('\n')
            .take(self.template.body_line().saturating_sub(1))
            .map(str::len)
            .sum();
        let place = locate(&self.findings.source()[..head], path);
        let mut diagnostic = self.findings.diagnostic(rule, message, Some(path.to_owned()));
        diagnostic.line = Some(place.map_or(1, |(line, _)| line));
        diagnostic.column = place.map(|(_, column)| column);
        diagnostic.help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.findings.note(diagnostic, None);
    }
}

fn root(what: &str) -> &str {
    if what == "setting" { "settings" } else { "params" }
}
