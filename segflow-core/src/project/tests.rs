use segflow_protocol::{
    Argument, Beyond, Cap, Cond, Conversion, Daily, Event, Events, Guarantee, Measure, Mode, Provider, ProviderKind,
    Route, Segment, Test, Which,
};
use segflow_protocol::{TimeTest, Type, Window};
use serde_json::json;

use super::*;
use crate::eval::Reads;
use crate::memory::object;

fn on_attributes() -> Expr {
    Expr::User(Cond::At { path: vec!["a".into()], is: Test::Exists })
}

fn on_event(name: &str) -> Expr {
    let events = Events { name: name.into(), filter: None, within: None };
    Expr::Measure { events, measure: Measure::Count, is: Test::Ge(json!(1)) }
}

fn on(segment: &str) -> Expr {
    Expr::Not(Box::new(Expr::Segment(segment.into())))
}

fn segment(id: &str, expr: Expr) -> Segment {
    Segment { id: id.into(), rule: Rule::Expr(expr), every: None }
}

fn campaign(id: &str, segments: &[&str], exclude: &[&str]) -> Campaign {
    let ids = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    Campaign {
        id: id.into(),
        segments: ids(segments),
        exclude_segments: ids(exclude),
        mode: Mode::Dynamic,
        ..Campaign::default()
    }
}

fn template(id: &str, arguments: &[&str]) -> Template {
    let argument = |name: &&str| Argument { name: name.to_string(), ty: "Purchase".into() };
    Template { id: id.into(), arguments: arguments.iter().map(argument).collect(), content: String::new() }
}

fn transaction(id: &str, template: &str) -> Transaction {
    Transaction {
        id: id.into(),
        event: "purchase".into(),
        template: template.into(),
        argument: "order".into(),
        guarantee: Guarantee::AtLeastOnce,
        max_age: None,
    }
}

fn sound() -> Manifest {
    Manifest {
        name: "shop".into(),
        segments: vec![segment("buyers", on_event("purchase")), segment("others", on("buyers"))],
        campaigns: vec![campaign("winback", &["buyers"], &["others"])],
        transactions: vec![transaction("confirm", "order")],
        templates: vec![template("order", &["order"]), template("hello", &[])],
        events: vec![Event { name: "purchase".into(), fields: vec![] }],
        providers: vec![Provider {
            id: "main".into(),
            kind: ProviderKind::Capture,
            route: Route::default(),
            webhook: None,
            replies: None,
        }],
        ..Manifest::default()
    }
}

fn found(manifest: &Manifest) -> Vec<(String, String)> {
    check(manifest).into_iter().map(|p| (p.code, p.place.unwrap_or_default())).collect()
}

/// The one problem that a change makes, and what its message says.
#[track_caller]
fn problem(change: impl FnOnce(&mut Manifest), code: &str, place: &str, says: &str) {
    let mut manifest = sound();
    change(&mut manifest);
    assert_eq!(found(&manifest), [(code.to_string(), place.to_string())]);
    let message = &check(&manifest)[0].message;
    assert!(message.contains(says), "{message}");
}

#[test]
fn nothing_is_wrong_with_a_sound_manifest() {
    assert_eq!(check(&sound()), []);
    assert_eq!(check(&Manifest::default()), []);
}

#[test]
fn every_problem_is_found_and_names_its_place() {
    problem(|m| m.segments.push(segment("buyers", Expr::Everyone)), "duplicate_id", "segment buyers", "two segments");
    problem(
        |m| m.campaigns.push(campaign("winback", &["buyers"], &[])),
        "duplicate_id",
        "campaign winback",
        "`winback`",
    );
    problem(|m| m.transactions.push(transaction("confirm", "order")), "duplicate_id", "transaction confirm", "own");
    problem(|m| m.templates.push(template("hello", &[])), "duplicate_id", "template hello", "two templates");
    problem(|m| m.events.push(m.events[0].clone()), "duplicate_id", "event purchase", "two events");
    problem(|m| m.providers.push(m.providers[0].clone()), "duplicate_id", "provider main", "two providers");
    problem(|m| m.providers[0].route.weight = 0, "bad_route", "provider main", "a weight is 1 or more");
    problem(|m| m.providers[0].route.per_second = Some(0), "bad_route", "provider main", "`.per_second(0)`");
    problem(|m| m.providers[0].route.per_day = Some(0), "bad_route", "provider main", "`.per_day(0)`");
    let none = || ProviderKind::Smtp { url: "SMTP_URL".into(), dkim: None, connections: Some(0) };
    problem(|m| m.providers[0].kind = none(), "bad_route", "provider main", "`.connections(0)`");
    let cap = Cap { messages: 0, per: 1, beyond: Beyond::Wait };
    problem(|m| m.caps.push(cap), "bad_cap", "project", "of 0 messages");
    problem(|m| m.windows.push(Window::default()), "bad_window", "project", "ends when it begins");
    problem(
        |m| m.campaigns[0].windows.push(Window::default()),
        "bad_window",
        "campaign winback",
        "ends when it begins",
    );
    problem(
        |m| {
            m.windows.push(Window { from: 0, to: 720, ..Window::default() });
            m.campaigns[0].windows.push(Window { from: 720, to: 0, ..Window::default() });
        },
        "bad_window",
        "campaign winback",
        "nothing would ever be sent",
    );
    let daily = Some(Daily { messages: 0, zone: None });
    problem(|m| m.campaigns[0].per_day = daily, "bad_limit", "campaign winback", "`.per_day(0)`");
    problem(|m| m.campaigns[0].max_age = Some(0), "bad_limit", "campaign winback", "`.max_age(…)`");
    let conversion =
        |name: &str, within| Conversion { on: Trigger::Event { name: name.into(), filter: None }, within, value: None };
    let none = conversion("purchase", 0);
    problem(|m| m.campaigns[0].conversions.push(none), "bad_limit", "campaign winback", "within no time");
    let unknown = conversion("purchases", 1);
    problem(|m| m.campaigns[0].conversions.push(unknown), "unknown_event", "campaign winback", "`purchase`?");
    problem(|m| m.segments.push(segment(" ", Expr::Everyone)), "empty_id", "segment  ", "needs an id");
    let long = "é".repeat(128);
    let place = format!("template {long}");
    problem(|m| m.templates.push(template(&long, &[])), "long_id", &place, "255 bytes");
    problem(|m| m.campaigns[0].segments.clear(), "no_segment", "campaign winback", "`.enters(…)`");
    let say = "there is no segment `buyer`; did you mean `buyers`?";
    problem(|m| m.campaigns[0].segments = vec!["buyer".into()], "unknown_segment", "campaign winback", say);
    problem(
        |m| m.campaigns[0].exclude_segments = vec!["xyz".into()],
        "unknown_segment",
        "campaign winback",
        "no segment `xyz`",
    );
    problem(|m| m.segments[1] = segment("others", on("buyer")), "unknown_segment", "segment others", say);
    problem(
        |m| m.campaigns[0].exclude_segments = vec!["buyers".into()],
        "nobody",
        "campaign winback",
        "nobody ever enters",
    );
    let say = "there is no template `ordr`; did you mean `order`?";
    problem(|m| m.transactions[0].template = "ordr".into(), "unknown_template", "transaction confirm", say);
    problem(|m| m.transactions[0].template = "hello".into(), "wrong_argument", "transaction confirm", "`order`");
    problem(|m| m.transactions[0].argument = "x".into(), "wrong_argument", "transaction confirm", "`x`");
    problem(
        |m| m.templates[0] = template("order", &["order", "more"]),
        "wrong_argument",
        "transaction confirm",
        "one argument",
    );
    let deep = |n| (0..n).fold(Expr::Everyone, |expr, _| Expr::All(vec![Expr::Not(Box::new(expr))]));
    problem(|m| m.segments.push(segment("deep", deep(50))), "too_deep", "segment deep", "100");
    let mut fits = sound();
    fits.segments.push(segment("deep", deep(49)));
    assert_eq!(check(&fits), []);
    let say = "depend on one another: a, b, c";
    let cycle = [segment("a", on("b")), segment("b", on("c")), segment("c", on("a"))];
    problem(|m| m.segments.extend(cycle), "cycle", "segment a", say);
    problem(|m| m.segments.push(segment("me", on("me"))), "cycle", "segment me", "me");
}

#[test]
fn all_problems_come_at_once_after_those_of_the_sdk() {
    let mut manifest = sound();
    manifest.problems.push(Problem { code: "sdk".into(), message: "found by the SDK".into(), place: None });
    manifest.campaigns[0].segments.clear();
    manifest.transactions[0].template = "xyz".into();
    manifest.segments[1] = segment("others", on("nobody"));
    let codes: Vec<String> = found(&manifest).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["sdk", "no_segment", "unknown_template", "unknown_segment"]);
}

#[test]
fn a_touch_finds_what_it_can_change_in_the_order_of_dependency() {
    let manifest = Manifest {
        segments: vec![
            segment("top", Expr::All(vec![on("middle"), on_event("login")])),
            segment("middle", Expr::Any(vec![on("bottom"), on_attributes()])),
            segment("bottom", on_event("purchase")),
            segment("all", Expr::Everyone),
            Segment { id: "raw".into(), rule: Rule::Sql("SELECT id FROM users".into()), every: None },
        ],
        ..Manifest::default()
    };
    let project = Project::new("dep1", 1, manifest, BTreeMap::new(), 0);
    let touched = |touches: &[Touch<'_>]| -> Vec<&str> {
        project.touched(touches).into_iter().map(|index| project.manifest.segments[index].id.as_str()).collect()
    };
    let all = touched(&[Touch::All]);
    assert_eq!(all.len(), 5);
    let position = |id| all.iter().position(|x| *x == id).expect("touched");
    assert!(position("bottom") < position("middle") && position("middle") < position("top"), "{all:?}");
    assert_eq!(touched(&[Touch::Attributes(None)]), ["raw", "middle", "top"]);
    assert_eq!(touched(&[Touch::Event("purchase")]), ["bottom", "raw", "middle", "top"]);
    assert_eq!(touched(&[Touch::Event("login")]), ["raw", "top"]);
    assert_eq!(touched(&[Touch::Segment("bottom")]), ["bottom", "middle", "top"]);
    assert_eq!(touched(&[Touch::Segment("top"), Touch::Segment("gone")]), ["top"]);
    assert_eq!(touched(&[]), [""; 0]);
    let middle = project.manifest.segments.iter().position(|s| s.id == "middle").expect("there");
    let on = project.depends_on(middle);
    let nothing = Dependencies::default();
    assert_eq!((&on.events, on.clock, on.segments.contains("bottom")), (&nothing.events, false, true));
    assert_ne!(on.attributes, nothing.attributes);
}

#[test]
fn whoever_was_held_against_an_earlier_project_is_held_against_what_differs() {
    let earlier = Manifest {
        segments: vec![
            segment("same", on_attributes()),
            segment("other", on_event("purchase")),
            segment("above", Expr::All(vec![on("other")])),
            segment("bought", on_event("order")),
            segment("gone", Expr::Everyone),
        ],
        events: vec![Event { name: "order".into(), fields: vec![] }],
        ..Manifest::default()
    };
    let mut manifest = earlier.clone();
    manifest.segments[1] = segment("other", on_event("login"));
    manifest.segments[4] = segment("new", Expr::Everyone);
    let project =
        |manifest: &Manifest| Project::new("dep", 5, manifest.clone(), BTreeMap::new(), 0).with_earlier(4, &earlier);
    let since = |project: &Project, generation| -> Vec<String> {
        let all = project.touched(&project.touches_since(generation));
        all.into_iter().map(|index| project.manifest.segments[index].id.clone()).collect()
    };
    assert_eq!(since(&project(&manifest), 4), ["other", "above", "new"]);
    assert_eq!(since(&project(&manifest), 3).len(), 5, "nothing is known of that one");
    assert_eq!(since(&project(&manifest), 5), [""; 0]);
    assert_eq!(since(&project(&earlier), 4), [""; 0]);
    let value = Field { name: "value".into(), ty: Type::Number, required: false, default: Some(json!(1)) };
    manifest.events[0].fields.push(value);
    assert_eq!(
        since(&project(&manifest), 4),
        ["other", "above", "bought", "new"],
        "a default is part of what is asked"
    );
}

#[test]
fn a_change_touches_what_reads_its_place_and_nothing_else() {
    let at =
        |path: &[&str]| Expr::User(Cond::At { path: path.iter().map(ToString::to_string).collect(), is: Test::Exists });
    let sql = |id: &str| Segment { id: id.into(), rule: Rule::Sql(id.into()), every: None };
    let manifest = Manifest {
        segments: vec![
            segment("plan", at(&["plan"])),
            segment("city", Expr::Not(Box::new(at(&["address", "city"])))),
            segment("bought", on_event("purchase")),
            sql("of one"),
            sql("of all"),
        ],
        ..Manifest::default()
    };
    let project = Project::new("dep1", 1, manifest, BTreeMap::new(), 0).with_sql(|sql| Dependencies {
        attributes: Reads::Only([vec!["beta".to_string()]].into()),
        other_users: sql == "of all",
        ..Dependencies::default()
    });
    let touched = |places: &[&[&str]]| -> Vec<&str> {
        let places: Vec<Path> = places.iter().map(|p| p.iter().map(ToString::to_string).collect()).collect();
        let all = project.touched(&[Touch::Attributes(Some(&places))]);
        all.into_iter().map(|index| project.manifest.segments[index].id.as_str()).collect()
    };
    assert_eq!(touched(&[]), [""; 0]);
    assert_eq!(touched(&[&["plan"]]), ["plan"]);
    assert_eq!(touched(&[&["address", "zip"]]), [""; 0]);
    assert_eq!(touched(&[&["address", "city"]]), ["city"]);
    assert_eq!(touched(&[&["address"], &["plan", "name"]]), ["plan", "city"], "above and below what is read");
    assert_eq!(touched(&[&["beta"]]), ["of one"]);
    assert_eq!(project.touched(&[Touch::Segment("of all")]).len(), 1);
}

#[test]
fn the_time_of_an_event_is_a_dependency_too() {
    let events = Events { name: "login".into(), filter: None, within: Some(1) };
    let expr = Expr::When { events, which: Which::Last, is: TimeTest::OlderThan(1), or_never: true };
    assert!(dependencies(&expr).reads_event("login"));
}

#[test]
fn who_belongs_is_in_all_and_excluded_by_none() {
    let campaign = campaign("c", &["a", "b"], &["x", "y"]);
    let of = |members: &[&str]| belongs(&campaign, |id| members.contains(&id));
    assert!(of(&["a", "b"]));
    assert!(!of(&["a"]));
    assert!(!of(&["a", "b", "y"]));
    assert!(of(&["a", "b", "z"]));
}

#[test]
fn a_flow_sees_what_is_declared_and_there() {
    let field = |name: &str| Field { name: name.into(), ty: Type::Any, required: true, default: Some(json!(1)) };
    let seen = declared(&[field("a"), field("b")], &object(json!({"a": null, "secret": 1})));
    assert_eq!(seen, object(json!({"a": null})));
}

#[test]
fn distances_of_words() {
    for (a, b, far) in [("", "", 0), ("abc", "", 3), ("buyer", "buyers", 1), ("kitten", "sitting", 3), ("é", "e", 1)] {
        assert_eq!((distance(a, b), distance(b, a)), (far, far), "{a} {b}");
    }
}
