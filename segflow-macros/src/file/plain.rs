//! The plain text of an HTML file that brings none, in the marks of `segflow-sdk/src/email/html/plain.rs`: paragraphs, lists, links with
//! their addresses. Tables are for the layout in a mail; a row of words is a line.

const PARAGRAPHS: [&str; 12] =
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "center", "section", "article", "footer"];
/// Elements whose content is not for readers.
const HIDDEN: [&str; 5] = ["head", "style", "script", "title", "textarea"];
/// What makes a cell more than a few words.
const BLOCKS: [&str; 14] =
    ["<p", "<h1", "<h2", "<h3", "<h4", "<table", "<ul", "<ol", "<hr", "<img", "<div", "<pre", "<blockquote", "<h5"];

/// `html` is guarded: its comments are passed on if they hide something.
pub fn marked(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.words(&rest[..start]);
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let (inside, after) = comment.split_once("-->").unwrap_or((comment, ""));
            if inside.starts_with("segflow:") {
                text.out.push_str(&format!("<!--{inside}-->"));
            }
            rest = after;
            continue;
        }
        let Some(end) = tag_end(rest) else { break };
        let (tag, after) = (&rest[1..end], &rest[end + 1..]);
        let closing = tag.starts_with('/');
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        rest = after;
        if !closing && (HIDDEN.contains(&name.as_str()) || is_hidden(tag)) {
            rest = if is_void(&name) { rest } else { after_closing(rest, &name) };
        } else {
            text.tag(&name, closing, tag, after);
        }
    }
    text.words(rest);
    text.out
}

/// It has no end.
fn is_void(name: &str) -> bool {
    matches!(name, "img" | "br" | "hr" | "input" | "meta" | "link")
}

fn is_hidden(tag: &str) -> bool {
    attribute(tag, "style").is_some_and(|style| style.replace(' ', "").contains("display:none"))
}

#[derive(Default)]
struct Text {
    out: String,
    /// The address of the link that is open.
    link: Option<String>,
    /// For each row that is open, whether it is one line.
    rows: Vec<bool>,
    code: bool,
}

impl Text {
    fn words(&mut self, html: &str) {
        if self.code {
            return self.out.push_str(&readable(html));
        }
        let mut spaced = false;
        for part in html.split_inclusive(char::is_whitespace) {
            let word = part.trim_end();
            if !word.is_empty() {
                self.out.push_str(&readable(word));
            }
            if word.len() < part.len() && !(spaced && word.is_empty()) {
                self.out.push(' ');
            }
            spaced = word.len() < part.len();
        }
    }

    fn mark(&mut self, mark: char) {
        self.out.push(mark);
    }

    fn tag(&mut self, name: &str, closing: bool, tag: &str, after: &str) {
        match (name, closing) {
            ("a", false) => {
                self.link = attribute(tag, "href").filter(|href| !href.is_empty() && href != "#");
                if self.link.is_some() {
                    self.mark('\u{3}');
                }
            }
            ("a", true) => {
                if let Some(href) = self.link.take() {
                    self.out.push_str(&format!("\u{4}{}\u{5}", readable(&href)));
                }
            }
            ("img", _) => {
                let alt = attribute(tag, "alt").unwrap_or_default();
                self.out.push_str(&readable(&alt));
            }
            ("br", _) => self.mark('\u{2}'),
            ("hr", _) => self.out.push_str("\u{1}---\u{1}"),
            ("ul", false) => self.mark('\u{6}'),
            ("ol", false) => self.mark('\u{7}'),
            ("li", false) => self.mark('\u{8}'),
            ("ul" | "ol", true) => self.mark('\u{b}'),
            ("pre", closing) => {
                self.code = !closing;
                self.mark(if closing { '\u{11}' } else { '\u{10}' });
            }
            ("tr", false) => {
                let line = is_line(after);
                self.rows.push(line);
                self.mark(if line { '\u{c}' } else { '\u{1}' });
            }
            ("tr", true) => {
                let line = self.rows.pop().unwrap_or(false);
                self.mark(if line { '\u{f}' } else { '\u{1}' });
            }
            ("td" | "th", false) => {
                let line = self.rows.last().copied().unwrap_or(false);
                self.mark(if line { '\u{e}' } else { '\u{1}' });
            }
            ("table", _) => self.mark('\u{1}'),
            ("div", _) => self.mark('\u{2}'),
            (name, _) if PARAGRAPHS.contains(&name) => self.mark('\u{1}'),
            _ => {}
        }
    }
}

/// Whether a row, of which the inside and more follow, has several cells of a few words each.
fn is_line(after: &str) -> bool {
    let row = after.split("</tr").next().unwrap_or_default();
    let cells = row.matches("<td").count() + row.matches("<th").count();
    cells > 1 && !BLOCKS.iter().any(|block| row.contains(block))
}

/// The index of the `>` that ends a tag; quoted attributes may have one inside.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in tag.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '>' => return Some(i),
            None => {}
        }
    }
    None
}

/// What stands after the end of an element whose tag was read.
fn after_closing<'a>(html: &'a str, name: &str) -> &'a str {
    // ASCII lower case keeps every index.
    let lower = html.to_ascii_lowercase();
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let (mut depth, mut at) = (1, 0);
    while depth > 0 {
        let next = |what: &str| lower[at..].find(what).map(|found| at + found);
        match (next(&open), next(&close)) {
            (Some(opens), Some(closes)) if opens < closes => (depth, at) = (depth + 1, opens + open.len()),
            (_, Some(closes)) => (depth, at) = (depth - 1, closes + close.len()),
            (_, None) => return "",
        }
    }
    html[at..].split_once('>').map_or("", |(_, after)| after)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (before, after) = tag.split_once(&format!("{name}="))?;
    if !before.ends_with(char::is_whitespace) {
        return attribute(after, name);
    }
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(after[1..].split(quote).next()?.trim().to_string())
}

/// What is no mark may not look like one, nor like a tag of Jinja.
fn readable(html: &str) -> String {
    let visible = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let out: String = unescape(html).chars().filter(visible).map(|c| if c == '\u{a0}' { ' ' } else { c }).collect();
    out.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")
}

/// Entities as the characters that they stand for.
pub fn unescape(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest[1..].find(';').map(|end| &rest[1..=end]).filter(|entity| entity.len() <= 8);
        match entity.and_then(character) {
            Some(c) => {
                out.push(c);
                rest = &rest[entity.map_or(0, str::len) + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

fn character(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "zwnj" => '\u{200c}',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "euro" => '€',
        "pound" => '£',
        "cent" => '¢',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "middot" => '·',
        "bull" => '•',
        "times" => '×',
        "rarr" => '→',
        "larr" => '←',
        number => {
            let number = number.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            char::from_u32(hex.map_or(number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::marked;

    /// The marks as signs.
    fn shown(html: &str) -> String {
        let name = |c: char| match c {
            '\u{1}' => '¶',
            '\u{2}' => '/',
            '\u{3}' => '<',
            '\u{4}' => '|',
            '\u{5}' => '>',
            '\u{6}' => '•',
            '\u{8}' => '-',
            '\u{b}' => '.',
            '\u{c}' => '[',
            '\u{e}' => ',',
            '\u{f}' => ']',
            c => c,
        };
        marked(html).chars().map(name).collect()
    }

    #[test]
    fn it_is_what_readers_see() {
        let html = "<html><head><title>x</title><style>p > b {}</style></head><body><div style=\"display: none\">no<div>no</div></div>\
            <h1>Hello\n  Ada</h1><!-- <p>no</p> --><p>You &amp; <b>me</b>,<br>a &lt;b&gt; &#x27;c&#39; &unknown;</p>\
            <ul><li>one<li>two</ul><a href=\"https://x.y/?a=1&amp;b=2\" title=\"a > b\">See</a></body></html>";
        assert_eq!(shown(html), "¶Hello Ada¶¶You & me,/a <b> 'c' &unknown;¶•-one-two.<See|https://x.y/?a=1&b=2>");
    }

    #[test]
    fn rows_of_words_are_lines_and_others_are_layout() {
        assert_eq!(shown("<table><tr><td>Mug<td>$9</tr><tr><td><p>x</p></td></tr></table>"), "¶[,Mug,$9]¶¶¶x¶¶¶");
    }

    #[test]
    fn what_is_hidden_stays() {
        assert_eq!(
            shown("<!--segflow:0--><p><!--segflow:1--></p><!-- no --><!--segflow:2-->"),
            "<!--segflow:0-->¶<!--segflow:1-->¶<!--segflow:2-->"
        );
        assert_eq!(shown("&#123;&#123; x"), "{ { x");
    }

    #[test]
    fn broken_html_is_no_trouble() {
        for html in [
            "",
            "<",
            "<p",
            "<!--",
            "<style>",
            "&",
            "&;",
            "&#;",
            "a < b",
            "<a href=>x</a>",
            "&#xD800;",
            "<é>",
            "</",
            "<div style='display:none'>",
        ] {
            marked(html);
        }
    }
}
