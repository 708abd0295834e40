//! Everybody gets one email, and orders are confirmed. Through which provider stands in sixteen bytes of the module, which tests overwrite.

use segflow::Provider;
use segflow::prelude::*;

#[used]
static MARK: [u8; 16] = *b"variant:--------";

fn variant() -> &'static str {
    let mark = std::hint::black_box(&MARK);
    std::str::from_utf8(&mark["variant:".len()..]).unwrap_or_default().trim_end_matches('-')
}

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Person {
    pub email: String,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Order {
    pub number: String,
}

#[email("hello")]
pub fn hello(user: &Person) -> Email {
    html! {
        <Subject>"Grüße an " {&user.email}</Subject>
        <Text>"Schön, dass du da bist."</Text>
        <Text><Unsubscribe>"Keine Post mehr"</Unsubscribe></Text>
    }
}

#[email("receipt")]
pub fn receipt(_user: &Person, order: &Order) -> Email {
    html! {
        <Subject>"Order " {&order.number}</Subject>
        <Text>"It is on its way."</Text>
    }
}

async fn greet(flow: Flow<Person>) {
    flow.send(hello()).await;
}

fn provider() -> Provider {
    match variant() {
        "postmark" => Postmark::token("POSTMARK_TOKEN").url("VENDOR_URL").into(),
        "ses" => {
            Ses::region("eu-central-1", "SES_KEY_ID", "SES_KEY").configuration_set("shop").url("VENDOR_URL").into()
        }
        "sendgrid" => SendGrid::key("SENDGRID_KEY").url("VENDOR_URL").into(),
        "resend" => Resend::key("RESEND_KEY").url("VENDOR_URL").into(),
        "endpoint" => Endpoint::url("VENDOR_URL").token("MAIL_TOKEN").named("own"),
        "keyed" => Endpoint::url("VENDOR_URL").knows_keys().into(),
        "signed" => Smtp::url("VENDOR_URL").dkim("shop.example", "mail", "DKIM_KEY").into(),
        _ => Capture.into(),
    }
}

#[segflow::project]
pub fn senders() -> Project<Person> {
    Project::new("senders")
        .from("Käse & Co <hello@shop.example>")
        .campaign(Campaign::new("greet", greet).enters(Segment::everyone("everyone")))
        .transaction("receipt", receipt)
        .provider(provider())
}
