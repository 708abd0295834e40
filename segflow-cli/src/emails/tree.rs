//! An email's HTML as a tree: what is said of an element holds for all that is in it.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, Token, Tokenizer};

/// What has no end tag.
const VOID: [&str; 8] = ["area", "br", "col", "hr", "img", "input", "link", "meta"];

#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub children: Vec<Node>,
}

#[derive(Debug)]
pub enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// All of a document, in an element without a name. What is never closed ends where its parent does.
    pub fn document(html: &str) -> Element {
        let mut open = vec![Element::default()];
        // So that what is in a `<style>` is taken as it stands.
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => {
                    let attributes = tag.attributes.iter().map(|(name, value)| (utf8(name), utf8(&value.value)));
                    let element = Element { name: utf8(&tag.name), attributes: attributes.collect(), children: vec![] };
                    if tag.self_closing || VOID.contains(&element.name.as_str()) {
                        add(&mut open, Node::Element(element));
                    } else {
                        open.push(element);
                    }
                }
                Token::EndTag(tag) => {
                    let name = utf8(&tag.name);
                    if let Some(place) = open.iter().skip(1).rposition(|element| element.name == name) {
                        close(&mut open, place + 1);
                    }
                }
                Token::String(text) => add(&mut open, Node::Text(utf8(&text.value))),
                Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
            }
        }
        close(&mut open, 1);
        open.remove(0)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The words in it, and in all that is in it.
    pub fn text(&self) -> String {
        let parts = self.children.iter().map(|child| match child {
            Node::Element(element) => element.text(),
            Node::Text(text) => text.clone(),
        });
        parts.collect()
    }

    /// Every element in it, however deep.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Element)) {
        for element in self.elements() {
            visit(element);
            element.each(visit);
        }
    }
}

/// Deeper than any mail: what nests further is put beside, so that walking it needs no more stack than this.
const DEEPEST: usize = 400;

fn add(open: &mut [Element], node: Node) {
    open.last_mut().expect("the document stays open").children.push(node);
}

/// Closes all but the first `left`.
fn close(open: &mut Vec<Element>, left: usize) {
    while open.len() > left {
        let element = open.pop().expect("there are more than none");
        // Those in the depth lie side by side.
        let parent = open.len().min(DEEPEST) - 1;
        open[parent].children.push(Node::Element(element));
    }
}

fn utf8(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_what() {
        let document = Element::document(
            "<!doctype html><p class=a>x &amp; <b>y</b><br>z</p></i><style>p > b {}</style><td>1<td>2",
        );
        let mut names = vec![];
        document.each(&mut |element| names.push((element.name.clone(), element.text())));
        let names: Vec<(&str, &str)> = names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(names, [("p", "x & yz"), ("b", "y"), ("br", ""), ("style", "p > b {}"), ("td", "12"), ("td", "2")]);
        assert_eq!(document.elements().next().and_then(|p| p.attribute("class")), Some("a"));
    }

    #[test]
    fn what_is_nested_without_end_is_walked_all_the_same() {
        let document = Element::document(&"<div>".repeat(100_000));
        let mut count = 0;
        document.each(&mut |_| count += 1);
        assert_eq!(count, 100_000);
    }
}
