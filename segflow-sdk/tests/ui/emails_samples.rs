use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
struct Shopper {
    email: String,
}

#[email("misspelt", sample(precent = 5))]
fn misspelt(_user: &Shopper, percent: u8) -> Email {
    html! { <Subject>{percent}</Subject> }
}

#[email("twice", sample(percent = 5, percent = 6))]
fn twice(_user: &Shopper, percent: u8) -> Email {
    html! { <Subject>{percent}</Subject> }
}

#[email("wrong-type", sample(percent = "five"))]
fn wrong_type(_user: &Shopper, percent: u8) -> Email {
    html! { <Subject>{percent}</Subject> }
}

#[email("other-word", exmaple(percent = 5))]
fn other_word(_user: &Shopper, percent: u8) -> Email {
    html! { <Subject>{percent}</Subject> }
}

fn main() {}
