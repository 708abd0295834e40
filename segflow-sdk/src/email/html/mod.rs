//! What `html!` writes: HTML and plain text side by side, straight into two strings. There is no tree.
//!
//! Static markup and its styles are constants that the macro made; what is interpolated goes through [`Show`], which escapes it. The
//! text carries marks (see [`plain`]) that become line breaks and addresses once, at the end.

mod class;
mod code;
mod document;
mod markdown;
mod part;
pub(crate) mod plain;
pub(crate) mod show;
mod spare;
pub(crate) mod url;

pub use class::{Class, ClassPart};
pub use part::{Part, Within, later};
pub use show::Show;

pub use document::Body;
#[cfg(feature = "files")]
pub(crate) use document::one_line;

/// A piece of an email: what a `#[component]` returns, and what `html!` gives when there is no `<Subject>` in it.
///
/// ```
/// # use segflow::prelude::*;
/// #[component]
/// fn fine_print(children: Children) -> Html {
///     html! { <Text class="text-xs text-gray-500">{children}</Text> }
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "it is shown by `{…}` in `html!`"]
pub struct Html {
    html: String,
    text: String,
    /// Rules for the `<style>` in the head, each once.
    rules: Vec<&'static str>,
    body: Option<Body>,
    /// The first thing that must not be sent.
    refused: Option<String>,
}

/// What stands between the tags of a component.
pub type Children = Html;

impl Html {
    /// HTML and text that are taken as they are: whoever calls it answers for what is in them.
    pub fn raw(html: impl Into<String>, text: impl Into<String>) -> Html {
        let mut raw = Html::default();
        raw.html = html.into();
        raw.shown_text(&text.into());
        raw
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.html.is_empty() && self.text.is_empty()
    }
}

impl Drop for Html {
    fn drop(&mut self) {
        spare::give_back(std::mem::take(&mut self.html), std::mem::take(&mut self.text));
    }
}

/// What the macro calls.
#[doc(hidden)]
impl Html {
    pub fn with_room(html: usize, text: usize) -> Html {
        let mut new = Html::default();
        (new.html, new.text) = spare::take(html, text);
        new
    }

    #[inline]
    pub fn push(&mut self, html: &str, text: &str) {
        self.push_html(html);
        self.push_text(text);
    }

    #[inline]
    pub fn push_html(&mut self, html: &str) {
        self.html.push_str(html);
    }

    #[inline]
    pub fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A component, at the end of what is there.
    pub fn part(&mut self, part: impl Part) {
        part.write(self);
    }

    /// What a component wrote that has strings of its own.
    pub fn add(&mut self, part: Html) {
        match self.is_empty() {
            // The first component is often the whole email: nothing is copied then.
            true => {
                let mut before = std::mem::replace(self, part);
                before.rules.iter().for_each(|rule| self.rule(rule));
                self.body = before.body.or(self.body);
                self.refused = before.refused.take().or(self.refused.take());
            }
            false => self.append(&part),
        }
    }

    pub fn append(&mut self, part: &Html) {
        self.push(&part.html, &part.text);
        part.rules.iter().for_each(|rule| self.rule(rule));
        self.body = self.body.or(part.body);
        if self.refused.is_none() {
            self.refused.clone_from(&part.refused);
        }
    }

    pub fn rules(&mut self, rules: &[&'static str]) {
        rules.iter().for_each(|rule| self.rule(rule));
    }

    pub fn rule(&mut self, rule: &'static str) {
        // The same rule is mostly the same constant.
        let is_known = self.rules.iter().any(|known| std::ptr::eq(*known, rule)) || self.rules.contains(&rule);
        if !rule.is_empty() && !is_known {
            self.rules.push(rule);
        }
    }

    /// Room for what a loop will write, so often at least.
    pub fn room(&mut self, times: usize, html: usize, text: usize) {
        // Whatever an iterator claims.
        let times = times.min(1_000);
        self.html.reserve(times * html);
        self.text.reserve(times * text);
    }

    pub fn body(&mut self, body: Body) {
        self.body.get_or_insert(body);
    }

    /// Where the text is, to come back to: what is `html_only` is not in the text.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    pub fn cut_text(&mut self, len: usize) {
        self.text.truncate(len);
    }

    /// ` class="…" style="…"`, for classes that are chosen at run time. `after` is one declaration more.
    pub fn style(&mut self, before: &str, class: &Class, parts: &[usize], after: &[&str]) {
        let parts = || parts.iter().map(|part| &class.parts[*part]);
        for (i, part) in parts().filter(|part| !part.name.is_empty()).enumerate() {
            self.html.push_str(if i == 0 { " class=\"" } else { " " });
            self.html.push_str(part.name);
            self.rule(part.rules);
        }
        if parts().any(|part| !part.name.is_empty()) {
            self.html.push('"');
        }
        let start = self.html.len();
        self.html.push_str(" style=\"");
        let empty = self.html.len();
        for style in [before].into_iter().chain(parts().map(|part| part.style)).filter(|style| !style.is_empty()) {
            self.html.push_str(style);
            self.html.push(';');
        }
        after.iter().for_each(|part| self.html.push_str(part));
        if self.html.len() == empty {
            return self.html.truncate(start);
        }
        self.html.push('"');
    }

    /// ` align="…"`, which is what centres a table in a cell.
    pub fn align(&mut self, class: &Class) {
        if !class.align.is_empty() {
            self.push_html(" align=\"");
            self.push_html(class.align);
            self.push_html("\"");
        }
    }

    /// The value of an attribute that is not an address.
    pub fn attribute(&mut self, value: impl AsRef<str>) {
        show::escape(value.as_ref(), &mut self.html);
    }

    pub fn number(&mut self, value: u32) {
        Show::html(&value, &mut self.html);
    }

    /// The value of a `href`, and the same in the text.
    pub fn href(&mut self, value: impl AsRef<str>) {
        self.address(value.as_ref(), url::LINKS);
    }

    pub fn href_text(&mut self, value: impl AsRef<str>) {
        self.shown_text(value.as_ref().trim());
    }

    /// The value of a `src`.
    pub fn src(&mut self, value: impl AsRef<str>) {
        self.address(value.as_ref(), url::IMAGES);
    }

    fn address(&mut self, value: &str, schemes: &[&str]) {
        match url::check(value, schemes) {
            Ok(address) => show::escape(address, &mut self.html),
            Err(why) => self.refuse(why),
        }
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    fn shown_text(&mut self, text: &str) {
        show::readable(text, &mut self.text);
    }

    pub fn code(&mut self, code: impl AsRef<str>) {
        self.code_block(code.as_ref());
    }

    /// `links`: the attributes of links that say what they look like.
    pub fn markdown(&mut self, source: impl AsRef<str>, links: &'static str) {
        self.markdown_of(source.as_ref(), links);
    }
}
