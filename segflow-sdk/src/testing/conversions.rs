//! What counts for campaigns, and for which of their messages.

use serde_json::json;

use crate::prelude::*;
use crate::testing::{Converted, Run};
use crate::tests::{Purchase, Shopper, ada, hello};

async fn thrice(flow: Flow<Shopper>) {
    for round in 1..=3 {
        flow.send(hello(round, "x")).await;
        flow.wait(days(2)).await;
    }
}

fn everyone() -> Segment<Shopper> {
    Segment::everyone("conversions")
}

fn with(campaigns: impl IntoIterator<Item = Campaign<Shopper>>) -> Run<Shopper> {
    let project = Project::new("shop").from("Shop <hello@shop.example>");
    let project = campaigns.into_iter().fold(project, |project, c| project.campaign(c.enters(everyone())));
    Run::new(project).user("ada", ada())
}

fn buys(run: &mut Run<Shopper>, value: f64) {
    run.emit("ada", &Purchase { value, order_id: "A".into() });
}

/// The day of each email that something counted for, and what it is worth.
fn counted(run: &Run<Shopper>, campaign: &str) -> Vec<(String, Option<f64>)> {
    let day = |c: &Converted| c.sent_at.to_string()[..10].to_string();
    run.conversions(campaign).iter().map(|c| (day(c), c.value)).collect()
}

fn is(day: &str, value: Option<f64>) -> (String, Option<f64>) {
    (day.into(), value)
}

#[test]
fn events_count_for_the_last_message_before_them() {
    let one = Campaign::new("one", thrice).converts_on(events::<Purchase>().within(days(3)).value(|p| p.value));
    let big = events::<Purchase>().filter(|p| p.value.gt(10.0));
    let two = Campaign::new("two", thrice).converts_on(big);
    let mut run = with([one, two, Campaign::new("none", thrice)]);
    buys(&mut run, 5.0);
    run.advance(days(3));
    buys(&mut run, 19.99);
    buys(&mut run, 0.01);
    // The flows are over, and the last message is old for the one, and not for the other.
    run.advance(days(5));
    buys(&mut run, 20.0);
    run.advance(days(30));
    buys(&mut run, 20.0);
    assert_eq!(
        counted(&run, "one"),
        [is("2026-01-01", Some(5.0)), is("2026-01-03", Some(19.99)), is("2026-01-03", Some(0.01))]
    );
    assert_eq!(counted(&run, "two"), [is("2026-01-03", None), is("2026-01-05", None)]);
    assert_eq!(run.conversions("none"), []);
    let first = &run.conversions("one")[1];
    assert_eq!((first.user_id.as_str(), first.template.as_str(), first.by.as_str()), ("ada", "hello", "purchase"));
    assert_eq!(first.at.to_string(), "2026-01-04T00:00:00Z");
}

#[test]
fn an_event_counts_once_for_a_campaign() {
    let purchases = events::<Purchase>;
    let both = Campaign::new("both", thrice)
        .converts_on(purchases().within(hours(1)).value(|p| p.value))
        .converts_on(purchases().within(days(1)));
    let mut run = with([both]);
    buys(&mut run, 1.0);
    run.advance(hours(2));
    buys(&mut run, 2.0);
    assert_eq!(counted(&run, "both"), [is("2026-01-01", Some(1.0)), is("2026-01-01", None)], "the first that fits");
}

#[test]
fn goals_count_where_a_campaign_does_not_say_what_does() {
    async fn reaches(flow: Flow<Shopper>) {
        flow.goal("before").await;
        flow.send(hello(1, "x")).await;
        flow.goal("at once").await;
        flow.wait(days(1)).await;
        flow.goal("won").await;
        flow.wait(days(6)).await;
        flow.goal("late").await;
    }
    let silent = Campaign::new("silent", reaches);
    let said = Campaign::new("said", reaches).converts_on(Conversion::goal("late").within(days(14)));
    let events = Campaign::new("events", reaches).converts_on(events::<Purchase>());
    let mut run = with([silent, said, events]);
    run.advance(days(10));
    let by = |campaign: &str| run.conversions(campaign).into_iter().map(|c| c.by).collect::<Vec<_>>();
    assert_eq!(by("silent"), ["won"], "what was not accepted yet, and what is too old, does not count");
    assert_eq!(by("said"), ["late"]);
    assert_eq!(by("events"), [""; 0]);
    assert_eq!(run.goals("ada").len(), 12, "they are goals all the same");
}

#[test]
fn a_goal_counts_for_the_run_that_reached_it() {
    async fn flow(flow: Flow<Shopper>) {
        flow.wait_for::<Purchase>().await;
        flow.goal("bought").await;
    }
    async fn sends(flow: Flow<Shopper>) {
        flow.send(hello(1, "x")).await;
        flow.wait_for::<Purchase>().await;
        flow.goal("bought").await;
    }
    let mut run = with([Campaign::new("silent", flow), Campaign::new("sends", sends)]);
    run.advance(days(1));
    buys(&mut run, 1.0);
    assert_eq!((run.conversions("silent").len(), run.conversions("sends").len()), (0, 1));
    run.delete("ada");
    assert_eq!(run.conversions("sends")[0].user_id, "", "counts stay");
}

#[test]
fn a_conversion_is_declared() {
    let campaign = Campaign::new("c", thrice)
        .enters(everyone())
        .converts_on(events::<Purchase>().filter(|p| p.value.gt(1.0)).value(|p| p.value).within(days(2)))
        .converts_on(Conversion::goal("won"));
    let manifest = json!(Project::new("shop").campaign(campaign).manifest());
    let filter = json!({ "at": { "path": ["value"], "is": { "gt": 1.0 } } });
    let declared = json!([
        { "on": { "event": { "name": "purchase", "filter": filter } }, "within": 172_800_000, "value": ["value"] },
        { "on": { "goal": "won" }, "within": 604_800_000 },
    ]);
    assert_eq!(manifest["campaigns"][0]["conversions"], declared);
}
