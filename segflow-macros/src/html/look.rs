//! The `class` of an element: resolved already, or a value that is known at run time.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, LitStr};

use super::elements::Kind;
use super::node::{Element, Value};
use super::out::{Out, hidden};
use crate::class::style::{Declarations, Part};
use crate::class::theme::Theme;
use crate::class::{Classes, resolve};

/// What an element looks like.
pub enum Look {
    /// With what the component looks like by itself.
    Known(Classes),
    /// The variable that has the classes, and what the component looks like by itself.
    Chosen(Ident, Declarations),
}

impl Look {
    /// What holds of a property, as far as it is known.
    pub fn get(&self, property: &str) -> Option<&str> {
        match self {
            Look::Known(classes) => classes.base.get(property),
            Look::Chosen(_, own) => own.get(property),
        }
    }

    /// The same of a table: it stays one where it is shown.
    pub fn of_table(self) -> Look {
        match self {
            Look::Known(classes) => Look::Known(classes.of_table()),
            chosen => chosen,
        }
    }

    pub fn is_plain(&self) -> bool {
        matches!(self, Look::Known(classes) if classes.base.is_empty() && classes.rules(&ALL).is_none())
    }

    /// ` class="…" style="…"` with what concerns these parts; `own` comes first, `after` last.
    pub fn write(&self, out: &mut Out, parts: &[Part], before: &str, after: &str) {
        match self {
            Look::Known(classes) => {
                if let Some((name, rules)) = classes.rules(parts) {
                    out.rule(rules);
                    out.html(&format!(" class=\"{name}\""));
                }
                let style = Declarations::read(before).and(&classes.base.of(parts)).inline();
                let all: Vec<&str> = [style.as_str(), after].into_iter().filter(|part| !part.is_empty()).collect();
                if !all.is_empty() {
                    out.html(&format!(" style=\"{}\"", all.join(";")));
                }
            }
            Look::Chosen(class, own) => {
                let w = hidden("__w");
                let own = Declarations::read(before).and(&own.of(parts)).inline();
                let parts = parts.iter().map(|part| *part as usize);
                out.call(quote! { #w.style(#own, &#class, &[#(#parts),*], &[#after]); });
            }
        }
    }

    /// ` align="…"`: what `text-center` has to become for tables to be centred in a cell.
    pub fn write_align(&self, out: &mut Out) {
        match self {
            Look::Known(classes) => {
                if let Some(align) = classes.base.get("text-align") {
                    out.html(&format!(" align=\"{align}\""));
                }
            }
            Look::Chosen(class, _) => {
                let w = hidden("__w");
                out.call(quote! { #w.align(&#class); });
            }
        }
    }
}

pub const ALL: [Part; 3] = [Part::Frame, Part::Box, Part::Content];

/// Resolves classes, and remembers that Cargo.toml was read.
pub struct Looks {
    pub theme: Theme,
    pub used: bool,
    chosen: usize,
}

impl Looks {
    pub fn new() -> Result<Looks, String> {
        Ok(Looks { theme: Theme::of_project()?, used: false, chosen: 0 })
    }

    /// The classes of an attribute's literal, or one mistake for each name.
    pub fn classes(&mut self, names: &LitStr, mistakes: &mut Vec<Error>) -> Classes {
        self.used = true;
        resolve(&names.value(), &self.theme).unwrap_or_else(|wrong| {
            mistakes.extend(wrong.into_iter().map(|what| Error::new(names.span(), what)));
            Classes::default()
        })
    }

    /// What an element of ours looks like: its own looks, under its classes.
    pub fn of(&mut self, element: &Element, kind: &Kind, own: &str, out: &mut Out, mistakes: &mut Vec<Error>) -> Look {
        let own = Declarations::read(kind.style).and(&Declarations::read(own));
        let class = element.attributes.iter().find(|attribute| attribute.name == "class");
        let Some(attribute) = class else { return Look::Known(Classes::plain(own)) };
        match &attribute.value {
            Some(Value::Literal(names)) => {
                let mut classes = self.classes(names, mistakes);
                classes.base = own.and(&classes.base);
                Look::Known(classes)
            }
            Some(Value::Expr(expr)) => {
                self.chosen += 1;
                let name = format_ident!("__class_{}", self.chosen, span = proc_macro2::Span::mixed_site());
                out.aside(quote_spanned! { expr.span()=> let #name: ::segflow::Class = #expr; });
                Look::Chosen(name, own)
            }
            None => {
                mistakes.push(Error::new(attribute.name.span(), "`class` needs names: `class=\"p-4\"`"));
                Look::Known(Classes::plain(own))
            }
        }
    }

    /// Has the crate built again when its theme changes.
    pub fn tracked(&self) -> TokenStream {
        match self.used {
            true => quote! {
                const _: &[u8] = ::core::include_bytes!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
            },
            false => TokenStream::new(),
        }
    }
}

/// `tw!("…")`, and a literal `class` of a component of the user's.
pub fn value(classes: &Classes) -> TokenStream {
    let parts = classes.parts().map(|(style, name, rules)| {
        quote! { ::segflow::__private::ClassPart { style: #style, name: #name, rules: #rules } }
    });
    let align = classes.base.get("text-align").unwrap_or_default();
    let padding = padding(|side| classes.base.get(side)).unwrap_or_default();
    quote! { ::segflow::Class { parts: [#(#parts),*], align: #align, padding: #padding } }.to_token_stream()
}

/// All four, as Outlook wants them said of a cell.
pub fn padding<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let sides = ["padding-top", "padding-right", "padding-bottom", "padding-left"].map(get);
    sides.iter().any(Option::is_some).then(|| sides.map(|side| side.unwrap_or("0")).join(" "))
}
