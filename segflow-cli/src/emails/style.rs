//! As much of CSS as tells which words stand on which ground: inline styles, and the rules of a `<style>` that hold in one colour scheme.
//! Rules for some widths and for what a pointer does are left out; of two rules the later one wins, whatever their selectors are.

use super::colour::{BLACK, Colour, LINK, WHITE, Written};
use super::selector::Selectors;
use super::tree::Element;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Light,
    Dark,
}

/// What is known of the words in an element. No colour: it cannot be told.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub front: Option<Colour>,
    pub back: Option<Colour>,
    /// In px.
    pub size: f64,
    pub bold: bool,
    pub hidden: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { front: Some(BLACK), back: Some(WHITE), size: 16.0, bold: false, hidden: false }
    }
}

/// The rules of a document.
pub struct Styles(Vec<Rule>);

struct Rule {
    selectors: Selectors,
    scheme: Option<Scheme>,
    declarations: Vec<Declaration>,
}

#[derive(Debug, Clone, PartialEq)]
struct Declaration {
    property: String,
    value: String,
    important: bool,
}

impl Styles {
    pub fn read(document: &Element) -> Styles {
        let mut rules = vec![];
        document.each(&mut |element| {
            if element.name == "style" {
                read(&without_comments(&element.text()), None, &mut rules);
            }
        });
        Styles(rules)
    }

    /// Whether anything is different in the dark.
    pub fn know_dark(&self) -> bool {
        self.0.iter().any(|rule| rule.scheme == Some(Scheme::Dark))
    }

    /// The style of the last of a path of elements, inside one of the style `around`.
    pub fn of(&self, path: &[&Element], around: &Style, scheme: Scheme) -> Style {
        let mut style = *around;
        let Some(element) = path.last() else { return style };
        match element.name.as_str() {
            "a" if element.attribute("href").is_some() => style.front = Some(LINK),
            "b" | "strong" | "th" | "h1" | "h2" | "h3" | "h4" => style.bold = true,
            _ => {}
        }
        if let Some(colour) = element.attribute("bgcolor") {
            style.ground(colour);
        }
        let holds = |rule: &&Rule| rule.scheme.is_none_or(|of| of == scheme) && rule.selectors.match_last(path);
        let by_rules: Vec<&Declaration> = self.0.iter().filter(holds).flat_map(|rule| &rule.declarations).collect();
        let inline = declarations(element.attribute("style").unwrap_or_default());
        let all = || by_rules.iter().copied().chain(&inline);
        all().filter(|declaration| !declaration.important).for_each(|declaration| style.take(declaration, around));
        all().filter(|declaration| declaration.important).for_each(|declaration| style.take(declaration, around));
        style
    }
}

impl Style {
    fn take(&mut self, declaration: &Declaration, around: &Style) {
        let value = declaration.value.as_str();
        match declaration.property.as_str() {
            "color" => match Written::read(value) {
                Written::Colour(colour) => self.front = Some(colour),
                Written::Transparent => self.front = around.front,
                Written::Other => self.front = None,
            },
            "background-color" | "background" => self.ground(value),
            "background-image" if value != "none" => self.back = None,
            "font-size" => self.size = size(value, around.size).unwrap_or(self.size),
            "font-weight" => self.bold = value == "bold" || value.parse::<f64>().is_ok_and(|weight| weight >= 600.0),
            "display" => self.hidden = value == "none",
            "visibility" if value == "hidden" => self.hidden = true,
            "opacity" if value.parse() == Ok(0.0) => self.hidden = true,
            _ => {}
        }
    }

    fn ground(&mut self, colour: &str) {
        match Written::read(colour) {
            Written::Colour(colour) => self.back = Some(colour),
            Written::Transparent => {}
            Written::Other => self.back = None,
        }
    }
}

fn size(value: &str, around: f64) -> Option<f64> {
    let split = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let number: f64 = number.parse().ok()?;
    match unit {
        "px" => Some(number),
        "pt" => Some(number * 4.0 / 3.0),
        "em" => Some(number * around),
        "rem" => Some(number * 16.0),
        "%" => Some(number / 100.0 * around),
        _ => None,
    }
}

/// Reads rules, and those inside of `@media` that is about the colour scheme alone.
fn read(css: &str, scheme: Option<Scheme>, rules: &mut Vec<Rule>) {
    let mut rest = css;
    while let Some(open) = rest.find('{') {
        let (head, body) = (rest[..open].trim(), &rest[open + 1..]);
        let end = closing(body);
        let inside = &body[..end];
        rest = body.get(end + 1..).unwrap_or_default();
        // What stands before a rule and has no block of its own: `@import …;`.
        let head = head.rsplit(';').next().unwrap_or_default().trim();
        if let Some(query) = head.strip_prefix("@media") {
            let query: String = query.split_whitespace().collect::<String>().to_ascii_lowercase();
            match query.trim_start_matches("screenand").trim_start_matches("alland") {
                "(prefers-color-scheme:dark)" => read(inside, Some(Scheme::Dark), rules),
                "(prefers-color-scheme:light)" => read(inside, Some(Scheme::Light), rules),
                "all" | "screen" => read(inside, scheme, rules),
                _ => {}
            }
        } else if !head.starts_with('@') {
            rules.push(Rule { selectors: Selectors::read(head), scheme, declarations: declarations(inside) });
        }
    }
}

/// The index of the brace that closes what is open.
fn closing(css: &str) -> usize {
    let mut depth = 0;
    for (index, c) in css.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return index,
            '}' => depth -= 1,
            _ => {}
        }
    }
    css.len()
}

fn without_comments(css: &str) -> String {
    let mut parts = css.split("/*");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |css, part| css + part.split_once("*/").map_or("", |(_, after)| after))
}

fn declarations(text: &str) -> Vec<Declaration> {
    let one = |declaration: &str| {
        let (property, value) = declaration.split_once(':')?;
        let value = value.trim().to_ascii_lowercase();
        let plain = value.strip_suffix("important").and_then(|value| value.trim_end().strip_suffix('!'));
        Some(Declaration {
            property: property.trim().to_ascii_lowercase(),
            important: plain.is_some(),
            value: plain.unwrap_or(&value).trim().to_string(),
        })
    };
    text.split(';').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_however_they_are_written() {
        let css = "@import 'x'; /* a { color: red } */ .a, .b > p { color: #fff } @media (max-width: 9px) { .a { color: #000 } }\
            @media screen and (prefers-color-scheme: dark) { .a { color: #111 !important; } .c:hover { color: #222 } } @font-face { src: x } .z {";
        let mut rules = vec![];
        read(&without_comments(css), None, &mut rules);
        let found: Vec<_> = rules.iter().map(|rule| (rule.scheme, rule.declarations.clone())).collect();
        let declaration =
            |value: &str, important| Declaration { property: "color".into(), value: value.into(), important };
        assert_eq!(found[0], (None, vec![declaration("#fff", false)]));
        assert_eq!(found[1], (Some(Scheme::Dark), vec![declaration("#111", true)]));
        assert_eq!(found.len(), 4, "what a pointer does, which matches nothing, and the last, which has no end");
        for broken in ["{", "}", "}}{{", "a{", "@media{", "/*", "a{b", "é{é:é}"] {
            read(&without_comments(broken), None, &mut vec![]);
        }
    }
}
