//! What is put into an email so that its openings and clicks can be counted: its links lead over the server, and at its end stands a
//! picture of one point. Only HTML is touched: in plain text an address is read.

use std::ops::Range;

use segflow_protocol::Rendered;
use sha2::{Digest, Sha256};
use url::Url;

use super::{Kind, Signer};
use crate::store::tracked::LinkId;

/// The longest address that is counted, in bytes.
const LONGEST: usize = 8_000;

/// A link that leads over the server, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    pub id: LinkId,
    pub address: String,
}

/// Changes an email that is not filled in yet: the addresses that only the server can make are no addresses so far, and stay out of it.
pub fn track(email: &mut Rendered, signer: &Signer, message: &str, (opens, clicks): (bool, bool)) -> Vec<Tracked> {
    let mut tracked: Vec<Tracked> = vec![];
    if clicks {
        let mut html = String::with_capacity(email.html.len() + 512);
        let mut done = 0;
        for (place, address) in links(&email.html) {
            let id = link_id(&address);
            html.push_str(&email.html[done..place.start]);
            html.push_str(&signer.click(message, &id));
            done = place.end;
            if !tracked.iter().any(|known| known.id == id) {
                tracked.push(Tracked { id, address });
            }
        }
        html.push_str(&email.html[done..]);
        email.html = html;
    }
    if opens {
        let picture = format!(
            "<img src=\"{}\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">",
            signer.link(Kind::Open, message, 0)
        );
        let at = email.html.to_ascii_lowercase().rfind("</body>").unwrap_or(email.html.len());
        email.html.insert_str(at, &picture);
    }
    tracked
}

fn link_id(address: &str) -> LinkId {
    let hash = Sha256::digest(address);
    std::array::from_fn(|at| hash[at])
}

/// Where the addresses of a document's links stand, and what they are; those that lead to the web.
fn links(html: &str) -> Vec<(Range<usize>, String)> {
    let bytes = html.as_bytes();
    let (mut found, mut at) = (vec![], 0);
    while let Some(open) = html[at..].find('<') {
        at += open + 1;
        let name = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let is_link = ["a", "area"].iter().any(|link| html[at..at + name].eq_ignore_ascii_case(link));
        at += name;
        if !is_link {
            continue;
        }
        while let Some((attribute, value, end)) = attribute(html, at) {
            at = end;
            if html[attribute].eq_ignore_ascii_case("href") {
                let address = unescaped(html[value.clone()].trim());
                if address.len() <= LONGEST && leads_to_the_web(&address) {
                    found.push((value, address));
                }
            }
        }
    }
    found
}

/// The next attribute of a tag: its name, its value, and where it ends; `None` at the end of the tag.
fn attribute(html: &str, from: usize) -> Option<(Range<usize>, Range<usize>, usize)> {
    let bytes = html.as_bytes();
    let skip = |from: usize, what: fn(&u8) -> bool| from + bytes[from..].iter().take_while(|byte| what(byte)).count();
    let start = skip(from, |byte| byte.is_ascii_whitespace() || *byte == b'/');
    let name = start..skip(start, |byte| !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'>' | b'/'));
    if name.is_empty() {
        return None;
    }
    let equals = skip(name.end, u8::is_ascii_whitespace);
    if bytes.get(equals) != Some(&b'=') {
        return Some((name.clone(), name.end..name.end, name.end));
    }
    let value = skip(equals + 1, u8::is_ascii_whitespace);
    match bytes.get(value).copied() {
        Some(quote @ (b'"' | b'\'')) => {
            let end = value + 1 + bytes[value + 1..].iter().position(|byte| *byte == quote)?;
            Some((name, value + 1..end, end + 1))
        }
        _ => {
            let end = skip(value, |byte| !byte.is_ascii_whitespace() && *byte != b'>');
            Some((name, value..end, end))
        }
    }
}

fn leads_to_the_web(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// An address as it stands in an attribute; what else may be escaped is none of an address.
fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_string();
    }
    let text = text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&#39;", "'").replace("&#x27;", "'");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&#38;", "&").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::links::click::Click;
    use crate::store::link_keys::LinkKey;

    const MESSAGE: &str = "msg_2afcef9580f3c1a931ca39717d33376a";

    fn signer() -> Signer {
        let key = LinkKey { id: 7, workspace: "main".into(), secret: vec![1], created_at: 0, revoked_at: None };
        Signer { key, base: "https://mail.shop.example".into(), reachable: true }
    }

    fn tracked(html: &str, what: (bool, bool)) -> (String, Vec<String>) {
        let mut email = Rendered { subject: String::new(), html: html.into(), text: html.into() };
        let all = track(&mut email, &signer(), MESSAGE, what);
        assert_eq!(email.text, html, "plain text stays as it is");
        (email.html, all.into_iter().map(|link| link.address).collect())
    }

    #[test]
    fn links_lead_over_the_server_and_nothing_else_changes() {
        let html = "<a class='x' href=\"https://shop.example/a?b=1&amp;c=2\" target=_blank>Shop</a> <A HREF='http://x.example'>x</A>\
                    <area href=https://y.example/z>";
        let (out, addresses) = tracked(html, (false, true));
        assert_eq!(addresses, ["https://shop.example/a?b=1&c=2", "http://x.example", "https://y.example/z"]);
        let link = |address: &str| signer().click(MESSAGE, &link_id(address));
        let expected = format!(
            "<a class='x' href=\"{}\" target=_blank>Shop</a> <A HREF='{}'>x</A><area href={}>",
            link(&addresses[0]),
            link(&addresses[1]),
            link(&addresses[2])
        );
        assert_eq!(out, expected);
        assert!(link(&addresses[0]).starts_with("https://mail.shop.example/c/"));
    }

    #[test]
    fn what_does_not_lead_to_the_web_stays_as_it_is() {
        for html in [
            "<a href=\"segflow:unsubscribe\">out</a>",
            "<a href=\"mailto:a@x.example\">write</a><a href=\"tel:+1\">call</a><a href=\"#top\">up</a><a href=\"\">x</a><a name=top>",
            "<link href=\"https://x.example/a.css\"><img src=\"https://x.example/a.png\"><abbr href=\"https://x.example\">",
            "href=\"https://x.example\" <!-- <b href='https://x.example'> -->",
            "<a data-href=\"https://x.example\">x</a>",
            "<a href=\"https://\">x</a><a href=\"javascript:alert(1)\">x</a>",
            "<a href=\"https://x.example",
            "<a href=",
            "<a",
            "<",
            "",
        ] {
            assert_eq!(tracked(html, (false, true)), (html.to_string(), vec![]), "{html}");
        }
    }

    #[test]
    fn one_address_is_one_link_however_often_it_stands_there() {
        let html = "<a href=\"https://x.example/\">a</a><a href=\"https://x.example/\">b</a>";
        let (out, addresses) = tracked(html, (false, true));
        assert_eq!((addresses.len(), out.matches("/c/").count()), (1, 2));
    }

    #[test]
    fn a_picture_stands_at_the_end() {
        let (out, links) = tracked("<html><BODY><a href='https://x.example'>x</a></BODY></html>", (true, false));
        assert!(links.is_empty() && out.contains("href='https://x.example'"), "{out}");
        assert!(
            out.contains("</a><img src=\"https://mail.shop.example/o/A") && out.ends_with("></BODY></html>"),
            "{out}"
        );
        assert_eq!(tracked("<p>é</p>", (false, false)), ("<p>é</p>".to_string(), vec![]));
    }

    #[test]
    fn a_click_says_which_link_of_which_message() {
        let id = link_id("https://x.example");
        let address = signer().click(MESSAGE, &id);
        let token = address.rsplit('/').next().expect("a token");
        let sealed = crate::links::click::SealedClick::read(token).expect("a token");
        assert_eq!(sealed.open(&[1]), Some(Click::new(MESSAGE, &id).expect("a message")));
        assert_eq!((sealed.key, sealed.open(&[2])), (7, None));
        // Nobody makes one up, and one kind is not another.
        for at in 0..token.len() {
            let mut other = token.to_string();
            other.replace_range(at..=at, if &token[at..=at] == "A" { "B" } else { "A" });
            let opened = crate::links::click::SealedClick::read(&other).and_then(|sealed| sealed.open(&[1]));
            assert_eq!(opened, None, "letter {at}");
        }
        let page = signer().link(Kind::Open, MESSAGE, 0);
        assert!(crate::links::click::SealedClick::read(page.rsplit('/').next().expect("a token")).is_none());
    }

    /// HTML as nobody should write it.
    fn tangled() -> impl Strategy<Value = String> {
        let pieces = [
            "<a",
            "<A ",
            "<area",
            " href",
            "=",
            "\"",
            "'",
            ">",
            "/",
            " ",
            "https://x.example/é?a=1&amp;b",
            "<",
            "&#39;",
            "</a>",
            "</body>",
            "title=é",
            "\n",
            "javascript:x",
            "http://",
            "\u{0}",
            "🏺",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_the_html_nothing_but_addresses_changes(html in prop_oneof![tangled(), ".*"]) {
            let (out, addresses) = tracked(&html, (false, true));
            let mut back = out;
            let found = links(&html);
            for (range, address) in &found {
                prop_assert!(addresses.contains(address));
                back = back.replacen(&signer().click(MESSAGE, &link_id(address)), &html[range.clone()], 1);
            }
            prop_assert_eq!(back, html);
        }

        #[test]
        fn whatever_a_token_says_is_read_without_harm(text in ".{0,80}", like in "[A-Za-z0-9_-]{64}") {
            for text in [text, like] {
                let opened = crate::links::click::SealedClick::read(&text).and_then(|sealed| sealed.open(&[1]));
                prop_assert_eq!(opened, None);
            }
        }
    }
}
