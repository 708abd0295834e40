//! What is said of a whole email: its subject, its preview, the ground it stands on.

use quote::quote;

use super::elements::Kind;
use super::look::Look;
use super::node::{Element, Value};
use super::out::{escaped, hidden};
use super::own::attribute;
use super::write::Writer;
use crate::class::Classes;
use crate::class::style::{Declarations, Part};
use crate::class::table::SANS;
use crate::class::theme::Theme;

impl Writer {
    pub fn head(&mut self, element: &Element, kind: &Kind) {
        if self.depth > 1 || !self.is_email {
            let why = match kind.name {
                "Subject" => "a `<Subject>` stands at the top of an email's `html!`, in no other element",
                _ => "a `<Preview>` stands at the top of an email's `html!`, beside its `<Subject>`",
            };
            return self.mistake(element.span(), why);
        }
        let into = hidden(if kind.name == "Subject" { "__subject" } else { "__preview" });
        let code = self.words(&element.children, &into, kind.name);
        self.out.aside(code);
    }

    pub fn body(&mut self, element: &Element, kind: &Kind) {
        let look = self.look(element, kind, &body_style(&self.looks.theme));
        let Look::Known(classes) = look else {
            return self.mistake(
                element.span(),
                "the class of `<Body>` cannot be chosen at run time; choose it for a `<Section>`",
            );
        };
        let (lang, dir) = (self.word(element, "lang", "en"), self.word(element, "dir", "ltr"));
        let (outer, inner) = body_attributes(&classes);
        let font = outlook(&classes);
        let rules = [classes.rules(&[Part::Box]), classes.rules(&[Part::Frame, Part::Content])];
        let rules = rules.iter().flatten().map(|(_, rules)| rules);
        let w = hidden("__w");
        self.out.call(quote! {
            #(#w.rule(#rules);)*
            #w.body(::segflow::__private::Body { lang: #lang, dir: #dir, font: #font, outer: #outer, inner: #inner });
        });
        self.nodes(&element.children, kind.holds, kind.name);
    }

    /// A font of the web, for the clients that fetch some. Outlook takes the other one.
    pub fn font(&mut self, element: &Element) {
        let said = |name: &str, otherwise: &str| match attribute(element, name).map(|attribute| &attribute.value) {
            Some(Some(Value::Literal(text))) => text.value(),
            Some(Some(Value::Expr(expr))) => quote!(#expr).to_string(),
            _ => otherwise.to_string(),
        };
        if attribute(element, "name").is_none() || attribute(element, "src").is_none() {
            // Said already.
            return;
        }
        let (name, src, weight) = (said("name", ""), said("src", ""), said("weight", "400"));
        let (style, fallback) = (said("style", "normal"), said("fallback", "Arial"));
        let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " -_".contains(c));
        let is_file = src.starts_with("https://")
            && src.ends_with(".woff2")
            && !src.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'()\\<>".contains(c));
        let wrong = [
            (
                !plain(&name) || name.is_empty() || !plain(&fallback),
                "a font has a name of letters, in quotes: `name=\"Inter\"`",
            ),
            (!is_file, "a font is a file that clients fetch: `src=\"https://….woff2\"`"),
            (!matches!(weight.parse(), Ok(1..=1000u16)), "a weight is a number: `weight=600`"),
            (style != "normal" && style != "italic", "a style is `normal` or `italic`"),
        ];
        match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, what)) => self.mistake(element.span(), *what),
            None => self.out.rule(format!(
                "@font-face{{font-family:'{name}';font-style:{style};font-weight:{weight};mso-font-alt:'{fallback}';\
                 src:url({src}) format('woff2')}}"
            )),
        }
    }

    /// An attribute that is known when it is compiled.
    fn word(&mut self, element: &Element, name: &str, otherwise: &str) -> String {
        match attribute(element, name).map(|attribute| (&attribute.name, &attribute.value)) {
            None => otherwise.to_string(),
            Some((_, Some(Value::Literal(text)))) => escaped(&text.value()),
            Some((name, _)) => {
                self.mistake(name.span(), format!("`{name}` is a word in quotes: `{name}=\"{otherwise}\"`"));
                otherwise.to_string()
            }
        }
    }
}

/// What an email looks like where nothing is said.
pub fn body_style(theme: &Theme) -> String {
    let sans = theme.fonts.get("sans").map_or(SANS, String::as_str);
    format!("background-color:#ffffff;font-family:{sans};font-size:16px;line-height:24px;color:#101828")
}

/// What Outlook on Windows has of a list of fonts: for one that it has not, it may take Times.
pub fn outlook(classes: &Classes) -> String {
    #[rustfmt::skip]
    const KNOWN: [&str; 16] = [
        "Segoe UI", "Arial", "Verdana", "Tahoma", "Trebuchet MS", "Calibri", "Georgia", "Cambria", "Times New Roman", "Courier New",
        "Consolas", "Palatino Linotype", "Times", "sans-serif", "serif", "monospace",
    ];
    let family = classes.base.get("font-family").unwrap_or(SANS);
    let known = family.split(',').map(str::trim).filter(|name| KNOWN.contains(&name.trim_matches('\'')));
    let known: Vec<&str> = known.collect();
    if known.is_empty() { "Arial,sans-serif".into() } else { known.join(",") }
}

/// The attributes of the body and of the cell in it.
pub fn body_attributes(classes: &Classes) -> (String, String) {
    let write = |parts: &[Part], before: &str| {
        let class = classes.rules(parts).map_or(String::new(), |(name, _)| format!(" class=\"{name}\""));
        let style = Declarations::read(before).and(&classes.base.of(parts)).inline();
        format!("{class} style=\"{style}\"")
    };
    let align = classes.base.get("text-align").map_or(String::new(), |align| format!(" align=\"{align}\""));
    (write(&[Part::Box], "margin:0;padding:0;width:100%"), align + &write(&[Part::Frame, Part::Content], ""))
}
