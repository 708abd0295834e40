use segflow::prelude::*;

#[derive(Attributes, Serialize, Deserialize)]
struct Shopper {
    email: String,
}

#[email("missing")]
fn missing(user: &Shopper) -> Email {
    template!("emails/none.html", user)
}

#[email("misspelt")]
fn misspelt(user: &Shopper, percent: u8) -> Email {
    template!("../../../tmp/misspelt.html", user, percent)
}

#[email("hostile")]
fn hostile(user: &Shopper) -> Email {
    template!("../../../tmp/hostile.html", user)
}

fn main() {}
