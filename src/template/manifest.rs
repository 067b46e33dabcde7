//! Strict decoding: a manifest must be exactly a `batch/v1` Job.
//!
//! `k8s_openapi`'s types decode leniently, as every Kubernetes client does: an unknown field is
//! dropped without a word. Here they are driven by a deserializer that keeps the path, sees every
//! field that a type asks to ignore, and goes on after a wrong type, so that everything that is
//! wrong is reported together.

use std::cell::RefCell;
use std::fmt;

use k8s_openapi::api::batch::v1::Job;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::locate::push_key;
use super::problem::{Code, Problem};
use super::suggest::nearest;

/// Wrong types that are reported at most; each costs one more pass.
const MOST: usize = 20;

/// Decodes a manifest, or says everything that is wrong with it.
///
/// # Errors
/// One problem for every unknown field and every value of a wrong type, with its path; or one that
/// says that this is not a `batch/v1` Job at all.
pub fn decode(manifest: &Value) -> Result<Job, Vec<Problem>> {
    check_kind(manifest).map_err(|problem| vec![problem])?;
    let log = Log::default();
    if let Ok(job) = Job::deserialize(At::root(manifest, &log)) {
        let unknown = log.unknown.into_inner();
        if unknown.is_empty() {
            return Ok(job);
        }
        return Err(unknown);
    }
    Err(all_problems(manifest))
}

/// A wrong type ends decoding. It is noted, taken out, and decoding begins anew.
fn all_problems(manifest: &Value) -> Vec<Problem> {
    let mut manifest = manifest.clone();
    let mut wrong: Vec<Problem> = Vec::new();
    loop {
        let log = Log::default();
        let result = Job::deserialize(At::root(&manifest, &log));
        let mut unknown = log.unknown.into_inner();
        let Err(error) = result else {
            wrong.append(&mut unknown);
            return wrong;
        };
        let pointer = log.failed.into_inner();
        let (path, pointer) = pointer.unwrap_or_default();
        wrong.push(Problem::new(Code::WrongType, error.0).on(path));
        match manifest.pointer_mut(&pointer) {
            Some(value) if wrong.len() < MOST && !pointer.is_empty() && !value.is_null() => {
                *value = Value::Null;
            }
            _ => {
                wrong.append(&mut unknown);
                return wrong;
            }
        }
    }
}

fn check_kind(manifest: &Value) -> Result<(), Problem> {
    let Value::Object(map) = manifest else {
        return Err(Problem::new(
            Code::Kind,
            format!("expected a Job of `apiVersion: batch/v1`, found {}", kind_of(manifest)),
        ));
    };
    for (field, wanted) in [("apiVersion", "batch/v1"), ("kind", "Job")] {
        let found = map.get(field);
        if found.and_then(Value::as_str) != Some(wanted) {
            let found = match found {
                None | Some(Value::Null) => "it is missing".to_owned(),
                // Short, and a template's own text in all but the oddest template.
                Some(Value::String(text)) if text.len() < 64 => format!("it is `{text}`"),
                Some(other) => format!("it is {}", kind_of(other)),
            };
            return Err(Problem::new(
                Code::Kind,
                format!("must be `{wanted}`, because a template gives one batch/v1 Job; {found}"),
            )
            .on(field));
        }
    }
    Ok(())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[derive(Default)]
struct Log {
    unknown: RefCell<Vec<Problem>>,
    /// Path and JSON pointer of the value that ended decoding.
    failed: RefCell<Option<(String, String)>>,
}

/// A message, without the value: it may be a secret.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        use serde::de::Unexpected as U;
        let found = match found {
            U::Bool(_) => "a boolean",
            U::Unsigned(_) | U::Signed(_) => "a number",
            U::Float(_) => "a fraction",
            U::Str(_) | U::Char(_) => "a text",
            U::Seq => "a list",
            U::Map => "a mapping",
            _ => "nothing",
        };
        Self(format!("expected {}, found {found}", in_words(&expected.to_string())))
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {}", in_words(&expected.to_string())))
    }
}

fn in_words(expected: &str) -> String {
    match expected {
        "a string" => "a text".to_owned(),
        "i32" => "a whole number of 32 bits".to_owned(),
        "i64" => "a whole number of 64 bits".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "Quantity" => "a quantity such as `100m` or `64Mi`".to_owned(),
        name if name.starts_with(char::is_uppercase) => format!("a mapping ({name})"),
        other => other.to_owned(),
    }
}

/// The way from the root to a value, kept on the stack: nothing is allocated while all is well.
#[derive(Clone, Copy)]
enum Way<'p> {
    Root,
    Field(&'p Way<'p>, &'p str),
    Item(&'p Way<'p>, usize),
}

impl Way<'_> {
    fn write(&self, path: &mut String, pointer: &mut String) {
        use fmt::Write as _;
        match self {
            Self::Root => {}
            Self::Field(parent, key) => {
                parent.write(path, pointer);
                push_key(path, key);
                let _ = write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
            }
            Self::Item(parent, index) => {
                parent.write(path, pointer);
                let _ = write!(path, "[{index}]");
                let _ = write!(pointer, "/{index}");
            }
        }
    }
}

/// A value at its place.
#[derive(Clone, Copy)]
struct At<'de, 'p> {
    value: &'de Value,
    way: &'p Way<'p>,
    log: &'p Log,
    /// Set while the value is one that the type has no field for: the fields it has.
    unknown_among: Option<&'static [&'static str]>,
}

impl<'de, 'p> At<'de, 'p> {
    fn root(value: &'de Value, log: &'p Log) -> Self {
        Self { value, way: &Way::Root, log, unknown_among: None }
    }

    /// Notes where decoding ended, unless a value further inside has done so.
    fn noted<T>(self, result: Result<T, Wrong>) -> Result<T, Wrong> {
        if result.is_err() {
            let mut failed = self.log.failed.borrow_mut();
            if failed.is_none() {
                let (mut path, mut pointer) = (String::new(), String::new());
                self.way.write(&mut path, &mut pointer);
                *failed = Some((path, pointer));
            }
        }
        result
    }

    fn visit<V: Visitor<'de>>(self, fields: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Wrong> {
        let result = match self.value {
            // Where the type has fields, an empty one.
            Value::Null if fields.is_some() => return self.empty_map(visitor),
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => {
                if let Some(value) = number.as_i64() {
                    visitor.visit_i64(value)
                } else if let Some(value) = number.as_u64() {
                    visitor.visit_u64(value)
                } else {
                    visitor.visit_f64(number.as_f64().unwrap_or_default())
                }
            }
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter().enumerate(), at: self }),
            Value::Object(map) => visitor.visit_map(Entries { entries: map.iter(), next: None, at: self, fields }),
        };
        self.noted(result)
    }
}

/// The API server reads `null` as the empty value of whatever type it stands for, as Go's JSON does.
impl<'de> At<'de, '_> {
    fn empty_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.noted(visitor.visit_map(serde::de::value::MapDeserializer::new(std::iter::empty::<(&str, &str)>())))
    }

    fn empty_or<V: Visitor<'de>>(
        self,
        visitor: V,
        empty: impl FnOnce(V) -> Result<V::Value, Wrong>,
    ) -> Result<V::Value, Wrong> {
        if self.value.is_null() { self.noted(empty(visitor)) } else { self.visit(None, visitor) }
    }
}

struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    at: At<'de, 'p>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        let way = Way::Item(self.at.way, index);
        seed.deserialize(At { value, way: &way, ..self.at }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de, 'p> {
    entries: serde_json::map::Iter<'de>,
    next: Option<(&'de str, &'de Value)>,
    at: At<'de, 'p>,
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.next = self.entries.next().map(|(key, value)| (key.as_str(), value));
        match self.next {
            Some((key, _)) => seed.deserialize(key.into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let Some((key, value)) = self.next.take() else {
            return Err(Wrong::custom("a value without a key"));
        };
        let way = Way::Field(self.at.way, key);
        seed.deserialize(At { value, way: &way, unknown_among: self.fields, ..self.at })
    }
}

impl<'de> Deserializer<'de> for At<'de, '_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.visit(None, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        let result = match self.value {
            Value::Null if name == "Quantity" => visitor.visit_newtype_struct("0".into_deserializer()),
            _ => visitor.visit_newtype_struct(self),
        };
        self.noted(result)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.empty_or(visitor, |visitor| visitor.visit_str(""))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.empty_or(visitor, |visitor| visitor.visit_bool(false))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.empty_or(visitor, |visitor| visitor.visit_i32(0))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.empty_or(visitor, |visitor| visitor.visit_i64(0))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.empty_or(visitor, |visitor| visitor.visit_seq(Items { items: [].iter().enumerate(), at: self }))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_null() { self.empty_map(visitor) } else { self.visit(None, visitor) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        // A list would be taken as the fields in order.
        if self.value.is_array() {
            let found = serde::de::Unexpected::Seq;
            return self.noted(Err(Wrong::invalid_type(found, &visitor)));
        }
        self.visit(Some(fields), visitor)
    }

    /// The type has no such field: what every other client drops without a word.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let (mut path, mut pointer) = (String::new(), String::new());
        self.way.write(&mut path, &mut pointer);
        let near = match (self.way, self.unknown_among) {
            (Way::Field(_, key), Some(fields)) => nearest(key, fields.iter().copied()),
            _ => None,
        };
        let problem = Problem::new(Code::UnknownField, "Kubernetes knows no such field").on(path).suggest(near);
        self.log.unknown.borrow_mut().push(problem);
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf
        unit unit_struct tuple tuple_struct enum identifier
    }
}

#[cfg(test)]
mod tests;
