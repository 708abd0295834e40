//! Hides what is only known when it is sent, so that tools for HTML and MJML pass it on as it is: between tags as a comment, inside of
//! words, values and comments as a number between two signs that nobody writes, inside of a tag as an attribute.

use std::ops::Range;

use super::jinja::{Kind, Tag, inside, tags};
use super::place::{Mistake, line_and_column};
use super::reader::{Cover, Reader};

/// Two signs for numbers of the Maya: letters for CSS, printable for whoever writes attributes.
const OPEN: &str = "\u{1d2e0}";
const CLOSE: &str = "\u{1d2e1}";
const COMMENT: &str = "<!--segflow:";
const ATTRIBUTE: &str = " segflow-hidden-";

const LOST: &str = "this is computed or dropped while the file is made into HTML, so it cannot be decided when it is sent; it may stand in \
    texts, addresses and colours, and around whole elements";

/// Whether something between attributes is hidden under this name.
pub fn is_hidden_attribute(name: &str) -> bool {
    name.starts_with(ATTRIBUTE.trim_start())
}

/// A text without tags of Jinja, and how they come back.
pub struct Guarded<'a> {
    source: &'a str,
    pub text: String,
    hidden: Vec<Hidden>,
    /// Where runs of the source are in the text: there and here.
    runs: Vec<(usize, usize)>,
    /// What could get out of its place.
    pub mistakes: Vec<Mistake>,
}

struct Hidden {
    tag: Tag,
    filter: Option<&'static str>,
}

impl<'a> Guarded<'a> {
    /// `part` of a file.
    pub fn new(source: &'a str, part: &Range<usize>) -> Guarded<'a> {
        let text = String::with_capacity(part.len());
        let mut guarded = Guarded { source, text, hidden: vec![], runs: vec![], mistakes: vec![] };
        let mut reader = Reader::new(source);
        let mut at = part.start;
        for tag in tags(&source[part.clone()]) {
            let tag = Tag { kind: tag.kind, at: part.start + tag.at.start..part.start + tag.at.end };
            guarded.run(at..tag.at.start);
            reader.html(at..tag.at.start);
            at = tag.at.end;
            let (cover, filter) = reader.tag(&tag);
            guarded.hide(tag, &cover, filter);
        }
        guarded.run(at..part.end);
        reader.html(at..part.end);
        guarded.mistakes = reader.mistakes;
        guarded
    }

    fn run(&mut self, at: Range<usize>) {
        self.runs.push((self.text.len(), at.start));
        self.text.push_str(&self.source[at]);
    }

    fn hide(&mut self, tag: Tag, cover: &Cover, filter: Option<&'static str>) {
        if tag.kind == Kind::Comment {
            return;
        }
        let number = self.hidden.len();
        self.runs.push((self.text.len(), tag.at.start));
        self.text.push_str(&match cover {
            Cover::Comment => format!("{COMMENT}{number}-->"),
            Cover::Attribute => format!("{ATTRIBUTE}{number} "),
            Cover::Number => format!("{OPEN}{number}{CLOSE}"),
        });
        self.hidden.push(Hidden { tag, filter });
    }

    pub fn source(&self) -> &str {
        self.source
    }

    /// Where in the file a place of the text is.
    pub fn origin(&self, at: usize) -> usize {
        let run = self.runs.partition_point(|(there, _)| *there <= at).saturating_sub(1);
        self.runs.get(run).map_or(0, |(there, here)| here + (at - there).min(self.source.len() - here))
    }

    /// Everything as it was. What did not survive is a mistake.
    pub fn restore(&self, text: &str) -> Result<Restored, Vec<Mistake>> {
        let mut seen = vec![false; self.hidden.len()];
        let mut out = Restored { text: String::with_capacity(text.len() + self.hidden.len() * 16), lines: vec![] };
        let (mut rest, mut line) = (text, 1);
        while let Some((before, number, after)) = next(rest) {
            out.text.push_str(before);
            line += before.matches('\n').count() as u32;
            if let (Some(hidden), Some(seen)) = (self.hidden.get(number), seen.get_mut(number)) {
                *seen = true;
                line += self.write(hidden, &mut out.text);
                out.lines.push((line, line_and_column(self.source, hidden.tag.at.start).0 as u32));
            }
            rest = after;
        }
        out.text.push_str(rest);
        let lost = self.hidden.iter().zip(seen).filter(|(_, seen)| !seen);
        let lost: Vec<Mistake> = lost.map(|(hidden, _)| Mistake::new(hidden.tag.at.clone(), LOST)).collect();
        if lost.is_empty() { Ok(out) } else { Err(lost) }
    }

    /// The same for a text that leaves out some, as what is in the head of a page.
    pub fn restore_some(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, number, after)) = next(rest) {
            out.push_str(before);
            if let Some(hidden) = self.hidden.get(number) {
                self.write(hidden, &mut out);
            }
            rest = after;
        }
        out + rest
    }

    /// A tag begins a line of its own, inside of its brackets. How many lines were begun.
    fn write(&self, hidden: &Hidden, out: &mut String) -> u32 {
        let whole = &self.source[hidden.tag.at.clone()];
        if hidden.tag.kind == Kind::Raw {
            out.push_str(whole);
            return whole.matches('\n').count() as u32;
        }
        let inside = inside(self.source, &hidden.tag);
        let start = whole.find(inside).unwrap_or(2);
        let end = &whole[start + inside.len()..];
        // One line each: what is inside may have several.
        let inside = inside.replace('\n', " ");
        let inside = inside.trim();
        out.push_str(&whole[..start]);
        match hidden.filter {
            Some(filter) => out.push_str(&format!("\n({inside})|{filter}")),
            None => out.push_str(&format!("\n{inside}")),
        }
        out.push_str(end);
        1
    }
}

/// A part of a file, ready to be rendered.
pub struct Restored {
    pub text: String,
    /// Lines of it at which a tag begins, and those of the file: so a mistake that comes to light when it is rendered has its place.
    pub lines: Vec<(u32, u32)>,
}

/// The next hidden tag: what stands before it, its number, what stands after it.
fn next(text: &str) -> Option<(&str, usize, &str)> {
    let starts = [(COMMENT, "-->"), (OPEN, CLOSE), (ATTRIBUTE, "")];
    let found = starts.iter().filter_map(|(open, close)| Some((text.find(open)?, *open, *close)));
    let (at, open, close) = found.min_by_key(|(at, ..)| *at)?;
    let digits = &text[at + open.len()..];
    let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let after = &digits[length..];
    let after = match open {
        ATTRIBUTE => after.strip_prefix("=\"\"").unwrap_or(after),
        _ => after.strip_prefix(close).unwrap_or(after),
    };
    Some((&text[..at], digits[..length].parse().unwrap_or(usize::MAX), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(source: &str) -> Guarded<'_> {
        Guarded::new(source, &(0..source.len()))
    }

    #[test]
    fn each_place_has_its_guard() {
        let source = "<a {% if x %}class=b{% endif %} href=\"{{ y }}?z={{ z }}\" title='{{ t }}'>{{ w }}{# no #}</a><!-- {{ c }} --><title>{{ s }}</title>\
            <style>a{color:{{ k }}}</style>{% for a in b %}<p>";
        let text = guarded(source).text.replace(OPEN, "[").replace(CLOSE, "]");
        let expected = "<a  segflow-hidden-0 class=b segflow-hidden-1  href=\"[2]?z=[3]\" title='[4]'><!--segflow:5--></a><!-- [6] --><title>[7]</title>\
            <style>a{color:[8]}</style><!--segflow:9--><p>";
        assert_eq!(text, expected);
    }

    #[test]
    fn everything_comes_back() {
        let source = "a{{- x -}}b<a href=\"{{ y }}\">{% if a\n > b %}c{% raw %}{{{% endraw %}";
        let guarded = guarded(source);
        let restored = guarded.restore(&guarded.text).expect("nothing is lost");
        assert_eq!(restored.text, "a{{-\nx-}}b<a href=\"{{\n(y)|__link}}\">{%\nif a  > b%}c{% raw %}{{{% endraw %}");
        assert_eq!(restored.lines, [(2, 1), (3, 1), (4, 1), (4, 2)]);
        assert_eq!(guarded.restore("").map(|_| ()).expect_err("all are lost").len(), 4);
    }

    #[test]
    fn places_are_known_in_the_file() {
        let source = "{{ long_enough }} <b> {{ x }} <i>";
        let guarded = guarded(source);
        for tag in ["<b>", "<i>"] {
            assert_eq!(guarded.origin(guarded.text.find(tag).expect(tag)), source.find(tag).expect(tag));
        }
    }
}
