//! The plain text of an HTML file that brings none, in the marks of `segflow-sdk/src/email/html/plain.rs`: paragraphs, lists, links with
//! their addresses. Tables are for the layout in a mail; a row of words is a line.

use super::markup::{Tag, tags};

const PARAGRAPHS: [&str; 12] =
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "center", "section", "article", "footer"];
/// Elements whose content is not for readers.
const HIDDEN: [&str; 5] = ["head", "style", "script", "title", "textarea"];
/// What makes a cell more than a few words.
const BLOCKS: [&str; 14] =
    ["<p", "<h1", "<h2", "<h3", "<h4", "<table", "<ul", "<ol", "<hr", "<img", "<div", "<pre", "<blockquote", "<h5"];

/// `html` is guarded: its comments are passed on if they hide something.
pub fn marked(html: &str) -> String {
    let tags = tags(html);
    let mut text = Text::default();
    let (mut next, mut at) = (0, 0);
    while let Some(tag) = tags.get(next) {
        text.between(&html[at..tag.at.start]);
        next += 1;
        let hidden = !tag.closes && (HIDDEN.contains(&tag.name(html).as_str()) || is_hidden(html, tag));
        if hidden && !tag.is_void(html) {
            next = after_closing(html, &tags, next);
        } else if !hidden {
            text.tag(html, tag);
        }
        at = tags[next - 1].at.end;
    }
    text.between(&html[at..]);
    text.out
}

fn is_hidden(html: &str, tag: &Tag) -> bool {
    tag.value(html, "style").is_some_and(|style| style.replace(' ', "").contains("display:none"))
}

/// The place behind the tag that closes what was opened just before.
fn after_closing(html: &str, tags: &[Tag], start: usize) -> usize {
    let name = tags[start - 1].name(html);
    let mut depth = 1;
    for (place, tag) in tags.iter().enumerate().skip(start).filter(|(_, tag)| !tag.empty && tag.name(html) == name) {
        depth += if tag.closes { -1 } else { 1 };
        if depth == 0 {
            return place + 1;
        }
    }
    tags.len()
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
    /// What stands between two tags.
    fn between(&mut self, html: &str) {
        let mut rest = html;
        while let Some((words, declared)) = rest.split_once("<!") {
            self.words(words);
            let end = if declared.starts_with("--") { "-->" } else { ">" };
            let (inside, after) = declared.split_once(end).unwrap_or((declared, ""));
            if inside.starts_with("--segflow:") {
                self.out.push_str(&format!("<!{inside}-->"));
            }
            rest = after;
        }
        self.words(rest);
    }

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

    fn tag(&mut self, html: &str, tag: &Tag) {
        match (tag.name(html).as_str(), tag.closes) {
            ("a", false) => {
                let href = tag.value(html, "href").map(|href| href.trim().to_string());
                self.link = href.filter(|href| !href.is_empty() && href != "#");
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
                let alt = tag.value(html, "alt").unwrap_or_default();
                self.out.push_str(&readable(alt));
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
                let line = is_line(&html[tag.at.end..]);
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
