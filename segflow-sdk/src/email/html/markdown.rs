//! Markdown at run time, in the looks of the components.

use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Html, plain, show, url};

/// The size of words is that of the element around.
const PARAGRAPH: &str = "<p style=\"margin:0 0 16px\">";
const CODE: &str = "<code style=\"font-family:ui-monospace,SFMono-Regular,Menlo,Monaco,Consolas,'Liberation Mono','Courier New',monospace;font-size:14px\">";
const RULE: &str = "<hr style=\"margin:24px 0;width:100%;border:0;border-top:1px solid #e5e7eb\">";

/// As `<CodeBlock>`: a cell has its padding in every client.
const BLOCK: &str = "<table role=\"presentation\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\" style=\"margin:0 0 16px\"><tbody><tr>\
<td style=\"padding:16px;background-color:#f3f4f6;color:#101828;border-radius:6px;font-size:14px;line-height:20px;word-break:break-word\">";
const TABLE: &str =
    "<table width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:0 0 16px\"><tbody>";

/// What is open.
struct Open {
    /// The attributes of links.
    links: &'static str,
    /// The addresses of links; `None` where one is not sent.
    addresses: Vec<Option<String>>,
    /// How the columns of the table stand, and which is the next one.
    columns: Vec<Alignment>,
    column: usize,
    /// `th` in the first row, `td` in the others.
    cell: &'static str,
}

impl Html {
    /// HTML inside is shown as text, not taken as HTML.
    pub(super) fn markdown_of(&mut self, source: &str, links: &'static str) {
        self.text.push(plain::PARAGRAPH);
        let mut open = Open { links, addresses: vec![], columns: vec![], column: 0, cell: "td" };
        let mut code: Option<String> = None;
        // How many pictures are open: what is inside becomes an attribute, so no tag is written there.
        let mut pictures = 0;
        for event in Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES) {
            match event {
                Event::End(TagEnd::Image) => {
                    pictures -= 1;
                    if pictures == 0 {
                        self.push_html("\">");
                    }
                }
                Event::Start(Tag::Image { dest_url, .. }) => {
                    if pictures == 0 {
                        self.push_html("<img src=\"");
                        self.src(&*dest_url);
                        self.push_html("\" style=\"max-width:100%\" alt=\"");
                    }
                    pictures += 1;
                }
                Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) if pictures > 0 => self.words(&text),
                _ if pictures > 0 => {}
                Event::Text(text) if code.is_some() => code.iter_mut().for_each(|code| code.push_str(&text)),
                Event::Start(Tag::CodeBlock(_)) => code = Some(String::new()),
                Event::End(TagEnd::CodeBlock) => self.markdown_code(&code.take().unwrap_or_default()),
                Event::Start(tag) => self.markdown_start(tag, &mut open),
                Event::End(tag) => self.markdown_end(tag, &mut open),
                Event::Code(text) => {
                    self.push_html(CODE);
                    self.words(&text);
                    self.push_html("</code>");
                }
                Event::SoftBreak => self.push("\n", "\n"),
                Event::HardBreak => self.push("<br>", "\u{2}"),
                Event::Rule => self.push(RULE, "\u{1}---\u{1}"),
                Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.words(&text),
                _ => {}
            }
        }
        self.text.push(plain::PARAGRAPH);
    }

    fn words(&mut self, text: &CowStr) {
        show::escape(text, &mut self.html);
        self.shown_text(text);
    }

    fn markdown_code(&mut self, code: &str) {
        self.push_html(BLOCK);
        self.push_html(CODE);
        self.code_block(code);
        self.push_html("</code></td></tr></tbody></table>");
    }

    fn markdown_start(&mut self, tag: Tag, open: &mut Open) {
        match tag {
            Tag::Paragraph => self.push(PARAGRAPH, "\u{1}"),
            Tag::Heading { level, .. } => {
                let (tag, style) = heading(level);
                self.push("<", "\u{1}");
                self.push_html(tag);
                self.push_html(" style=\"margin:0 0 16px;font-weight:700;");
                self.push_html(style);
                self.push_html("\">");
            }
            Tag::Link { dest_url, .. } => {
                let address = url::check(&dest_url, url::LINKS).map(String::from);
                match address {
                    Ok(address) => {
                        self.push("<a href=\"", "\u{3}");
                        show::escape(&address, &mut self.html);
                        self.push_html("\" target=\"_blank\"");
                        self.push_html(open.links);
                        self.push_html(">");
                        open.addresses.push(Some(address));
                    }
                    Err(why) => {
                        self.refuse(why);
                        open.addresses.push(None);
                    }
                }
            }
            Tag::List(Some(_)) => self.push("<ol style=\"margin:0 0 16px;padding:0 0 0 24px\">", "\u{7}"),
            Tag::List(None) => self.push("<ul style=\"margin:0 0 16px;padding:0 0 0 24px\">", "\u{6}"),
            Tag::Item => self.push("<li>", "\u{8}"),
            Tag::BlockQuote(_) => {
                self.push(
                    "<blockquote style=\"margin:0 0 16px;padding:0 0 0 16px;border-left:4px solid #e5e7eb\">",
                    "\u{1}",
                );
            }
            Tag::Table(columns) => {
                self.push(TABLE, "\u{1}");
                open.columns = columns;
            }
            Tag::TableHead | Tag::TableRow => {
                self.push("<tr>", "\u{c}");
                (open.column, open.cell) = (0, if tag == Tag::TableHead { "th" } else { "td" });
            }
            Tag::TableCell => self.markdown_cell(open),
            Tag::Emphasis => self.push_html("<em>"),
            Tag::Strong => self.push_html("<strong>"),
            Tag::Strikethrough => self.push_html("<s>"),
            _ => {}
        }
    }

    fn markdown_cell(&mut self, open: &mut Open) {
        let align = match open.columns.get(open.column) {
            Some(Alignment::Center) => "center",
            Some(Alignment::Right) => "right",
            _ => "left",
        };
        open.column += 1;
        self.push("<", "\u{e}");
        self.push_html(open.cell);
        self.push_html(" align=\"");
        self.push_html(align);
        self.push_html("\" style=\"padding:8px;border-bottom:1px solid #e5e7eb;text-align:");
        self.push_html(align);
        self.push_html("\">");
    }

    fn markdown_end(&mut self, tag: TagEnd, open: &mut Open) {
        match tag {
            TagEnd::Paragraph => self.push("</p>", "\u{1}"),
            TagEnd::Heading(level) => {
                self.push("</", "\u{1}");
                self.push_html(heading(level).0);
                self.push_html(">");
            }
            TagEnd::Link => {
                if let Some(address) = open.addresses.pop().flatten() {
                    self.push("</a>", "\u{4}");
                    self.shown_text(&address);
                    self.text.push(plain::LINK_END);
                }
            }
            TagEnd::List(true) => self.push("</ol>", "\u{b}"),
            TagEnd::List(false) => self.push("</ul>", "\u{b}"),
            TagEnd::Item => self.push_html("</li>"),
            TagEnd::BlockQuote(_) => self.push("</blockquote>", "\u{1}"),
            TagEnd::Table => self.push("</tbody></table>", "\u{1}"),
            TagEnd::TableHead | TagEnd::TableRow => self.push("</tr>", "\u{f}"),
            TagEnd::TableCell => {
                self.push_html("</");
                self.push_html(open.cell);
                self.push_html(">");
            }
            TagEnd::Emphasis => self.push_html("</em>"),
            TagEnd::Strong => self.push_html("</strong>"),
            TagEnd::Strikethrough => self.push_html("</s>"),
            _ => {}
        }
    }
}

fn heading(level: HeadingLevel) -> (&'static str, &'static str) {
    match level {
        HeadingLevel::H1 => ("h1", "font-size:28px;line-height:36px"),
        HeadingLevel::H2 => ("h2", "font-size:24px;line-height:32px"),
        HeadingLevel::H3 => ("h3", "font-size:20px;line-height:28px"),
        HeadingLevel::H4 => ("h4", "font-size:18px;line-height:28px"),
        HeadingLevel::H5 => ("h5", "font-size:16px;line-height:24px"),
        HeadingLevel::H6 => ("h6", "font-size:14px;line-height:20px"),
    }
}
