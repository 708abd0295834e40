//! Every verb of a flow, played.

use serde_json::json;

use crate::prelude::*;
use crate::testing::{Run, Status};
use crate::tests::{Shopper, ada, hello, shop};

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
struct Bought {
    value: f64,
}

#[derive(Event, Serialize, Deserialize)]
struct Looked {}

fn everyone() -> Segment<Shopper> {
    Segment::everyone("verbs")
}

fn with(campaign: Campaign<Shopper>) -> Run<Shopper> {
    let project = Project::new("verbs").from("Shop <hello@shop.example>").campaign(campaign.enters(everyone()));
    Run::new(project)
}

#[test]
fn the_first_event_that_fits_ends_a_wait_and_time_ends_it_too() {
    async fn flow(flow: Flow<Shopper>) {
        for _ in 0..2 {
            match flow.wait_for::<Bought>().matching(|b| b.value.gt(10.0)).within(days(3)).await {
                Some(bought) => flow.log(format!("bought for {} at {}", bought.value, flow.now())),
                None => flow.log(format!("nothing by {}", flow.now())),
            }
        }
    }
    let mut run = Run::new(shop(flow)).user("ada", ada());
    run.advance(days(1));
    run.emit("ada", &Bought { value: 10.0 });
    run.emit("ada", &Looked {});
    assert_eq!(run.logs("ada"), [""; 0]);
    run.emit("ada", &Bought { value: 11.0 });
    assert_eq!(run.logs("ada"), ["bought for 11 at 2026-01-02T00:00:00Z"]);
    run.advance(days(4));
    assert_eq!(run.logs("ada")[1], "nothing by 2026-01-05T00:00:00Z");
    assert_eq!(run.status("ada", "main"), Some(Status::Done));
}

#[test]
fn a_flow_hears_what_is_done_with_its_own_message() {
    async fn flow(flow: Flow<Shopper>) {
        for round in 0..2 {
            flow.send(hello(round, "Ada")).await;
            let opened = flow.opened().within(days(2)).await.is_some();
            let clicked = flow.clicked().matching(|c| c.link.contains("/offer")).within(days(1)).await.map(|c| c.link);
            flow.log(format!("{round} {opened} {clicked:?}"));
        }
    }
    let mut run = with(Campaign::new("first", flow)).user("ada", ada());
    run.open("ada", "hello");
    run.open("ada", "hello");
    run.click("ada", "hello", "https://shop.example/other");
    run.click("ada", "hello", "https://shop.example/offer");
    assert_eq!(run.logs("ada"), ["0 true Some(\"https://shop.example/offer\")"]);
    run.advance(days(3));
    assert_eq!(run.logs("ada")[1], "1 false None");
}

#[test]
fn a_flow_hears_answers_to_any_of_its_messages() {
    async fn flow(flow: Flow<Shopper>) {
        flow.send(hello(1, "Ada")).await;
        flow.wait(days(1)).await;
        flow.send(hello(2, "Ada")).await;
        let replied = flow.replied().within(days(2)).await;
        flow.log(format!("{:?}", replied.map(|r| (r.subject, r.text))));
        flow.wait(days(9)).await;
    }
    let campaign = Campaign::new("first", flow).exits_on(events::<Replied>().filter(|r| r.text.contains("stop")));
    let mut run = with(campaign).user("ada", ada()).user("bob", ada());
    run.advance(days(1));
    run.reply("ada", "hello", "Yes, please");
    assert_eq!(run.logs("ada"), ["Some((\"Re: Hello Ada, 2\", \"Yes, please\"))"]);
    run.reply("ada", "hello", "Please stop");
    assert_eq!(run.reason("ada", "first"), Some("$replied happened"));
    run.advance(days(2));
    assert_eq!(run.logs("bob"), ["None"]);
}

#[test]
fn an_answer_ends_or_pauses_the_campaign_that_was_answered() {
    async fn flow(flow: Flow<Shopper>) {
        loop {
            flow.send(hello(1, "x")).await;
            flow.wait(days(1)).await;
        }
    }
    async fn other(flow: Flow<Shopper>) {
        flow.wait(days(100)).await;
    }
    let everybody = || Segment::everyone("everybody");
    let project = shop(other)
        .campaign(Campaign::new("exits", flow).enters(everybody()).exits_on_reply())
        .campaign(Campaign::new("stays", other).enters(everybody()).exits_on_reply());
    let mut run = Run::new(project).user("ada", ada());
    run.reply("ada", "hello", "yes");
    let status = |run: &Run<Shopper>, campaign| run.status("ada", campaign);
    assert_eq!((status(&run, "exits"), status(&run, "stays")), (Some(Status::Exited), Some(Status::Active)));

    let mut run = with(Campaign::new("pauses", flow).pauses_on_reply()).user("ada", ada());
    run.reply("ada", "hello", "yes");
    run.advance(days(3));
    assert_eq!((run.status("ada", "pauses"), run.sent("hello").len()), (Some(Status::Paused), 1));
}

#[test]
#[should_panic(expected = "waits for what is done with a message, and has sent none")]
fn who_has_sent_nothing_waits_for_nothing() {
    async fn flow(flow: Flow<Shopper>) {
        flow.opened().await;
    }
    let _ = with(Campaign::new("first", flow)).user("ada", ada());
}

#[test]
fn a_wait_for_an_event_without_limit_waits_for_ever() {
    async fn flow(flow: Flow<Shopper>) {
        let bought = flow.wait_for::<Bought>().await;
        flow.log(format!("{}", bought.value));
    }
    let mut run = Run::new(shop(flow)).user("ada", ada());
    run.advance(days(10_000));
    assert_eq!(run.status("ada", "main"), Some(Status::Active));
    run.emit("ada", &Bought { value: 1.0 });
    assert_eq!(run.logs("ada"), ["1"]);
}

#[test]
fn whatever_comes_first_wins_a_race_and_a_join_waits_for_both() {
    async fn flow(flow: Flow<Shopper>) {
        match race(flow.wait_for::<Bought>(), flow.wait_for::<Looked>().within(days(1))).await {
            Either::First(bought) => flow.log(format!("bought {}", bought.value)),
            Either::Second(looked) => flow.log(format!("looked: {}", looked.is_some())),
        }
        let (bought, ()) = join(flow.wait_for::<Bought>(), flow.wait(days(1))).await;
        flow.log(format!("both: {} {}", bought.value, flow.now()));
    }
    let mut run = Run::new(shop(flow)).user("ada", ada()).user("bob", ada()).user("eve", ada());
    run.emit("ada", &Bought { value: 1.0 });
    run.emit("bob", &Looked {});
    run.advance(days(1));
    assert_eq!((run.logs("ada")[0], run.logs("bob")[0]), ("bought 1", "looked: true"));
    assert_eq!(run.logs("eve"), ["looked: false"]);
    run.emit("ada", &Bought { value: 2.0 });
    assert_eq!(run.logs("ada")[1], "both: 2 2026-01-02T00:00:00Z");
}

#[test]
fn local_times_are_those_of_the_user() {
    async fn flow(flow: Flow<Shopper>) {
        flow.wait_until(next(Monday).at(9, 0)).await;
        flow.log(flow.now().to_string());
        flow.wait_until(business_hours().in_zone("America/New_York")).await;
        flow.log(flow.now().to_string());
        flow.wait_until(flow.now() - jiff::SignedDuration::from_hours(1)).await;
        flow.log(flow.now().to_string());
    }
    let mut run = Run::new(shop(flow)).user("ada", Shopper { zone: "Europe/Berlin".into(), ..ada() });
    run.advance(days(7));
    assert_eq!(run.logs("ada"), ["2026-01-05T08:00:00Z", "2026-01-05T14:00:00Z", "2026-01-05T14:00:00Z"]);
}

#[test]
#[should_panic(expected = "there is no time zone `Europe/Berln` (")]
fn a_zone_that_does_not_exist_stops_the_flow_with_its_line() {
    async fn flow(flow: Flow<Shopper>) {
        flow.wait_until(at(9, 0).in_zone("Europe/Berln")).await;
    }
    let _ = Run::new(shop(flow)).user("ada", ada());
}

#[test]
fn questions_are_answered_from_the_facts_as_they_are() {
    async fn flow(flow: Flow<Shopper>) {
        loop {
            flow.wait(days(1)).await;
            let often =
                Segment::new("often", events::<Bought>().count().ge(2).and(user::<Shopper>(|u| u.visits.eq(7))));
            let (count, sum) =
                (flow.count(events::<Bought>().within(days(2))).await, flow.sum(events::<Bought>(), |b| b.value).await);
            let most = flow.measure(events::<Bought>().max(|b| b.value)).await;
            let often = flow.in_segment(often).await;
            flow.log(format!("{count} {sum} {most:?} {often}"));
            flow.update(Shopper::patch().visits(7)).await;
        }
    }
    let mut run = Run::new(shop(flow)).user("ada", ada());
    run.advance(days(1));
    run.emit("ada", &Bought { value: 1.5 });
    run.emit("ada", &Bought { value: 2.0 });
    run.advance(days(2));
    assert_eq!(run.logs("ada"), ["0 0 None false", "2 3.5 Some(2.0) true", "0 3.5 Some(2.0) true"]);
}

#[test]
fn arms_are_stable_and_can_be_chosen() {
    async fn flow(flow: Flow<Shopper>) {
        let first = flow.split("offer", [("ten", 1), ("twenty", 1)]).await;
        let again = flow.split("offer", [("ten", 1), ("twenty", 1)]).await;
        let arm = flow.experiment("subject", ["plain", "emoji"]).holdout(20).await;
        flow.log(format!("{first} {again} {arm:?}"));
    }
    let mut run = Run::new(shop(flow));
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..200 {
        let id = format!("u{user}");
        run.add(&id, ada());
        let logs = run.logs(&id);
        let words: Vec<&str> = logs[0].split(' ').collect();
        assert_eq!(words[0], words[1], "{id}");
        seen.insert(words[0].to_string());
        seen.insert(words[2].to_string());
    }
    let all = ["None", "Some(\"emoji\")", "Some(\"plain\")", "ten", "twenty"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    let chosen = Run::new(shop(flow)).arm("offer", "ten").arm("subject", "holdout").user("ada", ada());
    assert_eq!(chosen.logs("ada"), ["ten ten None"]);
}

#[test]
fn randomness_can_be_chosen() {
    async fn flow(flow: Flow<Shopper>) {
        flow.log(flow.random().to_string());
    }
    assert_eq!(Run::new(shop(flow)).random(0.25).user("ada", ada()).logs("ada"), ["0.25"]);
}

#[test]
fn a_flow_may_report_events_and_another_hears_them() {
    async fn flow(flow: Flow<Shopper>) {
        flow.wait(days(1)).await;
        flow.emit(&Bought { value: 5.0 }).await;
        flow.start("other").await;
        flow.wait(days(1)).await;
        flow.stop("other").await;
    }
    async fn other(flow: Flow<Shopper>) {
        flow.log(format!("in with {}", flow.count(events::<Bought>()).await));
        flow.wait_for::<Looked>().await;
        flow.log("never");
    }
    let nobody = Segment::new("nobody", user::<Shopper>(|u| u.visits.eq(99)));
    let other = Campaign::new("other", other).enters(nobody);
    let mut run = Run::new(shop(flow).campaign(other)).user("ada", ada());
    run.advance(days(1));
    assert_eq!((run.logs("ada"), run.status("ada", "other")), (vec!["in with 1"], Some(Status::Active)));
    run.advance(days(1));
    assert_eq!(run.status("ada", "other"), Some(Status::Exited));
    assert_eq!(run.reason("ada", "other"), Some("stopped by another campaign"));
}

#[test]
fn webhooks_answer_or_fail_and_an_error_can_be_passed_on() {
    async fn flow(flow: Flow<Shopper>) -> Result<(), WebhookError> {
        #[derive(Deserialize)]
        struct Lead {
            id: u32,
        }
        let call = Webhook::post("https://crm.example/leads").json(&json!({"user": flow.user_id()}));
        let lead: Lead = flow.webhook(call).await?.json()?;
        flow.log(format!("lead {}", lead.id));
        if let Err(why) = flow.webhook(Webhook::get("https://down.example")).await {
            flow.log(why.to_string());
        }
        Ok(())
    }
    let run = Run::new(shop(flow)).webhooks(|request| match request.url.as_str() {
        "https://crm.example/leads" if request.body["user"] == "ada" => Ok((201, json!({"id": 7}))),
        _ => Err("no answer in time".into()),
    });
    assert_eq!(run.user("ada", ada()).logs("ada"), ["lead 7", "no answer in time"]);
}

#[test]
#[should_panic(expected = "campaign `main` stopped for user `ada`: the answer is not what was expected")]
fn an_error_that_a_flow_returns_stops_it() {
    async fn flow(flow: Flow<Shopper>) -> Result<(), WebhookError> {
        flow.webhook(Webhook::get("https://crm.example")).await?.json::<u32>()?;
        Ok(())
    }
    let _ = Run::new(shop(flow)).webhooks(|_| Ok((200, json!("no number")))).user("ada", ada());
}

#[test]
#[should_panic(expected = "a flow of user `ada` calls GET https://crm.example: say what that answers")]
fn a_webhook_that_nobody_answers_fails_the_test() {
    async fn flow(flow: Flow<Shopper>) {
        let _ = flow.webhook(Webhook::get("https://crm.example")).await;
    }
    let _ = Run::new(shop(flow)).user("ada", ada());
}

#[test]
fn tasks_are_done_by_people_or_given_up() {
    async fn flow(flow: Flow<Shopper>) {
        let call = flow.task(Task::new("Call Ada").assignee("sales").due(days(1)));
        match race(call, flow.wait(days(2))).await {
            Either::First(done) => flow.log(format!("done: {}", done.result)),
            Either::Second(()) => flow.log("nobody called"),
        }
    }
    let mut run = Run::new(shop(flow)).user("ada", ada()).user("bob", ada());
    assert_eq!(run.tasks("ada"), ["Call Ada"]);
    run.complete("ada", "Call Ada", "interested");
    run.advance(days(2));
    assert_eq!((run.logs("ada"), run.logs("bob")), (vec!["done: \"interested\""], vec!["nobody called"]));
    assert_eq!(run.tasks("bob"), [""; 0]);
}

#[test]
fn goals_are_counted_and_end_campaigns() {
    async fn flow(flow: Flow<Shopper>) {
        flow.wait_for::<Bought>().await;
        flow.send(hello(1, "on the way")).await;
        flow.goal("bought").await;
        flow.send(hello(2, "an upsell")).await;
        flow.goal("more").await;
        flow.wait(days(1)).await;
        flow.log("never");
    }
    let mut run = with(Campaign::new("flow", flow).exits_on_goal("bought")).user("ada", ada());
    run.emit("ada", &Bought { value: 1.0 });
    assert_eq!((run.goals("ada"), run.status("ada", "flow")), (vec!["bought"], Some(Status::Exited)));
    assert_eq!(
        run.sent("hello").subjects(),
        ["Hello Ada, 1"],
        "what comes before the goal is sent, and nothing after it"
    );
}

/// What serde takes and JSON does not is said, and not sent as `null`.
#[test]
fn what_is_no_json_stops_a_flow() {
    use std::collections::BTreeMap;
    #[derive(Serialize, Deserialize, Default)]
    struct Pairs(BTreeMap<(u8, u8), u8>);
    async fn hook(flow: Flow<Shopper>) -> Result<(), WebhookError> {
        let pairs = Pairs(BTreeMap::from([((1, 2), 3)]));
        flow.webhook(Webhook::post("https://crm.example/").json(&pairs)).await?;
        Ok(())
    }
    async fn again(flow: Flow<Shopper, Pairs>) {
        flow.continue_as_new(Pairs(BTreeMap::from([((1, 2), 3)]))).await;
    }
    let run = Run::new(shop(hook)).user("ada", ada());
    let because = |run: &Run<Shopper>| run.reason("ada", "main").map(str::to_string).unwrap_or_default();
    assert_eq!(run.status("ada", "main"), Some(Status::Parked));
    assert_eq!(because(&run), "the body of a webhook cannot be written as JSON: key must be a string");
    let run = with(Campaign::new("main", again)).user("ada", ada());
    assert_eq!(because(&run), "the state cannot be written as JSON: key must be a string");
}

#[test]
fn a_holdout_that_makes_no_sense_stops_a_flow() {
    async fn too_many(flow: Flow<Shopper>) {
        flow.experiment("subject", ["a", "b"]).holdout(150).await;
    }
    async fn twice(flow: Flow<Shopper>) {
        flow.experiment("subject", ["a", "holdout"]).holdout(10).await;
    }
    let run = Run::new(shop(too_many)).user("ada", ada());
    assert_eq!(run.reason("ada", "main"), Some("`subject` keeps out 150 percent: 100 are all"));
    let run = Run::new(shop(twice)).user("ada", ada());
    assert_eq!(run.reason("ada", "main"), Some("`subject` has an arm of the name of its holdout"));
}

#[test]
fn a_flow_ends_itself_from_however_deep() {
    async fn deep(flow: &Flow<Shopper>) {
        flow.send(hello(1, "x")).await;
        flow.exit("enough").await;
    }
    async fn flow(flow: Flow<Shopper>) {
        deep(&flow).await;
        flow.log("never");
    }
    let run = Run::new(shop(flow)).user("ada", ada());
    assert_eq!((run.reason("ada", "main"), run.logs("ada").len()), (Some("enough"), 0));
    assert_eq!(run.sent("hello").len(), 1);
}

#[test]
fn a_flow_that_goes_on_for_ever_begins_anew() {
    #[derive(Default, Serialize, Deserialize)]
    struct Months(u32);
    async fn flow(flow: Flow<Shopper, Months>) {
        let Months(count) = flow.state();
        flow.send(hello(count, "x")).await;
        flow.wait(days(30)).await;
        flow.continue_as_new(Months(count + 1)).await;
    }
    let mut run = with(Campaign::new("flow", flow)).user("ada", ada());
    run.advance(days(100));
    assert_eq!(run.sent("hello").subjects(), ["Hello Ada, 0", "Hello Ada, 1", "Hello Ada, 2", "Hello Ada, 3"]);
    assert_eq!(run.sent("hello").days(), [0, 30, 60, 90]);
}

#[test]
#[should_panic(expected = "more than 50 steps at one instant")]
fn one_that_begins_anew_without_waiting_is_stopped() {
    async fn flow(flow: Flow<Shopper>) {
        flow.continue_as_new(()).await;
    }
    let _ = Run::new(shop(flow)).user("ada", ada());
}

#[test]
#[should_panic(expected = "its journal would have 10999 entries")]
fn a_journal_has_an_end() {
    async fn flow(flow: Flow<Shopper>) {
        loop {
            for _ in 0..999 {
                flow.user().await;
            }
            flow.wait(hours(1)).await;
        }
    }
    let mut run = Run::new(shop(flow)).user("ada", ada());
    run.advance(hours(9));
    assert_eq!(run.logs("ada").len(), 1);
    assert!(run.logs("ada")[0].starts_with("the journal is half full, with 5999 of 10000 entries"));
    run.advance(hours(1));
}

#[test]
fn events_end_and_pause_campaigns() {
    async fn flow(flow: Flow<Shopper>) {
        loop {
            flow.send(hello(1, "x")).await;
            flow.wait(days(1)).await;
        }
    }
    let campaign = Campaign::new("flow", flow)
        .exits_on(events::<Bought>().filter(|b| b.value.gt(10.0)))
        .pauses_on(events::<Looked>());
    let mut run = with(campaign).user("ada", ada());
    run.emit("ada", &Bought { value: 10.0 });
    run.emit("ada", &Looked {});
    run.advance(days(5));
    assert_eq!((run.sent("hello").days(), run.status("ada", "flow")), (vec![0], Some(Status::Paused)));
    run.resume("ada", "flow");
    assert_eq!(run.sent("hello").days(), [0, 5], "what fell due meanwhile is due now");
    run.emit("ada", &Bought { value: 11.0 });
    run.advance(days(5));
    assert_eq!((run.sent("hello").len(), run.reason("ada", "flow")), (2, Some("bought happened")));
}

#[test]
fn an_event_that_comes_in_a_pause_is_not_lost() {
    async fn flow(flow: Flow<Shopper>) {
        match flow.wait_for::<Bought>().within(days(3)).await {
            Some(_) => flow.log("bought"),
            None => flow.log("not"),
        }
    }
    let mut run = Run::new(shop(flow)).user("ada", ada()).user("bob", ada());
    run.pause("ada", "main");
    run.pause("bob", "main");
    run.advance(days(2));
    run.emit("ada", &Bought { value: 1.0 });
    run.advance(days(2));
    run.emit("bob", &Bought { value: 1.0 });
    run.resume("ada", "main");
    run.resume("bob", "main");
    assert_eq!((run.logs("ada"), run.logs("bob")), (vec!["bought"], vec!["not"]));
}

#[test]
fn who_may_enter_again_is_said_by_the_campaign() {
    async fn flow(flow: Flow<Shopper>) {
        flow.send(hello(1, "x")).await;
        flow.wait(days(1)).await;
    }
    let seven = || Segment::new("seven", user::<Shopper>(|u| u.visits.eq(7)));
    let days_of = |campaign: Campaign<Shopper>| {
        let project = Project::new("p").from("Shop <hello@shop.example>").campaign(campaign.enters(seven()));
        let mut run = Run::new(project).user("ada", ada());
        for _ in 0..4 {
            run.update("ada", Shopper::patch().visits(7));
            run.advance(days(3));
            run.update("ada", Shopper::patch().visits(1));
            run.advance(days(2));
        }
        run.sent("hello").days()
    };
    assert_eq!(days_of(Campaign::new("flow", flow)), [0]);
    assert_eq!(days_of(Campaign::new("flow", flow).dynamic()), [0, 5, 10, 15]);
    assert_eq!(days_of(Campaign::new("flow", flow).dynamic().enters_once()), [0]);
    assert_eq!(days_of(Campaign::new("flow", flow).reenters()), [0, 5, 10, 15]);
    assert_eq!(days_of(Campaign::new("flow", flow).reenters_after(days(8))), [0, 10]);
    assert_eq!(days_of(Campaign::new("flow", flow).once_per(|u| u.visits)), [0]);

    let mut run = with(Campaign::new("flow", flow).once_per(|u| u.nickname)).user("ada", ada());
    for (day, name) in ["A", "B", "A", "C"].into_iter().enumerate() {
        run.update("ada", Shopper::patch().nickname(name));
        assert_eq!(run.now().to_string(), format!("2026-01-0{}T00:00:00Z", day + 1));
        run.advance(days(1));
    }
    assert_eq!(run.sent("hello").days(), [0, 1, 3]);
}

#[test]
fn by_hand_one_enters_whatever_the_segments_say() {
    async fn flow(flow: Flow<Shopper>) {
        flow.send(hello(1, "x")).await;
        flow.wait(days(1)).await;
        flow.send(hello(2, "x")).await;
    }
    let seven = Segment::new("seven", user::<Shopper>(|u| u.visits.eq(7)));
    let campaign = Campaign::new("flow", flow).enters(seven).dynamic();
    let mut run = Run::new(Project::new("p").from("Shop <hello@shop.example>").campaign(campaign)).user("ada", ada());
    run.enroll("ada", "flow");
    run.enroll("ada", "flow");
    run.update("ada", Shopper::patch().visits(3));
    run.advance(days(1));
    assert_eq!(run.sent("hello").len(), 2);
    run.restart("ada", "flow");
    assert_eq!(run.sent("hello").len(), 3);
    run.remove("ada", "flow");
    run.advance(days(2));
    assert_eq!((run.sent("hello").len(), run.reason("ada", "flow")), (3, Some("removed by hand")));
}

#[test]
fn messages_are_sent_when_the_policies_let_them() {
    async fn flow(flow: Flow<Shopper>) {
        for round in 0..4 {
            flow.send(hello(round, "Ada")).await;
            flow.wait(hours(6)).await;
        }
    }
    let play = |policies: fn(Campaign<Shopper>) -> Campaign<Shopper>, caps: &[(u32, Beyond)]| {
        let campaign = policies(Campaign::new("main", flow).enters(everyone()));
        let project = Project::new("verbs").from("Shop <hello@shop.example>").campaign(campaign);
        let project =
            caps.iter().fold(project, |project, (most, beyond)| project.frequency_cap(*most, days(2), *beyond));
        let mut run = Run::new(project).user("ada", ada());
        run.advance(days(7));
        assert_eq!(run.status("ada", "main"), Some(Status::Done));
        run.sent("hello").days()
    };
    assert_eq!(play(|c| c, &[]), [0, 0, 0, 0]);
    assert_eq!(play(|c| c.quiet_hours(between((0, 0), (0, 30))), &[]), [0, 0, 0, 0]);
    assert_eq!(play(|c| c.window(between((6, 0), (7, 0))), &[]), [0, 0, 1, 1]);
    assert_eq!(play(|c| c.per_day(3), &[]), [0, 0, 0, 1]);
    assert_eq!(play(|c| c.window(between((6, 0), (7, 0))).max_age(hours(7)), &[]), [0, 0]);
    assert_eq!(play(|c| c, &[(2, Beyond::Wait)]), [0, 0, 2, 2]);
    assert_eq!(play(|c| c, &[(2, Beyond::Drop)]), [0, 0]);
}
