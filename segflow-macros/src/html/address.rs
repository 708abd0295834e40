//! Literal addresses. What is known only at run time is held against the same lists (`segflow-sdk/src/email/html/url.rs`).

const LINKS: &[&str] = &["https:", "http:", "mailto:", "tel:", "segflow:"];
const IMAGES: &[&str] =
    &["https:", "http:", "cid:", "data:image/png;", "data:image/gif;", "data:image/jpeg;", "data:image/webp;"];

/// Why a literal `href` or `src` cannot be sent.
pub fn mistake(attribute: &str, address: &str) -> Option<String> {
    let schemes = if attribute == "src" { IMAGES } else { LINKS };
    let starts = |scheme: &&str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if schemes.iter().any(starts) && !address.contains(|c: char| c.is_control() || c == ' ') {
        return None;
    }
    if address.starts_with(['/', '#', '.']) || !address.contains(':') {
        return Some(format!("`{address}` leads nowhere in a mail: write the whole address, `https://…`"));
    }
    Some(format!("`{address}` cannot be sent: an address begins with {}", schemes.join(", ")))
}
