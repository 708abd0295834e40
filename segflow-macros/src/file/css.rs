//! As much of CSS as a sheet in a mail has: rules, what they select, and blocks with an `@`.

use std::ops::Range;

/// A block of a sheet.
pub struct Block<'a> {
    pub prelude: &'a str,
    /// What is between the braces; `None` for `@import …;`.
    pub body: Option<&'a str>,
}

/// The blocks of a sheet, or the place of a brace that does not fit.
pub fn blocks(css: &str) -> Result<Vec<Block<'_>>, Range<usize>> {
    let mut blocks = vec![];
    let (mut start, mut body, mut depth) = (0, 0, 0);
    for (at, c) in significant(css) {
        match c {
            '{' => {
                if depth == 0 {
                    body = at + 1;
                }
                depth += 1;
            }
            '}' if depth == 0 => return Err(at..at + 1),
            '}' => {
                depth -= 1;
                if depth == 0 {
                    blocks.push(Block { prelude: css[start..body - 1].trim(), body: Some(&css[body..at]) });
                    start = at + 1;
                }
            }
            ';' if depth == 0 => {
                blocks.push(Block { prelude: css[start..at].trim(), body: None });
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 { Err(body - 1..body) } else { Ok(blocks) }
}

/// The characters outside of strings and comments.
fn significant(css: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let (mut quote, mut comment, mut skip) = (None, false, 0);
    css.char_indices().filter(move |(at, c)| {
        if *at < skip {
            return false;
        }
        match (quote, comment) {
            (_, true) => {
                if css[*at..].starts_with("*/") {
                    (comment, skip) = (false, at + 2);
                }
                false
            }
            (Some(open), _) => {
                if *c == open {
                    quote = None;
                }
                false
            }
            _ if css[*at..].starts_with("/*") => {
                (comment, skip) = (true, at + 2);
                false
            }
            _ if *c == '"' || *c == '\'' => {
                quote = Some(*c);
                false
            }
            _ => true,
        }
    })
}

pub fn without_comments(css: &str) -> String {
    let mut out = String::new();
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

/// Property, value, and whether it is important.
pub fn declarations(body: &str) -> Vec<(String, String, bool)> {
    let mut parts = vec![];
    let mut start = 0;
    let mut depth = 0;
    for (at, c) in significant(body) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ';' if depth == 0 => {
                parts.push(&body[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&body[start..]);
    let declared = parts.into_iter().filter_map(|part| part.split_once(':'));
    declared
        .map(|(property, value)| {
            let value = value.trim();
            let plain = value.strip_suffix("!important").map(str::trim_end);
            (property.trim().to_ascii_lowercase(), plain.unwrap_or(value).to_string(), plain.is_some())
        })
        .filter(|(property, value, _)| !property.is_empty() && !value.is_empty())
        .collect()
}

/// An element as selectors see it.
#[derive(Debug, Default)]
pub struct Seen {
    pub name: String,
    pub id: Option<String>,
    pub classes: Vec<String>,
}

/// `p.a > b`: tags, classes and ids, inside one another.
#[derive(Debug, PartialEq)]
pub struct Selector {
    steps: Vec<Step>,
}

#[derive(Debug, Default, PartialEq)]
struct Step {
    /// It is a child of the one before, not only inside of it.
    child: bool,
    name: Option<String>,
    id: Option<String>,
    classes: Vec<String>,
}

impl Selector {
    /// `None` for one that says more: whether it holds is seen when the mail is.
    pub fn read(text: &str) -> Option<Selector> {
        let spaced = text.replace('>', " > ");
        let (mut steps, mut child) = (vec![], false);
        for word in spaced.split_whitespace() {
            if word == ">" {
                child = true;
                continue;
            }
            steps.push(Step { child: std::mem::take(&mut child), ..Step::read(word)? });
        }
        (!steps.is_empty() && !child).then_some(Selector { steps })
    }

    pub fn has_class(&self) -> bool {
        self.steps.iter().any(|step| !step.classes.is_empty())
    }

    /// As CSS weighs them: ids, classes, names.
    pub fn weight(&self) -> (usize, usize, usize) {
        let sum = |count: fn(&Step) -> usize| self.steps.iter().map(count).sum();
        (
            sum(|step| usize::from(step.id.is_some())),
            sum(|step| step.classes.len()),
            sum(|step| usize::from(step.name.is_some())),
        )
    }

    /// Whether the last of the elements that are open is meant.
    pub fn matches(&self, open: &[Seen]) -> bool {
        matches(&self.steps, open)
    }
}

fn matches(steps: &[Step], open: &[Seen]) -> bool {
    let (Some((step, before)), Some((element, around))) = (steps.split_last(), open.split_last()) else {
        return false;
    };
    step.is(element)
        && match (before.is_empty(), step.child) {
            (true, _) => true,
            (false, true) => matches(before, around),
            (false, false) => (1..=around.len()).any(|length| matches(before, &around[..length])),
        }
}

impl Step {
    fn is(&self, element: &Seen) -> bool {
        self.name.as_ref().is_none_or(|name| *name == element.name)
            && self.id.as_ref().is_none_or(|id| element.id.as_ref() == Some(id))
            && self.classes.iter().all(|class| element.classes.contains(class))
    }

    fn read(word: &str) -> Option<Step> {
        let mut step = Step::default();
        let mut rest = word;
        while !rest.is_empty() {
            let (sign, name) = match rest.chars().next()? {
                sign @ ('.' | '#') => (sign, &rest[1..]),
                '*' => {
                    rest = &rest[1..];
                    continue;
                }
                _ => (' ', rest),
            };
            let (name, after) = name.split_at(name.find(['.', '#', '*']).unwrap_or(name.len()));
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
                return None;
            }
            match sign {
                '.' => step.classes.push(name.into()),
                '#' => step.id = Some(name.into()),
                _ => step.name = Some(name.to_ascii_lowercase()),
            }
            rest = after;
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_are_blocks() {
        let css = "@import 'x;y'; /* a { */ a { b: c } @media print { d { e: f } } g::after { content: \"}\" }";
        let blocks = blocks(css).expect("it is whole");
        let found: Vec<(&str, Option<&str>)> = blocks.iter().map(|block| (block.prelude, block.body)).collect();
        assert_eq!(
            found,
            [
                ("@import 'x;y'", None),
                ("/* a { */ a", Some(" b: c ")),
                ("@media print", Some(" d { e: f } ")),
                ("g::after", Some(" content: \"}\" "))
            ]
        );
        assert_eq!(super::blocks("a { b").err(), Some(2..3));
        assert_eq!(super::blocks("a } b").err(), Some(2..3));
    }

    #[test]
    fn declarations_have_names_and_values() {
        let found = declarations("Color: red !important; background: url(data:a;b); x; : y; font: 'a;b'");
        let expected = [("color", "red", true), ("background", "url(data:a;b)", false), ("font", "'a;b'", false)];
        assert_eq!(found, expected.map(|(p, v, i)| (p.to_string(), v.to_string(), i)));
    }

    #[test]
    fn names_classes_and_ids_inside_one_another() {
        let seen = |name: &str, classes: &[&str]| Seen {
            name: name.into(),
            id: Some(name.to_uppercase()),
            classes: classes.iter().map(ToString::to_string).collect(),
        };
        let open = [seen("body", &["a"]), seen("p", &["b", "c"]), seen("b", &["d"])];
        for yes in ["b", ".d", "b.d", "#B", "*", "*.d", "p b", "p > b", ".a .d", "body > p > b", ".b.c b", "body b"] {
            assert!(Selector::read(yes).is_some_and(|selector| selector.matches(&open)), "{yes}");
        }
        for no in ["p", ".a", "b.c", "body > b", "p.x b", "b p"] {
            assert!(!Selector::read(no).expect(no).matches(&open), "{no}");
        }
        for more in ["b[class]", "b::before", "a:hover", "", ">", ".", "b >", "p + b"] {
            assert_eq!(Selector::read(more), None, "{more}");
        }
        let weight = |text: &str| Selector::read(text).expect(text).weight();
        assert!(weight("#a") > weight(".a.b p") && weight(".a") > weight("body p b") && weight("a b") > weight("a"));
    }
}
