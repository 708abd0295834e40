use storefront::{Purchase, Shopper};

pub fn ada() -> Shopper {
    Shopper { username: "Ada".into(), email: "ada@example.com".into(), winback: false, time_zone: None }
}

#[allow(dead_code, reason = "not every test buys something")]
pub fn order(order_id: &str, value: f64) -> Purchase {
    Purchase { value, order_id: order_id.into() }
}
