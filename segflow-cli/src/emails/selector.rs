//! Selectors as emails have them: tags, classes and ids, inside one another. One that says more matches nothing.

use super::tree::Element;

/// `.a, p.b > .c`.
#[derive(Debug, PartialEq)]
pub struct Selectors(Vec<Vec<Step>>);

/// One of the parts of `p.a .b`, and how it stands to the one before.
#[derive(Debug, Default, PartialEq)]
struct Step {
    /// It is a child of the one before, not only inside of it.
    child: bool,
    tag: Option<String>,
    classes: Vec<String>,
    id: Option<String>,
}

impl Selectors {
    pub fn read(text: &str) -> Selectors {
        Selectors(text.split(',').filter_map(steps).collect())
    }

    /// Whether the last of a path of elements, from the outermost on, is meant.
    pub fn match_last(&self, path: &[&Element]) -> bool {
        self.0.iter().any(|steps| matches(steps, path))
    }
}

fn matches(steps: &[Step], path: &[&Element]) -> bool {
    let (Some((step, before)), Some((element, around))) = (steps.split_last(), path.split_last()) else {
        return false;
    };
    if !step.is(element) {
        return false;
    }
    match (before.is_empty(), step.child) {
        (true, _) => true,
        (false, true) => matches(before, around),
        (false, false) => (1..=around.len()).any(|length| matches(before, &around[..length])),
    }
}

impl Step {
    fn is(&self, element: &Element) -> bool {
        let classes = element.attribute("class").unwrap_or_default();
        self.tag.as_ref().is_none_or(|tag| *tag == element.name)
            && self.id.as_deref().is_none_or(|id| element.attribute("id") == Some(id))
            && self.classes.iter().all(|class| classes.split_whitespace().any(|other| other == class))
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let spaced = text.replace('>', " > ");
    let (mut steps, mut child) = (vec![], false);
    for word in spaced.split_whitespace() {
        if word == ">" {
            child = true;
            continue;
        }
        steps.push(step(word, std::mem::take(&mut child))?);
    }
    (!steps.is_empty()).then_some(steps)
}

fn step(word: &str, child: bool) -> Option<Step> {
    let mut step = Step { child, ..Step::default() };
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
        let end = name.find(['.', '#']).unwrap_or(name.len());
        let (name, after) = name.split_at(end);
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
            return None;
        }
        match sign {
            '.' => step.classes.push(name.into()),
            '#' => step.id = Some(name.into()),
            _ => step.tag = Some(name.to_ascii_lowercase()),
        }
        rest = after;
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_classes_and_ids_inside_one_another() {
        let element = |name: &str, class: &str| Element {
            name: name.into(),
            attributes: [("class".to_string(), class.to_string()), ("id".into(), name.to_uppercase())].into(),
            ..Element::default()
        };
        let (body, p, b) = (element("body", "a"), element("p", "b c"), element("b", "d"));
        let path = [&body, &p, &b];
        for yes in ["b", ".d", "b.d", "#B", "*", "p b", "p > b", ".a .d", "body > p > b", ".b.c b", "x, b", "body b"] {
            assert!(Selectors::read(yes).match_last(&path), "{yes}");
        }
        for no in ["p", ".a", "b.c", "body > b", "p.x b", "b[class]", "b::before", "", ">", ".", "b p", "é{"] {
            assert!(!Selectors::read(no).match_last(&path), "{no}");
        }
    }
}
