use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
struct Shopper {
    winback: bool,
}

#[derive(Event, Serialize, Deserialize)]
struct Purchase {
    value: f64,
}

fn main() {
    let _ = user::<Shopper>(|u| u.winback.eq("yes"));
    let _ = events::<Purchase>().filter(|p| p.value.gt(10));
    let _ = user::<Shopper>(|u| u.winback.gt(false));
}
