//! MJML made into HTML.

use std::collections::HashMap;
use std::ops::Range;

use mrml::mjml::Mjml;
use mrml::prelude::parser::{Error, ParserOptions, Span};
use mrml::prelude::render::RenderOptions;

use super::guard::{Guarded, is_hidden_attribute};
use super::markup::tags;
use super::place::{Mistake, line_and_column};
use super::sheet;
use crate::nearest::nearest;

#[rustfmt::skip]
const ELEMENTS: [&str; 35] = [
    "mj-accordion", "mj-accordion-element", "mj-accordion-text", "mj-accordion-title", "mj-all", "mj-attributes", "mj-body",
    "mj-breakpoint", "mj-button", "mj-carousel", "mj-carousel-image", "mj-class", "mj-column", "mj-divider", "mj-font", "mj-group",
    "mj-head", "mj-hero", "mj-image", "mj-navbar", "mj-navbar-link", "mj-preview", "mj-raw", "mj-section", "mj-social",
    "mj-social-element", "mj-spacer", "mj-style", "mj-table", "mj-text", "mj-title", "mj-wrapper", "mj-html-attributes", "mj-selector",
    "mj-html-attribute",
];

/// What any of them takes.
#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "active-class", "align", "alt", "aria-label", "background-color", "background-height", "background-position", "background-position-x",
    "background-position-y", "background-repeat", "background-size", "background-url", "background-width", "base-url", "border",
    "border-bottom", "border-color", "border-left", "border-radius", "border-right", "border-spacing", "border-style", "border-top",
    "border-width", "cellpadding", "cellspacing", "color", "container-background-color", "css-class", "dir", "direction", "fluid-on-mobile",
    "font-family", "font-size", "font-style", "font-weight", "full-width", "gap", "hamburger", "height", "href", "ico-align", "ico-close",
    "ico-color", "ico-font-family", "ico-font-size", "ico-line-height", "ico-open", "ico-padding", "ico-padding-bottom",
    "ico-padding-left", "ico-padding-right", "ico-padding-top", "ico-text-decoration", "ico-text-transform", "icon-align", "icon-height",
    "icon-padding", "icon-position", "icon-size", "icon-unwrapped-alt", "icon-unwrapped-url", "icon-width", "icon-wrapped-alt",
    "icon-wrapped-url", "inline", "inner-background-color", "inner-border", "inner-border-bottom", "inner-border-left",
    "inner-border-radius", "inner-border-right", "inner-border-top", "inner-padding", "lang", "left-icon", "letter-spacing",
    "line-height", "max-height", "mj-class", "mode", "name", "owa", "padding", "padding-bottom", "padding-left", "padding-right",
    "padding-top", "path", "position", "rel", "right-icon", "role", "sizes", "src", "srcset", "table-layout", "target", "tb-border",
    "tb-border-radius", "tb-hover-border-color", "tb-selected-border-color", "tb-width", "text-align", "text-decoration",
    "text-padding", "text-transform", "thumbnails", "thumbnails-src", "title", "usemap", "vertical-align", "width",
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
    let sheets = sheets(guarded)?;
    let parsed =
        Mjml::parse_with_options(text, &ParserOptions::default()).map_err(|error| vec![broken(guarded, &error)])?;
    // Nothing is fetched from elsewhere that the file does not name: MJML itself would add a font of Google's.
    let options = RenderOptions { fonts: HashMap::new(), ..RenderOptions::default() };
    let html = parsed.element.render(&options).map_err(|error| vec![Mistake::new(0..0, error.to_string())])?;
    Ok((html, sheets))
}

/// What stands in each `<mj-style>`.
fn sheets(guarded: &Guarded) -> Result<Vec<String>, Vec<Mistake>> {
    let text = &guarded.text;
    let tags = tags(text);
    let inside = tags.windows(2).filter(|pair| !pair[0].closes && pair[0].name(text) == "mj-style");
    let sheets = inside.map(|pair| {
        let inside = pair[0].at.end..pair[1].at.start;
        let wrong =
            |(at, what): sheet::Wrong| vec![mistake(guarded, &(inside.start + at.start..inside.start + at.end), what)];
        sheet::check(&text[inside.clone()]).map_err(wrong)?;
        Ok(text[inside.clone()].to_string())
    });
    sheets.collect()
}

/// Elements that there are not, which the parser takes for HTML, and ends that end something else.
fn elements(guarded: &Guarded) -> Vec<Mistake> {
    let text = &guarded.text;
    let mut open: Vec<Range<usize>> = vec![];
    for tag in tags(text).into_iter().filter(|tag| text[tag.name.clone()].starts_with("mj")) {
        let name = &text[tag.name.clone()];
        if tag.closes {
            match open.pop() {
                Some(opened) if &text[opened.clone()] == name => {}
                Some(opened) => {
                    let (line, _) = line_and_column(guarded.source(), guarded.origin(opened.start));
                    let what = format!("`</{name}>` stands where `<{}>` of line {line} is still open", &text[opened]);
                    return vec![mistake(guarded, &tag.name, what)];
                }
                None => {
                    return vec![mistake(guarded, &tag.name, format!("`</{name}>` ends what was not begun"))];
                }
            }
            continue;
        }
        if let Some(what) = unknown(name) {
            return vec![mistake(guarded, &tag.name, what)];
        }
        let known = || ATTRIBUTES.iter().copied();
        // Something hidden between attributes is said to be lost when it does not come back.
        let names = tag.attributes.iter().map(|attribute| &attribute.name);
        let mut unknown = names.filter(|at| !known().any(|known| known == &text[(*at).clone()]));
        if let Some(at) = unknown.find(|at| !is_hidden_attribute(&text[(*at).clone()])) {
            let attribute = &text[at.clone()];
            let hint = nearest(attribute, known()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return vec![mistake(guarded, at, format!("`<{name}>` has no attribute `{attribute}`{hint}"))];
        }
        if !tag.empty {
            open.push(tag.name);
        }
    }
    open.pop()
        .map(|opened| mistake(guarded, &opened, format!("`<{}>` is never ended", &text[opened.clone()])))
        .into_iter()
        .collect()
}

fn unknown(name: &str) -> Option<String> {
    match name {
        "mjml" => None,
        "mj-include" => Some(
            "`<mj-include>` is not read: what several emails share is a component of `html!`, or said again".into(),
        ),
        name if ELEMENTS.contains(&name) => None,
        name => Some(match nearest(name, ELEMENTS) {
            Some(near) => format!("there is no `<{name}>`; did you mean `<{near}>`?"),
            None => format!("there is no `<{name}>` in MJML"),
        }),
    }
}

fn mistake(guarded: &Guarded, at: &Range<usize>, what: String) -> Mistake {
    let start = guarded.origin(at.start);
    Mistake::new(start..(start + at.end.saturating_sub(at.start)).max(start + 1), what)
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
    mistake(guarded, &(span.start..span.end), what)
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
