//! An email as it looks in one colour scheme, whichever one the browser has.

use super::style::Scheme;

const FEATURE: &str = "prefers-color-scheme";

/// Every question for the scheme becomes one whose answer is known.
pub fn in_scheme(html: &str, scheme: Scheme) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('(') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        match question(rest) {
            Some((asked, length)) => {
                out.push_str(if asked == scheme { "(min-width:0px)" } else { "(max-width:0px)" });
                rest = &rest[length..];
            }
            None => {
                out.push('(');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// `(prefers-color-scheme: dark)` at the start of a text: which one, and how long it is.
fn question(text: &str) -> Option<(Scheme, usize)> {
    let end = text.find(')')?;
    let (feature, value) = text[1..end].split_once(':')?;
    if feature.trim() != FEATURE {
        return None;
    }
    match value.trim() {
        "dark" => Some((Scheme::Dark, end + 1)),
        "light" => Some((Scheme::Light, end + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_for_the_scheme_are_answered() {
        let html = "<p>(a)</p><style>@media (prefers-color-scheme: dark) and (max-width:9px){a{color:rgb(1,2,3)}}@media (prefers-color-scheme:light){}</style> ( (";
        assert_eq!(
            in_scheme(html, Scheme::Dark),
            "<p>(a)</p><style>@media (min-width:0px) and (max-width:9px){a{color:rgb(1,2,3)}}@media (max-width:0px){}</style> ( ("
        );
        assert!(in_scheme(html, Scheme::Light).contains("@media (max-width:0px) and (max-width:9px)"));
        assert_eq!(in_scheme("(prefers-color-scheme", Scheme::Dark), "(prefers-color-scheme");
    }
}
