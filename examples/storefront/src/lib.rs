//! The tour of Segflow: a shop that welcomes, wins back, and looks after its best customers.
//!
//! Who the users are and what happens to them comes first, then the segments, then the campaigns, then the project that a push brings to
//! a server. The emails are in [`emails`], what they are built of in [`parts`].

use segflow::prelude::*;

pub mod emails;
pub mod parts;

/// A customer of the shop.
#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Shopper {
    pub username: String,
    pub email: String,
    /// Should be asked to come back.
    #[serde(default)]
    pub winback: bool,
    pub time_zone: Option<String>,
}

/// An order was paid.
#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Purchase {
    /// In dollars.
    pub value: f64,
    pub order_id: String,
}

/// A customer came to the shop.
#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Login {}

pub fn all_users() -> Segment<Shopper> {
    Segment::everyone("all-users")
}

pub fn purchased_users() -> Segment<Shopper> {
    Segment::new("purchased-users", events::<Purchase>().exists())
}

pub fn big_spenders() -> Segment<Shopper> {
    Segment::new("big-spenders", events::<Purchase>().sum(|p| p.value).gt(1000.0))
}

pub fn winback_eligible() -> Segment<Shopper> {
    Segment::new("winback-eligible", user::<Shopper>(|u| u.winback.eq(true)))
}

async fn welcome(flow: Flow<Shopper>) {
    flow.send(emails::welcome()).await;
}

/// Eight emails, each after twice the silence of the one before.
async fn winback(flow: Flow<Shopper>) {
    for i in 0..8 {
        flow.send(emails::winback()).await;
        flow.wait(days(1 << i)).await;
    }
}

async fn vip(flow: Flow<Shopper>) {
    loop {
        flow.send(emails::vip()).await;
        flow.wait(days(30)).await;
    }
}

#[segflow::project]
pub fn storefront() -> Project<Shopper> {
    Project::new("storefront")
        .from("Segflow <hello@segflow.example>")
        .segments([purchased_users()])
        .campaign(Campaign::new("welcome-campaign", welcome).enters(all_users()))
        .campaign(Campaign::new("winback-campaign", winback).enters(winback_eligible()).dynamic())
        .campaign(Campaign::new("vip-treatment", vip).enters(big_spenders()).dynamic())
        .transaction("purchase", emails::order_confirmed)
        .provider(Capture)
        .sample_user(ada())
}

/// Whom the emails are looked at with.
fn ada() -> Shopper {
    Shopper { username: "Ada".into(), email: "ada@shop.example".into(), winback: false, time_zone: None }
}
