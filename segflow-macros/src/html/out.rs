//! The code that `html!` becomes: constants as long as possible, and calls between them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// Names that no expression of the user's can see.
pub fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// HTML and text that wait to be written in one call, and the calls before them.
#[derive(Default)]
pub struct Out {
    html: String,
    text: String,
    code: TokenStream,
    /// There is something before: HTML, text, or a call that may write some.
    begun: bool,
    /// A component that comes first, and what is before it.
    first: TokenStream,
    /// What the head needs for it.
    pub rules: Vec<String>,
    /// How many bytes of constants there are, to ask for room once.
    pub sizes: (usize, usize),
}

impl Out {
    pub fn html(&mut self, html: &str) {
        self.html.push_str(html);
        self.sizes.0 += html.len();
    }

    pub fn text(&mut self, text: &str) {
        self.text.push_str(text);
        self.sizes.1 += text.len();
    }

    pub fn both(&mut self, html: &str, text: &str) {
        self.html(html);
        self.text(text);
    }

    /// For the `<style>` in the head. It is said once, before everything else here but a component that comes first: so constants are not
    /// cut in two for it.
    pub fn rule(&mut self, rule: String) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// Something that happens at run time, after what was written so far.
    pub fn call(&mut self, code: TokenStream) {
        self.aside(code);
        self.begun = true;
    }

    /// The same, of what writes nothing here.
    pub fn aside(&mut self, code: TokenStream) {
        self.flush();
        self.code.extend(code);
    }

    /// A component of the user's, whose rules come before ours if it comes first.
    pub fn component(&mut self, code: TokenStream) {
        self.aside(code);
        if !self.begun {
            self.first = std::mem::take(&mut self.code);
        }
        self.begun = true;
    }

    pub fn finish(mut self) -> TokenStream {
        self.flush();
        let (w, rules, first, code) = (hidden("__w"), &self.rules, &self.first, &self.code);
        match rules.is_empty() {
            true => quote! { #first #code },
            false => quote! { #first #w.rules(&[#(#rules),*]); #code },
        }
    }

    fn flush(&mut self) {
        let w = hidden("__w");
        let (html, text) = (std::mem::take(&mut self.html), folded(std::mem::take(&mut self.text)));
        self.begun |= !html.is_empty() || !text.is_empty();
        self.code.extend(match (html.is_empty(), text.is_empty()) {
            (true, true) => return,
            (false, true) => quote! { #w.push_html(#html); },
            (true, false) => quote! { #w.push_text(#text); },
            (false, false) => quote! { #w.push(#html, #text); },
        });
    }
}

/// Without marks that say nothing: a paragraph ends where the next one, a column or the end of its row begins one; and a column begins a
/// paragraph.
fn folded(mut text: String) -> String {
    for (marks, same) in
        [("\u{1}\u{1}", "\u{1}"), ("\u{1}\u{e}", "\u{e}"), ("\u{e}\u{1}", "\u{e}"), ("\u{1}\u{f}", "\u{f}")]
    {
        while text.contains(marks) {
            text = text.replace(marks, same);
        }
    }
    text
}

/// A literal as HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

/// A literal as plain text: control characters are marks there.
pub fn readable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
