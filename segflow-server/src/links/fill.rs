//! What the server puts into an email for its one recipient: the addresses that only it can make, and what a mail to many must end with.

use segflow_protocol::{Manifest, Rendered, Texts};

use super::{Kind, Signer};

/// Headers of an email besides those that every email has.
pub type Headers = Vec<(&'static str, String)>;

/// What an email has in place of the addresses.
const MARK: &str = "segflow:";

/// What can follow the mark, and where that leads.
const WORDS: [(&str, Kind); 4] = [
    ("unsubscribe", Kind::Unsubscribe),
    ("preferences", Kind::Preferences),
    ("browser", Kind::Browser),
    ("confirm", Kind::Confirm),
];

/// The addresses of one message: each is signed when it is first asked for, and most emails have one or two of them.
struct Addresses<'a> {
    signer: &'a Signer,
    message: &'a str,
    /// In the order of [`WORDS`].
    signed: [Option<String>; WORDS.len()],
}

impl Addresses<'_> {
    /// By its place in [`WORDS`].
    fn at(&mut self, place: usize) -> &str {
        self.signed[place].get_or_insert_with(|| self.signer.link(WORDS[place].1, self.message, 0))
    }
}

/// Fills an email in. `campaign`: it goes to many, who may not want it. Returns the headers that it needs.
pub fn fill(email: &mut Rendered, signer: &Signer, manifest: &Manifest, message: &str, campaign: bool) -> Headers {
    let mut addresses = Addresses { signer, message, signed: Default::default() };
    if campaign && let Some(postal) = &manifest.postal {
        end(email, postal, &manifest.texts);
    }
    for part in [&mut email.html, &mut email.text] {
        if part.contains(MARK) {
            *part = replaced(part, &mut addresses);
        }
    }
    if !campaign || !signer.reachable {
        return vec![];
    }
    one_click(addresses.at(0), manifest)
}

/// Makes an email what its readers get, but for the addresses that only a server can sign: for a preview. Returns the headers that it needs.
pub fn unsigned(email: &mut Rendered, manifest: &Manifest, campaign: bool) -> Headers {
    if !campaign {
        return vec![];
    }
    if let Some(postal) = &manifest.postal {
        end(email, postal, &manifest.texts);
    }
    let base = manifest.links_at.as_deref().unwrap_or("https://…").trim_end_matches('/');
    one_click(&format!("{base}/u/…"), manifest)
}

fn one_click(unsubscribe: &str, manifest: &Manifest) -> Headers {
    let mut ways = format!("<{unsubscribe}>");
    if let Some(address) = &manifest.unsubscribe_by_mail {
        // The token: whoever reads the mailbox finds the message by it.
        let token = unsubscribe.rsplit('/').next().unwrap_or_default();
        ways.push_str(&format!(", <mailto:{address}?subject=unsubscribe%20{token}>"));
    }
    vec![("List-Unsubscribe", ways), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into())]
}

/// Whether an email, not filled in yet, has a link by which its reader can get out.
pub fn lead_out(html: &str) -> bool {
    let leads =
        |after: &&str| word(after).is_some_and(|place| matches!(WORDS[place].1, Kind::Unsubscribe | Kind::Preferences));
    html.split(MARK).skip(1).any(|after| leads(&after))
}

/// Which of the [`WORDS`] follows a mark: all of it, not the beginning of another word.
fn word(after: &str) -> Option<usize> {
    let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(after.len());
    WORDS.iter().position(|(word, _)| *word == &after[..length])
}

/// The text with an address in each place that is marked.
fn replaced(text: &str, addresses: &mut Addresses<'_>) -> String {
    let mut out = String::with_capacity(text.len() + 256);
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        let after = &rest[at + MARK.len()..];
        match word(after) {
            Some(place) => {
                out.push_str(&rest[..at]);
                out.push_str(addresses.at(place));
                rest = &after[WORDS[place].0.len()..];
            }
            None => {
                out.push_str(&rest[..at + MARK.len()]);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Adds what an email to many has to end with and does not: who has sent it, and the way out.
fn end(email: &mut Rendered, postal: &str, texts: &std::collections::BTreeMap<String, Texts>) {
    let lines: Vec<String> = postal.lines().map(str::trim).filter(|line| !line.is_empty()).map(escaped).collect();
    let has_postal = lines.iter().all(|line| email.html.contains(line.as_str()));
    let has_way_out = lead_out(&email.html);
    if has_postal && has_way_out {
        return;
    }
    let english = Texts::default();
    let word = &language(&email.html).and_then(|lang| texts.get(lang)).unwrap_or(&english).unsubscribe;
    let (mut html, mut text) = (vec![], vec![]);
    if !has_postal {
        html.push(lines.join("<br>"));
        text.push(postal.lines().map(str::trim).collect::<Vec<_>>().join("\n"));
    }
    if !has_way_out {
        let style = "color:#767676;text-decoration:underline";
        html.push(format!("<a href=\"{MARK}unsubscribe\" target=\"_blank\" style=\"{style}\">{}</a>", escaped(word)));
        text.push(format!("{word} ({MARK}unsubscribe)"));
    }
    // Grey that can be read on white and on black.
    let html = format!(
        "<div style=\"padding:16px 24px;text-align:center;font-family:Arial,sans-serif;font-size:12px;line-height:18px;\
         color:#767676\">{}</div>",
        html.join("<br>")
    );
    let at = email.html.to_ascii_lowercase().rfind("</body>").unwrap_or(email.html.len());
    email.html.insert_str(at, &html);
    if !email.text.is_empty() && !email.text.ends_with('\n') {
        email.text.push('\n');
    }
    email.text.push_str(&format!("\n{}\n", text.join("\n\n")));
}

/// What the document says of its language: `de` for `<html lang="de-AT">`.
fn language(html: &str) -> Option<&str> {
    let start = html.get(..html.len().min(200)).or_else(|| html.get(..100))?;
    let after = &start[start.find("<html")?..];
    let value = &after[after.find("lang=")? + "lang=".len()..];
    let value = value.trim_start_matches(['"', '\'']);
    Some(value.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::link_keys::LinkKey;

    const MESSAGE: &str = "msg_2afcef9580f3c1a931ca39717d33376a";

    fn signer(reachable: bool) -> Signer {
        let key = LinkKey { id: 7, workspace: "main".into(), secret: vec![1], created_at: 0, revoked_at: None };
        Signer { key, base: "https://mail.shop.example".into(), reachable }
    }

    fn email(html: &str, text: &str) -> Rendered {
        Rendered { subject: "x".into(), html: html.into(), text: text.into() }
    }

    fn filled(html: &str, text: &str, manifest: &Manifest, campaign: bool) -> (Rendered, Headers) {
        let mut email = email(html, text);
        let headers = fill(&mut email, &signer(true), manifest, MESSAGE, campaign);
        (email, headers)
    }

    fn shop() -> Manifest {
        Manifest { postal: Some("Shop & Co\n1 High Street".into()), ..Manifest::default() }
    }

    #[test]
    fn marks_become_addresses_and_nothing_else_does() {
        let marked =
            "<a href='segflow:unsubscribe'>a</a> segflow:preferences segflow: segflow:unsubscribed segflow:browser";
        let (email, _) = filled(marked, marked, &Manifest::default(), false);
        assert_eq!(email.html, email.text);
        for (kind, times) in [(Kind::Unsubscribe, 1), (Kind::Preferences, 1), (Kind::Browser, 1)] {
            assert_eq!(email.html.matches(&signer(true).link(kind, MESSAGE, 0)).count(), times);
        }
        assert!(email.html.starts_with("<a href='https://mail.shop.example/u/AQ"), "{}", email.html);
        assert!(email.html.contains(" segflow: segflow:unsubscribed https"), "{}", email.html);
        assert!(lead_out(marked) && !lead_out("<a href='segflow:unsubscribed'>segflow:browser</a>"));
        let plain = filled("<p>nothing</p>", "nothing", &Manifest::default(), true).0;
        assert_eq!((plain.html.as_str(), plain.text.as_str()), ("<p>nothing</p>", "nothing"));
    }

    #[test]
    fn what_nobody_asks_for_is_not_signed() {
        let mut addresses = Addresses { signer: &signer(true), message: MESSAGE, signed: Default::default() };
        replaced("segflow:browser segflow:other segflow:browser", &mut addresses);
        assert_eq!(addresses.signed.map(|address| address.is_some()), [false, false, true, false]);
    }

    #[test]
    fn what_goes_to_many_has_the_headers_of_one_click() {
        let (_, headers) = filled("", "", &Manifest::default(), true);
        let link = signer(true).link(Kind::Unsubscribe, MESSAGE, 0);
        assert_eq!(headers[0], ("List-Unsubscribe", format!("<{link}>")));
        assert_eq!(headers[1], ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_string()));
        let by_mail = Manifest { unsubscribe_by_mail: Some("stop@shop.example".into()), ..Manifest::default() };
        let (_, headers) = filled("", "", &by_mail, true);
        assert!(headers[0].1.starts_with(&format!("<{link}>, <mailto:stop@shop.example?subject=unsubscribe%20AQ")));
        assert_eq!(filled("", "", &Manifest::default(), false).1, [], "a transaction has none");
        let mut email = email("", "");
        assert_eq!(fill(&mut email, &signer(false), &Manifest::default(), MESSAGE, true), [], "nobody would reach it");
    }

    #[test]
    fn what_is_missing_at_the_end_is_added_and_no_more() {
        let (whole, _) = filled("<html lang=\"en\"><body>Hello</body></html>", "Hello", &shop(), true);
        assert!(whole.html.contains("Shop &amp; Co<br>1 High Street<br><a href=\"https://"), "{}", whole.html);
        assert!(whole.html.ends_with("</div></body></html>"));
        assert!(whole.text.starts_with("Hello\n\nShop & Co\n1 High Street\n\nUnsubscribe (https://"), "{}", whole.text);
        let own = "<body>Shop &amp; Co, 1 High Street <a href=\"segflow:preferences\">choose</a></body>";
        assert!(!filled(own, "", &shop(), true).0.html.contains("<div"));
        let half = filled("<body><a href=\"segflow:unsubscribe\">out</a></body>", "", &shop(), true).0.html;
        assert_eq!((half.matches("/u/").count(), half.matches("High Street").count()), (1, 1));
        assert!(!filled("<body>Hello</body>", "", &shop(), false).0.html.contains("High Street"), "a transaction");
    }

    #[test]
    fn a_preview_has_the_same_but_for_what_is_signed() {
        let shop = Manifest { unsubscribe_by_mail: Some("stop@shop.example".into()), ..shop() };
        let (sent, _) = filled("<body>Hello</body>", "Hello", &shop, true);
        let mut shown = email("<body>Hello</body>", "Hello");
        let headers = unsigned(&mut shown, &shop, true);
        let link = signer(true).link(Kind::Unsubscribe, MESSAGE, 0);
        assert_eq!(shown.html.replace("segflow:unsubscribe", &link), sent.html);
        let ways = "<https://…/u/…>, <mailto:stop@shop.example?subject=unsubscribe%20…>";
        assert_eq!(headers[0], ("List-Unsubscribe", ways.to_string()));
        assert_eq!(unsigned(&mut email("x", "x"), &shop, false), []);
    }

    #[test]
    fn it_is_added_in_the_language_of_the_email() {
        let german = Texts { unsubscribe: "Abmelden", ..Texts::english() }.to_owned();
        let shop = Manifest { texts: [("de".to_string(), german)].into(), ..shop() };
        for (html, word) in [
            ("<!doctype html><html lang=\"de-AT\" dir=\"ltr\"><body></body>", ">Abmelden<"),
            ("<html lang=fr><body></body>", ">Unsubscribe<"),
            ("<p>é</p>", ">Unsubscribe<"),
        ] {
            let html = filled(html, "", &shop, true).0.html;
            assert!(html.contains(word), "{html}");
        }
    }
}
