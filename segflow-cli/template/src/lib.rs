//! What __NAME__ sends to its users, and when. `cargo test` plays it, `segflow dev` runs it here, `segflow push` brings it to a server.

use segflow::prelude::*;

pub mod emails;

/// What is known of a user. `segflow add ada username=Ada email=ada@shop.example` adds one.
#[derive(Debug, Clone, Attributes, Serialize, Deserialize)]
pub struct User {
    pub username: String,
    pub email: String,
    /// Mail in flight stops when this becomes false: see `welcome` below.
    #[serde(default = "yes")]
    pub wants_tips: bool,
    pub time_zone: Option<String>,
}

/// An order was paid. `segflow emit purchase ada value=99 order_id=A-1` reports one.
#[derive(Debug, Clone, Event, Serialize, Deserialize)]
pub struct Purchase {
    pub value: f64,
    pub order_id: String,
}

pub fn everyone() -> Segment<User> {
    Segment::everyone("everyone")
}

pub fn buyers() -> Segment<User> {
    Segment::new("buyers", events::<Purchase>().exists())
}

/// Everyone's first month.
async fn welcome(flow: Flow<User>) {
    flow.send(emails::welcome()).await;
    for tip in 1..=3 {
        flow.wait(weeks(1)).await;
        if !flow.user().await.wants_tips {
            return;
        }
        flow.send(emails::tips(tip)).await;
    }
}

#[segflow::project]
pub fn project() -> Project<User> {
    Project::new("__NAME__")
        .from("__NAME__ <hello@example.com>")
        .segments([buyers()])
        .campaign(Campaign::new("welcome", welcome).enters(everyone()))
        .transaction("purchase", emails::order)
        .provider(Capture)
}

fn yes() -> bool {
    true
}
