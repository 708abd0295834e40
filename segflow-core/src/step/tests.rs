use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use segflow_protocol::{
    Argument, Campaign, Cond, Event, Events, Expr, Guarantee, Manifest, Measure, Mode, Request, Response, Segment,
    Template, Test, TimeTest, Transaction, Trigger, Type, Which,
};
use serde_json::json;

use super::*;
use crate::enrollment::Status;
use crate::flow::{self, Flow};
use crate::memory::{Memory, object};
use crate::{Code, Plugin, ledger};

mod order;
mod past;

const DAY: i64 = 86_400_000;
const NOW: i64 = 1_000 * DAY;

type Play = fn(Flow) -> Pin<Box<dyn Future<Output = ()>>>;

#[derive(Clone)]
struct Flows(Vec<(&'static str, Play)>);

impl Plugin for Flows {
    fn call(&self, request: &Request) -> Result<Response, PluginError> {
        let Request::Turn(turn) = request else { return Ok(Response::Refused("only turns".into())) };
        let flow = self.0.iter().find(|(id, _)| *id == turn.campaign).expect("a flow of the campaign").1;
        Ok(Response::Turn(flow::run(turn.clone(), flow::Given::default(), flow)))
    }
}

fn mail(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        flow.log("hello");
        flow.send("mail", move || Ok(Json("{}".into()))).await;
        flow.wait(DAY).await;
        flow.send("mail", move || Ok(Json("{}".into()))).await;
    })
}

fn set(to: bool) -> impl Fn(Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    move |flow| {
        Box::pin(async move {
            flow.update(object(json!({"on": to}))).await;
            flow.wait(DAY).await;
        })
    }
}

fn turn_on(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    set(true)(flow)
}

fn turn_off(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    set(false)(flow)
}

fn is(key: &str, value: Value) -> Expr {
    Expr::User(Cond::At { path: vec![key.into()], is: Test::Eq(value) })
}

fn events(within: Option<i64>) -> Events {
    Events { name: "purchase".into(), filter: None, within }
}

fn bought(times: i64) -> Expr {
    Expr::Measure { events: events(None), measure: Measure::Count, is: Test::Ge(json!(times)) }
}

fn quiet(days: i64) -> Expr {
    Expr::When { events: events(None), which: Which::Last, is: TimeTest::OlderThan(days * DAY), or_never: false }
}

fn campaign(id: &str, segment: &str, mode: Mode) -> Campaign {
    Campaign {
        id: id.into(),
        segments: vec![segment.into()],
        exclude_segments: vec![],
        mode,
        guarantee: Guarantee::AtLeastOnce,
        ..Campaign::default()
    }
}

fn transaction(id: &str) -> Transaction {
    Transaction {
        id: id.into(),
        event: "purchase".into(),
        template: "receipt".into(),
        argument: "order".into(),
        guarantee: Guarantee::AtLeastOnce,
        max_age: None,
    }
}

/// A workspace with one user's worth of everything.
struct World {
    memory: Memory,
    code: Code,
}

impl World {
    fn new(
        segments: &[(&str, Expr)],
        campaigns: &[Campaign],
        transactions: &[&str],
        flows: &[(&'static str, Play)],
    ) -> World {
        let mut world = World {
            memory: Memory::new("main"),
            code: Code { plugin: Arc::new(Flows(vec![])), manifest: Arc::default() },
        };
        world.deploy(1, segments, campaigns, transactions, flows);
        world
    }

    fn deploy(
        &mut self,
        generation: i64,
        segments: &[(&str, Expr)],
        campaigns: &[Campaign],
        transactions: &[&str],
        flows: &[(&'static str, Play)],
    ) {
        let template = |id: &str, arguments| Template { id: id.into(), arguments, content: String::new() };
        let argument = Argument { name: "order".into(), ty: "Purchase".into() };
        let rule =
            |(id, expr): &(&str, Expr)| Segment { id: id.to_string(), rule: Rule::Expr(expr.clone()), every: None };
        let manifest = Manifest {
            user: vec![Field { name: "on".into(), ty: Type::Bool, required: false, default: None }],
            events: vec![Event { name: "purchase".into(), fields: vec![] }],
            segments: segments.iter().map(rule).collect(),
            campaigns: campaigns.to_vec(),
            transactions: transactions.iter().map(|id| transaction(id)).collect(),
            templates: vec![template("mail", vec![]), template("receipt", vec![argument])],
            ..Manifest::default()
        };
        assert_eq!(crate::project::check(&manifest), []);
        self.code = Code { plugin: Arc::new(Flows(flows.to_vec())), manifest: Arc::new(manifest.clone()) };
        let before = self.memory.project().since.clone();
        let since = campaigns.iter().map(|c| (c.id.clone(), before.get(&c.id).copied().unwrap_or(generation)));
        let project = Project::new(format!("dep{generation}"), generation, manifest, since.collect(), NOW);
        self.memory.deploy(project);
    }

    fn update(&mut self, patch: Value) {
        self.memory.update("ada", &object(patch), false, NOW);
    }

    fn buy(&mut self, id: &str, at: i64, historical: bool) {
        let event = EventFact { occurred_at: at, attributes: object(json!({"id": id})) };
        self.memory.emit("ada", id, "purchase", event, historical, NOW);
    }

    /// The same, reported as it happened.
    fn report(&mut self, id: &str, at: i64, historical: bool) {
        let event = EventFact { occurred_at: at, attributes: object(json!({"id": id})) };
        self.memory.emit("ada", id, "purchase", event, historical, at);
    }

    /// One step of the user, committed.
    fn step(&mut self, now: i64) -> Decision {
        let (work, needs) = self.memory.load("ada", &[], now).expect("there is a user");
        let decision = step(self.memory.project(), work, &needs, &|_| Ok(self.code.clone()), now).expect("it runs");
        assert!(self.memory.commit(decision.clone(), now));
        decision
    }

    fn drain(&mut self, now: i64) {
        let code = self.code.clone();
        self.memory.drain(&|_| Ok(code.clone()), now).expect("it runs");
    }

    /// Campaign, run, status.
    fn enrollments(&self) -> Vec<(&str, u32, Status)> {
        let mut all: Vec<_> = self.memory.enrollments().map(|(_, e)| (e.campaign.as_str(), e.run, e.status)).collect();
        all.sort_unstable();
        all
    }

    fn messages(&self) -> Vec<(&str, ledger::Status)> {
        self.memory.messages().map(|row| (row.message.template.as_str(), row.status)).collect()
    }
}

#[test]
fn a_step_goes_from_facts_over_transactions_and_segments_to_turns() {
    let segments =
        [("buyers", bought(1)), ("loyal", Expr::All(vec![Expr::Segment("buyers".into()), is("on", json!(true))]))];
    let campaigns = [campaign("thanks", "loyal", Mode::Static)];
    let mut world = World::new(&segments, &campaigns, &["confirm"], &[("thanks", mail)]);
    world.update(json!({"on": true}));
    world.buy("o1", NOW, false);
    let decision = world.step(NOW);
    assert_eq!((decision.consumed.len(), decision.seq, decision.evaluated), (2, 2, 1));
    assert_eq!(decision.entered, ["buyers", "loyal"]);
    let templates: Vec<&str> = decision.messages.iter().map(|m| m.template.as_str()).collect();
    assert_eq!(templates, ["receipt", "mail"], "transactions before turns");
    assert_eq!(decision.messages[0].args.0, r#"{"order":{"id":"o1"}}"#);
    let [enrollment] = &decision.enrollments[..] else { panic!("{decision:?}") };
    assert_eq!((enrollment.run, enrollment.deployment.as_str(), enrollment.started_at), (1, "dep1", NOW));
    assert_eq!(enrollment.wake_at(), Some(NOW + DAY), "it has had its first turn");
    assert_eq!(decision.messages[1].id, ids::campaign_message(&enrollment.id, 0, NOW));
    assert_eq!(decision.messages[1].guarantee, Guarantee::AtLeastOnce);
    assert_eq!(decision.logs, [("thanks".to_string(), "hello".to_string())]);
    assert_eq!(world.memory.busy(NOW), [""; 0]);
    let later = world.step(NOW + DAY);
    assert_eq!((later.entered.len(), later.messages.len(), later.seq), (0, 1, 2));
    assert_eq!(world.enrollments(), [("thanks", 1, Status::Done)]);
}

#[test]
fn transactions_share_an_event_and_each_event_counts_once() {
    let mut world = World::new(&[], &[], &["confirm", "invoice"], &[]);
    world.buy("o1", NOW, false);
    world.buy("o1", NOW, false);
    world.buy("o2", NOW, false);
    let ids: BTreeSet<String> = world.step(NOW).messages.into_iter().map(|m| m.id).collect();
    assert_eq!(ids.len(), 4);
    world.buy("o1", NOW, false);
    assert_eq!(world.memory.busy(NOW), [""; 0]);
    // Another user of the same name is another.
    world.memory.erase("ada");
    world.buy("o1", NOW, false);
    let again = world.step(NOW).messages;
    assert!(again.len() == 2 && again.iter().all(|m| !ids.contains(&m.id)), "{again:?}");
}

#[test]
fn an_event_of_a_day_ago_triggers_nothing_and_counts() {
    let mut world = World::new(&[("buyers", bought(2))], &[], &["confirm"], &[]);
    world.buy("old", NOW - MAX_AGE, false);
    world.buy("young", NOW - MAX_AGE + 1, false);
    let decision = world.step(NOW);
    let of: Vec<&Origin> = decision.messages.iter().map(|m| &m.origin).collect();
    assert_eq!(of, [&Origin::Transaction { transaction: "confirm".into(), event: "young".into() }]);
    assert_eq!(decision.entered, ["buyers"]);
}

#[test]
fn history_triggers_nothing_and_counts() {
    let segments = [("buyers", bought(1)), ("many", bought(2))];
    let campaigns = [campaign("one", "buyers", Mode::Dynamic), campaign("two", "many", Mode::Dynamic)];
    let mut world = World::new(&segments, &campaigns, &["confirm"], &[("one", mail), ("two", mail)]);
    world.buy("o1", NOW, true);
    let decision = world.step(NOW);
    assert_eq!((decision.entered.len(), decision.messages.len(), decision.enrollments.len()), (1, 0, 0));
    assert_eq!(decision.seq, 1);
    world.buy("o2", NOW, false);
    world.drain(NOW);
    assert_eq!(world.enrollments(), [("two", 1, Status::Active)], "the other was entered by what is past");
    assert_eq!(world.messages().len(), 2);
}

#[test]
fn history_beside_time_or_a_push_takes_nothing_away_from_them() {
    let segments = [("quiet", quiet(30)), ("everyone", Expr::Everyone)];
    let winback = [campaign("winback", "quiet", Mode::Dynamic)];
    let mut world = World::new(&segments, &winback, &[], &[("winback", mail)]);
    world.buy("o1", NOW, false);
    world.drain(NOW);
    let due = NOW + 30 * DAY;
    assert_eq!(world.memory.next_wake(), Some(due));
    world.buy("o0", NOW - DAY, true);
    world.drain(due);
    assert_eq!(world.enrollments(), [("winback", 1, Status::Active)]);
    let both = [winback[0].clone(), campaign("hello", "everyone", Mode::Static)];
    world.deploy(2, &segments, &both, &[], &[("winback", mail), ("hello", mail)]);
    world.buy("o2", NOW - 2 * DAY, true);
    world.drain(due);
    assert_eq!(world.enrollments(), [("hello", 1, Status::Active), ("winback", 1, Status::Active)]);
    // Who is not known but from the past enters nothing by that.
    let event = EventFact { occurred_at: NOW - 90 * DAY, attributes: Object::new() };
    world.memory.emit("bob", "o1", "purchase", event, true, NOW);
    world.drain(due);
    assert!(world.memory.in_segment("bob", "quiet") && world.memory.in_segment("bob", "everyone"));
    assert_eq!(world.enrollments().len(), 2);
}

#[test]
fn a_static_campaign_is_entered_once_and_stayed_in() {
    let mut world =
        World::new(&[("on", is("on", json!(true)))], &[campaign("once", "on", Mode::Static)], &[], &[("once", mail)]);
    for (on, at) in [(true, NOW), (false, NOW + 1), (true, NOW + 2)] {
        world.update(json!({"on": on}));
        world.drain(at);
        assert_eq!(world.enrollments(), [("once", 1, Status::Active)], "{at}");
    }
    world.drain(NOW + DAY);
    world.update(json!({"on": false}));
    world.drain(NOW + DAY);
    world.update(json!({"on": true}));
    world.drain(NOW + DAY);
    assert_eq!(world.enrollments(), [("once", 1, Status::Done)]);
    assert_eq!(world.messages().len(), 2);
}

#[test]
fn a_dynamic_campaign_is_left_and_entered_again_and_leaving_cancels() {
    let mut world =
        World::new(&[("on", is("on", json!(true)))], &[campaign("vip", "on", Mode::Dynamic)], &[], &[("vip", mail)]);
    world.update(json!({"on": true}));
    world.drain(NOW);
    world.update(json!({"on": false}));
    let decision = world.step(NOW + 1);
    assert_eq!((decision.left.as_slice(), decision.cancel.len()), (&["on".to_string()][..], 1));
    assert_eq!(decision.cancel[0].1, "left segment on");
    assert_eq!(world.enrollments(), [("vip", 1, Status::Exited)]);
    assert_eq!(world.messages(), [("mail", ledger::Status::Cancelled)]);
    let row = world.memory.messages().next().expect("a message");
    assert_eq!(row.reason.as_deref(), Some("left segment on"));
    world.update(json!({"on": true}));
    world.drain(NOW + 2);
    assert_eq!(world.enrollments(), [("vip", 1, Status::Exited), ("vip", 2, Status::Active)]);
    let ids: BTreeSet<&String> = world.memory.messages().map(|row| &row.message.id).collect();
    assert_eq!(ids.len(), 2, "the second run's messages are others");
}

/// It was already on its way when its flow left, and came back: it stays here.
#[test]
fn a_message_that_comes_back_after_its_flow_has_left_is_cancelled() {
    for lost in [true, false] {
        let mut world = World::new(
            &[("on", is("on", json!(true)))],
            &[campaign("vip", "on", Mode::Dynamic)],
            &[],
            &[("vip", mail)],
        );
        world.update(json!({"on": true}));
        world.drain(NOW);
        let row = world.memory.claim(NOW).expect("a message is due");
        world.update(json!({"on": false}));
        world.drain(NOW);
        match lost {
            true => world.memory.recover(NOW),
            false => world.memory.outcome(&row.message.id, row.attempt, &ledger::Outcome::Retry("busy".into()), NOW),
        }
        assert_eq!(world.messages(), [("mail", ledger::Status::Cancelled)], "lost: {lost}");
    }
    let mut world = World::new(&[], &[], &["confirm"], &[]);
    world.buy("o1", NOW, false);
    world.drain(NOW);
    let row = world.memory.claim(NOW).expect("a message is due");
    world.memory.erase("ada");
    world.memory.outcome(&row.message.id, row.attempt, &ledger::Outcome::Retry("busy".into()), NOW);
    assert_eq!(world.messages(), [("receipt", ledger::Status::Cancelled)]);
}

#[test]
fn an_excluded_segment_keeps_out_and_drives_out() {
    let segments = [("all", Expr::Everyone), ("off", is("on", json!(false)))];
    let mut vip = campaign("vip", "all", Mode::Dynamic);
    vip.exclude_segments = vec!["off".into()];
    let mut world = World::new(&segments, &[vip], &[], &[("vip", mail)]);
    world.update(json!({"on": false}));
    world.drain(NOW);
    assert_eq!(world.enrollments(), []);
    world.update(json!({"on": null}));
    world.drain(NOW);
    world.update(json!({"on": false}));
    let decision = world.step(NOW);
    assert_eq!(decision.cancel[0].1, "entered an excluded segment");
}

#[test]
fn a_campaign_that_was_removed_is_left() {
    let segments = [("all", Expr::Everyone), ("on", is("on", json!(true)))];
    let mut world = World::new(&segments, &[campaign("hello", "on", Mode::Static)], &[], &[("hello", mail)]);
    world.update(json!({"on": true}));
    world.drain(NOW);
    world.deploy(2, &segments[..1], &[], &[], &[]);
    assert_eq!(world.memory.busy(NOW), ["ada"], "a push is news for everybody");
    let decision = world.step(NOW);
    assert_eq!(decision.left, ["on"]);
    assert_eq!(decision.cancel[0].1, "the campaign was removed");
    assert_eq!(world.enrollments(), [("hello", 1, Status::Exited)]);
    assert_eq!(world.messages(), [("mail", ledger::Status::Cancelled)]);
    assert!(!world.memory.in_segment("ada", "on") && world.memory.in_segment("ada", "all"));
}

#[test]
fn a_new_campaign_enrols_who_is_there_and_an_old_one_does_not() {
    let segments = [("all", Expr::Everyone)];
    let old = campaign("old", "all", Mode::Dynamic);
    let mut world = World::new(&segments, std::slice::from_ref(&old), &[], &[("old", mail)]);
    world.update(json!({}));
    world.drain(NOW + DAY);
    world.drain(NOW + 2 * DAY);
    assert_eq!(world.enrollments(), [("old", 1, Status::Done)]);
    world.deploy(2, &segments, &[old, campaign("new", "all", Mode::Static)], &[], &[("old", mail), ("new", mail)]);
    world.drain(NOW + 2 * DAY);
    assert_eq!(world.enrollments(), [("new", 1, Status::Active), ("old", 1, Status::Done)]);
}

#[test]
fn time_alone_enters_and_leaves() {
    let recent = Expr::Measure { events: events(Some(7 * DAY)), measure: Measure::Count, is: Test::Ge(json!(1)) };
    let segments = [("recent", recent), ("quiet", quiet(30)), ("asleep", Expr::Segment("quiet".into()))];
    let mut world = World::new(&segments, &[campaign("winback", "asleep", Mode::Dynamic)], &[], &[("winback", mail)]);
    world.buy("o1", NOW, false);
    let first = world.step(NOW);
    assert_eq!(first.flips, [("recent".to_string(), Some(NOW + 7 * DAY)), ("quiet".to_string(), Some(NOW + 30 * DAY))]);
    assert_eq!(world.memory.busy(NOW + 7 * DAY - 1), [""; 0]);
    let second = world.step(NOW + 7 * DAY);
    assert_eq!(
        (second.left.as_slice(), second.flips.as_slice()),
        (&["recent".to_string()][..], &[("recent".into(), None)][..])
    );
    assert_eq!(second.seq, 1, "time is not a fact");
    let third = world.step(NOW + 30 * DAY);
    assert_eq!(third.entered, ["quiet", "asleep"]);
    assert_eq!(world.enrollments(), [("winback", 1, Status::Active)]);
}

/// Otherwise it would be due for ever, and found at every look.
#[test]
fn a_timer_of_a_segment_that_is_no_more_goes_with_the_next_step() {
    let mut world = World::new(&[("all", Expr::Everyone)], &[], &[], &[]);
    world.update(json!({}));
    world.drain(NOW);
    let (mut work, needs) = world.memory.load("ada", &[], NOW).expect("there");
    work.flips.insert("gone".into(), NOW);
    let none = |_: &str| Err(PluginError::Unavailable("no turn is due".into()));
    let decision = step(world.memory.project(), work, &needs, &none, NOW).expect("decided");
    assert_eq!(decision.flips, [("gone".to_string(), None)]);
}

#[test]
fn only_what_news_can_touch_is_loaded() {
    let segments = [("buyers", bought(1)), ("on", is("on", json!(true)))];
    let mut world = World::new(&segments, &[], &[], &[]);
    world.update(json!({}));
    world.drain(NOW);
    world.update(json!({"on": true}));
    let (work, needs) = world.memory.load("ada", &[], NOW).expect("there");
    assert_eq!((needs.segments.as_slice(), needs.events.len(), work.history.len()), (&[1][..], 0, 0));
}

/// Each undoes what the other does. Without an end it would go on for ever at one instant.
#[test]
fn two_campaigns_that_toggle_one_attribute_are_parked_with_their_story() {
    let segments = [("on", is("on", json!(true))), ("off", Expr::Not(Box::new(is("on", json!(true)))))];
    let campaigns = [campaign("on", "off", Mode::Dynamic), campaign("off", "on", Mode::Dynamic)];
    let mut world = World::new(&segments, &campaigns, &[], &[("on", turn_on), ("off", turn_off)]);
    world.update(json!({}));
    world.drain(NOW);
    let parked: Vec<_> = world.memory.enrollments().filter(|(_, e)| e.status == Status::Parked).collect();
    let [(_, parked)] = parked[..] else { panic!("{parked:?}") };
    assert!(
        parked.reason.as_deref().is_some_and(|r| r.contains("a campaign that undoes what this one does")),
        "{parked:?}"
    );
    assert_eq!(world.enrollments().len(), crate::enrollment::MAX_HOPS as usize + 1);
    assert_eq!(world.memory.busy(NOW), [""; 0], "and nothing loops hot");
    assert_eq!(world.memory.next_due(), None);
}

#[test]
fn a_turn_sees_what_the_one_before_it_has_changed() {
    fn reads(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let (_, user) = flow.user().await;
            flow.log(format!("{}", user["on"]));
        })
    }
    let campaigns = [campaign("a", "all", Mode::Static), campaign("b", "all", Mode::Static)];
    let mut world = World::new(&[("all", Expr::Everyone)], &campaigns, &[], &[("a", turn_on), ("b", reads)]);
    world.update(json!({"on": false}));
    let decision = world.step(NOW);
    assert_eq!(decision.logs, [("b".to_string(), "true".to_string())]);
    assert_eq!(decision.told, [(Told::Patch(object(json!({"on": true}))), 1)]);
    assert_eq!(world.memory.attributes("ada"), Some(&object(json!({"on": true}))));
    assert_eq!(world.memory.busy(NOW), ["ada"], "a patch is a fact of its own");
    assert_eq!(world.step(NOW).seq, 2);
}

#[test]
fn a_plugin_that_is_away_decides_nothing() {
    let mut world =
        World::new(&[("all", Expr::Everyone)], &[campaign("c", "all", Mode::Static)], &["confirm"], &[("c", mail)]);
    world.buy("o1", NOW, false);
    let away = PluginError::Unavailable("busy".into());
    assert_eq!(world.memory.drain(&|_| Err(away.clone()), NOW), Err(away));
    assert_eq!((world.enrollments(), world.messages()), (vec![], vec![]));
    world.drain(NOW);
    assert_eq!(world.messages().len(), 2);
}

#[test]
fn a_commit_refuses_what_was_decided_about_something_else() {
    let segments = [("on", is("on", json!(true)))];
    let campaigns = [campaign("vip", "on", Mode::Dynamic)];
    let fresh = || {
        let mut world = World::new(&segments, &campaigns, &[], &[("vip", mail)]);
        world.update(json!({"on": true}));
        let (work, needs) = world.memory.load("ada", &[], NOW).expect("there");
        let code = world.code.clone();
        let decision = step(world.memory.project(), work, &needs, &|_| Ok(code.clone()), NOW).expect("runs");
        (world, decision)
    };
    let refused = |mut world: World, decision: Decision, why: &str| {
        let before = (format!("{:?}", world.memory.load("ada", &[], NOW)), world.messages().len());
        assert!(!world.memory.commit(decision, NOW), "{why}");
        assert_eq!((format!("{:?}", world.memory.load("ada", &[], NOW)), world.messages().len()), before, "{why}");
    };
    let (mut world, decision) = fresh();
    assert!(world.memory.commit(decision.clone(), NOW));
    refused(world, decision, "a second time");
    let (mut world, decision) = fresh();
    world.memory.erase("ada");
    refused(world, decision, "the user is gone");
    let (mut world, decision) = fresh();
    world.memory.erase("ada");
    world.update(json!({"on": true}));
    refused(world, Decision { consumed: vec![], ..decision }, "another user of that name");
    let (mut world, decision) = fresh();
    world.deploy(2, &segments, &[], &[], &[]);
    refused(world, decision, "another generation");
    let (mut world, decision) = fresh();
    world.drain(NOW);
    refused(world, Decision { consumed: vec![], seq: 9, ..decision }, "an enrollment that has gone on");
}

/// Answers every purchase until two days are over.
fn hear(flow: Flow) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let mut days = flow.wait(2 * DAY);
        loop {
            let mut event = flow.wait_for("purchase", || None, None);
            let bought = std::future::poll_fn(|context| match Pin::new(&mut event).poll(context) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending => Pin::new(&mut days).poll(context).map(|_| false),
            });
            if !bought.await {
                return;
            }
            flow.send("mail", || Ok(Json("{}".into()))).await;
        }
    })
}

#[test]
fn late_facts_come_before_what_fell_due_after_them() {
    let segments = [("everyone", Expr::Everyone)];
    let mut world = World::new(&segments, &[campaign("hear", "everyone", Mode::Static)], &[], &[("hear", hear)]);
    world.update(json!({}));
    world.drain(NOW);
    for (id, at) in [("o1", NOW + DAY), ("o2", NOW + DAY + 1), ("o3", NOW + 3 * DAY)] {
        let event = EventFact { occurred_at: at, attributes: Object::new() };
        world.memory.emit("ada", id, "purchase", event, false, at);
    }
    world.drain(NOW + 4 * DAY);
    assert_eq!(world.messages().len(), 2, "both that were reported in time, and not the third");
    assert_eq!(world.enrollments(), [("hear", 1, Status::Done)]);
}
