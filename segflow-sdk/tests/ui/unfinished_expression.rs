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
    let _: Segment<Shopper> = Segment::new("bought", events::<Purchase>().count());
}
