//! What each component of ours becomes. Tables where Outlook needs them, everything else as plain as it gets.

use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Lit};

use super::address;
use super::elements::{Kind, LINK};
use super::look::{ALL, Look, padding};
use super::node::{Attribute, Element, Value};
use super::out::{escaped, hidden, readable};
use super::write::Writer;
use crate::class::Classes;
use crate::class::style::{Declarations, Part};
use crate::class::table::MONO;

const TABLE: &str = "<table role=\"presentation\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\"";
const CELL: &str = "><tbody><tr><td";
const END: &str = "</td></tr></tbody></table>";
const INSIDE: [Part; 2] = [Part::Box, Part::Content];

pub fn attribute<'a>(element: &'a Element, name: &str) -> Option<&'a Attribute> {
    element.attributes.iter().find(|attribute| attribute.name == name)
}

impl Writer {
    pub fn own(&mut self, element: &Element, kind: &'static Kind) {
        match kind.name {
            "Subject" | "Preview" => self.head(element, kind),
            "Font" => self.font(element),
            "Body" => self.body(element, kind),
            "Container" => self.container(element, kind),
            "Section" => self.section(element, kind),
            "Row" => self.row(element, kind),
            "Column" => self.column(element, kind),
            "Heading" => self.heading(element, kind),
            "Text" => self.tagged("p", element, kind, "", "\u{1}"),
            "Button" => self.button(element, kind),
            "Link" => self.link(element, kind, None),
            "Unsubscribe" => self.link(element, kind, Some("segflow:unsubscribe")),
            "Preferences" => self.link(element, kind, Some("segflow:preferences")),
            "OpenInBrowser" => self.link(element, kind, Some("segflow:browser")),
            "Img" => self.img(element, kind),
            "Hr" => {
                let look = self.look(element, kind, "");
                self.out.both("<hr", "\u{1}---\u{1}");
                look.write(&mut self.out, &ALL, "", "");
                self.out.html(">");
            }
            "Markdown" => self.markdown(element, kind),
            "CodeBlock" => self.code(element, kind),
            "Raw" => self.raw(element),
            "br" => self.out.both("<br>", "\u{2}"),
            "ul" => self.list(element, kind, "\u{6}"),
            "ol" => self.list(element, kind, "\u{7}"),
            "li" => {
                let look = self.look(element, kind, "");
                self.out.both("<li", "\u{8}");
                look.write(&mut self.out, &ALL, "", "");
                self.out.html(">");
                self.nodes(&element.children, kind.holds, kind.name);
                self.out.html("</li>");
            }
            inline => self.tagged(inline, element, kind, "", ""),
        }
    }

    pub fn look(&mut self, element: &Element, kind: &Kind, own: &str) -> Look {
        self.looks.of(element, kind, own, &mut self.out, &mut self.mistakes)
    }

    /// One tag around the children; `mark` begins and ends it in the text.
    fn tagged(&mut self, tag: &str, element: &Element, kind: &Kind, own: &str, mark: &str) {
        let look = self.look(element, kind, own);
        self.out.both(&format!("<{tag}"), mark);
        if !look.is_plain() {
            look.write(&mut self.out, &ALL, "", "");
        }
        self.out.html(">");
        self.nodes(&element.children, kind.holds, kind.name);
        self.out.both(&format!("</{tag}>"), mark);
    }

    fn container(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "").of_table();
        // Outlook knows no `max-width`: it gets a table of that width around.
        let width = look.get("max-width").and_then(|width| width.strip_suffix("px")).unwrap_or("600").to_string();
        self.out.both(
            &format!(
                "<!--[if mso]><table role=\"presentation\" align=\"center\" width=\"{width}\" border=\"0\" cellpadding=\"0\" \
                 cellspacing=\"0\"><tr><td><![endif]-->{TABLE} align=\"center\" width=\"100%\""
            ),
            "\u{1}",
        );
        look.write(&mut self.out, &[Part::Frame], "", "");
        self.cell(element, kind, &look);
        self.out.both(&format!("{END}<!--[if mso]></td></tr></table><![endif]-->"), "\u{1}");
    }

    fn section(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "").of_table();
        let align = if look.get("margin-left") == Some("auto") { " align=\"center\"" } else { "" };
        let width = look.get("width").map(|width| width.trim_end_matches("px")).filter(|width| is_number(width));
        self.out.both(&format!("{TABLE}{align} width=\"{}\"", width.unwrap_or("100%")), "\u{1}");
        look.write(&mut self.out, &[Part::Frame], "", "");
        self.cell(element, kind, &look);
        self.out.both(END, "\u{1}");
    }

    /// The rest of a table with one cell, up to its end.
    fn cell(&mut self, element: &Element, kind: &Kind, look: &Look) {
        self.out.html(CELL);
        look.write_align(&mut self.out);
        look.write(&mut self.out, &INSIDE, "", "");
        self.out.html(">");
        self.nodes(&element.children, kind.holds, kind.name);
    }

    fn row(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "").of_table();
        self.out.both(&format!("{TABLE} width=\"100%\""), "\u{c}");
        look.write(&mut self.out, &ALL, "", "");
        self.out.html("><tbody><tr>");
        self.nodes(&element.children, kind.holds, kind.name);
        self.out.both("</tr></tbody></table>", "\u{f}");
    }

    fn column(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "");
        self.out.both("<td", "\u{e}");
        self.width(element, &look);
        look.write_align(&mut self.out);
        let valign = look.get("vertical-align").unwrap_or("top").to_string();
        self.out.html(&format!(" valign=\"{valign}\""));
        look.write(&mut self.out, &ALL, "vertical-align:top", "");
        self.out.html(">");
        self.nodes(&element.children, kind.holds, kind.name);
        self.out.html("</td>");
    }

    fn heading(&mut self, element: &Element, kind: &Kind) {
        let level: usize = match attribute(element, "level").map(|level| (&level.name, &level.value)) {
            None => 1,
            Some((_, Some(Value::Expr(Expr::Lit(literal))))) if matches!(&literal.lit, Lit::Int(n) if matches!(n.base10_parse(), Ok(1..=6usize))) => {
                match &literal.lit {
                    Lit::Int(number) => number.base10_parse().unwrap_or(1),
                    _ => 1,
                }
            }
            Some((name, _)) => return self.mistake(name.span(), "a heading has a level from 1 to 6, `level=2`"),
        };
        let size = [(28, 36), (24, 32), (20, 28), (18, 28), (16, 24), (14, 20)][level - 1];
        let own = format!("font-size:{}px;line-height:{}px", size.0, size.1);
        self.tagged(&format!("h{level}"), element, kind, &own, "\u{1}");
    }

    /// A cell with the colour, and in it a link with the padding: Outlook gives links none, so the cell says it for Outlook alone.
    fn button(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "").of_table();
        let full = look.get("width").is_some();
        self.out.both(TABLE, "\u{1}");
        look.write(
            &mut self.out,
            &[Part::Frame],
            if full { "" } else { "display:inline-table" },
            "border-collapse:separate",
        );
        self.out.html(&format!("{CELL} align=\"center\""));
        match &look {
            Look::Known(_) => {
                let padding = padding(|side| look.get(side))
                    .map_or(String::new(), |padding| format!("mso-padding-alt:{padding}"));
                look.write(&mut self.out, &[Part::Box], "", &padding);
            }
            Look::Chosen(class, _) => {
                let w = hidden("__w");
                let part = Part::Box as usize;
                self.out.call(quote! { #w.style("", &#class, &[#part], &["mso-padding-alt:", #class.padding]); });
            }
        }
        self.out.html(">");
        let display = if full { "display:block" } else { "display:inline-block" };
        self.anchor(element, kind, &look, &[Part::Content], (display, "mso-padding-alt:0"), None);
        self.out.both(END, "\u{1}");
    }

    fn link(&mut self, element: &Element, kind: &Kind, to: Option<&str>) {
        let look = self.look(element, kind, "");
        self.anchor(element, kind, &look, &ALL, ("", ""), to);
    }

    fn anchor(
        &mut self,
        element: &Element,
        kind: &Kind,
        look: &Look,
        parts: &[Part],
        own: (&str, &str),
        to: Option<&str>,
    ) {
        let w = hidden("__w");
        let mut text = None;
        let href = attribute(element, "href").and_then(|href| Some((&href.name, href.value.as_ref()?)));
        match (to, href) {
            (Some(to), _) => {
                self.out.both(&format!("<a href=\"{to}\""), "\u{3}");
                text = Some(to.to_string());
            }
            (None, Some((_, Value::Literal(literal)))) => {
                let value = literal.value();
                if let Some(mistake) = address::mistake("href", &value) {
                    self.mistake(literal.span(), mistake);
                }
                self.out.both(&format!("<a href=\"{}\"", escaped(&value)), "\u{3}");
                text = Some(value);
            }
            (None, Some((_, Value::Expr(expr)))) => {
                let name = self.variable(expr);
                self.out.both("<a href=\"", "\u{3}");
                self.out.call(quote_spanned! { expr.span()=> #w.href(#name); });
                self.out.html("\"");
                self.rest_of_anchor(element, kind, look, parts, own);
                self.out.both("</a>", "\u{4}");
                self.out.call(quote! { #w.href_text(#name); });
                return self.out.text("\u{5}");
            }
            // A missing one is a mistake that was noted before.
            (None, None) => self.out.both("<a", "\u{3}"),
        }
        self.rest_of_anchor(element, kind, look, parts, own);
        self.out.both("</a>", &format!("\u{4}{}\u{5}", readable(&text.unwrap_or_default())));
    }

    fn rest_of_anchor(&mut self, element: &Element, kind: &Kind, look: &Look, parts: &[Part], own: (&str, &str)) {
        self.out.html(" target=\"_blank\"");
        look.write(&mut self.out, parts, own.0, own.1);
        self.out.html(">");
        let around = self.link.replace(kind.name);
        self.nodes(&element.children, kind.holds, kind.name);
        self.link = around;
    }

    fn img(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "");
        let w = hidden("__w");
        let mark = if self.in_line { "" } else { "\u{1}" };
        self.out.both("<img src=\"", mark);
        match attribute(element, "src").and_then(|src| src.value.as_ref()) {
            Some(Value::Literal(literal)) => {
                let value = literal.value();
                if let Some(mistake) = address::mistake("src", &value) {
                    self.mistake(literal.span(), mistake);
                }
                self.out.html(&escaped(&value));
            }
            Some(Value::Expr(expr)) => self.out.call(quote_spanned! { expr.span()=> #w.src(&(#expr)); }),
            None => {}
        }
        self.out.html("\" alt=\"");
        match attribute(element, "alt").map(|alt| (&alt.name, alt.value.as_ref())) {
            Some((_, Some(Value::Literal(text)))) => self.out.both(&escaped(&text.value()), &readable(&text.value())),
            Some((_, Some(Value::Expr(expr)))) => {
                let name = self.variable(expr);
                self.out.call(quote_spanned! { expr.span()=> #w.attribute(#name); #w.href_text(#name); });
            }
            Some((name, None)) => {
                self.mistake(name.span(), "`alt` needs a text: `alt=\"\"` if the picture says nothing")
            }
            None => {}
        }
        self.out.html("\"");
        self.width(element, &look);
        if let Some(height) = attribute(element, "height") {
            self.size("height", height);
        }
        let own = if look.get("height").is_some() { "" } else { "height:auto" };
        look.write(&mut self.out, &ALL, own, "");
        self.out.both(">", mark);
    }

    /// `width="…"`, as it is said or as the class says: Outlook reads the attribute alone.
    fn width(&mut self, element: &Element, look: &Look) {
        let known = look.get("width").map(|width| width.trim_end_matches("px"));
        match (attribute(element, "width"), known) {
            (Some(width), _) => self.size("width", width),
            (None, Some(width)) if is_number(width) => self.out.html(&format!(" width=\"{width}\"")),
            _ => {}
        }
    }

    /// A width or height in px, or a literal in per cent.
    fn size(&mut self, name: &str, attribute: &Attribute) {
        let w = hidden("__w");
        match &attribute.value {
            Some(Value::Literal(text)) => {
                let value = text.value();
                if !value.trim_end_matches('%').bytes().all(|b| b.is_ascii_digit()) || value.is_empty() {
                    self.mistake(
                        text.span(),
                        format!("`{name}` is a number of px, or per cent: `{name}=600`, `{name}=\"50%\"`"),
                    );
                }
                self.out.html(&format!(" {name}=\"{}\"", escaped(&value)));
            }
            Some(Value::Expr(expr)) => {
                self.out.html(&format!(" {name}=\""));
                self.out.call(quote_spanned! { expr.span()=> #w.number(#expr); });
                self.out.html("\"");
            }
            None => self.mistake(attribute.name.span(), format!("`{name}` needs a number: `{name}=600`")),
        }
    }

    fn list(&mut self, element: &Element, kind: &Kind, mark: &str) {
        let look = self.look(element, kind, "");
        self.out.both(&format!("<{}", kind.name), mark);
        look.write(&mut self.out, &ALL, "", "");
        self.out.html(">");
        self.nodes(&element.children, kind.holds, kind.name);
        self.out.both(&format!("</{}>", kind.name), "\u{b}");
    }

    fn markdown(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "");
        self.out.html("<div");
        look.write(&mut self.out, &ALL, "", "");
        self.out.html(">");
        // What links look like: `<Link>`s, unless it is said.
        let own = Classes::plain(Declarations::read(LINK));
        let links = match attribute(element, "links").map(|links| (&links.name, &links.value)) {
            Some((_, Some(Value::Literal(names)))) => {
                let mut classes = self.looks.classes(names, &mut self.mistakes);
                classes.base = own.base.and(&classes.base);
                classes
            }
            Some((name, _)) => {
                return self.mistake(name.span(), "`links` are classes in quotes: `links=\"text-brand\"`");
            }
            None => own,
        };
        let rules = links.rules(&ALL);
        rules.iter().for_each(|(_, rules)| self.out.rule(rules.clone()));
        let class = rules.map_or(String::new(), |(name, _)| format!(" class=\"{name}\""));
        self.collected(element, kind, "markdown", Some(format!("{class} style=\"{}\"", links.base.inline())));
        self.out.html("</div>");
    }

    fn code(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, "").of_table();
        self.out.html(&format!("{TABLE} width=\"100%\""));
        look.write(&mut self.out, &[Part::Frame], "", "");
        self.out.html(CELL);
        look.write(&mut self.out, &INSIDE, "", &format!("font-family:{MONO};word-break:break-word"));
        self.out.html("><code>");
        self.collected(element, kind, "code", None);
        self.out.html(&format!("</code>{END}"));
    }

    /// The words of the element as one string, handed to a method, with what else it needs.
    fn collected(&mut self, element: &Element, kind: &Kind, method: &str, with: Option<String>) {
        let (w, words, method) = (hidden("__w"), hidden("__words"), quote::format_ident!("{method}"));
        let with = with.into_iter();
        let code = self.words(&element.children, &words, kind.name);
        self.out.call(quote! {{
            let mut #words = ::std::string::String::new();
            #code
            #w.#method(#words #(, #with)*);
        }});
    }

    fn raw(&mut self, element: &Element) {
        let w = hidden("__w");
        let given = |name: &str| match attribute(element, name).and_then(|a| a.value.as_ref()) {
            Some(Value::Literal(text)) => quote! { #text },
            Some(Value::Expr(expr)) => quote! { #expr },
            None => quote! { "" },
        };
        let (html, text) = (given("html"), given("text"));
        self.out.call(quote! { #w.add(::segflow::Html::raw(#html, #text)); });
    }
}

/// What an attribute takes: px without their unit, or per cent.
fn is_number(width: &str) -> bool {
    width.trim_end_matches('%').bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
