//! The head of a template file: what it is called, what it takes, and examples of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::locate::locate;
use super::problem::{Code, Problem};
use super::schema::{Schema, is_name};
use super::suggest::nearest;
use super::yaml;

const KEYS: &[&str] = &["title", "description", "parameters", "settings", "examples"];

/// A file, cut in two.
pub(crate) struct Parts<'a> {
    head: &'a str,
    /// Line of the file on which the head's text begins, from 1.
    head_line: usize,
    /// The Handlebars text below the head.
    pub(crate) body: &'a str,
    /// Line of the file on which the body begins, from 1.
    pub(crate) body_line: usize,
}

/// A head that was read and checked.
#[derive(Debug)]
pub(crate) struct FrontMatter {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Arc<Schema>,
    pub(crate) settings: Arc<Schema>,
    pub(crate) examples: BTreeMap<String, Map<String, Value>>,
}

/// Cuts a file at its two `---` lines.
pub(crate) fn split(source: &str) -> Result<Parts<'_>, Problem> {
    let mut offset = 0;
    let mut head: Option<(usize, usize)> = None;
    for (index, line) in source.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        let text = line.trim_end();
        match head {
            None if text == "---" => head = Some((end, index + 2)),
            None if text.is_empty() || text.starts_with('#') => {}
            None => break,
            Some((start, head_line)) if text == "---" => {
                return Ok(Parts {
                    head: &source[start..offset],
                    head_line,
                    body: &source[end..],
                    body_line: index + 2,
                });
            }
            Some(_) => {}
        }
        offset = end;
    }
    let message = if head.is_some() {
        "the front matter has no end: put a line `---` between it and the Job"
    } else {
        "the front matter is missing: begin the file with a line `---`, the title and parameters, \
         and another line `---` before the Job"
    };
    let mut problem = Problem::new(Code::FrontMatter, message);
    problem.line = Some(1);
    Err(problem)
}

impl Parts<'_> {
    /// Reads and checks the head. Every problem carries its line in the file where it is known.
    pub(crate) fn read(&self) -> Result<FrontMatter, Vec<Problem>> {
        let value = yaml::read(self.head).map_err(|error| {
            let mut problem = Problem::new(Code::FrontMatter, error.message);
            problem.line = error.line.map(|line| line + self.head_line - 1);
            problem.column = error.column;
            vec![problem]
        })?;
        interpret(value).map_err(|problems| problems.into_iter().map(|problem| self.place(problem)).collect())
    }

    fn place(&self, mut problem: Problem) -> Problem {
        let place = problem.path.as_deref().and_then(|path| locate(self.head, path));
        problem.line = Some(match place {
            Some((line, _)) => line + self.head_line - 1,
            None => self.head_line,
        });
        problem.column = place.map(|(_, column)| column);
        problem
    }
}

fn front(path: &str, message: impl Into<String>) -> Problem {
    Problem::new(Code::FrontMatter, message).on(path)
}

fn interpret(value: Value) -> Result<FrontMatter, Vec<Problem>> {
    let mut map = match value {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err(vec![Problem::new(Code::FrontMatter, "must be a mapping")]),
    };
    let mut problems: Vec<Problem> = map
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| {
            front(key, format!("unknown key: there are {}", KEYS.join(", ")))
                .suggest(nearest(key, KEYS.iter().copied()))
        })
        .collect();
    let title = text(&mut map, "title", &mut problems);
    let description = text(&mut map, "description", &mut problems);
    let parameters = match map.remove("parameters") {
        None | Some(Value::Null) => Schema::parameters(Value::Object(Map::new())),
        Some(root) => Schema::parameters(root),
    };
    let settings = match map.remove("settings") {
        None | Some(Value::Null) => Schema::settings(Map::new()),
        Some(Value::Object(properties)) => Schema::settings(properties),
        Some(_) => Err(vec![front("settings", "must map each name to its schema")]),
    };
    let examples = examples(map.remove("examples"), &mut problems);
    match (parameters, settings) {
        (Ok(parameters), Ok(settings)) if problems.is_empty() => {
            Ok(FrontMatter { title, description, parameters, settings, examples })
        }
        (parameters, settings) => {
            problems.extend(parameters.err().into_iter().flatten());
            problems.extend(settings.err().into_iter().flatten());
            Err(problems)
        }
    }
}

fn text(map: &mut Map<String, Value>, key: &str, problems: &mut Vec<Problem>) -> Option<String> {
    match map.remove(key)? {
        Value::String(text) => Some(text),
        Value::Null => None,
        _ => {
            problems.push(front(key, "must be a text: put it in quotes"));
            None
        }
    }
}

fn examples(value: Option<Value>, problems: &mut Vec<Problem>) -> BTreeMap<String, Map<String, Value>> {
    let map = match value {
        None | Some(Value::Null) => return BTreeMap::new(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            problems.push(front("examples", "must map each example's name to its parameters"));
            return BTreeMap::new();
        }
    };
    let mut examples = BTreeMap::new();
    for (name, parameters) in map {
        let path = format!("examples.{name}");
        // The name becomes a file's name among the golden manifests.
        if !is_name(&name) {
            problems.push(front(&path, "an example's name has letters, digits, `_` and `-`, beginning with a letter"));
        }
        match parameters {
            Value::Object(parameters) => {
                examples.insert(name, parameters);
            }
            Value::Null => {
                examples.insert(name, Map::new());
            }
            _ => problems.push(front(&path, "must map parameters to values")),
        }
    }
    examples
}
