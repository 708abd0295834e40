mod common;

use common::ada;
use segflow::prelude::*;
use segflow::testing::Run;
use storefront::{Shopper, storefront};

#[test]
fn everybody_is_welcomed_once() {
    let mut run = Run::new(storefront()).user("ada", ada()).user("bob", Shopper { username: "Bob".into(), ..ada() });
    run.advance(days(300));
    run.update("ada", Shopper::patch().username("Ada L."));
    assert_eq!(run.sent("welcome-email").subjects(), ["Welcome to Segflow, Ada!", "Welcome to Segflow, Bob!"]);
}

#[test]
fn names_are_escaped_in_html_and_readable_in_text() {
    let run = Run::new(storefront()).user("eve", Shopper { username: "<b>Eve</b>".into(), ..ada() });
    let mail = &run.sent("welcome-email")[0];
    assert!(mail.html.contains("Welcome, &lt;b&gt;Eve&lt;/b&gt;!"), "{}", mail.html);
    assert!(mail.text.contains("Welcome, <b>Eve</b>!\n\nGood to have you here."), "{}", mail.text);
    assert!(mail.text.contains("\n\nSee what is new (https://shop.example/new)\n"), "{}", mail.text);
}
