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

/// More at once than anybody would want.
async fn greet_often(flow: Flow<Person>) {
    for _ in 0..5 {
        flow.send(hello()).await;
    }
}

async fn greet_again(flow: Flow<Person>) {
    for _ in 0..4 {
        flow.send(hello()).await;
    }
}

fn provider() -> Provider {
    match variant() {
        "postmark" => Postmark::token("POSTMARK_TOKEN").url("VENDOR_URL").into(),
        "ses" => {
            Ses::region("eu-central-1", "SES_KEY_ID", "SES_KEY").configuration_set("shop").url("VENDOR_URL").into()
        }
        "sendgrid" => SendGrid::key("SENDGRID_KEY").url("VENDOR_URL").into(),
        "resend" => Resend::key("RESEND_KEY").url("VENDOR_URL").into(),
        "mixmax" => MixMax::sequence("5f1a", "MIXMAX_TOKEN").url("VENDOR_URL").into(),
        "endpoint" => Endpoint::url("VENDOR_URL").token("MAIL_TOKEN").named("own"),
        "keyed" => Endpoint::url("VENDOR_URL").knows_keys().into(),
        "smtp" => Smtp::url("VENDOR_URL").into(),
        "smtp64" => Smtp::url("VENDOR_URL").connections(64).into(),
        "signed" => Smtp::url("VENDOR_URL").dkim("shop.example", "mail", "DKIM_KEY").into(),
        _ => Capture.into(),
    }
}

/// Several beside one another: endpoints of one's own, for what has nothing to do with any vendor.
fn providers() -> Vec<Provider> {
    let first = || Endpoint::url("FIRST_URL").token("MAIL_TOKEN");
    let second = || Endpoint::url("SECOND_URL").token("MAIL_TOKEN");
    match variant() {
        "failover" => vec![first().named("first"), second().named("second").priority(2)],
        "weights" => vec![first().named("first").weight(3), second().named("second")],
        "streams" => {
            vec![first().named("first").transactions_only(), second().named("second").campaigns_only()]
        }
        "pinned" => vec![first().knows_keys().named("first"), second().knows_keys().named("second").priority(2)],
        "rate" => vec![first().named("first").per_second(20)],
        "day" => vec![first().named("first").per_day(20), second().named("second").priority(2)],
        "thousand" => vec![first().named("first").per_day(1_000)],
        "first" => vec![first().named("first")],
        "second" => vec![second().named("second")],
        "proof" => vec![
            Postmark::token("POSTMARK_TOKEN").url("VENDOR_URL").weight(2),
            first().named("own").weight(2),
            Smtp::url("SMTP_URL").into(),
        ],
        _ => vec![provider()],
    }
}

#[segflow::project]
pub fn senders() -> Project<Person> {
    let everyone = || Segment::everyone("everyone");
    let project = Project::new("senders").from("Käse & Co <hello@shop.example>").transaction("receipt", receipt);
    let project = match variant() {
        "proof" => project
            .campaign(Campaign::new("once", greet_often).enters(everyone()))
            .campaign(Campaign::new("twice", greet_again).enters(everyone()).at_least_once()),
        _ => project.campaign(Campaign::new("greet", greet).enters(everyone())),
    };
    providers().into_iter().fold(project, Project::provider)
}
