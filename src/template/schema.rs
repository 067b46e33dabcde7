//! The JSON Schema of a template's parameters or settings: read, checked, and asked.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::problem::{Code, Problem};
use super::suggest::nearest;

/// The keywords of JSON Schema 2020-12, so that a misspelt one is caught instead of ignored.
const KEYWORDS: &[&str] = &[
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
];

/// One declared input of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its JSON Schema.
    pub schema: Value,
    /// Whether a value must be given.
    pub required: bool,
    /// The value that is taken when none is given.
    pub default: Option<Value>,
    /// Whether the value is masked everywhere but in the manifest that is launched.
    pub secret: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// What a name in an expression stands for, as far as the schema tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Enum,
    Array,
    Object,
    /// A text, a number, or anything of no declared type.
    Other,
}

/// A checked schema over named values.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) validator: Validator,
}

impl Schema {
    /// Checks `root`, a schema of `type: object` with one property for each name.
    pub(crate) fn parameters(root: Value) -> Result<Arc<Self>, Vec<Problem>> {
        let mut problems = Vec::new();
        check_keywords(&root, "parameters", &mut problems);
        if !matches!(root.get("type").and_then(Value::as_str), None | Some("object")) {
            problems.push(front("parameters.type", "must be `object`"));
        }
        Self::build(root, "parameters", "parameters.properties", problems)
    }

    /// Checks the settings of a template: a schema for each name.
    pub(crate) fn settings(properties: Map<String, Value>) -> Result<Arc<Self>, Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, schema) in &properties {
            check_keywords(schema, &format!("settings.{name}"), &mut problems);
        }
        // A setting without a default has to be given.
        let required: Vec<&String> =
            properties.iter().filter(|(_, schema)| schema.get("default").is_none()).map(|(name, _)| name).collect();
        let root = serde_json::json!({"type": "object", "required": required, "properties": properties});
        Self::build(root, "settings", "settings", problems)
    }

    fn build(root: Value, path: &str, properties: &str, mut problems: Vec<Problem>) -> Result<Arc<Self>, Vec<Problem>> {
        let parameters = read_parameters(&root, path, properties, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let validator = compile(&root, path).map_err(|problem| vec![problem])?;
        for parameter in &parameters {
            check_default(&root, properties, parameter, &mut problems);
        }
        if problems.is_empty() { Ok(Arc::new(Self { root, parameters, validator })) } else { Err(problems) }
    }

    pub(crate) fn root(&self) -> &Value {
        &self.root
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Parameter> {
        self.parameters
            .binary_search_by(|parameter| parameter.name.as_str().cmp(name))
            .ok()
            .map(|index| &self.parameters[index])
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|p| p.name.as_str())
    }

    /// Follows a local `$ref`. A reference to elsewhere was refused when the schema was compiled.
    pub(crate) fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        resolve(&self.root, schema)
    }

    /// The schema of one property of an object, or of an item of a list.
    pub(crate) fn property<'s>(&'s self, schema: &'s Value, name: &str) -> Option<&'s Value> {
        self.resolve(schema).get("properties")?.get(name)
    }

    pub(crate) fn item<'s>(&'s self, schema: &'s Value) -> Option<&'s Value> {
        self.resolve(schema).get("items")
    }

    pub(crate) fn kind(&self, schema: &Value) -> Kind {
        let schema = self.resolve(schema);
        if schema.get("enum").is_some() || schema.get("const").is_some() {
            return Kind::Enum;
        }
        match types(schema).as_slice() {
            ["boolean"] => Kind::Boolean,
            ["array"] => Kind::Array,
            ["object"] => Kind::Object,
            _ => Kind::Other,
        }
    }

    /// Whether a value of this schema is secret, wholly or somewhere inside.
    pub(crate) fn has_secret(&self, schema: &Value) -> bool {
        self.secret_within(schema, 0)
    }

    fn secret_within(&self, schema: &Value, depth: usize) -> bool {
        let schema = self.resolve(schema);
        if is_secret(schema) {
            return true;
        }
        // A schema may refer to itself; deeper than this no value is accepted anyway.
        depth < 16
            && (schema
                .get("properties")
                .and_then(Value::as_object)
                .is_some_and(|p| p.values().any(|s| self.secret_within(s, depth + 1)))
                || ["items", "additionalProperties"]
                    .iter()
                    .filter_map(|key| schema.get(key))
                    .any(|s| self.secret_within(s, depth + 1)))
    }

    /// The value with every secret in it replaced by the mask.
    pub(crate) fn mask(&self, schema: &Value, value: &Value) -> Value {
        let schema = self.resolve(schema);
        if is_secret(schema) && !value.is_null() {
            return Value::String(super::MASK.to_owned());
        }
        match value {
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| {
                        let schema = schema
                            .get("properties")
                            .and_then(|p| p.get(key))
                            .or_else(|| schema.get("additionalProperties"))
                            .unwrap_or(&Value::Null);
                        (key.clone(), self.mask(schema, value))
                    })
                    .collect(),
            ),
            Value::Array(items) => {
                let schema = schema.get("items").unwrap_or(&Value::Null);
                Value::Array(items.iter().map(|item| self.mask(schema, item)).collect())
            }
            _ => value.clone(),
        }
    }
}

pub(crate) fn is_secret(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
}

pub(crate) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut schema = schema;
    for _ in 0..16 {
        let Some(pointer) =
            schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'))
        else {
            break;
        };
        match root.pointer(pointer) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The types that a schema names, none if it leaves the type open.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn front(path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::new(Code::FrontMatter, message).on(path)
}

fn compile(root: &Value, path: &str) -> Result<Validator, Problem> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        // Says how a text is typed, and nothing about what it may be.
        .with_format("multiline", |_: &str| true)
        .offline()
        // Linear time: no pattern can be made to take for ever by a hostile value.
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(root)
        .map_err(|error| {
            let inner = error.instance_path().to_string().replace('/', ".");
            front(format!("{path}{inner}"), format!("not a valid JSON Schema: {error}"))
        })
}

fn check_keywords(schema: &Value, path: &str, problems: &mut Vec<Problem>) {
    let map = match schema {
        Value::Object(map) => map,
        Value::Bool(_) => return,
        _ => {
            problems.push(front(path, "must be a JSON Schema, a mapping"));
            return;
        }
    };
    for (key, value) in map {
        if !KEYWORDS.contains(&key.as_str()) && !key.starts_with("x-") {
            problems.push(
                front(format!("{path}.{key}"), format!("`{key}` is not a keyword of JSON Schema"))
                    .suggest(nearest(key, KEYWORDS.iter().copied())),
            );
        }
        let nested = format!("{path}.{key}");
        match (key.as_str(), value) {
            ("properties" | "$defs" | "patternProperties" | "dependentSchemas", Value::Object(map)) => {
                for (name, schema) in map {
                    check_keywords(schema, &format!("{nested}.{name}"), problems);
                }
            }
            (
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties",
                schema,
            ) => check_keywords(schema, &nested, problems),
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
                for schema in schemas {
                    check_keywords(schema, &nested, problems);
                }
            }
            _ => {}
        }
    }
}

fn read_parameters(root: &Value, path: &str, properties_path: &str, problems: &mut Vec<Problem>) -> Vec<Parameter> {
    let empty = Map::new();
    let properties = match root.get("properties") {
        None => &empty,
        Some(Value::Object(map)) => map,
        Some(_) => {
            problems.push(front(properties_path, "must map each name to its schema"));
            &empty
        }
    };
    let required: Vec<&str> = root
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for name in &required {
        if !properties.contains_key(*name) {
            problems.push(
                front(format!("{path}.required"), format!("names `{name}`, which is not among the properties"))
                    .suggest(nearest(name, properties.keys().map(String::as_str))),
            );
        }
    }
    for name in properties.keys() {
        if !is_name(name) {
            problems.push(front(
                properties_path,
                format!(
                    "`{name}` is not a name: use letters, digits, `_` and `-`, beginning with a \
                     letter"
                ),
            ));
        }
    }
    properties
        .iter()
        .map(|(name, schema)| {
            let target = resolve(root, schema);
            Parameter {
                name: name.clone(),
                schema: schema.clone(),
                required: required.contains(&name.as_str()),
                default: schema.get("default").or_else(|| target.get("default")).cloned(),
                secret: is_secret(schema) || is_secret(target),
                description: schema
                    .get("description")
                    .or_else(|| target.get("description"))
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            }
        })
        .collect()
}

pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// A default that breaks its own schema would make every launch without that parameter fail.
fn check_default(root: &Value, properties_path: &str, parameter: &Parameter, problems: &mut Vec<Problem>) {
    let Some(default) = &parameter.default else {
        return;
    };
    // The property alone, with the definitions that it may refer to.
    let mut alone = parameter.schema.clone();
    if let (Some(alone), Some(defs)) = (alone.as_object_mut(), root.get("$defs")) {
        alone.insert("$defs".to_owned(), defs.clone());
    }
    let Ok(validator) = compile(&alone, properties_path) else {
        return;
    };
    for error in validator.iter_errors(default) {
        let reason = if parameter.secret { error.masked().to_string() } else { error.to_string() };
        problems.push(front(
            format!("{properties_path}.{}.default", parameter.name),
            format!("the default breaks its own schema: {reason}"),
        ));
    }
}
