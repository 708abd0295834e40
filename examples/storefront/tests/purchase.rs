mod common;

use common::{ada, order};
use segflow::testing::Run;
use storefront::{Login, storefront};

#[test]
fn each_order_is_confirmed_once_with_its_values() {
    let mut run = Run::new(storefront()).user("ada", ada());
    run.emit("ada", &Login {});
    run.emit("ada", &order("A-1", 99.0));
    run.emit("ada", &order("A-2", 0.5));
    let mails = run.sent("order-confirmed");
    assert_eq!(mails.subjects(), ["Order Confirmed, Ada!", "Order Confirmed, Ada!"]);
    assert!(mails[0].text.contains("Order A-1: $99.00"), "{}", mails[0].text);
    assert!(mails[1].html.contains("Order <strong>A-2</strong>: $0.50"), "{}", mails[1].html);
}
