//! What the shop writes. The user is filled in when an email is sent; every other argument travels with the message.

use segflow::prelude::*;

use crate::{Purchase, Shopper};

#[email("welcome-email")]
pub fn welcome(user: &Shopper) -> Email {
    template!("emails/welcome.html", user)
}

#[email("winback-email")]
pub fn winback(user: &Shopper) -> Email {
    template!("emails/winback.html", user)
}

#[email("vip-email")]
pub fn vip(user: &Shopper) -> Email {
    template!("emails/vip.html", user)
}

#[email("order-confirmed")]
pub fn order_confirmed(user: &Shopper, purchase: &Purchase) -> Email {
    let value = format!("${:.2}", purchase.value);
    template!("emails/order-confirmed.html", user, purchase, value)
}
