//! Literal addresses. What is known only at run time is held against the same lists (`segflow-sdk/src/email/html/url.rs`).

use crate::nearest::nearest;

const LINKS: &[&str] = &["https:", "http:", "mailto:", "tel:", "segflow:"];
const IMAGES: &[&str] =
    &["https:", "http:", "cid:", "data:image/png;", "data:image/gif;", "data:image/jpeg;", "data:image/webp;"];
/// What the server fills in.
const FILLED_IN: [&str; 4] = ["segflow:unsubscribe", "segflow:preferences", "segflow:browser", "segflow:confirm"];

/// Why a literal `href` or `src` cannot be sent.
pub fn mistake(attribute: &str, address: &str) -> Option<String> {
    let images = attribute == "src";
    if begins(images, address) && !address.contains(|c: char| c.is_control() || c == ' ') {
        return unknown(address);
    }
    Some(wrong_start(images, address))
}

/// Whether an address begins as one of a picture, or of a link.
pub fn begins(images: bool, address: &str) -> bool {
    let starts = |scheme: &&str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    schemes(images).iter().any(starts)
}

/// Why one that begins otherwise cannot be sent.
pub fn wrong_start(images: bool, address: &str) -> String {
    if address.starts_with(['/', '#', '.']) || !address.contains(':') {
        return format!("`{address}` leads nowhere in a mail: write the whole address, `https://…`");
    }
    format!("`{address}` cannot be sent: an address begins with {}", schemes(images).join(", "))
}

/// Why one of the server's is none.
pub fn unknown(address: &str) -> Option<String> {
    if !address.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("segflow:")) || FILLED_IN.contains(&address) {
        return None;
    }
    Some(match nearest(address, FILLED_IN) {
        Some(near) => format!("the server fills in no `{address}`; did you mean `{near}`?"),
        None => format!("the server fills in no `{address}`; there are `{}`", FILLED_IN.join("`, `")),
    })
}

fn schemes(images: bool) -> &'static [&'static str] {
    if images { IMAGES } else { LINKS }
}
