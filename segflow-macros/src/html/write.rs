//! From the markup to the code that writes it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, LitStr};

use super::elements::{EVERYWHERE, Holds, Kind, LINKS, WITHOUT_LOOKS, kind, unknown};
use super::look::Looks;
use super::node::{Attribute, Element, For, If, Match, Node, Value, written};
use super::out::{Out, escaped, hidden, readable};
use crate::nearest::nearest;

pub struct Writer {
    pub looks: Looks,
    pub out: Out,
    pub mistakes: Vec<Error>,
    /// How many elements are open.
    pub depth: usize,
    /// The `<Subject>` and `<Preview>` have a variable to go to.
    pub is_email: bool,
    /// The element that is being written stands in a line of words.
    pub in_line: bool,
    /// The link that is open.
    pub link: Option<&'static str>,
    hrefs: usize,
}

impl Writer {
    pub fn new(looks: Looks, is_email: bool, mistakes: Vec<Error>) -> Writer {
        Writer { looks, out: Out::default(), mistakes, depth: 0, is_email, in_line: false, link: None, hrefs: 0 }
    }

    pub fn mistake(&mut self, span: proc_macro2::Span, what: impl Into<String>) {
        self.mistakes.push(Error::new(span, what.into()));
    }

    /// `parent` is who holds them, for messages.
    pub fn nodes(&mut self, nodes: &[Node], holds: Holds, parent: &str) {
        for node in nodes {
            match node {
                Node::Text(text) => self.text(text, holds, parent),
                Node::Expr(expr) => self.shown(expr, holds, parent),
                Node::Element(element) => self.element(element, holds, parent),
                Node::If(node) => {
                    let code = self.condition(node, |writer, nodes| writer.block(nodes, holds, parent));
                    self.out.call(code);
                }
                Node::Match(node) => {
                    let code = self.choice(node, |writer, nodes| writer.block(nodes, holds, parent));
                    self.out.call(code);
                }
                Node::For(node) => {
                    let code = self.roomy(node, |writer, nodes| writer.turn(nodes, holds, parent));
                    self.out.call(code);
                }
            }
        }
    }

    fn block(&mut self, nodes: &[Node], holds: Holds, parent: &str) -> TokenStream {
        let outer = std::mem::take(&mut self.out);
        self.nodes(nodes, holds, parent);
        let inner = std::mem::replace(&mut self.out, outer);
        self.out.sizes.0 += inner.sizes.0;
        self.out.sizes.1 += inner.sizes.1;
        inner.finish()
    }

    /// The same for a turn of a loop: what the head needs is said before the loop.
    fn turn(&mut self, nodes: &[Node], holds: Holds, parent: &str) -> TokenStream {
        let outer = std::mem::take(&mut self.out);
        self.nodes(nodes, holds, parent);
        let mut inner = std::mem::replace(&mut self.out, outer);
        self.out.sizes.0 += inner.sizes.0;
        self.out.sizes.1 += inner.sizes.1;
        std::mem::take(&mut inner.rules).into_iter().for_each(|rule| self.out.rule(rule));
        inner.finish()
    }

    fn condition(&mut self, node: &If, mut write: impl FnMut(&mut Writer, &[Node]) -> TokenStream) -> TokenStream {
        let (condition, then) = (&node.condition, write(self, &node.then));
        let otherwise = node.otherwise.as_ref().map(|nodes| {
            let code = write(self, nodes);
            quote! { else { #code } }
        });
        quote! { if #condition { #then } #otherwise }
    }

    fn choice(&mut self, node: &Match, mut write: impl FnMut(&mut Writer, &[Node]) -> TokenStream) -> TokenStream {
        let on = &node.on;
        let arm = |(pattern, guard, nodes): &(syn::Pat, Option<Expr>, Vec<Node>)| {
            let guard = guard.as_ref().map(|guard| quote! { if #guard });
            let code = write(self, nodes);
            quote! { #pattern #guard => { #code } }
        };
        let arms: Vec<TokenStream> = node.arms.iter().map(arm).collect();
        quote! { match #on { #(#arms)* } }
    }

    fn repetition(&mut self, node: &For, mut write: impl FnMut(&mut Writer, &[Node]) -> TokenStream) -> TokenStream {
        let (pattern, over, each) = (&node.pattern, &node.over, write(self, &node.each));
        quote! { for #pattern in #over { #each } }
    }

    /// A loop asks once for room for all that it will write.
    fn roomy(&mut self, node: &For, mut write: impl FnMut(&mut Writer, &[Node]) -> TokenStream) -> TokenStream {
        let (before, w, turns) = (self.out.sizes, hidden("__w"), hidden("__turns"));
        let (pattern, over, each) = (&node.pattern, &node.over, write(self, &node.each));
        let (html, text) = (self.out.sizes.0 - before.0, self.out.sizes.1 - before.1);
        let turned = quote_spanned! { over.span()=> ::core::iter::IntoIterator::into_iter(#over) };
        quote! {
            match #turned {
                #turns => {
                    #w.room(::core::iter::Iterator::size_hint(&#turns).0, #html, #text);
                    for #pattern in #turns { #each }
                }
            }
        }
    }

    fn text(&mut self, text: &LitStr, holds: Holds, parent: &str) {
        if matches!(holds, Holds::Nothing | Holds::Columns | Holds::Items) {
            return self.mistake(text.span(), misplaced("text", holds, parent));
        }
        let value = text.value();
        self.out.both(&escaped(&value), &readable(&value));
    }

    fn shown(&mut self, expr: &Expr, holds: Holds, parent: &str) {
        if holds == Holds::Nothing {
            return self.mistake(expr.span(), misplaced("`{…}`", holds, parent));
        }
        let w = hidden("__w");
        self.out.call(quote_spanned! { expr.span()=> ::segflow::Show::show(&(#expr), #w); });
    }

    fn element(&mut self, element: &Element, holds: Holds, parent: &str) {
        let word = element.word();
        let Some(kind) = word.as_deref().and_then(kind) else {
            return match word {
                Some(tag) if tag.starts_with(|c: char| c.is_lowercase()) => self.mistake(element.span(), unknown(&tag)),
                _ => self.component(element),
            };
        };
        let fits = match holds {
            Holds::Anything => true,
            Holds::Inline => kind.inline,
            Holds::Columns => kind.name == "Column",
            Holds::Items => kind.name == "li",
            Holds::Words | Holds::Nothing => false,
        };
        if !fits {
            self.mistake(element.span(), misplaced(&format!("`<{}>`", kind.name), holds, parent));
        } else if kind.name == "Column" && holds != Holds::Columns {
            self.mistake(element.span(), "a `<Column>` stands in a `<Row>`");
        } else if kind.name == "li" && holds != Holds::Items {
            self.mistake(element.span(), "a `<li>` stands in a `<ul>` or `<ol>`");
        }
        if let Some(open) = self.link.filter(|_| LINKS.contains(&kind.name)) {
            self.mistake(element.span(), format!("a link has no other in it, and `<{open}>` is open here"));
        }
        self.check_attributes(element, kind);
        let html_only = element.attributes.iter().any(|attribute| attribute.name == "html_only");
        let (w, start) = (hidden("__w"), hidden("__text"));
        if html_only {
            self.out.call(quote! { let #start = #w.text_len(); });
        }
        self.depth += 1;
        self.in_line = holds == Holds::Inline;
        match html_only {
            // The classes that are chosen inside are variables: they and the mark are gone afterwards.
            true => {
                let outer = std::mem::take(&mut self.out);
                self.own(element, kind);
                let inner = std::mem::replace(&mut self.out, outer);
                self.out.sizes.0 += inner.sizes.0;
                let code = inner.finish();
                self.out.call(quote! { { #code } #w.cut_text(#start); });
            }
            false => self.own(element, kind),
        }
        self.depth -= 1;
    }

    fn check_attributes(&mut self, element: &Element, kind: &Kind) {
        for attribute in &element.attributes {
            let name = attribute.name.to_string();
            let takes = || kind.attributes.iter().chain(&EVERYWHERE).copied();
            if name == "class" && WITHOUT_LOOKS.contains(&kind.name) {
                let what = match kind.name {
                    "Raw" => "; put it into a `<Section class=\"…\">`",
                    _ => "",
                };
                self.mistake(
                    attribute.name.span(),
                    format!("`<{}>` has no looks and takes no `class`{what}", kind.name),
                );
            } else if !takes().any(|known| known == name) {
                let hint = match name.as_str() {
                    "style" => "; looks are said by `class`".to_string(),
                    _ => nearest(&name, takes()).map_or(String::new(), |near| format!("; did you mean `{near}`?")),
                };
                self.mistake(attribute.name.span(), format!("`<{}>` has no `{name}`{hint}", kind.name));
            }
        }
        for (name, what) in kind.required {
            if !element.attributes.iter().any(|attribute| attribute.name == name) {
                self.mistake(element.span(), format!("`<{}>` needs `{name}`: {what}", kind.name));
            }
        }
        if kind.holds == Holds::Nothing && !element.children.is_empty() {
            self.mistake(element.span(), format!("nothing stands in `<{0}>`: write `<{0}/>`", kind.name));
        }
    }

    /// A component of the user's: its props are methods, so that what is wrong is said where it stands.
    fn component(&mut self, element: &Element) {
        let (w, path) = (hidden("__w"), &element.name);
        let mut props = TokenStream::new();
        for Attribute { name, value } in &element.attributes {
            let value = match value {
                Some(Value::Literal(names)) if name == "class" => {
                    let classes = self.looks.classes(names, &mut self.mistakes);
                    super::look::value(&classes)
                }
                Some(Value::Literal(text)) => quote! { #text },
                Some(Value::Expr(expr)) => quote! { #expr },
                None => quote! { true },
            };
            props.extend(quote_spanned! { name.span()=> .#name(#value) });
        }
        if !element.children.is_empty() {
            self.depth += 1;
            let code = self.block(&element.children, Holds::Anything, &written(path));
            self.depth -= 1;
            let own = hidden("__own");
            props.extend(match leaves(code.clone()) {
                false => quote_spanned! { path.span()=> .children(::segflow::__private::later(
                    &mut ::core::option::Option::Some(|#w: &mut ::segflow::Html| { #code })
                )) },
                true => quote_spanned! { path.span()=> .children({
                    let mut #own = ::segflow::Html::with_room(0, 0);
                    let #w = &mut #own;
                    #code
                    #own
                }) },
            });
        }
        // The names of ours are in scope for the compiler to suggest.
        self.out.component(quote_spanned! { path.span()=> #w.part({
            #[allow(unused_imports)]
            use ::segflow::__private::elements::*;
            #path::props()
        } #props .render()); });
    }

    /// A text without markup, written into the string `into`.
    pub fn words(&mut self, nodes: &[Node], into: &Ident, parent: &str) -> TokenStream {
        let mut code = TokenStream::new();
        for node in nodes {
            code.extend(match node {
                Node::Text(text) => {
                    let text = readable(&text.value());
                    quote! { #into.push_str(#text); }
                }
                Node::Expr(expr) => quote_spanned! { expr.span()=> ::segflow::Show::text(&(#expr), &mut #into); },
                Node::If(node) => self.condition(node, |writer, nodes| writer.words(nodes, into, parent)),
                Node::Match(node) => self.choice(node, |writer, nodes| writer.words(nodes, into, parent)),
                Node::For(node) => self.repetition(node, |writer, nodes| writer.words(nodes, into, parent)),
                Node::Element(element) => {
                    self.mistake(
                        element.span(),
                        misplaced(&format!("`<{}>`", written(&element.name)), Holds::Words, parent),
                    );
                    continue;
                }
            });
        }
        code
    }

    /// A variable for a value that is used twice.
    pub fn variable(&mut self, expr: &Expr) -> Ident {
        self.hrefs += 1;
        let span = proc_macro2::Span::mixed_site().located_at(expr.span());
        let name = quote::format_ident!("__value_{}", self.hrefs, span = span);
        self.out.call(quote_spanned! { expr.span()=> let #name = &(#expr); });
        name
    }
}

/// Whether something in it may go elsewhere, which it could not from within a closure.
pub fn leaves(code: TokenStream) -> bool {
    code.into_iter().any(|token| match token {
        TokenTree::Ident(word) => ["return", "break", "continue", "await"].iter().any(|leaving| word == leaving),
        TokenTree::Punct(sign) => sign.as_char() == '?',
        TokenTree::Group(group) => leaves(group.stream()),
        TokenTree::Literal(_) => false,
    })
}

fn misplaced(what: &str, holds: Holds, parent: &str) -> String {
    match holds {
        Holds::Nothing => format!("nothing stands in `<{parent}>`"),
        Holds::Words => format!("in `<{parent}>` stand words and `{{…}}`, and no {what}"),
        Holds::Inline => format!("in `<{parent}>` stand words, links and pictures; {what} stands beside it"),
        Holds::Columns if parent == "html!" => {
            format!("beside a `<Column>` stand others; put the {} in one", what.trim_matches('`'))
        }
        Holds::Items if parent == "html!" => {
            format!("beside a `<li>` stand others; put the {} in one", what.trim_matches('`'))
        }
        Holds::Columns => format!("in `<Row>` stand `<Column>`s; put the {} in one", what.trim_matches('`')),
        Holds::Items => format!("in `<{parent}>` stand `<li>`s; put the {} in one", what.trim_matches('`')),
        Holds::Anything => format!("{what} cannot stand here"),
    }
}
