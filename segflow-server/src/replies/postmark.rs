//! Postmark's inbound webhook: one JSON document for each mail.

use serde::Deserialize;

use super::head::Head;
use super::{Arrived, arrived};

/// What is read of it. Attachments, which are in it too, are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inbound {
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    text_body: Option<String>,
    #[serde(default)]
    html_body: Option<String>,
    /// The text without what it answers, where Postmark could tell.
    #[serde(default)]
    stripped_text_reply: Option<String>,
    /// Postmark's own, of the mail as it got it.
    #[serde(default, rename = "MessageID")]
    message_id: Option<String>,
    headers: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Field {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

/// An error says what is wrong with it.
pub fn read(body: &[u8]) -> Result<Arrived, String> {
    let told: Inbound = serde_json::from_slice(body)
        .map_err(|e| format!("this is no mail as Postmark's inbound webhook has it: {e}"))?;
    let mut fields: Vec<(String, String)> =
        told.headers.into_iter().map(|field| (field.name, field.value.unwrap_or_default())).collect();
    // These stand beside the others, and not always among them.
    let has = |fields: &[(String, String)], name: &str| fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if let Some(from) = told.from.filter(|_| !has(&fields, "From")) {
        fields.push(("From".into(), from));
    }
    if let Some(id) = told.message_id.filter(|id| !id.is_empty() && !has(&fields, "Message-ID")) {
        fields.push(("Message-ID".into(), format!("<{id}>")));
    }
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let html = || filled(told.html_body.clone()).map(|html| mail_parser::decoders::html::html_to_text(&html));
    let text = filled(told.stripped_text_reply).or_else(|| filled(told.text_body)).or_else(html);
    Ok(arrived(&Head::of(fields), &told.subject.unwrap_or_default(), &text.unwrap_or_default(), None))
}
