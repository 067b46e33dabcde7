//! Expressions of a template: what a hole is filled with, and what a block depends on.
//!
//! | helper | gives |
//! |---|---|
//! | `lower TEXT` | the text in lower case |
//! | `slug TEXT` | lower case, everything but `a-z` and `0-9` as single dashes, at most 52 characters: fit for a name |
//! | `default VALUE FALLBACK` | the value, or the fallback where there is none |
//! | `json VALUE` | the value as JSON text |
//! | `shell VALUE` | the value quoted for a POSIX shell; a list gives its items as separate words |
//! | `eq A B`, `ne A B` | whether they are equal, or not |
//! | `lt A B`, `gt A B` | whether A is less, or greater: two numbers, or two texts |
//! | `and A…`, `or A…`, `not A` | logic, by the truth of `#if` |

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Root {
    Params,
    Settings,
    JobId,
    JobName,
    CallbackUrl,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Field(String),
    Item(usize),
    /// The current item of an enclosing `#each`; 0 is the outermost.
    Loop(usize),
}

/// A path from a root, with no reference to the place where it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Literal(Value),
    Path(Path),
    /// `@index` of an enclosing `#each`.
    Index(usize),
    /// `@first`.
    First(usize),
    /// `@last`, with the list that is run through.
    Last(usize, Path),
    Call(Func, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Func {
    Lower,
    Slug,
    Default,
    Json,
    Shell,
    Eq,
    Ne,
    Lt,
    Gt,
    And,
    Or,
    Not,
}

impl Func {
    pub(crate) const NAMES: [(&'static str, Self); 12] = [
        ("lower", Self::Lower),
        ("slug", Self::Slug),
        ("default", Self::Default),
        ("json", Self::Json),
        ("shell", Self::Shell),
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("lt", Self::Lt),
        ("gt", Self::Gt),
        ("and", Self::And),
        ("or", Self::Or),
        ("not", Self::Not),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, func)| *func)
    }

    /// How many arguments it takes, least and most.
    pub(crate) const fn arity(self) -> (usize, usize) {
        match self {
            Self::Lower | Self::Slug | Self::Json | Self::Shell | Self::Not => (1, 1),
            Self::Default | Self::Eq | Self::Ne | Self::Lt | Self::Gt => (2, 2),
            Self::And | Self::Or => (2, 16),
        }
    }
}

/// What a template can see.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    pub(crate) params: &'a Map<String, Value>,
    pub(crate) settings: &'a Map<String, Value>,
    pub(crate) job_id: Value,
    pub(crate) job_name: Value,
    pub(crate) callback_url: Value,
}

/// A value, or none: a parameter that was not given, or a property that is not there.
pub(crate) type Given<'a> = Option<Cow<'a, Value>>;

impl Data<'_> {
    /// Follows a path; `loops` holds the current index of every enclosing `#each`.
    pub(crate) fn get(&self, path: &Path, loops: &[usize]) -> Option<&Value> {
        let mut steps = path.steps.iter();
        let mut at = match path.root {
            Root::JobId => &self.job_id,
            Root::JobName => &self.job_name,
            Root::CallbackUrl => &self.callback_url,
            Root::Params | Root::Settings => {
                let map = if path.root == Root::Params { self.params } else { self.settings };
                let Some(Step::Field(name)) = steps.next() else {
                    return None;
                };
                map.get(name)?
            }
        };
        for step in steps {
            // Whatever is inside a masked secret is masked too.
            if at.as_str() == Some(super::MASK) {
                return Some(at);
            }
            at = match step {
                Step::Field(name) => at.get(name)?,
                Step::Item(index) => at.get(index)?,
                Step::Loop(depth) => at.get(*loops.get(*depth)?)?,
            };
        }
        (!at.is_null()).then_some(at)
    }

    /// The value of an expression, or a message why it has none that makes sense.
    pub(crate) fn eval<'d>(&'d self, expr: &'d Expr, loops: &[usize]) -> Result<Given<'d>, String> {
        let at = |depth: &usize| loops.get(*depth).copied().unwrap_or_default();
        Ok(match expr {
            Expr::Literal(Value::Null) => None,
            Expr::Literal(value) => Some(Cow::Borrowed(value)),
            Expr::Path(path) => self.get(path, loops).map(Cow::Borrowed),
            Expr::Index(depth) => Some(Cow::Owned(at(depth).into())),
            Expr::First(depth) => Some(Cow::Owned((at(depth) == 0).into())),
            Expr::Last(depth, list) => {
                let length = self.get(list, loops).and_then(Value::as_array).map_or(0, Vec::len);
                Some(Cow::Owned((at(depth) + 1 == length).into()))
            }
            Expr::Call(func, args) => self.call(*func, args, loops)?,
        })
    }

    fn call<'d>(&'d self, func: Func, args: &'d [Expr], loops: &[usize]) -> Result<Given<'d>, String> {
        let arg = |index: usize| match args.get(index) {
            Some(expr) => self.eval(expr, loops),
            None => Ok(None),
        };
        let text = |value: Cow<'d, Value>| text_of(&value).into_owned();
        let given = |value: Value| Ok(Some(Cow::Owned(value)));
        match func {
            Func::Default => match arg(0)? {
                Some(value) => Ok(Some(value)),
                None => arg(1),
            },
            Func::Lower => Ok(arg(0)?.map(|v| Cow::Owned(text(v).to_lowercase().into()))),
            Func::Slug => match arg(0)? {
                Some(value) => given(slug(&text(value))?.into()),
                None => Ok(None),
            },
            Func::Json => given(arg(0)?.map_or(Value::Null, Cow::into_owned).to_string().into()),
            Func::Shell => Ok(arg(0)?.map(|v| Cow::Owned(shell(&v).into()))),
            Func::Eq => given((arg(0)? == arg(1)?).into()),
            Func::Ne => given((arg(0)? != arg(1)?).into()),
            Func::Lt => given((compare(arg(0)?, arg(1)?)? == Ordering::Less).into()),
            Func::Gt => given((compare(arg(0)?, arg(1)?)? == Ordering::Greater).into()),
            Func::Not => given((!truth(arg(0)?.as_deref())).into()),
            Func::And | Func::Or => {
                let stop = func == Func::Or;
                for expr in args {
                    if truth(self.eval(expr, loops)?.as_deref()) == stop {
                        return given(stop.into());
                    }
                }
                given((!stop).into())
            }
        }
    }
}

/// The truth of a value in `#if`: nothing, `false`, 0, an empty text and an empty list are false.
pub(crate) fn truth(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
    }
}

/// The string form of a value: a text as it is, everything else as compact JSON.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn compare(a: Given<'_>, b: Given<'_>) -> Result<Ordering, String> {
    let ordering = match (a.as_deref(), b.as_deref()) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64().partial_cmp(&b.as_f64()),
        },
        (Some(Value::String(a)), Some(Value::String(b))) => Some(a.cmp(b)),
        _ => None,
    };
    ordering.ok_or_else(|| "`lt` and `gt` compare two numbers or two texts".to_owned())
}

/// 52 characters leave room for a dash and a hash of ten within the 63 of a label.
fn slug(text: &str) -> Result<String, String> {
    const MAX: usize = 52;
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= MAX {
            break;
        }
    }
    let slug = out.trim_end_matches('-');
    if slug.is_empty() {
        return Err("`slug` finds no letter or digit (a-z, 0-9) to make a name of".to_owned());
    }
    Ok(slug.to_owned())
}

fn shell(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(shell).collect::<Vec<_>>().join(" "),
        other => format!("'{}'", text_of(other).replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(func: Func, args: Vec<Value>) -> Result<Option<Value>, String> {
        let (params, settings) = (Map::new(), Map::new());
        let data = Data {
            params: &params,
            settings: &settings,
            job_id: Value::Null,
            job_name: Value::Null,
            callback_url: Value::Null,
        };
        let expr = Expr::Call(func, args.into_iter().map(Expr::Literal).collect());
        data.eval(&expr, &[]).map(|given| given.map(Cow::into_owned))
    }

    #[test]
    fn slug_gives_a_name_or_says_why_not() {
        assert_eq!(call(Func::Slug, vec![json!("Üben & Co. 7")]), Ok(Some(json!("ben-co-7"))));
        assert_eq!(call(Func::Slug, vec![json!("a".repeat(80))]), Ok(Some(json!("a".repeat(52)))));
        assert!(call(Func::Slug, vec![json!("…")]).is_err());
    }

    #[test]
    fn shell_quotes_so_that_nothing_is_expanded() {
        assert_eq!(call(Func::Shell, vec![json!("a'b $(c)")]), Ok(Some(json!(r"'a'\''b $(c)'"))));
        assert_eq!(call(Func::Shell, vec![json!(["a", "b c"])]), Ok(Some(json!("'a' 'b c'"))));
    }

    #[test]
    fn comparison_is_of_like_with_like() {
        assert_eq!(call(Func::Lt, vec![json!(2), json!(10)]), Ok(Some(json!(true))));
        assert_eq!(call(Func::Gt, vec![json!("b"), json!("a")]), Ok(Some(json!(true))));
        assert!(call(Func::Lt, vec![json!(2), json!("10")]).is_err());
        assert_eq!(call(Func::Eq, vec![json!("a"), json!("a")]), Ok(Some(json!(true))));
    }

    #[test]
    fn default_is_for_what_is_not_there() {
        assert_eq!(call(Func::Default, vec![json!(null), json!("x")]), Ok(Some(json!("x"))));
        assert_eq!(call(Func::Default, vec![json!(""), json!("x")]), Ok(Some(json!(""))));
    }

    #[test]
    fn logic_stops_where_it_is_decided() {
        assert_eq!(call(Func::And, vec![json!(true), json!(0)]), Ok(Some(json!(false))));
        assert_eq!(call(Func::Or, vec![json!(""), json!([1])]), Ok(Some(json!(true))));
        assert_eq!(call(Func::Not, vec![json!([])]), Ok(Some(json!(true))));
    }
}
