use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
struct Shopper {
    username: String,
}

#[email("welcome")]
fn welcome(user: &Shopper) -> Email {
    html! { <Text>"Hello " {&user.nickname}</Text> }
}

async fn flow(flow: Flow<Shopper>) {
    flow.send(welcome()).await;
}

fn main() {}
