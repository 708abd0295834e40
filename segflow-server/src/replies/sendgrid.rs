//! SendGrid's Inbound Parse: a form of several parts for each mail, taken apart or raw.

use std::collections::BTreeMap;

use axum::body::Bytes;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use multer::Multipart;

use super::head::Head;
use super::{Arrived, arrived, mime};

/// The fields that are read, and how many there may be in all: each attachment is one.
const READ: [&str; 7] = ["headers", "subject", "from", "text", "html", "charsets", "email"];
const MOST: usize = 1_000;

/// An error says what is wrong with it.
pub async fn read(content_type: &str, body: Bytes) -> Result<Arrived, String> {
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| "this is no form as SendGrid's Inbound Parse sends it: multipart/form-data".to_string())?;
    let mut form = Multipart::new(futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]), boundary);
    let broken = |e: multer::Error| format!("the form cannot be read: {e}");
    let mut fields: BTreeMap<String, Bytes> = BTreeMap::new();
    for _ in 0..MOST {
        let Some(field) = form.next_field().await.map_err(broken)? else { return filled(fields) };
        let name = field.name().unwrap_or_default().to_string();
        // What is not read is passed over with the next.
        if READ.contains(&name.as_str()) {
            let value = field.bytes().await.map_err(broken)?;
            fields.entry(name).or_insert(value);
        }
    }
    Err(format!("the form has more than {MOST} parts"))
}

fn filled(mut fields: BTreeMap<String, Bytes>) -> Result<Arrived, String> {
    if let Some(raw) = fields.remove("email") {
        return Ok(mime::read(&raw, None));
    }
    if !fields.contains_key("headers") {
        return Err("the form has neither `headers` nor `email`: it is no mail of SendGrid's Inbound Parse".into());
    }
    // Each field is as it was written, and this says how.
    let charsets: BTreeMap<String, String> =
        fields.get("charsets").and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
    let text = |name: &str| {
        let Some(bytes) = fields.get(name) else { return String::new() };
        let charset = charsets.get(name).map_or("utf-8", String::as_str);
        match charset_decoder(charset.as_bytes()).filter(|_| !charset.eq_ignore_ascii_case("utf-8")) {
            Some(decode) => decode(bytes),
            None => String::from_utf8_lossy(bytes).into_owned(),
        }
    };
    let mut said = text("text");
    if said.trim().is_empty() {
        said = html_to_text(&text("html"));
    }
    let head = Head::parse(&text("headers"));
    Ok(arrived(&head, &text("subject"), &said, None))
}
