use std::collections::BTreeMap;

use proptest::prelude::*;
use segflow_protocol::{Cond, Events, Expr, Field, Measure, Test, TimeTest, Type, Which};
use serde_json::{Value, json};

use super::*;

#[derive(Default)]
pub(super) struct World {
    pub attributes: Object,
    pub events: BTreeMap<String, Vec<EventFact>>,
    pub segments: Vec<String>,
    pub fields: Vec<Field>,
    pub now: i64,
}

impl Facts for World {
    fn attributes(&self) -> &Object {
        &self.attributes
    }
    fn history(&self, of: Of<'_>) -> History<'_> {
        History::full(self.events.get(&of.events.name).map_or(&[], Vec::as_slice))
    }
    fn in_segment(&self, id: &str) -> bool {
        self.segments.iter().any(|s| s == id)
    }
    fn user_fields(&self) -> &[Field] {
        &self.fields
    }
    fn event_fields(&self, _: &str) -> &[Field] {
        &[]
    }
    fn now(&self) -> i64 {
        self.now
    }
}

fn at(path: &[&str], is: Test) -> Cond {
    Cond::At { path: path.iter().map(ToString::to_string).collect(), is }
}

#[test]
fn paths_go_through_objects_and_defaults_stand_in() {
    let mut world = World {
        attributes: json!({"address": {"city": "Ulm"}, "list": [1]}).as_object().expect("object").clone(),
        fields: vec![Field { name: "winback".into(), ty: Type::Bool, required: false, default: Some(json!(false)) }],
        ..World::default()
    };
    let holds = |world: &World, path: &[&str], is: Test| evaluate(&Expr::User(at(path, is)), world).holds;
    assert!(holds(&world, &["address", "city"], Test::Eq(json!("Ulm"))));
    assert!(!holds(&world, &["address", "city", "zip"], Test::Exists));
    assert!(!holds(&world, &["list", "0"], Test::Exists));
    assert!(holds(&world, &["winback"], Test::Eq(json!(false))));
    world.attributes.insert("winback".into(), Value::Null);
    assert!(holds(&world, &["winback"], Test::Eq(json!(false))));
    world.attributes.insert("winback".into(), json!(true));
    assert!(!holds(&world, &["winback"], Test::Eq(json!(false))));
}

fn purchases(within: Option<i64>) -> Events {
    Events { name: "purchase".into(), filter: None, within }
}

fn bought(times_and_values: &[(i64, Value)]) -> BTreeMap<String, Vec<EventFact>> {
    let facts = times_and_values.iter().map(|(occurred_at, value)| EventFact {
        occurred_at: *occurred_at,
        attributes: Object::from_iter([("value".to_string(), value.clone())]),
    });
    BTreeMap::from([("purchase".to_string(), facts.collect())])
}

#[test]
fn measures_of_none_some_and_wrong_types() {
    let value = || vec!["value".to_string()];
    let measure = |events: &[(i64, Value)], measure: Measure, is: Test| {
        let world = World { events: bought(events), now: 100, ..World::default() };
        evaluate(&Expr::Measure { events: purchases(None), measure, is }, &world).holds
    };
    assert!(measure(&[], Measure::Count, Test::Eq(json!(0))));
    assert!(measure(&[], Measure::Sum(value()), Test::Eq(json!(0))));
    assert!(!measure(&[], Measure::Min(value()), Test::Ge(json!(i64::MIN))));
    assert!(!measure(&[], Measure::Max(value()), Test::Exists));
    let mixed = [(1, json!(10)), (2, json!("20")), (3, json!(0.5)), (4, Value::Null)];
    assert!(measure(&mixed, Measure::Count, Test::Eq(json!(4))));
    assert!(measure(&mixed, Measure::Sum(value()), Test::Eq(json!(10.5))));
    assert!(measure(&mixed, Measure::Min(value()), Test::Eq(json!(0.5))));
    assert!(measure(&mixed, Measure::Max(value()), Test::Eq(json!(10))));
    let cents: Vec<_> = (0..10).map(|i| (i, json!(0.1))).collect();
    assert!(measure(&cents, Measure::Sum(value()), Test::Eq(json!(1.0))));
    assert!(measure(&[(1, json!(1e308)), (2, json!(1e308))], Measure::Sum(value()), Test::Gt(json!(1e307))));
}

#[test]
fn a_window_ends_exactly_and_says_when() {
    let count = |now| {
        let world = World { events: bought(&[(100, json!(1))]), now, ..World::default() };
        let is = Test::Ge(json!(1));
        evaluate(&Expr::Measure { events: purchases(Some(30)), measure: Measure::Count, is }, &world)
    };
    assert_eq!(count(99), Verdict { holds: false, flip: Some(100) }, "the future has not happened, and flips");
    assert_eq!(count(100), Verdict { holds: true, flip: Some(130) });
    assert_eq!(count(129), Verdict { holds: true, flip: Some(130) });
    assert_eq!(count(130), Verdict { holds: false, flip: None });
}

#[test]
fn older_than_never_and_or_never() {
    let when = |events: &[(i64, Value)], now, is, or_never| {
        let world = World { events: bought(events), now, ..World::default() };
        evaluate(&Expr::When { events: purchases(None), which: Which::Last, is, or_never }, &world)
    };
    let older = TimeTest::OlderThan(30);
    assert_eq!(when(&[], 0, older, false), Verdict { holds: false, flip: None });
    assert_eq!(when(&[], 0, older, true), Verdict { holds: true, flip: None });
    let two = [(100, json!(1)), (110, json!(1))];
    assert_eq!(when(&two, 139, older, false), Verdict { holds: false, flip: Some(140) });
    assert_eq!(when(&two, 140, older, false), Verdict { holds: true, flip: None });
    assert_eq!(when(&two, 139, TimeTest::Within(30), false), Verdict { holds: true, flip: Some(140) });
    assert_eq!(when(&two, 140, TimeTest::Within(30), false), Verdict { holds: false, flip: None });
    assert_eq!(when(&two, 105, older, false), Verdict { holds: false, flip: Some(110) });
}

fn small_expr() -> impl Strategy<Value = Expr> {
    let events = (prop::option::of(1i64..50)).prop_map(purchases);
    let leaf = prop_oneof![
        (events.clone(), 0i64..4).prop_map(|(events, n)| Expr::Measure {
            events,
            measure: Measure::Count,
            is: Test::Ge(json!(n))
        }),
        (events.clone(), 0i64..40).prop_map(|(events, n)| Expr::Measure {
            events,
            measure: Measure::Sum(vec!["value".into()]),
            is: Test::Gt(json!(n))
        }),
        (events, any::<bool>(), any::<bool>(), any::<bool>(), 0i64..50).prop_map(
            |(events, first, older, or_never, d)| {
                Expr::When {
                    events,
                    which: if first { Which::First } else { Which::Last },
                    is: if older { TimeTest::OlderThan(d) } else { TimeTest::Within(d) },
                    or_never,
                }
            }
        ),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expr::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expr::Any),
            inner.prop_map(|e| Expr::Not(Box::new(e))),
        ]
    })
}

proptest! {
    /// Time alone changes a verdict only at a flip that was announced.
    #[test]
    fn no_verdict_changes_before_its_flip(
        expr in small_expr(),
        events in prop::collection::vec((0i64..100, (0i64..20).prop_map(Value::from)), 0..5),
    ) {
        let mut world = World { events: bought(&events), ..World::default() };
        let mut last = evaluate(&expr, &world);
        for now in 1..200 {
            world.now = now;
            let next = evaluate(&expr, &world);
            if last.flip.is_none_or(|flip| flip > now) {
                prop_assert_eq!(next.holds, last.holds, "at {}", now);
                prop_assert_eq!(next.flip, last.flip, "at {}", now);
            }
            prop_assert!(next.flip.is_none_or(|flip| flip > now));
            last = next;
        }
    }
}

#[test]
fn a_verdict_is_explained_part_by_part() {
    let spent = Expr::Measure {
        events: Events { filter: Some(at(&["value"], Test::Gt(json!(5)))), ..purchases(Some(90 * 86_400_000)) },
        measure: Measure::Sum(vec!["value".into()]),
        is: Test::Gt(json!(1000)),
    };
    let quiet = Expr::When {
        events: Events { name: "login".into(), filter: None, within: None },
        which: Which::Last,
        is: TimeTest::OlderThan(30 * 86_400_000),
        or_never: true,
    };
    let plan = Expr::User(Cond::All(vec![at(&["plan"], Test::Eq(json!("free"))), at(&["a", "b"], Test::Exists)]));
    let beta = Expr::Not(Box::new(Expr::Segment("beta".into())));
    let expr = Expr::All(vec![spent, Expr::Any(vec![quiet, beta]), plan]);
    assert_eq!(
        rule(&expr),
        "sum of value over purchase with value > 5 in the last 90 days > 1000 and (the last login was 30 days ago or longer, or never \
         or not (in segment beta)) and (plan = \"free\" and a.b is there)"
    );
    let world = World {
        attributes: json!({"a": {}}).as_object().expect("object").clone(),
        events: bought(&[(1, json!(400)), (3, json!(12.5)), (2, json!(1))]),
        fields: vec![Field { name: "plan".into(), ty: Type::String, required: false, default: Some(json!("free")) }],
        segments: vec!["beta".into()],
        now: 100,
    };
    let explained = explain(&expr, &world);
    fn lines(explained: &Explained, depth: usize, into: &mut Vec<String>) {
        let mark = if explained.holds { '+' } else { '-' };
        let because = explained.because.as_ref().map_or(String::new(), |because| format!(": {because}"));
        into.push(format!("{}{mark} {}{because}", "  ".repeat(depth), explained.says));
        explained.parts.iter().for_each(|part| lines(part, depth + 1, into));
    }
    let mut all = vec![];
    lines(&explained, 0, &mut all);
    assert_eq!(
        all,
        [
            "- all of",
            "  - sum of value over purchase with value > 5 in the last 90 days > 1000: it is 412.5, over 2 events",
            "  + one of",
            "    + the last login was 30 days ago or longer, or never: it never happened",
            "    - not",
            "      + in segment beta: a member of beta",
            "  - all of",
            "    + plan = \"free\": plan is missing, and counts as \"free\"",
            "    - a.b is there: a.b is missing",
        ]
    );
    let newest: Vec<i64> = explained.parts[0].events.iter().map(|event| event.occurred_at).collect();
    assert_eq!(newest, [3, 1], "the newest first, and none that the filter keeps out");
}

#[test]
fn who_is_far_from_a_number_needs_no_timer() {
    let value = || vec!["value".to_string()];
    let timer = |values: &[i64], measure: Measure, is: Test| {
        let events: Vec<(i64, Value)> = values.iter().map(|value| (100, Value::from(*value))).collect();
        let world = World { events: bought(&events), now: 110, ..World::default() };
        let verdict = evaluate(&Expr::Measure { events: purchases(Some(30)), measure, is }, &world);
        (verdict.holds, verdict.flip.is_some())
    };
    assert_eq!(timer(&[1, 1], Measure::Count, Test::Ge(json!(3))), (false, false), "no more of them come by leaving");
    assert_eq!(timer(&[1, 1], Measure::Count, Test::Ge(json!(2))), (true, true));
    assert_eq!(timer(&[1, 1], Measure::Count, Test::Lt(json!(3))), (true, false));
    assert_eq!(timer(&[1, 1], Measure::Count, Test::Lt(json!(2))), (false, true));
    assert_eq!(timer(&[5, 2], Measure::Sum(value()), Test::Gt(json!(7))), (false, false));
    assert_eq!(timer(&[5, -2], Measure::Sum(value()), Test::Gt(json!(4))), (false, true), "what is owed leaves, too");
    assert_eq!(timer(&[-5, -2], Measure::Sum(value()), Test::Lt(json!(-9))), (false, false));
    assert_eq!(timer(&[5, 2], Measure::Max(value()), Test::Gt(json!(7))), (false, false));
    assert_eq!(timer(&[5, 2], Measure::Max(value()), Test::Lt(json!(7))), (true, true), "of none there is no largest");
    assert_eq!(timer(&[5, 2], Measure::Min(value()), Test::Lt(json!(2))), (false, false));
    assert_eq!(timer(&[5, 2], Measure::Count, Test::Eq(json!(7))), (false, true), "nobody looks so closely");
}
