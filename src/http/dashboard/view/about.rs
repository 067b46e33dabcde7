//! What there is to know about a template beside its form: its parameters as documentation, its settings, what lint
//! says, its text, and which versions of it have been launched.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::control::{Declared, Kind};
use super::outcomes::{Brief, Outcomes, WINDOW};
use super::row::Row;
use super::texts::text;
use super::time::When;
use super::{url, words};
use crate::job::{Intent, JobView, Phase};
use crate::template::lint::{Diagnostic, Level, Report};
use crate::template::{Entry, MASK, Template, yaml};

/// How many of a template's last jobs are looked at for its versions.
pub(crate) const LOOKED_AT: usize = 200;
/// How many of them are shown.
const SHOWN: usize = 8;
/// How many parameters and properties the documentation has at most.
const MOST_DOCS: usize = 300;

/// All that a template's page says about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) docs: Vec<Doc>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) examples: Vec<Example>,
    pub(crate) outcomes: Outcomes,
    pub(crate) rows: Vec<Row>,
    pub(crate) versions: Vec<Version>,
    /// Whether the versions are those of all jobs, or of the last ones.
    pub(crate) whole: bool,
    pub(crate) findings: Vec<Finding>,
    /// The file as it is now, if it can be read.
    pub(crate) source: Vec<Line>,
    /// The name of the file.
    pub(crate) file: String,
}

impl About {
    /// `jobs` are the last ones of this template, newest first.
    pub(crate) fn new(entry: &Entry, report: Option<&Report>, jobs: &[JobView], now: Timestamp) -> Self {
        let template = entry.template().map(AsRef::as_ref);
        let declared = template.map(Declared::all_of).unwrap_or_default();
        let file = format!("{}.yaml", entry.name);
        let findings = report.map(|report| findings(report, &file)).unwrap_or_default();
        Self {
            docs: template.map(|template| docs(template.schema(), &declared)).unwrap_or_default(),
            settings: template.map(settings).unwrap_or_default(),
            examples: template.map(|template| examples(template, &declared)).unwrap_or_default(),
            outcomes: Outcomes::new(&jobs.iter().take(WINDOW).map(Brief::from).collect::<Vec<_>>(), now),
            rows: jobs.iter().take(SHOWN).map(|job| Row::new(job, now)).collect(),
            versions: versions(jobs, template.map(Template::digest), now),
            whole: jobs.len() < LOOKED_AT,
            source: source(entry.source().unwrap_or_default(), report, &file),
            findings,
            file,
        }
    }
}

/// A parameter, or a property of one, as documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) path: String,
    /// How deep it is within its parameter.
    pub(crate) depth: usize,
    pub(crate) kind: String,
    pub(crate) options: Vec<String>,
    pub(crate) rules: String,
    pub(crate) default: Option<String>,
    pub(crate) required: bool,
    pub(crate) secret: bool,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
}

/// The documentation of all parameters, each followed by what is within it.
fn docs(schema: &Value, declared: &[Declared]) -> Vec<Doc> {
    let mut docs = Vec::new();
    declared.iter().for_each(|it| document(schema, it, 0, &mut docs));
    docs
}

fn document(schema: &Value, it: &Declared, depth: usize, docs: &mut Vec<Doc>) {
    if docs.len() >= MOST_DOCS {
        return;
    }
    let word = |key: &str| it.of.get(key).and_then(Value::as_str).map(str::to_owned);
    docs.push(Doc {
        path: it.path.clone(),
        depth,
        kind: words::kind(&it.of),
        options: words::options(&it.of),
        rules: words::rules(&it.of).join(" "),
        default: it.of.get("default").map(|default| match default {
            _ if it.secret => MASK.to_owned(),
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        }),
        required: it.required,
        // Of an object, the field that is one says so.
        secret: it.secret && !matches!(it.kind, Kind::Group(_)),
        title: word("title"),
        description: word("description"),
    });
    match &it.kind {
        Kind::Group(fields) => fields.iter().for_each(|field| document(schema, field, depth + 1, docs)),
        _ => it.within(schema).iter().for_each(|field| document(schema, field, depth + 1, docs)),
    }
}

/// A value that the place of deployment gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) value: String,
    /// Whether it is the template's own default.
    pub(crate) by_default: bool,
    pub(crate) description: Option<String>,
}

fn settings(template: &Template) -> Vec<Setting> {
    let setting = |it: &crate::template::Parameter| {
        let value = template.settings().get(&it.name);
        Setting {
            name: it.name.clone(),
            kind: words::kind(&it.schema),
            value: if it.secret { MASK.to_owned() } else { value.map(text).unwrap_or_default() },
            by_default: value == it.default.as_ref(),
            description: it.description.clone(),
        }
    };
    template.declared_settings().iter().map(setting).collect()
}

/// An example, and the form that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) href: String,
    /// Its parameters as YAML, secrets masked.
    pub(crate) values: String,
}

fn examples(template: &Template, declared: &[Declared]) -> Vec<Example> {
    let href = url::template(template.name());
    let shown = |values: &Map<String, Value>| -> Map<String, Value> {
        let secret = |name: &str| declared.iter().any(|it| it.secret && it.name == name);
        let mask = |(name, value): (&String, &Value)| match secret(name) {
            true => (name.clone(), MASK.into()),
            false => (name.clone(), value.clone()),
        };
        values.iter().map(mask).collect()
    };
    let example = |(name, values): (&String, &Map<String, Value>)| Example {
        name: name.clone(),
        href: format!("{}#form", url::with_query(&href, [("example", name.as_str())])),
        values: if values.is_empty() { String::new() } else { yaml::write(&Value::Object(shown(values))) },
    };
    template.examples().iter().map(example).collect()
}

/// A version of the template that jobs were launched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) digest: String,
    /// What people can tell it by.
    pub(crate) short: String,
    pub(crate) commit: Option<String>,
    /// When it was launched first and last; nothing for the present one before its first job.
    pub(crate) used: Option<(When, When)>,
    pub(crate) jobs: usize,
    pub(crate) succeeded: usize,
    /// Whether a job launched now would be of it.
    pub(crate) current: bool,
}

impl Version {
    /// The commit as git shortens it; a mark of changes stays.
    pub(crate) fn commit_short(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or_default();
        let (hash, mark) = commit.split_once('-').unwrap_or((commit, ""));
        let short: String = hash.chars().take(8).collect();
        if mark.is_empty() { short } else { format!("{short} ({mark})") }
    }
}

/// The versions that these jobs, newest first, were launched from; and the present one in any case.
fn versions(jobs: &[JobView], current: Option<&str>, now: Timestamp) -> Vec<Version> {
    let mut order: Vec<&str> = Vec::new();
    let mut by_digest: BTreeMap<&str, Vec<&JobView>> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.digest != Intent::UNKNOWN_DIGEST) {
        let of_digest = by_digest.entry(&job.digest).or_default();
        if of_digest.is_empty() {
            order.push(&job.digest);
        }
        of_digest.push(job);
    }
    if let Some(current) = current.filter(|current| !order.contains(current)) {
        order.insert(0, current);
    }
    let version = |digest: &str| {
        let jobs = by_digest.get(digest).map(Vec::as_slice).unwrap_or_default();
        let used = jobs.last().zip(jobs.first());
        Version {
            short: digest.trim_start_matches("sha256:").chars().take(12).collect(),
            digest: digest.to_owned(),
            commit: jobs.first().and_then(|job| job.commit.clone()),
            used: used.map(|(first, last)| (When::new(first.created, now), When::new(last.created, now))),
            jobs: jobs.len(),
            succeeded: jobs.iter().filter(|job| job.phase == Phase::Succeeded).count(),
            current: current == Some(digest),
        }
    };
    order.into_iter().map(version).collect()
}

/// Something that lint found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) rule: &'static str,
    pub(crate) message: String,
    /// `hello.yaml:12`.
    pub(crate) place: String,
    /// Where it is in the text on the page.
    pub(crate) href: Option<String>,
    /// The line: its number, and what stands before, within and after the part to underline.
    pub(crate) line: Option<(usize, [String; 3])>,
    pub(crate) path: Option<String>,
    pub(crate) example: Option<String>,
    pub(crate) help: Option<String>,
}

impl Finding {
    /// Whether the template does not work, or is dangerous.
    pub(crate) fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

fn findings(report: &Report, file: &str) -> Vec<Finding> {
    let finding = |it: &Diagnostic| Finding {
        level: it.level,
        rule: it.rule,
        message: it.message.clone(),
        place: match it.line {
            Some(line) => format!("{}:{line}", it.file),
            None => it.file.clone(),
        },
        href: it.line.filter(|_| it.file == file).map(|line| format!("#L{line}")),
        line: it
            .line
            .zip(report.excerpt(it))
            .map(|(line, excerpt)| (line, [excerpt.before, excerpt.marked, excerpt.after].map(str::to_owned))),
        path: it.path.clone(),
        example: it.example.clone(),
        help: it.help.clone(),
    };
    report.diagnostics.iter().map(finding).collect()
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    /// The gravest that lint found there.
    pub(crate) found: Option<Level>,
}

fn source(text: &str, report: Option<&Report>, file: &str) -> Vec<Line> {
    let found = |number: usize| {
        let here = report?.diagnostics.iter().filter(|it| it.file == file && it.line == Some(number));
        here.map(|it| it.level).min()
    };
    (1..).zip(text.lines()).map(|(number, text)| Line { number, text: text.to_owned(), found: found(number) }).collect()
}

#[cfg(test)]
#[path = "about_tests.rs"]
pub(crate) mod tests;
