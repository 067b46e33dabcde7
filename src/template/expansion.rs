//! The fields in which Kubernetes itself replaces `$(NAME)` by the container's variable NAME, and how a value gets
//! through them unchanged. Pure.
//!
//! The kubelet expands `command` and `args`, the `value` of a variable, the `subPathExpr` of a mount and the command of
//! an exec probe. In them `$$` stands for one `$`, so that a value is written with its dollars doubled: the process sees
//! the caller's bytes, and no caller can name a variable. The template's own references stay.

use std::borrow::Cow;

use serde_json::Value;

/// A place in a Job, as far as it decides what is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    Job,
    JobSpec,
    PodTemplate,
    PodSpec,
    Containers,
    Container,
    Env,
    Variable,
    Mounts,
    Mount,
    Probe,
    Exec,
    /// A text that is expanded, or a list of such texts.
    Expanded,
    /// Nothing here or below is.
    Plain,
}

impl Spot {
    /// The place of a field.
    pub(crate) fn field(self, name: &str) -> Self {
        match (self, name) {
            (Self::Job, "spec") => Self::JobSpec,
            (Self::JobSpec, "template") => Self::PodTemplate,
            (Self::PodTemplate, "spec") => Self::PodSpec,
            (Self::PodSpec, "containers" | "initContainers" | "ephemeralContainers") => Self::Containers,
            (Self::Container, "command" | "args") => Self::Expanded,
            (Self::Container, "env") => Self::Env,
            (Self::Container, "volumeMounts") => Self::Mounts,
            (Self::Container, "livenessProbe" | "readinessProbe" | "startupProbe") => Self::Probe,
            (Self::Variable, "value") | (Self::Mount, "subPathExpr") | (Self::Exec, "command") => Self::Expanded,
            (Self::Probe, "exec") => Self::Exec,
            _ => Self::Plain,
        }
    }

    /// The place of a list's item.
    pub(crate) fn item(self) -> Self {
        match self {
            Self::Containers => Self::Container,
            Self::Env => Self::Variable,
            Self::Mounts => Self::Mount,
            Self::Expanded => Self::Expanded,
            _ => Self::Plain,
        }
    }

    /// A text that comes from a value.
    pub(crate) fn text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Expanded if text.contains('$') => Cow::Owned(text.replace('$', "$$")),
            _ => Cow::Borrowed(text),
        }
    }

    /// A text of the template's own with a value right after it. A reference that is written whole stays one; what the
    /// value could make one, or could be the name in, is no reference.
    pub(crate) fn before_value(self, literal: &str) -> Cow<'_, str> {
        match self {
            Self::Expanded if literal.contains('$') => Cow::Owned(closed(literal)),
            _ => Cow::Borrowed(literal),
        }
    }

    /// A whole value, with every text in it that stands where texts are expanded.
    pub(crate) fn value(self, value: Value) -> Value {
        match value {
            _ if self == Self::Plain => value,
            Value::String(text) => match self.text(&text) {
                Cow::Owned(escaped) => Value::String(escaped),
                Cow::Borrowed(_) => Value::String(text),
            },
            Value::Array(items) => items.into_iter().map(|item| self.item().value(item)).collect(),
            Value::Object(fields) => {
                let escaped = fields.into_iter().map(|(name, value)| {
                    let value = self.field(&name).value(value);
                    (name, value)
                });
                Value::Object(escaped.collect())
            }
            other => other,
        }
    }
}

/// Doubles each dollar that begins a reference which this text does not end.
fn closed(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len() + 1);
    let mut rest = literal;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let whole = from.strip_prefix("$(").and_then(|inner| inner.find(')')).map(|end| "$(".len() + end + 1);
        let taken = match whole {
            Some(end) => end,
            None if from.starts_with("$$") => 2,
            None => {
                if from == "$" || from.starts_with("$(") {
                    out.push('$');
                }
                1
            }
        };
        out.push_str(&from[..taken]);
        rest = &from[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dollars_are_doubled_in_exactly_the_fields_that_are_expanded() {
        let container = |dollar: &str| {
            json!({
                "name": "$", "image": "$", "workingDir": "$",
                "command": [dollar], "args": [dollar, 1],
                "env": [{"name": "$", "value": dollar}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "$"}}}],
                "envFrom": [{"prefix": "$"}],
                "volumeMounts": [{"name": "$", "mountPath": "$", "subPath": "$", "subPathExpr": dollar}],
                "livenessProbe": {"exec": {"command": [dollar]}, "httpGet": {"path": "$"}},
                "startupProbe": {"exec": {"command": [dollar]}},
                "readinessProbe": {"exec": {"command": [dollar]}},
                "lifecycle": {"preStop": {"exec": {"command": ["$"]}}},
            })
        };
        let job = |dollar: &str| {
            json!({
                "metadata": {"annotations": {"a": "$"}},
                "spec": {"template": {"metadata": {"annotations": {"args": "$"}}, "spec": {
                    "containers": [container(dollar)], "initContainers": [container(dollar)],
                    "volumes": [{"name": "args", "hostPath": {"path": "$"}}], "hostname": "$",
                }}},
            })
        };
        assert_eq!(Spot::Job.value(job("$")), job("$$"));
    }

    #[test]
    fn what_a_value_could_make_a_reference_is_none() {
        for (literal, written) in [
            ("", ""),
            ("a", "a"),
            ("$(A) and ", "$(A) and "),
            ("$", "$$"),
            ("$(", "$$("),
            ("$(A", "$$(A"),
            ("$$", "$$"),
            ("$$(", "$$("),
            ("$$$", "$$$$"),
            ("$$$(A", "$$$$(A"),
            ("$(A)$", "$(A)$$"),
            ("$A $", "$A $$"),
            ("$(A $(B", "$$(A $$(B"),
            ("ä$(ö", "ä$$(ö"),
        ] {
            assert_eq!(Spot::Expanded.before_value(literal), written, "{literal}");
            assert_eq!(Spot::Plain.before_value(literal), literal);
        }
    }
}
