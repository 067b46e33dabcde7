//! Which control of a form a JSON Schema asks for.

use serde_json::{Map, Value};

use crate::template::Template;

/// How deep fields stand within fields; what is deeper is written as YAML.
const DEEPEST: usize = 2;
/// An object with more properties than this is written as YAML.
const MOST_FIELDS: usize = 24;

/// A parameter, or a property within one, as the template declares it: references are resolved, and it stands among the
/// others in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// From the parameter on: `resources.limits.cpu`.
    pub(crate) path: String,
    /// Its schema.
    pub(crate) of: Value,
    pub(crate) required: bool,
    /// Whether it is a secret, or holds one: then nothing of it is ever written into a page.
    pub(crate) secret: bool,
    pub(crate) kind: Kind,
}

/// A control.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// One line, of this `type`.
    Line(&'static str),
    /// Several lines of text.
    Area,
    /// A list of simple items: one a line, or one a row of this `type`.
    Rows(&'static str),
    /// Any of these.
    Ticks(Vec<Value>),
    /// Whatever has no simpler control.
    Yaml,
    /// A box to tick.
    Check,
    /// One of a list.
    Select,
    /// A field for each property.
    Group(Vec<Declared>),
}

impl Declared {
    /// The parameters of a template.
    pub(crate) fn all_of(template: &Template) -> Vec<Self> {
        let order = |pointer: &str| template.order_of(&format!("/parameters{pointer}")).unwrap_or(usize::MAX);
        Self::all(template.schema(), &order)
    }

    /// The parameters of a schema. `order` says where each property stands, by its JSON Pointer in the schema.
    pub(crate) fn all(schema: &Value, order: &dyn Fn(&str) -> usize) -> Vec<Self> {
        Reader { root: schema, order }.properties(schema, "", "", 0)
    }

    /// What is declared of the value within: the properties of an object that the form takes as YAML, or of the
    /// objects in a list. For the documentation alone.
    pub(crate) fn within(&self, schema: &Value) -> Vec<Self> {
        let depth = self.path.matches(['.', '[']).count();
        if self.kind != Kind::Yaml || depth > 4 {
            return Vec::new();
        }
        let reader = Reader { root: schema, order: &|_| 0 };
        match self.of.get("items") {
            Some(items) => {
                let item = reader.resolve(items, String::new()).0;
                reader.properties(&item, "", &format!("{}[]", self.path), DEEPEST)
            }
            None => reader.properties(&self.of, "", &self.path, DEEPEST),
        }
    }
}

/// Reads a schema.
struct Reader<'a> {
    root: &'a Value,
    order: &'a dyn Fn(&str) -> usize,
}

impl Reader<'_> {
    /// The properties of an object, which is at `pointer` in the schema and at `path` in the value.
    fn properties(&self, object: &Value, pointer: &str, path: &str, depth: usize) -> Vec<Declared> {
        let required = required(object);
        let properties = object.get("properties").and_then(Value::as_object);
        let mut all: Vec<(usize, Declared)> = properties
            .into_iter()
            .flatten()
            .map(|(name, of)| {
                let here = format!("{pointer}/properties/{}", name.replace('~', "~0").replace('/', "~1"));
                let place = (self.order)(&here);
                let (of, target) = self.resolve(of, here);
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let declared = Declared {
                    required: required.contains(&name.as_str()),
                    secret: self.has_secret(&of, 0),
                    kind: self.kind(&of, &target, &path, depth),
                    name: name.clone(),
                    path,
                    of,
                };
                (place, declared)
            })
            .collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, declared)| declared).collect()
    }

    /// Follows references within the schema. What stands beside one says more about this one place, and wins.
    fn resolve(&self, of: &Value, at: String) -> (Value, String) {
        let (mut of, mut at) = (of.clone(), at);
        for _ in 0..16 {
            let pointer = of.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#'));
            let Some((pointer, target)) = pointer.and_then(|it| Some((it.to_owned(), self.root.pointer(it)?))) else {
                break;
            };
            let mut merged = target.clone();
            if let (Some(merged), Value::Object(own)) = (merged.as_object_mut(), of) {
                merged.extend(own.into_iter().filter(|(key, _)| key != "$ref"));
            }
            (of, at) = (merged, pointer);
        }
        (of, at)
    }

    fn kind(&self, of: &Value, at: &str, path: &str, depth: usize) -> Kind {
        if is_secret(of) {
            let long = is(of, "array") || is(of, "object") || format(of) == Some("multiline");
            return if long { Kind::Area } else { Kind::Line("password") };
        }
        if of.get("enum").is_some_and(Value::is_array) {
            return Kind::Select;
        }
        if is(of, "string") {
            return string(of);
        }
        if is(of, "integer") || is(of, "number") {
            Kind::Line("number")
        } else if is(of, "boolean") {
            // Without a default there are three answers: yes, no, and none.
            if of.get("default").is_some() { Kind::Check } else { Kind::Select }
        } else if is(of, "array") {
            self.list(of)
        } else if is(of, "object") {
            self.object(of, at, path, depth)
        } else {
            Kind::Line("text")
        }
    }

    fn list(&self, of: &Value) -> Kind {
        let Some(items) = of.get("items") else {
            return if of.get("prefixItems").is_some() { Kind::Yaml } else { Kind::Rows("text") };
        };
        let (item, _) = self.resolve(items, String::new());
        if let Some(options) = item.get("enum").and_then(Value::as_array) {
            let each_once = of.get("uniqueItems") == Some(&Value::Bool(true));
            let simple = options.iter().all(|it| !it.is_array() && !it.is_object());
            return if each_once && simple { Kind::Ticks(options.clone()) } else { Kind::Rows("text") };
        }
        match self.kind(&item, "", "", DEEPEST) {
            // A browser's date and time has no zone, which a text of several of them would have to bring along.
            Kind::Line("datetime-local") => Kind::Rows("text"),
            // Lines of text are no items of a list that is written one a line.
            Kind::Line("password") => Kind::Area,
            Kind::Line(kind) => Kind::Rows(kind),
            Kind::Select | Kind::Check => Kind::Rows("text"),
            _ => Kind::Yaml,
        }
    }

    fn object(&self, of: &Value, at: &str, path: &str, depth: usize) -> Kind {
        let properties = of.get("properties").and_then(Value::as_object);
        let names = properties.map(|it| it.keys().collect::<Vec<_>>()).unwrap_or_default();
        let open = matches!(of.get("additionalProperties"), Some(other) if *other != Value::Bool(false))
            || of.get("patternProperties").is_some();
        let plain = |name: &&String| !name.is_empty() && !name.contains(['.', '[', ']']);
        if open || depth >= DEEPEST || names.is_empty() || names.len() > MOST_FIELDS || !names.iter().all(plain) {
            return Kind::Yaml;
        }
        Kind::Group(self.properties(of, at, path, depth + 1))
    }

    fn has_secret(&self, of: &Value, depth: usize) -> bool {
        let (of, _) = self.resolve(of, String::new());
        let within = |key: &str| of.get(key).and_then(Value::as_object);
        is_secret(&of)
            // A schema may refer to itself; deeper than this no value is accepted anyway.
            || depth < 8
                && (within("properties").is_some_and(|all| all.values().any(|of| self.has_secret(of, depth + 1)))
                    || ["items", "additionalProperties"]
                        .iter()
                        .filter_map(|key| of.get(key))
                        .any(|of| self.has_secret(of, depth + 1)))
    }
}

fn string(of: &Value) -> Kind {
    let long = of.get("maxLength").and_then(Value::as_u64).unwrap_or(0) > 200;
    match format(of) {
        Some("date") => Kind::Line("date"),
        Some("date-time") => Kind::Line("datetime-local"),
        Some("email") => Kind::Line("email"),
        Some("uri") => Kind::Line("url"),
        Some("multiline") => Kind::Area,
        None if long => Kind::Area,
        _ if of.get("contentMediaType").is_some() => Kind::Area,
        _ => Kind::Line("text"),
    }
}

fn format(of: &Value) -> Option<&str> {
    of.get("format").and_then(Value::as_str)
}

/// The properties that have to be given.
fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether values of this type are accepted.
pub(crate) fn is(of: &Value, name: &str) -> bool {
    match of.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(names)) => names.iter().any(|it| it == name),
        _ => false,
    }
}

/// Whether the value is to be masked.
fn is_secret(of: &Value) -> bool {
    of.get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
}

/// Whether the fields of a group can hold this value: it has no property that none of them stands for.
pub(crate) fn fits(fields: &[Declared], value: &Map<String, Value>) -> bool {
    value.iter().all(|(name, value)| {
        let field = fields.iter().find(|field| field.name == *name);
        field.is_some_and(|field| match (&field.kind, value) {
            (Kind::Group(fields), Value::Object(value)) => fits(fields, value),
            (Kind::Yaml, _) | (Kind::Rows(_) | Kind::Ticks(_), Value::Array(_)) => true,
            (Kind::Group(_) | Kind::Rows(_) | Kind::Ticks(_), _) => false,
            (_, value) => !value.is_array() && !value.is_object() && !value.is_null(),
        })
    })
}
