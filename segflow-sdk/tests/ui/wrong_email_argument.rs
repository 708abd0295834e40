use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
struct Shopper {
    winback: bool,
}

#[derive(Event, Serialize, Deserialize)]
struct Purchase {
    value: f64,
}

#[email("thanks")]
fn thanks(user: &Shopper, purchase: &Purchase) -> Email {
    loop {}
}

async fn flow(flow: Flow<Shopper>) {
    flow.send(thanks(10)).await;
    flow.send(thanks()).await;
}

fn main() {}
