//! Reads HTML and MJML around what is only known when it is sent, and knows where each of it stands: whether it can get out of there, and
//! whether it decides with what an address begins. Every branch of a block ends where it begins, so the place is the same on every way.

use std::ops::Range;

use super::jinja::{Kind, Tag, inside};
use super::place::Mistake;
use crate::html::address;

/// Elements in which a comment would be words.
const WORDS: [&str; 7] = ["title", "mj-title", "mj-preview", "style", "mj-style", "script", "textarea"];
/// Attributes that hold an address, and the filter that looks at it.
#[rustfmt::skip]
const ADDRESSES: [(&str, &str); 9] = [
    ("href", LINK), ("xlink:href", LINK), ("action", LINK), ("formaction", LINK), ("base-url", LINK),
    ("src", IMAGE), ("background", IMAGE), ("background-url", IMAGE), ("poster", IMAGE),
];
const LINK: &str = "__link";
const IMAGE: &str = "__image";

/// Blocks that have an end.
const OPENERS: [&str; 8] = ["if", "for", "with", "filter", "autoescape", "macro", "call", "block"];

const SPLIT: &str = "what begins and ends tags and comments cannot be decided when it is sent, and stands together; as a sign, `<` is `&lt;`";
const TRIMS: &str = "spaces part attributes: leave out the `-` that takes them away";
const NAMELESS: &str = "this `=` has no name before it";
const BETWEEN: &str =
    "a value between attributes could bring in some: name the one that it is for, `title=\"{{ … }}\"`";
const UNQUOTED: &str = "what is decided when it is sent may have spaces in it: put the value into quotes";
const ELSEWHERE: &str = "this stands in another place than its beginning: begin and end a block, and each of its branches, in the same value, \
    in the same tag, or between tags";
const MARKUP: &str = "in `{% raw %}` stand words: markup, and quotes in a value, are read outside of it";
const UNCERTAIN: &str =
    "it is not certain with what this address begins: say all of it in each branch, with an `{% else %}`";
const NOT_IN_ADDRESS: &str =
    "an address begins with `https:` and so on, with `{{ … }}`, or with one of these in an `{% if %}`";

/// Which part of HTML the reader is in.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Text,
    /// The name of the element.
    Words(String),
    Comment,
    /// Where no comment may stand: what Outlook reads of a comment, and defaults of MJML. How it ends, and the place in it.
    Inside(&'static str, Box<Place>),
    /// The name of the element.
    Tag(String),
    Value(Value),
}

#[derive(Debug, Clone, PartialEq)]
struct Value {
    element: String,
    attribute: String,
    /// A space if there is none.
    quote: char,
    /// Nothing of it has been read.
    fresh: bool,
    begun: Begun,
}

/// Whether an address has begun, with something that is certain not to run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Begun {
    Not,
    Perhaps,
    Surely,
}

/// A block that is open.
struct Open {
    place: Place,
    /// What is certain after the branches so far.
    after: Option<Begun>,
    /// There is an `{% else %}`.
    complete: bool,
}

/// How something is to be hidden.
pub enum Cover {
    Comment,
    Attribute,
    Number,
}

pub struct Reader<'a> {
    source: &'a str,
    place: Place,
    open: Vec<Open>,
    pub mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a str) -> Reader<'a> {
        Reader { source, place: Place::Text, open: vec![], mistakes: vec![] }
    }

    /// HTML of the source.
    pub fn html(&mut self, at: Range<usize>) {
        let end = at.end;
        let mut rest = &self.source[at];
        while !rest.is_empty() {
            let place = std::mem::replace(&mut self.place, Place::Text);
            let mut wrong = vec![];
            (self.place, rest) = place.step(rest, &mut |left, what| wrong.push((end - left.len(), what)));
            self.mistakes.extend(wrong.into_iter().map(|(at, what)| Mistake::new(at..at + 1, what)));
        }
    }

    /// A tag of Jinja: how it is hidden, and the filter that its value needs.
    pub fn tag(&mut self, tag: &Tag) -> (Cover, Option<&'static str>) {
        let name = inside(self.source, tag).split_whitespace().next().unwrap_or_default();
        let ends = name == "else" || name == "elif" || name.starts_with("end");
        if tag.kind == Kind::Block && ends {
            self.place.end_unquoted();
        }
        if let Some(what) = self.joins(tag) {
            self.mistake(tag, what);
        }
        if tag.kind == Kind::Raw && self.place.ends_in(inside_raw(&self.source[tag.at.clone()])) {
            self.mistake(tag, MARKUP);
        }
        let filter = match tag.kind {
            Kind::Value | Kind::Raw => self.value(tag),
            Kind::Block => {
                self.block(tag, name);
                None
            }
            Kind::Comment => None,
        };
        let cover = match &self.place {
            Place::Text => Cover::Comment,
            Place::Tag(_) => Cover::Attribute,
            _ => Cover::Number,
        };
        (cover, filter)
    }

    /// What is wrong if the text before a tag and the one after it make something else together than apart.
    fn joins(&mut self, tag: &Tag) -> Option<&'static str> {
        let (before, after) = (&self.source[..tag.at.start], &self.source[tag.at.end..]);
        let whole = self.source[tag.at.clone()].trim_matches(['{', '}', '%', '#']);
        let (trims_before, trims_after) = (whole.starts_with('-'), whole.ends_with('-'));
        let before = if trims_before { before.trim_end() } else { before };
        let after = if trims_after { after.trim_start() } else { after };
        // What stands in a comment may end with the first half of its end.
        let ends_comment = |place: &Place| {
            let is_comment = matches!(place, Place::Comment | Place::Inside("-->", _));
            is_comment && (after.starts_with("->") || after.starts_with('>') && tag.kind == Kind::Value)
        };
        let begun = self.place.delimiters().iter().any(|whole| ends_with_start(before, whole));
        // A value is escaped: alone it ends no comment.
        let harmless = matches!(self.place, Place::Comment) && tag.kind == Kind::Value;
        if begun && !harmless && !before.ends_with("<!--") || ends_comment(&self.place) {
            return Some(SPLIT);
        }
        let is_name = |c: char| c.is_alphanumeric() || "-_:".contains(c);
        match self.place.innermost() {
            Place::Tag(_) if trims_before || trims_after => Some(TRIMS),
            Place::Tag(_) if tag.kind == Kind::Comment && before.ends_with(is_name) => Some(SPLIT),
            _ => None,
        }
    }

    fn mistake(&mut self, tag: &Tag, what: &str) {
        self.mistakes.push(Mistake::new(tag.at.clone(), what));
    }

    fn value(&mut self, tag: &Tag) -> Option<&'static str> {
        match self.place.innermost() {
            Place::Tag(_) => self.mistake(tag, BETWEEN),
            Place::Value(value) if value.quote == ' ' => self.mistake(tag, UNQUOTED),
            Place::Value(value) => {
                value.fresh = false;
                let begun = std::mem::replace(&mut value.begun, Begun::Surely);
                match (begun, tag.kind) {
                    (Begun::Surely, _) => {}
                    (Begun::Not, Kind::Value) => return filter(&value.attribute),
                    _ => self.mistake(tag, UNCERTAIN),
                }
            }
            _ => {}
        }
        None
    }

    fn block(&mut self, tag: &Tag, name: &str) {
        let place = self.place.clone();
        if let Place::Value(value) = self.place.innermost() {
            let unquoted = value.quote == ' ';
            let unknown = value.begun != Begun::Surely && !is_known(name, inside(self.source, tag));
            if unquoted || unknown {
                return self.mistake(tag, if unquoted { UNQUOTED } else { NOT_IN_ADDRESS });
            }
        }
        if OPENERS.contains(&name) || name == "set" && !inside(self.source, tag).contains('=') {
            self.open.push(Open { place, after: None, complete: false });
        } else if name == "else" || name == "elif" || name.starts_with("end") {
            let Some(open) = self.open.last_mut() else { return };
            if !open.place.is_same(&place) {
                self.place = open.place.clone();
                return self.mistake(tag, ELSEWHERE);
            }
            let begun = self.place.begun();
            let before = open.place.begun();
            let mut after = begun.or(open.after.unwrap_or(begun));
            let is_end = name.starts_with("end");
            if is_end && !open.complete {
                after = after.or(before);
            }
            (open.after, open.complete) = (Some(after), open.complete || name == "else");
            self.place.begins(if is_end { after } else { before });
            if is_end {
                self.open.pop();
            }
        }
    }
}

/// Whether a text ends with the first signs of something, and not with all of it.
fn ends_with_start(text: &str, whole: &str) -> bool {
    (1..whole.len()).any(|length| {
        text.get(text.len().saturating_sub(length)..).is_some_and(|end| end.eq_ignore_ascii_case(&whole[..length]))
    })
}

/// What stands between `{% raw %}` and `{% endraw %}`.
fn inside_raw(whole: &str) -> &str {
    let inside = whole.split_once("%}").map_or("", |(_, rest)| rest);
    inside.rsplit_once("{%").map_or(inside, |(inside, _)| inside)
}

/// Whether it is known what a block does to an address around it.
fn is_known(name: &str, whole: &str) -> bool {
    matches!(name, "if" | "elif" | "else" | "endif" | "for" | "endfor") || name == "set" && whole.contains('=')
}

fn filter(attribute: &str) -> Option<&'static str> {
    ADDRESSES.iter().find(|(known, _)| *known == attribute).map(|(_, filter)| *filter)
}

impl Begun {
    /// One or the other, nobody knows which.
    fn or(self, other: Begun) -> Begun {
        if self == other { self } else { Begun::Perhaps }
    }
}

impl Value {
    fn new(element: String, attribute: String, quote: char) -> Value {
        // What is no address has nothing to be certain of.
        let begun = if filter(&attribute).is_some() { Begun::Not } else { Begun::Surely };
        Value { element, attribute, quote, fresh: true, begun }
    }

    /// Some more of it, as it is written.
    fn words(&mut self, words: &str) -> Option<String> {
        self.fresh &= words.is_empty();
        if self.begun == Begun::Surely || words.trim().is_empty() {
            return None;
        }
        let (begun, images) =
            (std::mem::replace(&mut self.begun, Begun::Surely), filter(&self.attribute) == Some(IMAGE));
        let words = words.trim();
        // A place of the same page; and MJML puts `base-url` before the links of its `<mj-navbar>`.
        let within = words.starts_with('#') || self.element == "mj-navbar-link" && words.starts_with('/');
        match (begun, self.element.as_str()) {
            (Begun::Perhaps, _) => Some(UNCERTAIN.to_string()),
            // A sheet of its own is said to be one.
            (_, "link") => None,
            _ if within => None,
            _ if address::begins(images, words) => address::unknown(words),
            _ => Some(address::wrong_start(images, words)),
        }
    }
}

impl Place {
    fn innermost(&mut self) -> &mut Place {
        match self {
            Place::Inside(_, place) => place.innermost(),
            place => place,
        }
    }

    /// What leads out of here, or into something.
    fn delimiters(&self) -> Vec<String> {
        match self {
            Place::Text => ["<!--", "</"].map(String::from).into(),
            Place::Words(element) => vec![format!("</{element}")],
            Place::Comment => vec!["-->".to_string()],
            Place::Inside(end, place) => [vec![end.to_string()], place.delimiters()].concat(),
            Place::Tag(_) | Place::Value(_) => vec![],
        }
    }

    /// Whether a text could lead out of here that nobody reads.
    fn ends_in(&self, text: &str) -> bool {
        match self {
            Place::Inside(_, place) => text.contains(['<', '>']) || place.ends_in(text),
            Place::Value(value) => text.contains(value.quote),
            Place::Comment => text.contains("--"),
            _ => text.contains('<'),
        }
    }

    /// The same, whatever is known of an address.
    fn is_same(&self, other: &Place) -> bool {
        let plain = |place: &Place| {
            let mut place = place.clone();
            if let Place::Value(value) = place.innermost() {
                (value.begun, value.fresh) = (Begun::Surely, false);
            }
            place
        };
        plain(self) == plain(other)
    }

    fn begun(&self) -> Begun {
        match self {
            Place::Inside(_, place) => place.begun(),
            Place::Value(value) => value.begun,
            _ => Begun::Surely,
        }
    }

    fn begins(&mut self, begun: Begun) {
        if let Place::Value(value) = self.innermost() {
            value.begun = begun;
        }
    }

    /// `class=b{% endif %}`: the value ends there.
    fn end_unquoted(&mut self) {
        let place = self.innermost();
        if let Place::Value(value) = place
            && value.quote == ' '
            && !value.fresh
        {
            *place = Place::Tag(std::mem::take(&mut value.element));
        }
    }

    /// Reads on, and says what is wrong and how much is left there.
    fn step<'a>(self, rest: &'a str, wrong: &mut dyn FnMut(&'a str, String)) -> (Place, &'a str) {
        let cut = |at: Option<usize>, length: usize| at.map_or("", |at| &rest[at + length..]);
        match self {
            Place::Text => match rest.find('<') {
                None => (Place::Text, ""),
                Some(at) if rest[at..].starts_with("<!--[if") => {
                    (Place::Inside("-->", Place::Text.into()), &rest[at + 4..])
                }
                Some(at) if rest[at..].starts_with("<!--") => (Place::Comment, &rest[at + 4..]),
                Some(at) => {
                    let name = &rest[at + 1..];
                    let length =
                        name.find(|c: char| c.is_whitespace() || c == '>' || (c == '/' && !name.starts_with('/')));
                    let (name, rest) = name.split_at(length.unwrap_or(name.len()));
                    let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
                    if is_tag { (Place::Tag(name.to_lowercase()), rest) } else { (Place::Text, rest) }
                }
            },
            Place::Words(element) => {
                let end = rest.to_ascii_lowercase().find(&format!("</{element}"));
                match end {
                    None => (Place::Words(element), ""),
                    Some(at) => (Place::Text, &rest[at..]),
                }
            }
            Place::Comment => {
                let end = rest.find("-->");
                (if end.is_some() { Place::Text } else { Place::Comment }, cut(end, 3))
            }
            Place::Inside(end, mut place) => {
                let at = rest.find(end);
                let (mut inner, after) = rest.split_at(at.unwrap_or(rest.len()));
                while !inner.is_empty() {
                    let (next, left) =
                        place.step(inner, &mut |left, what| wrong(&rest[inner.len() - left.len()..], what));
                    (*place, inner) = (next, left);
                }
                match at {
                    None => (Place::Inside(end, place), ""),
                    // The end of an element is read as a tag.
                    Some(_) => (Place::Text, if end == "-->" { &after[3..] } else { after }),
                }
            }
            Place::Tag(element) => {
                let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
                if let Some(after) = trimmed.strip_prefix('>') {
                    let empty = rest.starts_with("/>");
                    let place = match element.as_str() {
                        words if WORDS.contains(&words) && !empty => Place::Words(element),
                        "mj-attributes" if !empty => Place::Inside("</mj-attributes", Place::Text.into()),
                        _ => Place::Text,
                    };
                    return (place, after);
                }
                let length =
                    trimmed.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(trimmed.len());
                let (name, after) = trimmed.split_at(length);
                let Some(value) = after.trim_start().strip_prefix('=') else {
                    // A sign that stands for nothing is passed over.
                    let after = if length == 0 { after.get(1..).unwrap_or_default() } else { after };
                    return (Place::Tag(element), after);
                };
                let value = value.trim_start();
                let name = name.to_lowercase();
                if name.is_empty() {
                    wrong(trimmed, NAMELESS.to_string());
                }
                match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => (Place::Value(Value::new(element, name, quote)), &value[1..]),
                    _ => (Place::Value(Value::new(element, name, ' ')), value),
                }
            }
            Place::Value(mut value) => {
                let unquoted = value.quote == ' ';
                let ends = |c: char| if unquoted { c.is_whitespace() || c == '>' } else { c == value.quote };
                let at = rest.find(ends);
                if let Some(what) = value.words(&rest[..at.unwrap_or(rest.len())]) {
                    wrong(rest, what);
                }
                match at {
                    None => (Place::Value(value), ""),
                    Some(at) => (Place::Tag(value.element), &rest[at + usize::from(!unquoted)..]),
                }
            }
        }
    }
}
