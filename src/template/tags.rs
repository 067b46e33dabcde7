//! The tags of a Handlebars text that does not parse, looked at for what is wrong with them. Used only when there is
//! something to report.

/// What is wrong, and at which byte of the text.
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) offset: usize,
}

/// One `{{…}}`, or one that never ends.
struct Tag<'t> {
    start: usize,
    /// The whole tag with its braces; to the end of its line where it is not closed.
    text: &'t str,
    closed: bool,
}

impl<'t> Tag<'t> {
    /// What stands between the braces, without `~`.
    fn inner(&self) -> &'t str {
        self.text.trim_matches(['{', '}']).trim_matches('~').trim()
    }

    fn is_comment(&self) -> bool {
        self.inner().starts_with('!')
    }
}

/// The first fault that can be seen without a grammar: a tag that is not closed, or a block and its end that do not
/// belong together.
pub(crate) fn first_fault(text: &str) -> Option<Fault> {
    let mut open: Vec<(&str, usize)> = Vec::new();
    for tag in tags(text) {
        if !tag.closed {
            return Some(Fault {
                message: format!("`{}` is not closed: expected `}}}}`", shortened(tag.text)),
                offset: tag.start,
            });
        }
        if tag.is_comment() {
            continue;
        }
        let inner = tag.inner();
        if let Some(block) = inner.strip_prefix('#') {
            open.push((first_word(block), tag.start));
        } else if let Some(end) = inner.strip_prefix('/') {
            let end = first_word(end);
            match open.pop() {
                Some((block, _)) if block == end => {}
                Some((block, _)) => {
                    return Some(Fault {
                        message: format!(
                            "`{{{{/{end}}}}}` does not end the block that is open, `{{{{#{block}}}}}`: expected \
                             `{{{{/{block}}}}}`"
                        ),
                        offset: tag.start,
                    });
                }
                None => {
                    return Some(Fault {
                        message: format!("`{{{{/{end}}}}}` ends no block: none is open here"),
                        offset: tag.start,
                    });
                }
            }
        }
    }
    let (block, offset) = open.pop()?;
    Some(Fault { message: format!("the block `{{{{#{block}}}}}` has no end: expected `{{{{/{block}}}}}`"), offset })
}

/// The tag that `offset` is in or, where it is in none, the next one: where it begins, and its text.
pub(crate) fn at(text: &str, offset: usize) -> (usize, Option<String>) {
    let found = tags(text).find(|tag| tag.start + tag.text.len() > offset);
    match found {
        Some(tag) => (tag.start, Some(shortened(tag.text))),
        None => (offset, None),
    }
}

fn first_word(text: &str) -> &str {
    text.trim_start_matches(['>', '*', ' ']).split_whitespace().next().unwrap_or_default()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text.get(at..)?.find("{{")?;
            if text[..start].ends_with('\\') {
                at = start + 2;
                continue;
            }
            let rest = &text[start..];
            let ends = if rest.starts_with("{{!--") { "--}}" } else { "}}" };
            // A tag that another one begins in was not closed before it, unless it is a comment.
            let end = rest.find(ends).map(|end| end + ends.len());
            let next = rest[2..].trim_start_matches('{');
            let next = next.find("{{").map(|next_at| rest.len() - next.len() + next_at);
            let closed = end.filter(|end| rest[2..].starts_with('!') || next.is_none_or(|next| *end <= next));
            let tag = match closed {
                Some(end) => {
                    let braces = rest[end..].len() - rest[end..].trim_start_matches('}').len();
                    &rest[..end + braces.min(2)]
                }
                None => rest.lines().next().unwrap_or(rest),
            };
            at = start + tag.len().max(2);
            return Some(Tag { start, text: tag, closed: closed.is_some() });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{at, first_fault};

    fn fault(text: &str) -> Option<(usize, String)> {
        first_fault(text).map(|fault| (fault.offset, fault.message))
    }

    #[test]
    fn what_is_whole_has_no_fault() {
        for text in [
            "",
            "{{a}} {{{b}}} {{~c~}}",
            "{{#if a}}{{else}}{{/if}}{{#each b as |x|}}{{/each}}",
            "{{!-- {{#if}} --}} {{! }} \\{{a",
            "{a: {b: {}}}",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn a_tag_that_is_not_closed_is_named() {
        let (offset, message) = fault("a: {{params.a\nb: {{c}}").unwrap();
        assert_eq!((offset, message.as_str()), (3, "`{{params.a` is not closed: expected `}}`"));
    }

    #[test]
    fn blocks_and_their_ends_belong_together() {
        let message = |text| fault(text).unwrap();
        assert_eq!(message("x{{#if a}}").0, 1);
        assert!(message("{{#if a}}").1.contains("has no end: expected `{{/if}}`"));
        assert!(message("{{/each}}").1.contains("ends no block"));
        assert!(message("{{#if a}}{{/each}}").1.contains("expected `{{/if}}`"));
    }

    #[test]
    fn the_tag_at_a_place_is_found() {
        assert_eq!(at("a {{b c=}} d", 6), (2, Some("{{b c=}}".to_owned())));
        assert_eq!(at("a", 1), (1, None));
    }
}
