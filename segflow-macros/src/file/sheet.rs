//! What a sheet of styles says, written into the elements: some mail clients know no sheets.

use css_inline::{CSSInliner, InlineError};

/// A `<style>` that css-inline leaves as it is.
const IGNORE: &str = " data-css-inline=\"ignore\"";

/// The HTML with what can be inline inlined; rules that depend on something stay in the head. `own` says whether a sheet is the author's: what
/// the translation of MJML brings is meant to stay where it is.
pub fn inline(html: &str, own: impl Fn(&str) -> bool) -> Result<String, String> {
    let mut marked = String::with_capacity(html.len() + 64);
    let (mut rest, mut some) = (html, false);
    while let Some((before, tag, css, after)) = next(rest) {
        marked.push_str(before);
        let inlined = own(css);
        some |= inlined;
        marked.push_str(&tag[..tag.len() - 1]);
        marked.push_str(if inlined { "" } else { IGNORE });
        marked.push('>');
        marked.push_str(css);
        rest = after;
    }
    marked.push_str(rest);
    if !some {
        // Nothing to do: it stays as it was written.
        return Ok(html.to_string());
    }
    let inliner = CSSInliner::options()
        .load_remote_stylesheets(false)
        .keep_link_tags(true)
        .keep_at_rules(true)
        .remove_inlined_selectors(true)
        .resolve_css_variables(true)
        .apply_width_attributes(true)
        .build();
    let inlined = inliner.inline(&marked).map_err(|error| match error {
        InlineError::ParseError(what) => format!("the style sheet cannot be read: {what}"),
        other => format!("the styles cannot be inlined: {other}"),
    })?;
    Ok(inlined.replace(IGNORE, ""))
}

/// The next `<style>`: what stands before it, its tag, what is in it, what follows.
fn next(html: &str) -> Option<(&str, &str, &str, &str)> {
    let start = html.find("<style")?;
    let open = start + html[start..].find('>')? + 1;
    let close = open + html[open..].find("</style").unwrap_or(html.len() - open);
    Some((&html[..start], &html[start..open], &html[open..close], &html[close..]))
}
