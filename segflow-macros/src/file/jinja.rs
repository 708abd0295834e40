//! What of a file is only known when it is sent: `{{ … }}` and `{% … %}`, in the language of minijinja.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::Environment;

use super::place::Mistake;
use crate::nearest::nearest;

/// Those that `segflow-sdk/src/email/file.rs` has.
pub const FILTERS: &[&str] = &[
    "abs",
    "capitalize",
    "default",
    "first",
    "format",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "round",
    "safe",
    "title",
    "trim",
    "upper",
];
pub const TESTS: &[&str] = &["defined", "even", "none", "odd", "undefined"];

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `{{ … }}`
    Value,
    /// `{% … %}`
    Block,
    /// `{# … #}`
    Comment,
    /// `{% raw %} … {% endraw %}`, as a whole.
    Raw,
}

/// A tag with its brackets.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// The tags of a text, in order. One that does not end reaches to the end: the engine says what is wrong with it.
pub fn tags(source: &str) -> Vec<Tag> {
    let mut tags = vec![];
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|open| at + open) {
        let kind = match source.as_bytes().get(open + 1) {
            Some(b'{') => Kind::Value,
            Some(b'%') => Kind::Block,
            Some(b'#') => Kind::Comment,
            _ => {
                at = open + 1;
                continue;
            }
        };
        at = end(source, open + 2, kind);
        let mut tag = Tag { kind, at: open..at };
        if kind == Kind::Block && inside(source, &tag).trim() == "raw" {
            tag.kind = Kind::Raw;
            at = after_raw(source, at);
            tag.at.end = at;
        }
        tags.push(tag);
    }
    tags
}

fn end(source: &str, start: usize, kind: Kind) -> usize {
    let close = match kind {
        Kind::Value => "}}",
        Kind::Block | Kind::Raw => "%}",
        Kind::Comment => "#}",
    };
    let mut quote = None;
    for (i, c) in source[start..].char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if kind != Kind::Comment && (c == '"' || c == '\'') => quote = Some(c),
            None if source[start + i..].starts_with(close) => return start + i + 2,
            None => {}
        }
    }
    source.len()
}

fn after_raw(source: &str, start: usize) -> usize {
    let ends = source[start..].match_indices("{%").map(|(open, _)| start + open);
    let tags = ends.map(|open| Tag { kind: Kind::Block, at: open..end(source, open + 2, Kind::Block) });
    tags.into_iter().find(|tag| inside(source, tag).trim() == "endraw").map_or(source.len(), |tag| tag.at.end)
}

/// What stands between the brackets, without signs that trim white space.
pub fn inside<'a>(source: &'a str, tag: &Tag) -> &'a str {
    let text = &source[tag.at.clone()];
    let text = text.get(2..text.len().saturating_sub(2)).unwrap_or_default();
    text.trim_start_matches(['-', '+']).trim_end_matches(['-', '+'])
}

/// A name that a part of a file needs, `user.username`.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    pub path: String,
    pub at: Range<usize>,
}

/// The names that a part of the file needs, or all that is wrong with it.
pub fn check(source: &str, part: &Range<usize>, given: &[String]) -> Result<Vec<Use>, Vec<Mistake>> {
    let text = &source[part.clone()];
    let mut environment = Environment::empty();
    environment.set_debug(true);
    let template = match environment.template_from_str(text) {
        Ok(template) => template,
        Err(error) => {
            let at = error.range().unwrap_or_else(|| line(text, error.line().unwrap_or(1)));
            let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
            return Err(vec![Mistake::new(part.start + at.start..part.start + at.end, what)]);
        }
    };
    let mut needed: HashSet<String> = template.undeclared_variables(true).into_iter().collect();
    let (mut uses, mut mistakes) = (vec![], vec![]);
    for word in
        tags(text).iter().filter(|tag| matches!(tag.kind, Kind::Value | Kind::Block)).flat_map(|tag| words(text, tag))
    {
        let at = part.start + word.at.start..part.start + word.at.end;
        let name = &text[word.at];
        match word.role {
            // Each is said once, where it is first used.
            Role::Name if needed.remove(name) => uses.push(Use { path: name.to_string(), at }),
            Role::Name => {}
            Role::Filter => mistakes.extend(unknown("filter", name, FILTERS).map(|what| Mistake::new(at, what))),
            Role::Test => mistakes.extend(unknown("test", name, TESTS).map(|what| Mistake::new(at, what))),
        }
    }
    // Written in a way that has no place of its own, `user . name`.
    uses.extend(needed.into_iter().map(|path| Use { path, at: part.start..part.start }));
    let root = |path: &str| path.split('.').next().unwrap_or_default().to_string();
    for unknown in uses.iter().filter(|used| !given.contains(&root(&used.path))) {
        let hint = match nearest(&root(&unknown.path), given.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if given.is_empty() => "`template!` is given none".to_string(),
            None => format!("there are `{}`", given.join("`, `")),
        };
        mistakes
            .push(Mistake::new(unknown.at.clone(), format!("there is no variable `{}`; {hint}", root(&unknown.path))));
    }
    if mistakes.is_empty() { Ok(uses) } else { Err(mistakes) }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Option<String> {
    if known.contains(&name) {
        return None;
    }
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    Some(format!("there is no {what} `{name}`; {hint}"))
}

/// The bytes of a line, counted from 1.
fn line(text: &str, number: usize) -> Range<usize> {
    let start: usize = text.split_inclusive('\n').take(number - 1).map(str::len).sum();
    start..start + text[start..].lines().next().unwrap_or_default().len()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Name,
    Filter,
    Test,
}

/// A dotted name, a filter after `|`, a test after `is`.
struct Word {
    role: Role,
    at: Range<usize>,
}

fn words(source: &str, tag: &Tag) -> Vec<Word> {
    let mut words = vec![];
    let (mut at, end) = (tag.at.start + 2, tag.at.end.saturating_sub(2));
    let mut role = Role::Name;
    while let Some(c) = source.get(at..end).and_then(|rest| rest.chars().next()) {
        let rest = &source[at..end];
        if c == '"' || c == '\'' {
            at += rest[1..].find(c).map_or(rest.len(), |close| close + 2);
            role = Role::Name;
        } else if c.is_alphabetic() || c == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
            let text = rest[..length].trim_end_matches('.');
            match text {
                "is" => role = Role::Test,
                "not" if role == Role::Test => {}
                _ => {
                    words.push(Word { role, at: at..at + text.len() });
                    role = Role::Name;
                }
            }
            at += text.len().max(1);
        } else {
            if !c.is_whitespace() {
                role = if c == '|' { Role::Filter } else { Role::Name };
            }
            at += c.len_utf8();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        tags(text).into_iter().map(|tag| &text[tag.at]).collect()
    }

    #[test]
    fn tags_are_found_whatever_is_in_them() {
        assert_eq!(
            found("a {{ \"}}\" }} {% if a > '%}' %}{ } {# {{ #}"),
            ["{{ \"}}\" }}", "{% if a > '%}' %}", "{# {{ #}"]
        );
        assert_eq!(found("x {% raw %}{{ a }}{% endraw %} {{ b }}"), ["{% raw %}{{ a }}{% endraw %}", "{{ b }}"]);
        assert_eq!(found("{{ a"), ["{{ a"]);
    }

    fn names(text: &str) -> Vec<String> {
        let given = ["user".to_string(), "n".to_string()];
        let uses = check(text, &(0..text.len()), &given).expect(text);
        uses.into_iter().map(|used| format!("{} {}", used.at.start, used.path)).collect()
    }

    #[test]
    fn names_come_with_their_places() {
        assert_eq!(
            names("{{ user.a }} {% for x in user.b %}{{ x.y }}{{ loop.index }}{% endfor %}{{ n|default(user.a) }}"),
            ["3 user.a", "25 user.b", "74 n"]
        );
        assert_eq!(
            names("{% set a = 1 %}{{ a }}{{ 'user.x' }}{% if n is not none and user.a is defined %}{% endif %}").len(),
            2
        );
    }

    fn wrong(text: &str) -> (String, String) {
        let mut mistakes = check(text, &(0..text.len()), &["user".to_string()]).expect_err(text);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let mistake = mistakes.remove(0);
        (text[mistake.at].to_string(), mistake.what)
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        assert_eq!(
            wrong("Hi {{ usr.name }}"),
            ("usr.name".into(), "there is no variable `usr`; did you mean `user`?".into())
        );
        assert_eq!(wrong("{{ user|tirm }}"), ("tirm".into(), "there is no filter `tirm`; did you mean `trim`?".into()));
        assert!(wrong("{{ user is happy }}").1.starts_with("there is no test `happy`; there are `defined`, "));
        let (at, what) = wrong("\n{% if user %}");
        assert!(what.contains("unexpected end of input"), "{at}: {what}");
        assert!(wrong("<p>{{ user. }}</p>").1.contains("unexpected"));
    }
}
