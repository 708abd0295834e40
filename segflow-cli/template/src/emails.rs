//! The emails; their words are in the folder `emails/`. The user is filled in when one is sent, everything else travels with it.

use segflow::prelude::*;

use crate::{Purchase, User};

#[email("welcome")]
pub fn welcome(user: &User) -> Email {
    template!("emails/welcome.html", user)
}

#[email("tips")]
pub fn tips(user: &User, tip: u32) -> Email {
    template!("emails/tips.html", user, tip)
}

#[email("order")]
pub fn order(user: &User, purchase: &Purchase) -> Email {
    template!("emails/order.html", user, purchase)
}
