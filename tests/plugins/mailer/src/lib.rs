//! Everybody gets two emails, two seconds apart, over SMTP; orders are confirmed at least once.

use segflow::prelude::*;

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Person {
    pub email: String,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Order {
    pub number: String,
    #[serde(default)]
    pub items: Vec<String>,
}

#[email("first")]
pub fn first(user: &Person) -> Email {
    template!("emails/first.html", user)
}

#[email("second")]
pub fn second(user: &Person) -> Email {
    template!("emails/second.html", user)
}

#[email("receipt")]
pub fn receipt(_user: &Person, order: &Order) -> Email {
    template!("emails/receipt.mjml", order)
}

async fn pair(flow: Flow<Person>) {
    flow.send(first()).await;
    flow.wait(seconds(2)).await;
    flow.send(second()).await;
}

#[segflow::project]
pub fn mailer() -> Project<Person> {
    Project::new("mailer")
        .from("Mailer <mailer@segflow.example>")
        .campaign(Campaign::new("pair", pair).enters(Segment::everyone("everyone")))
        .transaction("receipt", receipt)
        .provider(Smtp::url("SMTP_URL"))
}
