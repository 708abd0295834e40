//! What is wrong with an email: what makes it fail its readers is an error, what may is a warning.

use std::collections::BTreeSet;

use serde::Serialize;

use super::colour::Colour;
use super::style::{Scheme, Style, Styles};
use super::tree::{Element, Node};

/// Gmail shows so many bytes of HTML and hides the rest behind a link, the one to unsubscribe first of all.
pub const CLIPPED_AT: usize = 102 << 10;

/// Phones show about 40 characters of a subject, mail programs about 60.
const LONG_SUBJECT: usize = 60;

/// What the server fills in: the links by which a reader gets out, and the others.
const WAYS_OUT: [&str; 2] = ["segflow:unsubscribe", "segflow:preferences"];
const OTHERS: [&str; 2] = ["segflow:browser", "segflow:confirm"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Error,
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    /// A stable word for programs.
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Default)]
pub struct Looked {
    pub preview: Option<String>,
    pub findings: Vec<Finding>,
}

/// Looks through an email. `transactional`: its reader has caused it, and cannot unsubscribe from that.
pub fn look(subject: &str, html: &str, text: &str, transactional: bool) -> Looked {
    let document = Element::document(html);
    let styles = Styles::read(&document);
    let mut check = Check { styles: &styles, looked: Looked::default(), said: BTreeSet::new(), shown: false };
    check.subject(subject);
    check.size(html.len());
    check.elements(&document, transactional);
    check.walk(&mut vec![&document], Style::default(), Scheme::Light);
    if check.looked.preview.is_none() {
        check.warning(
            "no_preview",
            "a list of mails shows the first words of it after the subject: say better ones in `<Preview>`",
        );
    }
    if styles.know_dark() {
        check.walk(&mut vec![&document], Style::default(), Scheme::Dark);
    }
    if text.trim().is_empty() {
        check.warning("no_text", "the plain text is empty: some readers and most filters look at it");
    }
    check.looked
}

struct Check<'a> {
    styles: &'a Styles,
    looked: Looked,
    /// Pairs of colours that were named.
    said: BTreeSet<(Scheme, Colour, Colour)>,
    /// Whether a word was met that everybody sees.
    shown: bool,
}

impl Check<'_> {
    fn error(&mut self, code: &'static str, message: impl Into<String>) {
        self.looked.findings.push(Finding { level: Level::Error, code, message: message.into() });
    }

    fn warning(&mut self, code: &'static str, message: impl Into<String>) {
        self.looked.findings.push(Finding { level: Level::Warning, code, message: message.into() });
    }

    fn subject(&mut self, subject: &str) {
        let length = subject.chars().count();
        if subject.trim().is_empty() {
            self.error("no_subject", "the subject is empty");
        } else if length > LONG_SUBJECT {
            self.warning(
                "long_subject",
                format!("the subject has {length} characters: most programs show {LONG_SUBJECT}, phones 40"),
            );
        }
    }

    fn size(&mut self, bytes: usize) {
        if bytes > CLIPPED_AT {
            self.error("clipped", format!("the HTML has {}, and Gmail hides what is after 102 KB", kilobytes(bytes)));
        } else if bytes > CLIPPED_AT * 9 / 10 {
            self.warning(
                "nearly_clipped",
                format!("the HTML has {}, and Gmail hides what is after 102 KB", kilobytes(bytes)),
            );
        }
    }

    fn elements(&mut self, document: &Element, transactional: bool) {
        let mut unsubscribe = false;
        document.each(&mut |element| {
            self.drawn(element);
            match element.name.as_str() {
                "img" if element.attribute("alt").is_none() => {
                    let src = shortened(element.attribute("src").unwrap_or("without src"));
                    self.error(
                        "missing_alt",
                        format!("the picture {src} has no `alt`: half of all readers see no pictures"),
                    );
                }
                "a" => {
                    let href = element.attribute("href").unwrap_or_default().trim();
                    let words = element.text();
                    let (servers, says) = (href.starts_with("segflow:"), href.to_lowercase().contains("unsubscribe"));
                    unsubscribe |= WAYS_OUT.contains(&href) || says && !servers;
                    let known = WAYS_OUT.contains(&href) || OTHERS.contains(&href);
                    if href.is_empty() || href == "#" || servers && !known {
                        self.warning("dead_link", format!("the link “{}” leads nowhere", shortened(words.trim())));
                    }
                }
                name @ ("script" | "iframe" | "object" | "embed" | "form" | "video" | "audio") => {
                    self.error("dropped_element", format!("`<{name}>`: mail programs drop it, or the whole mail"));
                }
                "html" if element.attribute("lang").is_none_or(str::is_empty) => {
                    self.warning("no_lang", "`<html>` has no `lang`: screen readers guess how to pronounce it");
                }
                _ => {}
            }
        });
        if !transactional && !unsubscribe {
            let what = "no link to unsubscribe, which an email of a campaign must have: `<Unsubscribe>\"Unsubscribe\"</Unsubscribe>`";
            self.error("no_unsubscribe", what);
        }
    }

    fn drawn(&mut self, element: &Element) {
        let words = matches!(element.name.as_str(), "p" | "a" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6");
        if let Some(what) = undrawn(element).filter(|_| words) {
            let (name, words) = (&element.name, shortened(element.text().trim()));
            self.warning(
                "not_drawn",
                format!("{what} on <{name}> “{words}” is not drawn by Outlook on Windows: put it into a <Section>"),
            );
        }
    }

    /// Holds every word against what it stands on, in the last of a path of elements.
    fn walk(&mut self, path: &mut Vec<&Element>, around: Style, scheme: Scheme) {
        let Some(&element) = path.last() else { return };
        let style = self.styles.of(path, &around, scheme);
        if matches!(element.name.as_str(), "head" | "script" | "style" | "title") {
            return;
        }
        if style.hidden {
            if !self.shown && self.looked.preview.is_none() {
                self.looked.preview = Some(tidy(&element.text())).filter(|words| !words.is_empty());
            }
            return;
        }
        for child in &element.children {
            match child {
                Node::Text(text) if text.trim().is_empty() => {}
                Node::Text(text) => {
                    self.shown = true;
                    self.contrast(text.trim(), &style, scheme);
                }
                Node::Element(child) => {
                    path.push(child);
                    self.walk(path, style, scheme);
                    path.pop();
                }
            }
        }
    }

    fn contrast(&mut self, text: &str, style: &Style, scheme: Scheme) {
        let (Some(front), Some(back)) = (style.front, style.back) else { return };
        // WCAG 2.2, 1.4.3: large text is 18 pt, or bold and 14 pt.
        let wanted = if style.size >= 24.0 || style.bold && style.size >= 18.66 { 3.0 } else { 4.5 };
        let ratio = front.contrast(back);
        // A ratio that is shown as the one that is wanted would puzzle.
        if (ratio * 100.0).round() / 100.0 < wanted && self.said.insert((scheme, front, back)) {
            let place = if scheme == Scheme::Dark { " in dark mode" } else { "" };
            let text = shortened(text);
            self.warning(
                "contrast",
                format!(
                    "“{text}” is {front} on {back}{place}: a contrast of {ratio:.1}, and {wanted} can be read well"
                ),
            );
        }
    }
}

/// What caniemail says that Outlook on Windows draws on cells of tables alone. A button has said it to Outlook in its cell.
fn undrawn(element: &Element) -> Option<&'static str> {
    let style = element.attribute("style").unwrap_or_default();
    if style.contains("mso-padding-alt") {
        return None;
    }
    let declared = style.split(';').filter_map(|declaration| declaration.split_once(':'));
    declared.map(|(property, value)| (property.trim(), value.trim())).find_map(|(property, value)| match property {
        "width" if value.ends_with("px") => Some("width"),
        padding if padding.starts_with("padding") && value.split(' ').any(|side| !side.starts_with('0')) => {
            Some("padding")
        }
        _ => None,
    })
}

/// As sizes are said: `9.4 KB`.
pub fn kilobytes(bytes: usize) -> String {
    format!("{:.1} KB", bytes as f64 / 1024.0)
}

/// A few words are enough to find it.
fn shortened(text: &str) -> String {
    let text = tidy(text);
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// One line, without the invisible characters that keep what follows out of a list of mails.
fn tidy(text: &str) -> String {
    let visible: String =
        text.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{34f}' | '\u{feff}' | '\u{ad}')).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<html lang=en><head><title>x</title></head><body style='background-color:#ffffff;color:#101828'>\
        <div style='display:none'>Before \u{200b}all</div><p>Hello</p><img src=x alt=''><a href='segflow:unsubscribe'>Unsubscribe</a></body></html>";

    fn codes(html: &str) -> Vec<&'static str> {
        look("A subject", html, "text", false).findings.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_good_one_has_no_findings() {
        let looked = look("A subject", GOOD, "text", false);
        assert_eq!(looked.findings, [], "{looked:?}");
        assert_eq!(looked.preview.as_deref(), Some("Before all"));
    }

    #[test]
    fn each_mistake_is_found() {
        for (from, to, code) in [
            ("alt=''", "", "missing_alt"),
            ("segflow:unsubscribe'>Unsubscribe", "https://x.example'>Other", "no_unsubscribe"),
            ("display:none", "display:block", "no_preview"),
            (" lang=en", "", "no_lang"),
            ("<p>", "<p style='color:#999999'>", "contrast"),
            ("<p>", "<script>1</script><p>", "dropped_element"),
            ("<p>", "<p style='margin:0;padding:0 4px'>", "not_drawn"),
            ("<p>", "<p style='width: 32px'>", "not_drawn"),
        ] {
            let html = GOOD.replace(from, to);
            assert_ne!(html, GOOD);
            assert_eq!(codes(&html), [code], "{html}");
        }
        // What counts is where the link leads, not what it says.
        for nowhere in ["#", "", "segflow:unsubscribed"] {
            assert_eq!(
                codes(&GOOD.replace("segflow:unsubscribe", nowhere)),
                ["dead_link", "no_unsubscribe"],
                "{nowhere}"
            );
        }
        assert!(codes(&GOOD.replace("segflow:", "https://x.example/")).is_empty(), "a page of one's own");
        let of = |subject: &str, text: &str| look(subject, GOOD, text, false).findings.remove(0).code;
        assert_eq!(of("", "text"), "no_subject");
        assert_eq!(of(&"long ".repeat(13), "text"), "long_subject");
        assert_eq!(of("A subject", " \n"), "no_text");
    }

    #[test]
    fn a_button_has_its_padding_in_outlook_too() {
        for drawn in ["<p style='padding:0'>", "<p style='width:100%'>", "<td style='padding:4px'>"] {
            assert_eq!(codes(&GOOD.replace("<p>", drawn)), Vec::<&str>::new(), "{drawn}");
        }
        let button = "<a style='padding:4px;color:#101828;mso-padding-alt:0' href='https://x.example'>Buy</a><p>";
        assert_eq!(codes(&GOOD.replace("<p>", button)), Vec::<&str>::new());
    }

    #[test]
    fn gmails_limit_is_an_error_and_near_it_a_warning() {
        let sized = |bytes: usize| GOOD.replace("Hello", &"a ".repeat((bytes - GOOD.len()) / 2));
        assert_eq!(codes(&sized(CLIPPED_AT + 1_000)), ["clipped"]);
        assert_eq!(codes(&sized(CLIPPED_AT - 1_000)), ["nearly_clipped"]);
        assert!(codes(&sized(CLIPPED_AT / 2)).is_empty());
    }

    #[test]
    fn an_answer_to_an_event_needs_no_way_out() {
        let html = GOOD.replace("segflow:unsubscribe'>Unsubscribe", "https://x.example'>Other");
        assert_eq!(look("A subject", &html, "text", true).findings, []);
    }

    #[test]
    fn contrast_goes_by_what_is_inherited_by_size_and_by_scheme() {
        let with = |style: &str, inner: &str| {
            codes(&GOOD.replace("<p>Hello</p>", inner).replace("<title>x</title>", &format!("<style>{style}</style>")))
        };
        let grey = "<p style='color:#888888'>Hello</p>";
        assert_eq!(with("", grey), ["contrast"]);
        assert!(with("", &grey.replace("'>", ";font-size:24px'>")).is_empty(), "large text needs 3");
        assert!(with("", &format!("<div style='background-color:#000000'>{grey}</div>")).is_empty());
        assert!(with("", &format!("<div style='background-image:url(x)'>{grey}</div>")).is_empty(), "nobody knows");
        assert!(with("", "<p style='color:#888888;display:none'>Hello</p>").is_empty());
        let dark = "@media (prefers-color-scheme: dark) { .d { background-color: #111111 !important } }";
        assert_eq!(with(dark, "<div class=d>Hello</div>"), ["contrast"]);
        assert!(
            with(dark, "<div class=d style='color:#777777;background-color:#ffffff'></div>").is_empty(),
            "no words"
        );
        let both = "@media (prefers-color-scheme:dark){.d{background-color:#111111!important}}@media (prefers-color-scheme:dark){.d{color:#eeeeee!important}}";
        assert!(with(both, "<div class=d>Hello</div>").is_empty());
        let hover = ".d:hover{color:#ffffff!important}@media (max-width:640px){.d{color:#ffffff!important}}";
        assert!(with(hover, "<div class=d>Hello</div>").is_empty());
    }
}
