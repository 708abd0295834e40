//! The plain text of an HTML email, for templates that bring none: what a reader would see, with the addresses of links.

/// Tags that begin a new line, and those that begin a paragraph.
const LINES: [&str; 8] = ["br", "div", "tr", "li", "table", "section", "article", "footer"];
const PARAGRAPHS: [&str; 11] = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "hr"];
/// Elements whose content is not for readers.
const HIDDEN: [&str; 4] = ["head", "style", "script", "title"];

/// Paragraphs separated by an empty line; ends with a line break.
pub fn from_html(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.words(&rest[..start]);
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some(end) = tag_end(rest) else { break };
        let tag = rest[1..end].trim_end_matches('/');
        rest = &rest[end + 1..];
        let closing = tag.starts_with('/');
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if HIDDEN.contains(&name.as_str()) && !closing {
            rest = after_closing(rest, &name);
        } else {
            text.tag(&name, closing, tag);
        }
    }
    text.words(rest);
    text.finish()
}

#[derive(Default)]
struct Text {
    out: String,
    /// Line breaks due before the next word.
    breaks: usize,
    space: bool,
    /// The address of the link that is open, and where its words begin.
    link: Option<(String, usize)>,
}

impl Text {
    fn words(&mut self, html: &str) {
        let plain = unescape(html);
        for (i, word) in plain.split(char::is_whitespace).enumerate() {
            self.space |= i > 0;
            if !word.is_empty() {
                self.push(word);
            }
        }
    }

    fn push(&mut self, word: &str) {
        if !self.out.is_empty() {
            match self.breaks {
                0 if self.space => self.out.push(' '),
                breaks => self.out.extend(std::iter::repeat_n('\n', breaks)),
            }
        }
        (self.breaks, self.space) = (0, false);
        self.out.push_str(word);
    }

    fn tag(&mut self, name: &str, closing: bool, tag: &str) {
        match name {
            "a" if !closing => self.link = attribute(tag, "href").map(|href| (href, self.out.len())),
            "a" => {
                let Some((href, start)) = self.link.take() else { return };
                // A link without an address of its own, or whose words are the address, says enough.
                if href.starts_with("http") && self.out.get(start..).is_some_and(|words| !words.contains(&href)) {
                    self.space = true;
                    self.push(&format!("({href})"));
                }
            }
            "li" if !closing => {
                self.breaks = self.breaks.max(1);
                self.push("-");
                self.space = true;
            }
            "td" | "th" => self.space = true,
            name if LINES.contains(&name) => self.breaks = self.breaks.max(1),
            name if PARAGRAPHS.contains(&name) => self.breaks = 2,
            _ => {}
        }
    }

    fn finish(mut self) -> String {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }
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

fn after_closing<'a>(html: &'a str, name: &str) -> &'a str {
    // ASCII lower case keeps every index.
    let found = html.to_ascii_lowercase().find(&format!("</{name}"));
    found.and_then(|at| html[at..].split_once('>')).map_or("", |(_, after)| after)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!("{name}="))?;
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(unescape(after[1..].split(quote).next()?).trim().to_string())
}

fn unescape(html: &str) -> String {
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
        "copy" => '©',
        "euro" => '€',
        "pound" => '£',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "rsquo" => '’',
        "middot" => '·',
        "bull" => '•',
        number => {
            let number = number.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            char::from_u32(hex.map_or(number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::from_html;

    #[test]
    fn it_reads_like_the_page() {
        let html = "<html><head><title>x</title><style>p > b {}</style></head><body>\n<h1>Hello\n Ada</h1><!-- <p>no</p> -->\
            <p>You &amp; <b>me</b>,<br>a &lt;b&gt; &#x27;c&#39; &unknown;</p><ul><li>one<li>two</ul>\
            <p><a href=\"https://shop.example/?a=1&amp;b=2\" title=\"a > b\">See it</a>. <a href='https://x.y'>https://x.y</a></p></body>";
        let text = "Hello Ada\n\nYou & me,\na <b> 'c' &unknown;\n\n- one\n- two\n\n\
            See it (https://shop.example/?a=1&b=2). https://x.y\n";
        assert_eq!(from_html(html), text);
    }

    #[test]
    fn broken_html_is_no_trouble() {
        for html in
            ["", "<", "<p", "<!--", "<style>", "&", "&;", "&#;", "a < b", "<a href=>x</a>", "&#xD800;", "<é>", "</"]
        {
            from_html(html);
        }
    }
}
