//! The tags of HTML and MJML with their places, so that a file can be changed where it has to be and stays as it is everywhere else.

use std::ops::Range;

/// A tag, of which comments and what is in sheets and scripts have none.
#[derive(Debug, PartialEq)]
pub struct Tag {
    /// From `<` to after `>`.
    pub at: Range<usize>,
    pub name: Range<usize>,
    pub closes: bool,
    /// It ends with `/>`.
    pub empty: bool,
    pub attributes: Vec<Attribute>,
}

#[derive(Debug, PartialEq)]
pub struct Attribute {
    pub name: Range<usize>,
    /// Without its quotes.
    pub value: Option<Range<usize>>,
    /// With everything.
    pub at: Range<usize>,
}

impl Tag {
    /// The name in small letters.
    pub fn name(&self, html: &str) -> String {
        html[self.name.clone()].to_ascii_lowercase()
    }

    pub fn attribute(&self, html: &str, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| html[attribute.name.clone()].eq_ignore_ascii_case(name))
    }

    pub fn value<'a>(&self, html: &'a str, name: &str) -> Option<&'a str> {
        Some(&html[self.attribute(html, name)?.value.clone()?])
    }

    /// It has no end, whether it says so or not.
    pub fn is_void(&self, html: &str) -> bool {
        let void = ["area", "br", "col", "hr", "img", "input", "link", "meta"];
        self.empty || void.contains(&self.name(html).as_str())
    }
}

/// What has words in it, whatever they look like.
const RAW: [&str; 5] = ["style", "mj-style", "script", "textarea", "title"];

pub fn tags(html: &str) -> Vec<Tag> {
    let mut tags = vec![];
    let mut at = 0;
    while let Some(start) = html[at..].find('<').map(|start| at + start) {
        let rest = &html[start..];
        if rest.starts_with("<!--") {
            at = start + rest.find("-->").map_or(rest.len(), |end| end + 3);
            continue;
        }
        let closes = rest.starts_with("</");
        let name = start + 1 + usize::from(closes);
        if !html[name..].starts_with(|c: char| c.is_ascii_alphabetic()) {
            at = start + 1;
            continue;
        }
        let tag = tag(html, start, name, closes);
        at = tag.at.end;
        if !closes && !tag.empty && RAW.contains(&tag.name(html).as_str()) {
            // ASCII small letters keep every place.
            let end = html[at..].to_ascii_lowercase().find(&format!("</{}", tag.name(html)));
            at = end.map_or(html.len(), |end| at + end);
        }
        tags.push(tag);
    }
    tags
}

fn tag(html: &str, start: usize, name: usize, closes: bool) -> Tag {
    let bytes = html.as_bytes();
    let until = |from: usize, ends: &dyn Fn(u8) -> bool| {
        bytes[from..].iter().position(|byte| ends(*byte)).map_or(bytes.len(), |length| from + length)
    };
    let ends_name = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=');
    let end = until(name, &ends_name);
    let mut tag = Tag { at: start..html.len(), name: name..end, closes, empty: false, attributes: vec![] };
    let mut at = end;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => {
                tag.empty = bytes[at - 1] == b'/';
                tag.at.end = at + 1;
                return tag;
            }
            byte if byte.is_ascii_whitespace() || matches!(byte, b'/' | b'=') => at += 1,
            _ => {
                let name = at..until(at, &ends_name);
                let equals = until(name.end, &|byte| !byte.is_ascii_whitespace());
                let (mut value, mut end) = (None, name.end);
                if bytes.get(equals) == Some(&b'=') {
                    let from = until(equals + 1, &|byte| !byte.is_ascii_whitespace());
                    let (inside, after) = match bytes.get(from) {
                        Some(quote @ (b'"' | b'\'')) => {
                            let close = until(from + 1, &|byte| byte == *quote);
                            (from + 1..close, (close + 1).min(bytes.len()))
                        }
                        _ => {
                            let close = until(from, &|byte| byte.is_ascii_whitespace() || byte == b'>');
                            (from..close, close)
                        }
                    };
                    (value, end) = (Some(inside), after);
                }
                tag.attributes.push(Attribute { at: name.start..end, name, value });
                at = end;
            }
        }
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_attributes_have_their_places() {
        let html = "x <a href='1>2' b C=d>y</A><!-- <i> --><style>p > b</style><br/> 1 < 2 <p";
        let found: Vec<(String, bool, bool)> = tags(html).iter().map(|t| (t.name(html), t.closes, t.empty)).collect();
        let expected = [
            ("a", false, false),
            ("a", true, false),
            ("style", false, false),
            ("style", true, false),
            ("br", false, true),
            ("p", false, false),
        ];
        assert_eq!(found, expected.map(|(name, closes, empty)| (name.to_string(), closes, empty)));
        let all = tags(html);
        assert_eq!(
            (all[0].value(html, "href"), all[0].value(html, "c"), all[0].value(html, "b")),
            (Some("1>2"), Some("d"), None)
        );
        let shown: Vec<&str> = all[0].attributes.iter().map(|attribute| &html[attribute.at.clone()]).collect();
        assert_eq!(shown, ["href='1>2'", "b", "C=d"]);
        assert_eq!(&html[all[0].at.clone()], "<a href='1>2' b C=d>");
    }
}
