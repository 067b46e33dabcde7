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

    use super::expand;

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

    proptest! {
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
