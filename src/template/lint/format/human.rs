//! For people: the line with a caret, as rustc shows it.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level as Shown, Origin, Renderer, Snippet};

use super::super::report::{Diagnostic, Level, Report};
use super::super::span::span;

/// Writes every finding with its line. Colours are always written: the writer (`anstream`) takes them
/// out where they are not wanted.
///
/// # Errors
/// When the writer fails.
pub fn human(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    for diagnostic in &report.diagnostics {
        let source = report.sources.get(&diagnostic.file).map(AsRef::as_ref);
        let shown = renderer.render(&[group(diagnostic, source)]);
        writeln!(out, "{}\n", shown.trim_end())?;
    }
    Ok(())
}

fn group<'a>(diagnostic: &'a Diagnostic, source: Option<&'a str>) -> Group<'a> {
    let level = match diagnostic.level {
        Level::Error => Shown::ERROR,
        Level::Warning => Shown::WARNING,
    };
    let file = diagnostic.file.as_str();
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.rule);
    let mut group = match (source, diagnostic.line) {
        (Some(source), Some(line)) => {
            let at = span(source, line, diagnostic.column);
            let annotation = AnnotationKind::Primary.span(at).label(diagnostic.path.as_deref());
            title.element(Snippet::source(source).path(file).annotation(annotation))
        }
        _ => title.element(Origin::path(file)),
    };
    if let Some(example) = &diagnostic.example {
        group = group.element(Shown::NOTE.message(format!("seen with the example `{example}`")));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Shown::HELP.message(help.as_str()));
    }
    group
}
