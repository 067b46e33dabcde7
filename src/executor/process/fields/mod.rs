//! Which fields of a Job the process executor honours, which it leaves aside, and which it refuses.
//!
//! The rule behind the table: a field that changes what the job does is honoured or refused. A field that only takes
//! something away from a container (rights, memory, a writable root), or that only says where a container may run,
//! is left aside, because there is no container here; a field that asks for more is refused. Every field that is not
//! in the table is refused.

mod table;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::Rule::{Each, Honoured, Ignored, Object, Only, Refused};

/// What is done with a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It has its effect.
    Honoured,
    /// It is left aside, because of this.
    Ignored(&'static str),
    /// It has its effect if it has one of these values (as JSON), else it is refused with this advice.
    Only(&'static [&'static str], &'static str),
    /// It is refused, with this advice.
    Refused(&'static str),
    /// An object with these fields.
    Object(Fields),
    /// A list of objects with these fields.
    Each(Fields),
}

/// Fields by name.
pub(super) type Fields = &'static [(&'static str, Rule)];

/// A field's path and what is wrong with it.
pub(super) type Fault = (String, String);

/// Lists every field of a manifest that is neither honoured nor rightly left aside.
pub(super) fn check(manifest: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_object("", manifest, table::JOB, &mut faults);
    faults
}

fn check_object(path: &str, value: &Value, fields: Fields, faults: &mut Vec<Fault>) {
    let Value::Object(object) = value else {
        faults.push((path.to_owned(), "expected an object".to_owned()));
        return;
    };
    for (key, value) in object.iter().filter(|(_, value)| asks_for_something(value)) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let rule = fields.iter().find(|(name, _)| name == key).map(|(_, rule)| rule);
        check_field(path, value, rule, faults);
    }
}

fn check_field(path: String, value: &Value, rule: Option<&Rule>, faults: &mut Vec<Fault>) {
    let refusal = match rule {
        Some(Honoured | Ignored(_)) => return,
        Some(Object(fields)) => return check_object(&path, value, fields, faults),
        Some(Each(fields)) => {
            let Value::Array(items) = value else {
                faults.push((path, "expected a list".to_owned()));
                return;
            };
            for (index, item) in items.iter().enumerate() {
                check_object(&format!("{path}[{index}]"), item, fields, faults);
            }
            return;
        }
        Some(Only(values, _)) if values.contains(&value.to_string().as_str()) => return,
        Some(Only(_, advice)) => {
            format!("{value} cannot be honoured by the process executor: {advice}")
        }
        Some(Refused(advice)) => format!("cannot be honoured by the process executor: {advice}"),
        None => "is unknown to the process executor; remove it, or run this job on Kubernetes".to_owned(),
    };
    faults.push((path, refusal));
}

/// `null`, `{}` and `[]` say no more than a missing field.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// The table as Markdown, one row a field, for the reference page.
pub fn field_reference() -> String {
    let mut rows = String::from("| field | | |\n|---|---|---|\n");
    list_fields("", table::JOB, &mut rows);
    rows
}

fn list_fields(path: &str, fields: Fields, rows: &mut String) {
    for (name, rule) in fields {
        let path = match path {
            "" => (*name).to_owned(),
            path => format!("{path}.{name}"),
        };
        let (word, text) = match rule {
            // Its fields are those of `containers`, which the table need not show twice.
            Each(_) if *name == "initContainers" => {
                ("honoured", "one after another, with the fields of `containers`".to_owned())
            }
            Object(fields) => {
                list_fields(&path, fields, rows);
                continue;
            }
            Each(fields) => {
                list_fields(&format!("{path}[]"), fields, rows);
                continue;
            }
            Honoured => ("honoured", String::new()),
            Ignored(why) => ("left aside", (*why).to_owned()),
            Refused(advice) => ("refused", (*advice).to_owned()),
            Only(values, advice) => {
                let values: Vec<String> = values.iter().map(|it| format!("`{it}`")).collect();
                ("limited", format!("only {}: {advice}", values.join(", ")))
            }
        };
        rows.push_str(&format!("| `{path}` | {word} | {text} |\n"));
    }
}
