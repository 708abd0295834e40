//! What a sheet of styles says, written into the elements: some mail clients know no sheets. Everything else of a file stays as it is.

use std::ops::Range;

use super::css::{Seen, Selector, blocks, declarations, without_comments};
use super::guard::is_hidden_attribute;
use super::markup::{Tag, tags};

/// What is wrong with a sheet, and where in the HTML.
pub type Wrong = (Range<usize>, String);

struct Rule {
    selector: Selector,
    declarations: Vec<(String, String, bool)>,
    /// It has been written into an element.
    used: bool,
}

/// A `<style>`: the element, what is in it, and what of that stays.
struct Sheet {
    at: Range<usize>,
    inside: Range<usize>,
    parts: Vec<Part>,
}

enum Part {
    /// Stays, whatever happens: what depends on something.
    Stays(String),
    /// A rule, by its place among all.
    Rule(usize, String),
}

/// The HTML with its styles inlined. What depends on something (`@media`, `:hover`) stays in the head and is made important, so that it still
/// beats what it would have beaten there; so does what selects nothing, for it may when the mail is sent. `own` says whether a sheet is
/// the author's: those that MJML brings are meant to stay.
pub fn inline(html: &str, own: impl Fn(&str) -> bool) -> Result<String, Wrong> {
    let tags = tags(html);
    let (mut rules, mut sheets) = (vec![], vec![]);
    for pair in tags.windows(2).filter(|pair| !pair[0].closes && pair[0].name(html) == "style") {
        let inside = pair[0].at.end..pair[1].at.start;
        if own(&html[inside.clone()]) && pair[0].value(html, "media").is_none() {
            let parts = read(&html[inside.clone()], &mut rules)
                .map_err(|(at, what)| (inside.start + at.start..inside.start + at.end, what))?;
            sheets.push(Sheet { at: pair[0].at.start..pair[1].at.end, inside, parts });
        }
    }
    let (mut edits, chosen) = styled(html, &tags, &mut rules);
    for sheet in &sheets {
        let stays: Vec<&str> = sheet
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Stays(css) => Some(css.as_str()),
                Part::Rule(number, css) => {
                    let rule = &rules[*number];
                    (!rule.used || chosen && rule.selector.has_class()).then_some(css.as_str())
                }
            })
            .collect();
        let (at, css) = match stays.is_empty() {
            true => (sheet.at.clone(), String::new()),
            false => (sheet.inside.clone(), stays.join("\n")),
        };
        edits.push((at, css));
    }
    edits.sort_by_key(|(at, _)| at.start);
    let mut out = String::with_capacity(html.len() * 2);
    let mut done = 0;
    for (at, text) in edits {
        out.push_str(&html[done..at.start]);
        out.push_str(&text);
        done = at.end;
    }
    out.push_str(&html[done..]);
    Ok(out)
}

/// What is wrong with a sheet.
pub fn check(css: &str) -> Result<(), Wrong> {
    read(css, &mut vec![]).map(drop)
}

/// Takes a sheet apart.
fn read(css: &str, rules: &mut Vec<Rule>) -> Result<Vec<Part>, Wrong> {
    if let Some(at) = css.find("var(") {
        return Err((at..at + 3, "mail clients know no variables of CSS: say the value".into()));
    }
    let mut parts = vec![];
    for block in blocks(css).map_err(|at| (at, "this brace has no other one".to_string()))? {
        let prelude = without_comments(block.prelude);
        let prelude = prelude.trim();
        let Some(body) = block.body else {
            parts.push(Part::Stays(format!("{prelude};")));
            continue;
        };
        if prelude.starts_with('@') {
            parts.push(Part::Stays(format!("{prelude} {{ {} }}", important(prelude, body))));
            continue;
        }
        let declared = declarations(&without_comments(body));
        for selector in prelude.split(',').map(str::trim).filter(|selector| !selector.is_empty()) {
            match Selector::read(selector) {
                Some(read) => {
                    let css = format!("{selector} {{ {} }}", written(&declared, false));
                    parts.push(Part::Rule(rules.len(), css));
                    rules.push(Rule { selector: read, declarations: declared.clone(), used: false });
                }
                None => parts.push(Part::Stays(format!("{selector} {{ {} }}", written(&declared, true)))),
            }
        }
    }
    Ok(parts)
}

/// What is in a block with an `@`, as important as it has to be to beat what is inline.
fn important(prelude: &str, body: &str) -> String {
    if !prelude.starts_with("@media") && !prelude.starts_with("@supports") {
        return body.trim().to_string();
    }
    let inner = blocks(body).unwrap_or_default();
    let rules = inner.iter().map(|block| match block.body {
        Some(inside) if block.prelude.starts_with('@') => {
            format!("{} {{ {} }}", block.prelude, important(block.prelude, inside))
        }
        Some(inside) => format!(
            "{} {{ {} }}",
            without_comments(block.prelude).trim(),
            written(&declarations(&without_comments(inside)), true)
        ),
        None => format!("{};", block.prelude),
    });
    rules.collect::<Vec<_>>().join(" ")
}

fn written(declarations: &[(String, String, bool)], important: bool) -> String {
    let one = |(property, value, is): &(String, String, bool)| {
        format!("{property}: {value}{}", if important || *is { " !important" } else { "" })
    };
    declarations.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The attributes that change, and whether a class is chosen when the mail is sent.
fn styled(html: &str, tags: &[Tag], rules: &mut [Rule]) -> (Vec<(Range<usize>, String)>, bool) {
    let (mut edits, mut open, mut chosen) = (vec![], Vec::<Seen>::new(), false);
    for tag in tags {
        let name = tag.name(html);
        if tag.closes {
            if let Some(place) = open.iter().rposition(|element| element.name == name) {
                open.truncate(place);
            }
            continue;
        }
        ended_by(&name, &mut open);
        let classes = tag.value(html, "class").unwrap_or_default();
        // Between tags of Jinja, or with one in it, a class may be there or not.
        let unsure = !classes.is_ascii()
            || tag.attributes.iter().any(|attribute| is_hidden_attribute(&html[attribute.name.clone()]));
        chosen |= unsure && !classes.is_empty();
        let classes = if unsure { "" } else { classes };
        open.push(Seen {
            id: tag.value(html, "id").map(str::to_string),
            classes: classes.split_whitespace().map(str::to_string).collect(),
            name: name.clone(),
        });
        let mut found: Vec<usize> = (0..rules.len()).filter(|rule| rules[*rule].selector.matches(&open)).collect();
        if !found.is_empty() {
            found.iter().for_each(|rule| rules[*rule].used = true);
            found.sort_by_key(|rule| rules[*rule].selector.weight());
            let of_rules = found.iter().flat_map(|rule| &rules[*rule].declarations);
            style(html, tag, &name, of_rules, &mut edits);
        }
        if tag.is_void(html) {
            open.pop();
        }
    }
    (edits, chosen)
}

/// What has no end tag ends where the next of its kind begins.
fn ended_by(name: &str, open: &mut Vec<Seen>) {
    let ends: &[&str] = match name {
        "li" => &["li"],
        "td" | "th" => &["td", "th"],
        "tr" => &["td", "th", "tr"],
        "p" | "div" | "table" | "ul" | "ol" | "h1" | "h2" | "h3" => &["p"],
        _ => return,
    };
    while open.last().is_some_and(|last| ends.contains(&last.name.as_str())) {
        open.pop();
    }
}

/// One style attribute of all that holds: rules, what was inline, what is important.
fn style<'a>(
    html: &str,
    tag: &Tag,
    name: &str,
    of_rules: impl Iterator<Item = &'a (String, String, bool)>,
    edits: &mut Vec<(Range<usize>, String)>,
) {
    let (important, plain): (Vec<_>, Vec<_>) = of_rules.partition(|(_, _, important)| *important);
    let attribute = tag.attribute(html, "style").filter(|attribute| attribute.value.is_some());
    let inline = tag.value(html, "style").unwrap_or_default().replace('"', "&quot;");
    let inline = inline.trim().trim_end_matches(';');
    let own: Vec<String> = declarations(inline).into_iter().map(|(property, ..)| property).collect();
    let plain: Vec<_> = plain.into_iter().filter(|(property, ..)| !own.contains(property)).collect();
    let mut parts = [joined(&plain), inline.to_string(), joined(&important)].to_vec();
    parts.retain(|part| !part.is_empty());
    let css = parts.join("; ");
    match attribute {
        Some(attribute) => edits.push((attribute.at.clone(), format!("style=\"{css}\""))),
        None => {
            let width = width(html, tag, name, plain.iter().chain(&important).copied());
            edits.push((tag.name.end..tag.name.end, format!("{width} style=\"{css}\"")));
        }
    }
}

/// Each property once, the last one.
fn joined(declarations: &[&(String, String, bool)]) -> String {
    let mut all: Vec<(&str, &str)> = vec![];
    for (property, value, _) in declarations {
        all.retain(|(known, _)| known != property);
        all.push((property, value));
    }
    all.iter()
        .map(|(property, value)| format!("{property}: {}", value.replace('"', "'")))
        .collect::<Vec<_>>()
        .join("; ")
}

/// Outlook reads the width of tables, cells and pictures from their attributes.
fn width<'a>(html: &str, tag: &Tag, name: &str, all: impl Iterator<Item = &'a (String, String, bool)>) -> String {
    let width =
        all.filter(|(property, ..)| property == "width").last().map(|(_, value, _)| value.trim_end_matches("px"));
    match width.filter(|_| matches!(name, "table" | "td" | "th" | "img") && tag.attribute(html, "width").is_none()) {
        Some(width) if width.trim_end_matches('%').bytes().all(|byte| byte.is_ascii_digit()) => {
            format!(" width=\"{width}\"")
        }
        _ => String::new(),
    }
}
