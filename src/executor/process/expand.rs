//! Kubernetes' `$(NAME)` references in `command`, `args` and `env`.

/// Replaces each `$(NAME)` whose name `lookup` knows. As in Kubernetes' own expansion, an unknown name and an
/// unclosed reference stay as they are, and `$$` stands for one `$`, so that `$$(NAME)` is the text `$(NAME)`.
pub(crate) fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::{Map, Value};

    use super::expand;
    use crate::template::{Context, Partials, Template};

    fn with_two(text: &str) -> String {
        expand(text, |name| match name {
            "A" => Some("1"),
            "B" => Some("$(A)"),
            _ => None,
        })
    }

    #[test]
    fn references_are_replaced_as_kubernetes_does() {
        for (given, expected) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(A)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$$$$(A)", "$$(A)"),
            ("$(NO)", "$(NO)"),
            ("$()", "$()"),
            ("$(A", "$(A"),
            ("$A ${A} $", "$A ${A} $"),
            ("$$", "$"),
            ("ä$(A)ö", "ä1ö"),
        ] {
            assert_eq!(with_two(given), expected, "{given}");
        }
    }

    /// What a container gets as its argument and its variable, whose templates are a text before a value and one after
    /// it. Every name is a variable, whose value is a secret.
    fn received(before: &str, value: &str, after: &str) -> [String; 2] {
        let text = format!("{before}{{{{params.v}}}}{after}");
        let text = serde_json::to_string(&text).unwrap();
        let source = format!(
            "---\ntitle: T\nparameters: {{properties: {{v: {{type: string}}}}}}\n---\n\
             apiVersion: batch/v1\nkind: Job\nmetadata: {{name: t}}\nspec: {{template: {{spec: {{restartPolicy: Never, \
             containers: [{{name: main, image: 'a:1', args: [{text}], env: [{{name: E, value: {text}}}]}}]}}}}}}\n"
        );
        let template = Template::load("t", &source, &Partials::new(), &Map::new()).unwrap();
        let given = Map::from_iter([("v".to_owned(), Value::from(value))]);
        let checked = template.check(&given).unwrap();
        let rendered = template.render(&checked, &Context::example()).unwrap();
        let container = &rendered.manifest()["spec"]["template"]["spec"]["containers"][0];
        [&container["args"][0], &container["env"][0]["value"]]
            .map(|text| expand(text.as_str().unwrap(), |_| Some("SECRET")))
    }

    #[test]
    fn a_reference_of_the_templates_own_works_beside_a_value() {
        assert_eq!(received("$(A)-", "$(B)", "-$(C)"), ["SECRET-$(B)-SECRET", "SECRET-$(B)-SECRET"]);
        assert_eq!(received("$", "(B)", ""), ["$(B)", "$(B)"]);
        assert_eq!(received("$(", "B", ")"), ["$(B)", "$(B)"]);
    }

    proptest! {
        #[test]
        fn a_value_reaches_the_process_as_it_is(
            before in prop::sample::select(&["", "a", "$", "$(", "$(A", "$$x", "--x="][..]),
            value in "([$()AB]|\\PC){0,12}",
            after in prop::sample::select(&["", ")", "(B)", "x"][..]),
        ) {
            let expected = format!("{}{value}{after}", before.replace("$$", "$"));
            for text in received(before, &value, after) {
                prop_assert_eq!(&text, &expected);
            }
        }

        #[test]
        fn text_without_a_dollar_stays_as_it_is(text in "[^$]*") {
            prop_assert_eq!(with_two(&text), text);
        }

        #[test]
        fn doubled_dollars_protect_any_text(text in ".*") {
            prop_assert_eq!(with_two(&text.replace('$', "$$")), text);
        }
    }
}
