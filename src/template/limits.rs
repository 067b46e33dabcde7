//! Limits that keep a bomb in a template or a parameter from taking the process down.
//!
//! Each limit has a name, which the refusal shows, so that whoever meets it can look it up.

use std::fmt;

use serde::Serialize;

/// A limit that a template or a parameter value can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Bytes of one template or partial file.
    TemplateSize,
    /// Bytes of a rendered manifest: what one object may take in etcd.
    RenderedSize,
    /// Bytes of one parameter value.
    ParameterSize,
    /// Items in one list, or properties in one object, of a parameter value.
    ListItems,
    /// Levels of nesting in a value, a manifest or a template.
    NestingDepth,
    /// Partials that include partials.
    PartialDepth,
    /// Runs through the bodies of all `#each` blocks of one render.
    LoopIterations,
    /// Nodes of a YAML document once its aliases are expanded.
    YamlNodes,
    /// Holes in one rendered template.
    Holes,
    /// Numbers that a JSON number can carry exactly.
    NumberRange,
}

impl Limit {
    /// The largest value that is accepted, in the unit that the variant names.
    #[must_use]
    pub const fn max(self) -> usize {
        match self {
            Self::TemplateSize => 256 * 1024,
            Self::RenderedSize => 1536 * 1024,
            Self::ParameterSize => 1024 * 1024,
            Self::ListItems => 10_000,
            Self::NestingDepth => 64,
            Self::PartialDepth => 8,
            Self::LoopIterations => 100_000,
            Self::YamlNodes => 200_000,
            Self::Holes => 100_000,
            Self::NumberRange => usize::MAX,
        }
    }

    /// The name that messages show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TemplateSize => "template-size",
            Self::RenderedSize => "rendered-size",
            Self::ParameterSize => "parameter-size",
            Self::ListItems => "list-items",
            Self::NestingDepth => "nesting-depth",
            Self::PartialDepth => "partial-depth",
            Self::LoopIterations => "loop-iterations",
            Self::YamlNodes => "yaml-nodes",
            Self::Holes => "holes",
            Self::NumberRange => "number-range",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::TemplateSize | Self::RenderedSize | Self::ParameterSize => {
                write!(f, "limit `{name}`: at most {} KiB", self.max() / 1024)
            }
            Self::NumberRange => write!(
                f,
                "limit `{name}`: whole numbers from -9223372036854775808 to 18446744073709551615, \
                 fractions of at most 15 significant digits"
            ),
            _ => write!(f, "limit `{name}`: at most {}", self.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limit::*;

    #[test]
    fn the_reference_of_the_format_has_every_limit_as_it_is() {
        let page = include_str!("../../docs/template-format.md");
        let limits = [
            (TemplateSize, 1024),
            (RenderedSize, 1024),
            (ParameterSize, 1024),
            (ListItems, 1),
            (NestingDepth, 1),
            (PartialDepth, 1),
            (LoopIterations, 1),
            (YamlNodes, 1),
            (Holes, 1),
        ];
        for (limit, unit) in limits {
            let row = format!("| `{}` | {} ", limit.name(), limit.max() / unit);
            assert!(page.contains(&row), "docs/template-format.md has no row {row:?}");
        }
        assert!(page.contains(&format!("| `{}` |", NumberRange.name())));
    }
}
