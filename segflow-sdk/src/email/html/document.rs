//! The document around an email: everything that every client wants to see, once.

use segflow_protocol::Rendered;

use super::{Html, plain};
use crate::Email;

/// What `<Body>` says, as the macro wrote it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Body {
    pub lang: &'static str,
    pub dir: &'static str,
    /// What the words are set in, in Outlook's tables: none of them takes on the font of what it stands in.
    pub font: &'static str,
    /// The attributes of `<body>` and of the table that some clients keep in its place.
    pub outer: &'static str,
    /// Those of the cell that everything stands in.
    pub inner: &'static str,
}

/// Phones keep their hands off the sizes, Outlook its own fonts and spaces to itself, and dark mode is ours.
const HEAD: &str = "<head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"x-apple-disable-message-reformatting\">\
<meta name=\"format-detection\" content=\"telephone=no,date=no,address=no,email=no,url=no\">\
<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"supported-color-schemes\" content=\"light dark\">\
<!--[if mso]><noscript><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml></noscript>\
<style>td,th,div,p,a,h1,h2,h3,h4,h5,h6{mso-line-height-rule:exactly}td,th{font-family:";
const AFTER_FONT: &str = "}</style><![endif]-->";

/// Sizes count as Tailwind has them count: with the padding.
const STYLE: &str = "<style>:root{color-scheme:light dark;supported-color-schemes:light dark}\
body{-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}\
table,td,div,p,a,img{box-sizing:border-box}table{mso-table-lspace:0;mso-table-rspace:0}";

/// Twelve times the same, which makes 144 of it in two steps.
macro_rules! filler {
    ($part:expr) => {
        concat!($part, $part, $part, $part, $part, $part, $part, $part, $part, $part, $part, $part)
    };
}

/// After the preview comes this, so that what follows does not show in the list of mails.
const FILLER: &str = filler!(filler!("\u{2007}\u{34f}\u{200c}"));
const PREVIEW: usize = 144;
/// The bytes of three characters that no list shows.
const FILL: usize = FILLER.len() / PREVIEW;

impl Email {
    #[doc(hidden)]
    pub fn of(subject: &str, preview: &str, mut content: Html, otherwise: Body) -> Email {
        let body = content.body.unwrap_or(otherwise);
        let subject = one_line(subject);
        Email(match content.refused.take() {
            Some(why) => Err(why),
            None => Ok(Rendered {
                html: document(&subject, preview, &content, body),
                text: plain::finish(&content.text),
                subject,
            }),
        })
    }
}

fn document(subject: &str, preview: &str, content: &Html, body: Body) -> String {
    let rules: usize = content.rules.iter().map(|rule| rule.len()).sum();
    let around = HEAD.len() + STYLE.len() + FILLER.len() + 2 * body.outer.len() + body.inner.len() + 800;
    let mut out = String::with_capacity(around + content.html.len() + rules + 2 * (subject.len() + preview.len()));
    let push = |out: &mut String, parts: &[&str]| parts.iter().for_each(|part| out.push_str(part));
    push(&mut out, &["<!doctype html><html lang=\"", body.lang, "\" dir=\"", body.dir]);
    push(
        &mut out,
        &["\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\">", HEAD],
    );
    push(&mut out, &[body.font, AFTER_FONT, "<title>"]);
    super::show::escape(subject, &mut out);
    out.push_str("</title>");
    // Apart from the others, which a client that cannot read them drops with them.
    let (fonts, rules): (Vec<&str>, Vec<&str>) = content.rules.iter().partition(|rule| rule.starts_with("@font-face"));
    if !fonts.is_empty() {
        out.push_str("<style>");
        push(&mut out, &fonts);
        out.push_str("</style>");
    }
    out.push_str(STYLE);
    push(&mut out, &rules);
    push(&mut out, &["</style></head><body", body.outer, ">"]);
    if !preview.is_empty() {
        push(
            &mut out,
            &[
                "<div style=\"display:none;overflow:hidden;line-height:1px;opacity:0;max-height:0;max-width:0;mso-hide:all\">",
            ],
        );
        super::show::escape(preview, &mut out);
        out.push_str(&FILLER[preview.chars().count().min(PREVIEW) * FILL..]);
        push(&mut out, &["</div>"]);
    }
    // Some clients make a `<div>` of the body: the table keeps its colour over the whole width.
    push(
        &mut out,
        &["<table role=\"presentation\" width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\"", body.outer],
    );
    push(&mut out, &["><tbody><tr><td", body.inner, ">", &content.html, "</td></tr></tbody></table></body></html>"]);
    out
}

/// A header cannot have line breaks, whatever a value says.
pub fn one_line(subject: &str) -> String {
    if !subject.contains(|c: char| c.is_control()) {
        return subject.trim().to_string();
    }
    let visible = subject.split(|c: char| c.is_control()).map(str::trim).filter(|part| !part.is_empty());
    visible.collect::<Vec<_>>().join(" ")
}
