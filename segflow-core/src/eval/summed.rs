//! What is summed up gives the verdicts, and the next flips, that the events give one by one.

use proptest::prelude::*;
use segflow_protocol::{Cond, Events, Expr, Field, Measure, Test, TimeTest, Type, Which};
use serde_json::{Value, json};

use super::stretch::Stretch;
use super::*;

/// The events of one name: the older ones in stretches, the others apart.
struct World {
    now: i64,
    layout: Layout,
    stretches: Vec<Stretch>,
    apart: Vec<EventFact>,
    fields: Vec<Field>,
    nothing: Object,
}

impl World {
    /// In stretches of at most so many, all but about as many as are said to be new.
    fn new(expr: &Expr, mut events: Vec<EventFact>, most: usize, new: usize, now: i64) -> World {
        let default = Some(json!(7));
        let fields = vec![Field { name: "v".into(), ty: Type::Any, required: false, default }];
        let layout = Layout::new(&asked(expr), &fields);
        events.sort_by_key(|event| event.occurred_at);
        let new = events.split_off(apart(&events, new));
        let ends = new.first().map_or(i64::MAX, |event| event.occurred_at);
        let bounds = layout.bounds(now);
        let stored = |stretch: Stretch| {
            let (tallies, one_by_one) = stretch.bytes();
            let one_by_one = stretch.holds_one_of(&bounds).then_some(one_by_one.as_slice());
            Stretch::read(stretch.starts, stretch.ends, stretch.events, &tallies, one_by_one).expect("read back")
        };
        let stretches = layout.sum_up(i64::MIN, ends, &events, most, &fields);
        assert_eq!(stretches.iter().map(|stretch| stretch.events).sum::<usize>(), events.len());
        World {
            now,
            stretches: stretches.into_iter().map(stored).collect(),
            layout,
            apart: new,
            fields,
            nothing: Object::new(),
        }
    }
}

impl Facts for World {
    fn attributes(&self) -> &Object {
        &self.nothing
    }
    fn history(&self, of: Of<'_>) -> History<'_> {
        assert!(self.layout.answers(of), "{of:?}");
        History { events: &self.apart, summed: Some((&self.layout, &self.stretches)) }
    }
    fn in_segment(&self, _: &str) -> bool {
        false
    }
    fn user_fields(&self) -> &[Field] {
        &[]
    }
    fn event_fields(&self, _: &str) -> &[Field] {
        &self.fields
    }
    fn now(&self) -> i64 {
        self.now
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-20i64..20).prop_map(Value::from),
        2 => (-2_000i64..2_000).prop_map(|n| json!(n as f64 / 100.0)),
        1 => prop::sample::select(vec![
            Value::Null, json!("7"), json!(true), json!([1]), json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(-1e300),
            json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0),
        ]),
    ]
}

fn events() -> impl Strategy<Value = Vec<EventFact>> {
    let event = (0i64..100, prop::option::of(value()), prop::option::of(value())).prop_map(|(occurred_at, v, w)| {
        let values = [("v", v), ("w", w)].into_iter().filter_map(|(key, value)| Some((key.to_string(), value?)));
        EventFact { occurred_at, attributes: values.collect() }
    });
    prop::collection::vec(event, 0..40)
}

fn leaf() -> impl Strategy<Value = Expr> {
    let key = || prop::sample::select(vec!["v", "w"]).prop_map(|key| vec![key.to_string()]);
    let filter = move || {
        (key(), value(), any::<bool>())
            .prop_map(|(path, x, greater)| Cond::At { path, is: if greater { Test::Gt(x) } else { Test::Ne(x) } })
    };
    let events = move || {
        (prop::option::of(filter()), prop::option::of(0i64..120)).prop_map(|(filter, within)| Events {
            name: "e".into(),
            filter,
            within,
        })
    };
    let measure = prop_oneof![
        Just(Measure::Count),
        key().prop_map(Measure::Sum),
        key().prop_map(Measure::Min),
        key().prop_map(Measure::Max),
    ];
    let is = (0u8..4, value()).prop_map(|(kind, x)| match kind {
        0 => Test::Ge(x),
        1 => Test::Lt(x),
        2 => Test::Eq(x),
        _ => Test::Exists,
    });
    prop_oneof![
        3 => (events(), measure, is).prop_map(|(events, measure, is)| Expr::Measure { events, measure, is }),
        1 => (events(), any::<bool>(), any::<bool>(), any::<bool>(), 0i64..120).prop_map(
            |(events, first, older, or_never, age)| Expr::When {
                events,
                which: if first { Which::First } else { Which::Last },
                is: if older { TimeTest::OlderThan(age) } else { TimeTest::Within(age) },
                or_never,
            }
        ),
    ]
}

proptest! {
    #[test]
    fn verdicts_and_flips_are_those_of_the_events_one_by_one(
        parts in prop::collection::vec(leaf(), 1..4),
        events in events(),
        most in 1usize..12,
        new in 0usize..12,
    ) {
        let expr = Expr::All(parts.clone());
        for now in [-1, 0, 30, 50, 99, 100, 170] {
            let full = World::new(&expr, events.clone(), 1, events.len(), now);
            let summed = World::new(&expr, events.clone(), most, new, now);
            prop_assert!(full.stretches.is_empty());
            for part in &parts {
                prop_assert_eq!(evaluate(part, &full), evaluate(part, &summed), "at {}: {:?}", now, part);
                if let Expr::Measure { events, measure, .. } = part {
                    let of = |world: &World| number(events, measure, world).map(|n| n.to_string());
                    prop_assert_eq!(of(&full).map(float), of(&summed).map(float), "at {}: {:?}", now, part);
                }
            }
        }
    }
}

proptest! {
    /// As time goes on, whatever is asked and however the numbers are.
    #[test]
    fn no_verdict_changes_but_at_its_flip(part in leaf(), events in events()) {
        let at = |now| evaluate(&part, &World::new(&part, events.clone(), 1, events.len(), now));
        let mut last = at(-1);
        for now in 0..230 {
            let next = at(now);
            if last.flip.is_none_or(|flip| flip > now) {
                prop_assert_eq!(next, last, "at {}: {:?}", now, part);
            }
            last = next;
        }
        prop_assert_eq!(last.flip, None);
    }
}

/// The smallest of 1 and 1.0 is either.
fn float(number: String) -> f64 {
    number.parse().expect("a number")
}

#[test]
fn a_layout_does_not_depend_on_how_it_is_asked_for() {
    let of = |filter: Option<i64>, path: Option<&str>, within| Asked {
        events: Events {
            name: "e".into(),
            filter: filter.map(|x| Cond::At { path: vec!["v".into()], is: Test::Gt(json!(x)) }),
            within,
        },
        path: path.map(|path| vec![path.to_string()]),
    };
    let all =
        [of(None, Some("v"), None), of(Some(1), None, Some(5)), of(Some(2), Some("w"), None), of(None, None, None)];
    let layout = Layout::new(&all, &[]);
    let turned: Vec<Asked> = all.iter().rev().chain(&all).cloned().collect();
    assert_eq!(Layout::new(&turned, &[]), layout);
    assert!(all.iter().all(|asked| layout.answers(asked.of())));
    for other in [of(None, Some("w"), None), of(Some(1), Some("v"), None), of(Some(3), None, None)] {
        assert!(!layout.answers(other.of()), "{other:?}");
        assert_ne!(Layout::new(all.iter().chain([&other]), &[]).key, layout.key);
    }
    let wider = of(Some(1), None, Some(6));
    assert!(!layout.answers(wider.of()), "its window has not been loaded for");
    let widened = layout.with_windows([&wider].into_iter());
    assert!(widened.answers(wider.of()) && widened.key == layout.key);
    let field = Field { name: "v".into(), ty: Type::Any, required: false, default: Some(json!(1)) };
    assert_ne!(Layout::new(&all, &[field]).key, layout.key, "a default is a value");
}

#[test]
fn stretches_are_of_about_equal_size_and_part_no_instant() {
    let at = |times: &[i64], most: usize| {
        let event = |occurred_at: &i64| EventFact { occurred_at: *occurred_at, attributes: Object::new() };
        let events: Vec<EventFact> = times.iter().map(event).collect();
        let stretches = Layout::new(&[] as &[Asked], &[]).sum_up(0, 100, &events, most, &[]);
        stretches.iter().map(|s| (s.starts, s.ends, s.events)).collect::<Vec<_>>()
    };
    assert_eq!(at(&[], 2), []);
    assert_eq!(at(&[1, 2, 3], 3), [(0, 100, 3)]);
    assert_eq!(at(&[1, 2, 3, 4, 5], 4), [(0, 3, 2), (3, 100, 3)]);
    assert_eq!(at(&[1, 5, 5, 5, 5, 9], 2), [(0, 9, 5), (9, 100, 1)]);
    assert_eq!(at(&[7; 9], 2), [(0, 100, 9)]);
}
