//! The components that Segflow brings, and what may be said of each and stand in it.

use crate::nearest::nearest;

/// What may stand between the tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    /// Text and `{…}` alone.
    Words,
    /// Words, and what may stand in a line of them.
    Inline,
    /// `Column`s.
    Columns,
    /// Items of a list.
    Items,
    Anything,
}

pub struct Kind {
    pub name: &'static str,
    pub attributes: &'static [&'static str],
    /// Those that have to be there, with the reason.
    pub required: &'static [(&'static str, &'static str)],
    pub holds: Holds,
    /// It may stand in a line of words.
    pub inline: bool,
    /// What it looks like without classes.
    pub style: &'static str,
}

const HREF: (&str, &str) = ("href", "where it leads");
pub const LINK: &str = "color:#155dfc;text-decoration-line:underline";
const MUTED: &str = "color:#6a7282;text-decoration-line:underline";
const BUTTON: &str = "font-size:16px;line-height:24px;text-decoration-line:none;text-align:center";

const fn block(name: &'static str, attributes: &'static [&'static str], style: &'static str) -> Kind {
    Kind { name, attributes, required: &[], holds: Holds::Anything, inline: false, style }
}

const fn inline(name: &'static str, style: &'static str) -> Kind {
    Kind { name, attributes: &[], required: &[], holds: Holds::Inline, inline: true, style }
}

pub const KINDS: &[Kind] = &[
    Kind { holds: Holds::Words, ..block("Subject", &[], "") },
    Kind { holds: Holds::Words, ..block("Preview", &[], "") },
    Kind {
        attributes: &["name", "src", "weight", "style", "fallback"],
        required: &[("name", "what classes and the theme call it"), ("src", "where its file is, `https://….woff2`")],
        holds: Holds::Nothing,
        ..block("Font", &[], "")
    },
    block("Body", &["lang", "dir"], ""),
    block("Container", &[], "max-width:600px;margin:0 auto"),
    block("Section", &[], ""),
    Kind { holds: Holds::Columns, ..block("Row", &[], "") },
    block("Column", &["width"], ""),
    Kind { holds: Holds::Inline, ..block("Text", &[], "margin:0 0 16px;font-size:16px;line-height:24px") },
    Kind { holds: Holds::Inline, ..block("Heading", &["level"], "margin:0 0 16px;font-weight:700") },
    Kind { holds: Holds::Inline, required: &[HREF], ..block("Button", &["href"], BUTTON) },
    Kind { attributes: &["href"], required: &[HREF], ..inline("Link", LINK) },
    Kind {
        attributes: &["src", "alt", "width", "height"],
        required: &[
            ("src", "where the picture is"),
            ("alt", "what readers see who see no pictures; `alt=\"\"` if it says nothing"),
        ],
        holds: Holds::Nothing,
        ..inline("Img", "border-width:0;outline:none;text-decoration-line:none;max-width:100%;display:block")
    },
    Kind {
        holds: Holds::Nothing,
        ..block("Hr", &[], "margin:24px 0;width:100%;border-width:1px 0 0;border-color:#e5e7eb")
    },
    Kind { holds: Holds::Words, ..block("Markdown", &["links"], "font-size:16px;line-height:24px") },
    Kind {
        holds: Holds::Words,
        ..block(
            "CodeBlock",
            &[],
            "margin:0 0 16px;padding:16px;background-color:#f3f4f6;color:#101828;border-radius:6px;font-size:14px;line-height:20px",
        )
    },
    inline("Unsubscribe", MUTED),
    inline("Preferences", MUTED),
    inline("OpenInBrowser", MUTED),
    Kind {
        attributes: &["html", "text"],
        required: &[("html", "the HTML, as it is")],
        holds: Holds::Nothing,
        ..inline("Raw", "")
    },
    inline("strong", ""),
    inline("b", ""),
    inline("em", ""),
    inline("i", ""),
    inline("u", ""),
    inline("s", ""),
    inline("small", ""),
    inline("sub", ""),
    inline("sup", ""),
    inline("span", ""),
    inline(
        "code",
        "font-family:ui-monospace,SFMono-Regular,Menlo,Monaco,Consolas,'Liberation Mono','Courier New',monospace;font-size:14px",
    ),
    Kind { holds: Holds::Nothing, ..inline("br", "") },
    Kind { holds: Holds::Items, ..block("ul", &[], "margin:0 0 16px;padding:0 0 0 24px") },
    Kind { holds: Holds::Items, ..block("ol", &[], "margin:0 0 16px;padding:0 0 0 24px") },
    Kind { holds: Holds::Anything, ..block("li", &[], "font-size:16px;line-height:24px") },
];

/// Those that lead somewhere.
pub const LINKS: [&str; 5] = ["Link", "Button", "Unsubscribe", "Preferences", "OpenInBrowser"];

/// What every component takes besides its own, or nearly.
pub const EVERYWHERE: [&str; 2] = ["class", "html_only"];

/// These have no looks: what is in them is words elsewhere, or somebody else's.
pub const WITHOUT_LOOKS: [&str; 5] = ["Subject", "Preview", "Font", "Raw", "br"];

pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What to write instead of an element of HTML that is not taken.
pub fn unknown(tag: &str) -> String {
    let instead = match tag {
        "a" => "<Link href=\"…\">",
        "p" => "<Text>",
        "div" | "section" | "article" | "center" | "header" | "footer" | "main" => "<Section>",
        "table" | "tbody" | "tr" => "<Row>",
        "td" | "th" => "<Column>",
        "img" => "<Img src=\"…\" alt=\"…\"/>",
        "hr" => "<Hr/>",
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => "<Heading level=1>",
        "button" => "<Button href=\"…\">",
        "pre" => "<CodeBlock>",
        "body" => "<Body>",
        "html" | "head" | "meta" | "title" => {
            return format!("`<{tag}>` is written by itself around every email");
        }
        "style" | "script" | "link" | "iframe" | "form" | "input" | "svg" | "video" => {
            return format!("mail clients drop `<{tag}>`");
        }
        tag => {
            let known = KINDS.iter().map(|kind| kind.name);
            let hint = nearest(tag, known).map_or(String::new(), |near| format!("; did you mean `<{near}>`?"));
            return format!("there is no `<{tag}>`{hint}");
        }
    };
    format!("there is no `<{tag}>` here: write `{instead}`, which mail clients show alike")
}
