//! MJML made into HTML.

use std::ops::Range;

use mrml::mjml::Mjml;
use mrml::prelude::parser::{Error, ParseOutput, ParserOptions, Span, WarningKind};
use mrml::prelude::render::RenderOptions;

use super::guard::Guarded;
use super::place::Mistake;
use crate::nearest::nearest;

#[rustfmt::skip]
const ELEMENTS: [&str; 35] = [
    "mj-accordion", "mj-accordion-element", "mj-accordion-text", "mj-accordion-title", "mj-all", "mj-attributes", "mj-body",
    "mj-breakpoint", "mj-button", "mj-carousel", "mj-carousel-image", "mj-class", "mj-column", "mj-divider", "mj-font", "mj-group",
    "mj-head", "mj-hero", "mj-image", "mj-navbar", "mj-navbar-link", "mj-preview", "mj-raw", "mj-section", "mj-social",
    "mj-social-element", "mj-spacer", "mj-style", "mj-table", "mj-text", "mj-title", "mj-wrapper", "mj-html-attributes", "mj-selector",
    "mj-html-attribute",
];

pub fn is(source: &str) -> bool {
    let start = source.trim_start();
    start.starts_with("<mjml") || start.starts_with("<!--") && source.contains("<mjml")
}

/// The HTML, and the sheets that the file itself brings.
pub fn html(guarded: &Guarded) -> Result<(String, Vec<String>), Vec<Mistake>> {
    let text = &guarded.text;
    let mistakes = elements(guarded);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let options = ParserOptions::default();
    let ParseOutput { element, warnings } = Mjml::parse_with_options(text, &options).map_err(|error| vec![broken(guarded, &error)])?;
    let unexpected = warnings.iter().filter(|warning| warning.kind == WarningKind::UnexpectedAttribute);
    let unexpected: Vec<Mistake> = unexpected
        // Something hidden between attributes is said to be lost when it does not come back.
        .filter(|warning| !text[warning.span.start..warning.span.end].contains("segflow-hidden-"))
        .map(|warning| {
            let name = text[warning.span.start..warning.span.end].split('=').next().unwrap_or_default();
            mistake(guarded, &warning.span, format!("there is no attribute `{name}` here"))
        })
        .collect();
    if !unexpected.is_empty() {
        return Err(unexpected);
    }
    let html = element.render(&RenderOptions::default()).map_err(|error| vec![Mistake::new(0..0, error.to_string())])?;
    Ok((html, sheets(text)))
}

/// What stands in `<mj-style>`.
fn sheets(text: &str) -> Vec<String> {
    let blocks = text.split("<mj-style").skip(1);
    let inside = blocks.filter_map(|block| block.split_once('>')?.1.split_once("</mj-style>"));
    inside.map(|(css, _)| css.to_string()).collect()
}

/// Elements that there are not: the parser takes them for HTML.
fn elements(guarded: &Guarded) -> Vec<Mistake> {
    let text = &guarded.text;
    let starts = text.match_indices("<mj-").map(|(at, _)| at + 1);
    let named = starts.map(|at| at..at + text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len() - at));
    let unknown = named.filter_map(|at| {
        let name = &text[at.clone()];
        let what = match name {
            "mj-include" => "`<mj-include>` is not read: what several emails share is a component of `html!`, or said again".to_string(),
            name if ELEMENTS.contains(&name) => return None,
            name => match nearest(name, ELEMENTS) {
                Some(near) => format!("there is no `<{name}>`; did you mean `<{near}>`?"),
                None => format!("there is no `<{name}>` in MJML"),
            },
        };
        Some(mistake(guarded, &Span { start: at.start, end: at.end }, what))
    });
    unknown.collect()
}

fn mistake(guarded: &Guarded, span: &Span, what: String) -> Mistake {
    let start = guarded.origin(span.start);
    Mistake::new(start..(start + span.end.saturating_sub(span.start)).max(start + 1), what)
}

fn broken(guarded: &Guarded, error: &Error) -> Mistake {
    let text = &guarded.text;
    let said = |span: &Span| text.get(span.start..span.end).unwrap_or_default().trim().to_string();
    let (span, what) = match error {
        Error::UnexpectedElement { position, .. } => (*position, format!("`{}` cannot stand here", said(position))),
        Error::UnexpectedToken { position, .. } => {
            let what = match said(position) {
                close if close.starts_with("</") => format!("`{close}` closes something else than what is open"),
                other => format!("`{}` cannot stand here", other.lines().next().unwrap_or_default()),
            };
            (*position, what)
        }
        Error::MissingAttribute { name, position, .. } => (*position, format!("the attribute `{name}` is missing")),
        Error::InvalidAttribute { position, .. } => (*position, "this attribute is wrong".to_string()),
        Error::InvalidFormat { position, .. } => (*position, "this cannot be read".to_string()),
        Error::EndOfStream { .. } => (last(text), "the file ends before everything is closed".to_string()),
        Error::ParserError { source, .. } => (at(text, source.pos()), format!("this cannot be read: {source}")),
        other => (Span { start: 0, end: 1 }, other.to_string()),
    };
    mistake(guarded, &span, what)
}

fn last(text: &str) -> Span {
    let end = text.trim_end().len();
    Span { start: text[..end].rfind('\n').map_or(0, |at| at + 1), end }
}

fn at(text: &str, position: htmlparser::TextPos) -> Span {
    let start: usize = text.split_inclusive('\n').take(position.row as usize - 1).map(str::len).sum();
    let column = text[start..].char_indices().nth(position.col as usize - 1).map_or(0, |(at, _)| at);
    let range: Range<usize> = start + column..text.len();
    Span { start: range.start, end: (range.start + 1).min(range.end) }
}
