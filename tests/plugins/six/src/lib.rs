//! Six emails as a shop writes them. tests/vendors/six/letters.mjs has the same six for React Email; tests/vendors/six/data.json is what both are
//! rendered with.

use segflow::prelude::*;

mod account;
mod orders;
mod parts;
mod shop;

pub use account::{reset, welcome};
pub use orders::order;
pub use shop::{digest, vip, winback};

/// What both are rendered with: the user, and the arguments of each.
pub const DATA: &str = include_str!("../../../vendors/six/data.json");

#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct Customer {
    pub name: String,
    pub email: String,
}

/// In cents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub detail: String,
    pub count: u32,
    pub price: u32,
}

#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Order {
    pub number: String,
    pub lines: Vec<Line>,
    pub shipping: u32,
    pub tax: u32,
    pub address: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Product {
    pub name: String,
    pub price: u32,
    pub picture: String,
    pub link: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Story {
    pub title: String,
    pub author: String,
    pub minutes: u32,
    pub words: String,
    pub link: String,
}

async fn all(flow: Flow<Customer>) {
    flow.send(welcome()).await;
    flow.send(winback(vec![])).await;
    flow.send(vip("CUP-20".into(), 20)).await;
    flow.send(digest("June".into(), vec![])).await;
}

#[segflow::project]
pub fn six() -> Project<Customer> {
    Project::new("six")
        .from("Kiln & Cup <hello@kiln.example>")
        .campaign(Campaign::new("all", all).enters(Segment::everyone("everyone")))
        .transaction("order", order)
        .provider(Capture)
}
