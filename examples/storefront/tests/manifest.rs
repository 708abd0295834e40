//! What a push says of the shop.

use storefront::storefront;

#[test]
fn it_declares_what_the_tour_promises() {
    let manifest = storefront().manifest();
    let segments: Vec<&str> = manifest.segments.iter().map(|segment| segment.id.as_str()).collect();
    assert_eq!(segments, ["all-users", "winback-eligible", "big-spenders", "purchased-users"]);
    let campaigns: Vec<&str> = manifest.campaigns.iter().map(|campaign| campaign.id.as_str()).collect();
    assert_eq!(campaigns, ["welcome-campaign", "winback-campaign", "vip-treatment"]);
    let templates: Vec<&str> = manifest.templates.iter().map(|template| template.id.as_str()).collect();
    assert_eq!(templates, ["order-confirmed", "vip-email", "welcome-email", "winback-email"]);
    let events: Vec<&str> = manifest.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["login", "purchase"]);
    assert_eq!((manifest.address.as_deref(), manifest.time_zone.as_deref()), (Some("email"), Some("time_zone")));
    assert_eq!(manifest.problems, []);
}
