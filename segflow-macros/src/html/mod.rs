//! `html!` and `tw!`.
//!
//! [`node`] reads the markup, [`write`] turns it into code with the components of [`own`] and [`page`], whose list is in [`elements`]. The code writes
//! HTML and plain text into two strings of a `segflow::Html`: what is known is one constant between two values, styles included.

pub mod address;
mod elements;
mod look;
mod node;
mod out;
mod own;
mod page;
mod write;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{Error, LitStr};

use crate::class::Classes;
use crate::class::style::Declarations;
use elements::Holds;
use look::Looks;
use node::Node;
use out::hidden;
use write::Writer;

pub fn expand(markup: TokenStream) -> TokenStream {
    markup_into(markup, None)
}

/// `html_into! { variable … }`.
pub fn expand_into(input: TokenStream) -> TokenStream {
    let mut input = input.into_iter();
    let into = input.next();
    markup_into(input.collect(), into)
}

/// Into a variable that is there, or as a value.
fn markup_into(markup: TokenStream, into: Option<TokenTree>) -> TokenStream {
    let span = proc_macro2::Span::call_site();
    let looks = match Looks::new() {
        Ok(looks) => looks,
        Err(why) => return failed(&[Error::new(span, why)]),
    };
    let (nodes, mistakes) = node::parse(markup);
    if nodes.is_empty() && !mistakes.is_empty() {
        return failed(&mistakes);
    }
    let is_email = has_subject(&nodes);
    let mut writer = Writer::new(looks, is_email, mistakes);
    writer.nodes(&nodes, root(&nodes, is_email), "html!");
    let tracked = writer.looks.tracked();
    let mistakes = errors(&writer.mistakes);
    let (html, text) = writer.out.sizes;
    // Values and what components write come on top.
    let (html, text) = (html + html / 4 + 64, text + text / 4 + 64);
    let default_body = page::body_style(&writer.looks.theme);
    let code = std::mem::take(&mut writer.out).finish();
    let (w, own) = (hidden("__w"), hidden("__own"));
    if let Some(into) = into {
        return quote! {{
            #tracked
            #mistakes
            let #w: &mut ::segflow::Html = #into;
            #w.room(1, #html, #text);
            #code
        }};
    }
    if !is_email {
        return quote! {{
            #tracked
            #mistakes
            let mut #own = ::segflow::Html::with_room(#html, #text);
            let #w = &mut #own;
            #code
            #own
        }};
    }
    let (subject, preview) = (hidden("__subject"), hidden("__preview"));
    let classes = Classes::plain(Declarations::read(&default_body));
    let (outer, inner) = page::body_attributes(&classes);
    let font = page::outlook(&classes);
    quote! {{
        #tracked
        #mistakes
        #[allow(unused_mut)]
        let (mut #subject, mut #preview) = (::std::string::String::new(), ::std::string::String::new());
        let mut #own = ::segflow::Html::with_room(#html, #text);
        let #w = &mut #own;
        #code
        const BODY: ::segflow::__private::Body =
            ::segflow::__private::Body { lang: "en", dir: "ltr", font: #font, outer: #outer, inner: #inner };
        ::segflow::Email::of(&#subject, &#preview, #own, BODY)
    }}
}

/// `tw!("…")`.
pub fn class(names: &LitStr) -> TokenStream {
    let mut looks = match Looks::new() {
        Ok(looks) => looks,
        Err(why) => return failed(&[Error::new(names.span(), why)]),
    };
    let mut mistakes = Vec::new();
    let classes = looks.classes(names, &mut mistakes);
    let (tracked, mistakes, value) = (looks.tracked(), errors(&mistakes), look::value(&classes));
    quote! {{ #tracked #mistakes #value }}
}

/// Whether a component of the user's may have this name.
pub fn is_taken(name: &str) -> bool {
    elements::kind(name).is_some()
}

/// An email has a subject; without one it is a piece of an email.
fn has_subject(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Element(element) => element.word().as_deref() == Some("Subject"),
        Node::If(node) => has_subject(&node.then) || node.otherwise.as_deref().is_some_and(has_subject),
        Node::Match(node) => node.arms.iter().any(|(.., nodes)| has_subject(nodes)),
        Node::For(node) => has_subject(&node.each),
        Node::Text(_) | Node::Expr(_) => false,
    })
}

/// What a piece of an email is made of, as its first element says: columns for a row, items for a list, or anything.
fn root(nodes: &[Node], is_email: bool) -> Holds {
    match first(nodes).filter(|_| !is_email).as_deref() {
        Some("Column") => Holds::Columns,
        Some("li") => Holds::Items,
        _ => Holds::Anything,
    }
}

fn first(nodes: &[Node]) -> Option<String> {
    nodes.iter().find_map(|node| match node {
        Node::Element(element) => Some(element.word().unwrap_or_default()),
        Node::If(node) => first(&node.then).or_else(|| first(node.otherwise.as_deref()?)),
        Node::Match(node) => node.arms.iter().find_map(|(.., nodes)| first(nodes)),
        Node::For(node) => first(&node.each),
        Node::Text(_) | Node::Expr(_) => None,
    })
}

fn errors(mistakes: &[Error]) -> TokenStream {
    mistakes.iter().map(Error::to_compile_error).collect()
}

/// The mistakes, and a value of whatever type is wanted: no second error comes of them.
fn failed(mistakes: &[Error]) -> TokenStream {
    let mistakes = errors(mistakes);
    quote! {{ #mistakes loop {} }}
}
